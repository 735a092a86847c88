"""Labels that look wrong: the file of the training, and confident learning on numbers small enough to follow."""

from pathlib import Path

import numpy as np
import pytest

from partgate.data.doubts import OutOfFold, find_doubts, read_out_of_fold
from partgate.data.folder import Picture
from partgate.errors import DataError

HEADER = "file,sha256,label,group,defect_score,p_dent,p_good\n"


def picture(name: str, label: str) -> Picture:
    return Picture(Path(name), name, label, name, name)


def scored(*rows: tuple[str, str, float, float]) -> tuple[list[Picture], OutOfFold]:
    """Return pictures and scores from: name, label, probability of dent, of good."""
    pictures = [picture(name, label) for name, label, _, _ in rows]
    return pictures, OutOfFold(("dent", "good"), {(name, label): np.array(p) for name, label, *p in rows})


# --- the file


def test_run_without_scores_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"out_of_fold\.csv: no such file; the run is of an older version or not finish"
    ):
        read_out_of_fold(tmp_path)


def test_run_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere/out_of_fold\.csv: no such file; no such run folder, or leave --run"):
        read_out_of_fold(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "must have the columns file, sha256, label, group, defect_score and p_<class> for at least two classes"),
        (b"file,label,p_dent,p_good\n", "got file, label, p_dent, p_good; train again"),
        (b"file,sha256,label,group,defect_score,p_good\n", "p_<class> for at least two classes"),
        (HEADER.encode() + b"a,1,good,g,0.1,zero,1\n", "row 2: holds something that is no number"),
        (HEADER.encode() + b"a,1,good,g,0.1\n", "row 2: holds something that is no number"),
        (HEADER.encode() + b"a,1,good,g,0.1,0.5,0.5\nb,2,good,g,0.1,0.6,0.6\n", "row 3: probabilities sum to 1.2"),
        (HEADER.encode() + b"a,1,good,g,0.1,nan,1\n", "row 2: probabilities sum to nan"),
        (b"\xff\xfe", "cannot be read as CSV"),
    ],
    ids=["empty", "columns-missing", "one-class", "word", "row-too-short", "no-probabilities", "nan", "no-text"],
)
def test_file_that_training_did_not_write_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "out_of_fold.csv").write_bytes(content)

    with pytest.raises(DataError) as error:
        read_out_of_fold(tmp_path)

    assert told in str(error.value)


def test_probabilities_are_found_by_content_and_label(tmp_path: Path) -> None:
    (tmp_path / "out_of_fold.csv").write_text(HEADER + "a.png,abc,good,g,0.25,0.25,0.75\n", encoding="utf-8")

    scores = read_out_of_fold(tmp_path)

    assert scores.classes == ("dent", "good")
    assert scores.probabilities["abc", "good"].tolist() == [0.25, 0.75]


# --- the rule


def test_clear_contradiction_is_found_with_both_probabilities() -> None:
    """Limits: dent (0.9 + 0.8) / 2 = 0.85, good (0.9 + 0.8 + 0.1 + 0.2) / 4 = 0.5; f stays below 0.85 of dent."""
    pictures, scores = scored(
        ("a", "dent", 0.9, 0.1), ("b", "dent", 0.8, 0.2), ("c", "good", 0.9, 0.1), ("d", "good", 0.1, 0.9),
        ("e", "good", 0.2, 0.8), ("f", "good", 0.8, 0.2),
    )  # fmt: skip

    doubts = find_doubts(pictures, scores)

    assert [(d.picture.file, d.instead, d.probability, d.given) for d in doubts.found] == [("c", "dent", 0.9, 0.1)]
    assert (doubts.scored, doubts.agreed) == (6, 4 / 6)


def test_class_of_which_the_model_is_never_sure_has_a_lower_limit() -> None:
    """Limit of dent (0.4 + 0.4 + 0.78) / 3 = 0.527: the good one with 0.78 of dent is above it."""
    pictures, scores = scored(
        ("a", "dent", 0.4, 0.6), ("b", "dent", 0.4, 0.6), ("c", "dent", 0.78, 0.22), ("d", "good", 0.78, 0.22),
        ("e", "good", 0.0, 1.0),
    )  # fmt: skip

    assert [doubt.picture.file for doubt in find_doubts(pictures, scores).found] == ["d"]


@pytest.mark.parametrize(
    ("probability", "found"), [(0.75, ["x"]), (0.7, [])], ids=["leads-by-half", "leads-by-less-than-half"]
)
def test_only_a_lead_of_half_is_a_contradiction(probability: float, found: list[str]) -> None:
    pictures, scores = scored(
        ("a", "dent", 0.6, 0.4), ("b", "good", 0.1, 0.9), ("x", "good", probability, 1 - probability)
    )

    assert [doubt.picture.file for doubt in find_doubts(pictures, scores).found] == found


def test_clearest_contradiction_comes_first() -> None:
    pictures, scores = scored(
        *((f"a{i}", "dent", 0.7, 0.3) for i in range(3)), *((f"b{i}", "good", 0.0, 1.0) for i in range(3)),
        ("x", "good", 0.8, 0.2), ("y", "good", 0.95, 0.05),
    )  # fmt: skip

    assert [doubt.picture.file for doubt in find_doubts(pictures, scores).found] == ["y", "x"]


def test_corrected_label_and_new_picture_have_no_score_any_more() -> None:
    pictures, scores = scored(("a", "good", 0.9, 0.1), ("b", "dent", 0.9, 0.1))

    doubts = find_doubts([picture("a", "dent"), picture("new", "good"), pictures[1]], scores)

    assert (doubts.scored, doubts.found) == (1, ())


def test_without_any_score_nothing_is_said() -> None:
    doubts = find_doubts([picture("a", "good")], OutOfFold(("dent", "good"), {}))

    assert (doubts.found, doubts.scored) == ((), 0)
