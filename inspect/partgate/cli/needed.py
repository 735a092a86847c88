"""Libraries that only learning needs: a line PC does without them, and is told so before anything is read."""

from importlib.util import find_spec

from partgate.errors import TrainingError


def require(what: str, *libraries: str) -> None:
    """Let pass only a machine that has these libraries; none of them is imported.

    Args:
        what: What needs them, as the message begins.
        libraries: Names as they are imported.

    Raises:
        TrainingError: If one is missing.

    Example:
        >>> require("counting", "math")
        >>> require("magic", "wand", "math")
        Traceback (most recent call last):
        partgate.errors.TrainingError: magic needs wand; pip install 'partgate[train]'
    """
    missing = [name for name in libraries if find_spec(name) is None]
    if missing:
        raise TrainingError(f"{what} needs {', '.join(missing)}; pip install 'partgate[train]'")
