"""Is this picture usable: does it look, as a picture, like those that the model was trained on?

A covered lens, a lamp that failed, a lens out of focus, another camera: the model would still give a score. Such
pictures are not judged, and what changes slowly is warned of before it comes to that.
"""

from partgate.picture_check.limits import (
    PictureLimits,
    check_picture,
    find_faults,
    find_picture_faults,
    learn_limits,
)
from partgate.picture_check.measures import Measures, measure

__all__ = [
    "Measures",
    "PictureLimits",
    "check_picture",
    "find_faults",
    "find_picture_faults",
    "learn_limits",
    "measure",
]
