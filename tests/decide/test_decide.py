"""Another rule without learning again: on honest scores, by a person, for a reason, and nothing of the old one lost."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from partgate.cli.main import app
from partgate.data.folder import read_folder
from partgate.decide.decide import Order, find_rule, gather_evidence, set_rule
from partgate.errors import ConfigError, DataError, PartgateError
from partgate.pages.bilingual import Bilingual
from partgate.recipe import load_recipe
from partgate.wishes import Wishes

MakeRun = Callable[..., Path]
# The made model takes grey level / 255 as the defect score.
LEVELS = {"good": [10, 20, 30, 120], "defect": [50, 130, 180, 220]}


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


def write_pictures(folder: Path, shift: int = 0) -> Path:
    for name, values in LEVELS.items():
        (folder / name).mkdir(parents=True)
        for value in values:
            pixels = np.full((40, 40, 3), value + shift, np.uint8)
            pixels[0, 0] = (len(name), 0, 0)  # no two files alike
            cv2.imwrite(str(folder / name / f"{value:03d}.png"), pixels)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "learned")


def write_scores(run: Path, data: Path, parts: dict[str, str] | None = None) -> None:
    with (run / "out_of_fold.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "sha256", "label", "group", "part", "defect_score", "p_defect", "p_good"])
        for one in read_folder(data).pictures:
            score = int(one.file[-7:-4]) / 255
            part = (parts or {}).get(one.file, "")
            table.writerow([one.file, one.sha256, one.label, one.group, part, score, score, 1 - score])


@pytest.fixture
def run(make_run: MakeRun, make_manifest: Callable[..., object], data: Path, tmp_path: Path) -> Path:
    hashes = tuple(sorted(one.sha256 for one in read_folder(data).pictures))
    training = make_manifest().training.model_copy(update={"picture_sha256": hashes})  # type: ignore[attr-defined]
    run = make_run(tmp_path / "run", manifest={"training": training})
    write_scores(run, data)
    return run


def decide(*words: object) -> str:
    """Run the command as a user does and return what it printed, or raise what went wrong."""
    outcome = CliRunner().invoke(app, ["decide", *map(str, words)])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


BY_COST = ("--escape", 250, "--false-reject", 4, "--recheck", 1.5, "--currency", "EUR", "--defect-share", 0.02)
BY_PERSON = ("--who", "A. Meier", "--why", "agreed with sales")


# --- setting a rule


def test_without_a_person_and_a_reason_the_recipe_stays_as_it_is(run: Path) -> None:
    before = (run / "recipe.yaml").read_bytes()

    said = decide(run, *BY_COST)

    assert (run / "recipe.yaml").read_bytes() == before
    assert "nothing was changed; --who and --why set this rule" in said


def test_rule_is_written_with_who_when_why_and_what_it_rests_on(run: Path) -> None:
    decide(run, *BY_COST, *BY_PERSON)

    rule = load_recipe(run).decision
    assert (rule.set_by, rule.why) == ("A. Meier", "agreed with sales")
    assert rule.set_at is not None
    assert (rule.cost.escape, rule.cost.currency, rule.defect_share) == (250, "EUR", 0.02)
    assert rule.chosen_on is not None
    assert (rule.chosen_on.parts, rule.chosen_on.picture_sha256) == (8, ())
    assert rule.chosen.startswith("cheapest where an escape costs 250 EUR, a false reject 4 EUR and a recheck 1.5 EUR")
    assert rule.chosen_de.startswith("am günstigsten, wenn ein Schlupf 250 EUR, ein Pseudofehler 4 EUR und eine")


def test_rules_that_were_in_force_stay_in_the_recipe_in_their_order(run: Path) -> None:
    first = load_recipe(run).decision
    decide(run, "--by-hand", 0.2, 0.3, *BY_PERSON)
    decide(run, "--by-hand", 0.5, 0.5, "--who", "B. Kurz", "--why", "trial")

    rule = load_recipe(run).decision
    assert [(one.recheck_from, one.reject_from, one.set_by) for one in rule.earlier] == [
        (first.recheck_from, first.reject_from, None),
        (0.2, 0.3, "A. Meier"),
    ]
    assert (rule.recheck_from, rule.set_by) == (0.5, "B. Kurz")


def test_rest_of_the_recipe_and_the_pinned_bundle_stay(run: Path) -> None:
    before = load_recipe(run)

    decide(run / "recipe.yaml", *BY_COST, *BY_PERSON)

    after = load_recipe(run)
    assert after.model_copy(update={"decision": before.decision}) == before


def test_wishes_of_the_recipe_hold_where_none_are_named(run: Path) -> None:
    decide(run, "--max-escape-rate", 0.25, *BY_PERSON)

    said = decide(run)

    assert "max_escape_rate 0.25" in said


def test_naming_costs_leaves_a_wanted_rate_behind(run: Path) -> None:
    decide(run, "--max-escape-rate", 0.25, *BY_PERSON)

    decide(run, "--escape", 50, *BY_PERSON)

    assert load_recipe(run).decision.max_escape_rate is None


def test_part_with_several_pictures_counts_once(run: Path, data: Path) -> None:
    write_scores(run, data, {"good/010.png": "p", "good/120.png": "p"})

    evidence = gather_evidence(run, load_recipe(run), None, progress=quietly)

    assert (evidence.chosen_on.parts, evidence.chosen_on.pictures) == (7, 8)
    assert sorted(evidence.scores.values[~evidence.scores.is_defect]) == pytest.approx([20 / 255, 30 / 255, 120 / 255])


# --- the page


def test_page_and_json_tell_the_same_and_the_rule_until_now_beside_it(run: Path, tmp_path: Path) -> None:
    decide(run, *BY_COST, "--out", tmp_path / "page", "--lang", "de")

    facts = json.loads((tmp_path / "page" / "decision.json").read_text(encoding="utf-8"))
    page = (tmp_path / "page" / "decision.html").read_text(encoding="utf-8")
    chosen = facts["cost"]["chosen"]
    assert facts["before"]["recheck_from"] == 0.4
    assert f"{chosen['recheck_from']:.3f}" in page
    assert f"{chosen['recheck_from']:.3f}".replace(".", ",") in page
    assert "Kosten je 1000 Teile (EUR)" in page
    assert 'id="show-de" autocomplete="off" checked' in page
    assert "://" not in page


def test_band_without_a_lane_of_its_own_is_told(run: Path) -> None:
    assert "rechecks go to lane 0, the reject lane; lanes.RECHECK" in decide(run, "--by-hand", 0.3, 0.7)


# --- fresh pictures


def test_fresh_pictures_are_judged_and_remembered_so_that_they_prove_nothing_later(run: Path, tmp_path: Path) -> None:
    fresh = write_pictures(tmp_path / "fresh", shift=3)

    decide(run, *BY_COST, *BY_PERSON, "--data", fresh)

    on = load_recipe(run).decision.chosen_on
    assert on is not None
    assert on.picture_sha256 == tuple(sorted(one.sha256[:16] for one in read_folder(fresh).pictures))
    assert on.how == "scores of fresh pictures in fresh"


def test_pictures_that_trained_the_bundle_are_refused_with_the_hash_that_gives_it_away(run: Path, data: Path) -> None:
    first = read_folder(data).pictures[0]

    with pytest.raises(
        DataError,
        match=rf"8 pictures trained the bundle, themselves .* part, e\.g\. .*{first.sha256[:16]}",
    ):
        decide(run, "--data", data)


def test_test_side_of_the_run_never_chooses_a_limit(run: Path, tmp_path: Path) -> None:
    fresh = write_pictures(tmp_path / "fresh", shift=3)
    with (run / "split.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "split", "group", "sha256"])
        table.writerows([one.file, one.label, "test", one.group, one.sha256] for one in read_folder(fresh).pictures[:2])

    with pytest.raises(
        DataError,
        match=r"2 pictures are on the test side of the run, themselves .* part, e\.g\. .*nothing to prove them",
    ):
        decide(run, "--data", fresh)


def test_another_picture_of_a_part_that_trained_or_is_to_prove_chooses_no_limit(run: Path, tmp_path: Path) -> None:
    fresh = write_pictures(tmp_path / "fresh", shift=3)
    pictures = read_folder(fresh).pictures
    with (fresh / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "part"])
        table.writerows([one.file, one.label, f"P{place}"] for place, one in enumerate(pictures))
    with (run / "split.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "split", "group", "sha256"])
        table.writerow(["a.png", "good", "train", "part P5", "1" * 64])

    with pytest.raises(DataError, match="1 pictures trained the bundle, themselves or another picture of their part"):
        decide(run, "--data", fresh)


def test_pictures_that_chose_an_earlier_rule_are_remembered_too(run: Path, tmp_path: Path) -> None:
    first, second = write_pictures(tmp_path / "first", shift=3), write_pictures(tmp_path / "second", shift=5)

    for fresh in (first, second):
        decide(run, *BY_COST, *BY_PERSON, "--data", fresh)

    decision = load_recipe(run).decision
    pictures = [*read_folder(first).pictures, *read_folder(second).pictures]
    assert all(decision.rests_on(one.sha256) for one in pictures)
    assert not decision.rests_on("0" * 64)


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


def test_rule_whose_rechecks_have_no_price_says_that_its_cost_is_not_known(run: Path, tmp_path: Path) -> None:
    said = decide(run, "--by-hand", 0.1, 0.9, "--out", tmp_path / "page")

    assert "rechecks have no price, so what this rule costs is not known; --recheck names one" in said
    assert "kein Preis" in (tmp_path / "page" / "decision.html").read_text(encoding="utf-8")


# --- what is refused


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
