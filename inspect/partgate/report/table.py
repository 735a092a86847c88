"""The table of predictions: a row per counted part, as CSV."""

import csv
import io
from collections.abc import Sequence

from partgate.evaluation.agreed_limits import severity_of
from partgate.evaluation.judge import Judged
from partgate.evaluation.regions import deciding_region


def write_predictions(judged: Sequence[Judged], classes: Sequence[str]) -> bytes:
    """Return the table as UTF-8 bytes; the picture that decided stands for a part with several.

    Args:
        judged: Counted parts.
        classes: Of the bundle; each has a column with its probability.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "part", "label", "severity", "verdict", "reason", "lane", "defect_score", "predicted_class",
                    *(f"p_{name}" for name in classes), "region"])  # fmt: skip
    for one in judged:
        prediction = one.prediction
        table.writerow([
            one.picture.file, one.picture.part or "", one.picture.label, severity_of(one.picture),
            one.decision.verdict.name, int(one.decision.reason), one.lane, f"{prediction.defect_score:.6f}",
            prediction.predicted_class, *(f"{prediction.probabilities[name]:.6f}" for name in classes),
            deciding_region(one) or "",
        ])  # fmt: skip
    return text.getvalue().encode()
