"""The trained parts put together: the network that is exported."""

from partgate.data.folder import LabelledFolder
from partgate.models.calibration import CalibratedProbabilities
from partgate.models.classifier import Classifier, Eye
from partgate.training.calibration import Calibration
from partgate.training.config import TrainingConfig
from partgate.training.look import Backbone
from partgate.training.tuning import Choice
from partgate.training.views import clean_views


def make_classifier(
    backbone: Backbone, choice: Choice, calibration: Calibration, folder: LabelledFolder, config: TrainingConfig
) -> Classifier:
    """Return the network of a choice, calibrated, over the views that are averaged."""
    views = clean_views(config.flips) if config.average_flips else clean_views(())
    return Classifier(
        Eye(backbone.spec),
        choice.parts.trunk,
        choice.branches,
        [share / calibration.temperature for share in choice.mix],
        calibration.shift,
        CalibratedProbabilities(calibration.knots, calibration.good, len(folder.classes)),
        [view.axes for view in views],
    )
