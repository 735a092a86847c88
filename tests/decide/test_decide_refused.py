"""What is refused, and that the recipe is then as before."""

from pathlib import Path

import pytest

from partgate.decide.decide import Order, find_rule, gather_evidence, set_rule
from partgate.errors import ConfigError, DataError, PartgateError
from partgate.pages.bilingual import Bilingual
from partgate.recipe import load_recipe
from partgate.wishes import Wishes

from .conftest import BY_COST, BY_PERSON, MakeRun, decide, quietly


def test_recipe_that_someone_else_changed_meanwhile_is_not_overwritten(run: Path) -> None:
    recipe = load_recipe(run)
    evidence = gather_evidence(run, recipe, None, progress=quietly)
    decide(run, "--by-hand", 0.2, 0.3, *BY_PERSON)
    theirs = (run / "recipe.yaml").read_bytes()
    rule = find_rule(evidence, Wishes())

    with pytest.raises(ConfigError, match="was changed by someone else meanwhile; look at it and decide again"):
        set_rule(run / "recipe.yaml", recipe, evidence, Wishes(), rule, Bilingual(str), Order("B", "late"))

    assert (run / "recipe.yaml").read_bytes() == theirs


def test_page_that_cannot_be_written_is_told_before_the_rule_is_set(run: Path, tmp_path: Path) -> None:
    before = (run / "recipe.yaml").read_bytes()
    (tmp_path / "taken").write_text("a file", encoding="utf-8")

    with pytest.raises(PartgateError, match="taken: cannot be made"):
        decide(run, *BY_COST, *BY_PERSON, "--out", tmp_path / "taken")

    assert (run / "recipe.yaml").read_bytes() == before


def test_scores_of_another_training_are_refused(run: Path) -> None:
    lines = (run / "out_of_fold.csv").read_text(encoding="utf-8").splitlines()
    (run / "out_of_fold.csv").write_text("\n".join(lines[:-1]), encoding="utf-8")

    with pytest.raises(DataError, match=r"belongs to another training .* learned from 8 pictures, the file scores 7"):
        decide(run)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file or directory; name the run folder"),
        ("a,b\n1,2\n", "is not what training writes"),
    ],
    ids=["missing", "another-table"],
)
def test_scores_that_are_not_there_are_told_with_the_way_out(run: Path, content: str | None, told: str) -> None:
    (run / "out_of_fold.csv").unlink()
    if content is not None:
        (run / "out_of_fold.csv").write_text(content, encoding="utf-8")

    with pytest.raises(DataError, match=f"out_of_fold.csv: {told}"):
        decide(run)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--who", "A"), "--why is missing: a rule is set by a person, for a reason"),
        (("--why", "A"), "--who is missing"),
        (("--escape", 0), "cost.escape: input should be greater than 0, got 0"),
        (("--recheck", -1), "cost.recheck: input should be greater than 0, got -1"),
        (("--max-escape-rate", 5), "max_escape_rate: must be a fraction between 0 and 1, got 5: is 5 % meant"),
        (("--defect-share", 0), "defect_share: must be a fraction between 0 and 1, got 0"),
        (("--by-hand", 0.9, 0.2), "--by-hand must satisfy 0 <= RECHECK_FROM <= REJECT_FROM <= 1, got 0.9 and 0.2"),
        (("--max-escape-rate", 0.1, "--promise-escape", 0.1), "promise cannot stand beside max_escape_rate"),
    ],
)
def test_order_that_makes_no_sense_is_refused_and_changes_nothing(
    run: Path, words: tuple[object, ...], told: str
) -> None:
    before = (run / "recipe.yaml").read_bytes()

    with pytest.raises(PartgateError, match=told.replace("(", r"\(")):
        decide(run, *words)

    assert (run / "recipe.yaml").read_bytes() == before


def test_sorting_has_no_escapes_to_decide_about(make_run: MakeRun, tmp_path: Path) -> None:
    lanes = {"lanes": {"defect": 1, "good": 2}, "class_numbers": {"defect": 1, "good": 2}}
    run = make_run(tmp_path / "sorting", manifest={"good_class": None}, recipe=lanes)

    with pytest.raises(ConfigError, match="sorts by class, so nothing escapes"):
        decide(run)


def test_full_disk_leaves_the_old_recipe(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (run / "recipe.yaml").read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    with pytest.raises(
        ConfigError, match=r"recipe\.yaml: cannot be written: No space left on device; the rule is unchanged"
    ):
        decide(run, *BY_COST, *BY_PERSON)

    assert (run / "recipe.yaml").read_bytes() == before
