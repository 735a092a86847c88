"""Another recipe judges archived pictures: exactly what lies between the limits changes, nothing more is claimed."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from partgate.errors import ConfigError
from partgate.glossary import languages
from partgate.parts import Verdict
from partgate.records.review import add_review
from partgate.replay.difference import direction_of
from partgate.replay.page import shown_parts
from partgate.replay.summary import summarise
from partgate.wishes import Cost

from .conftest import LEVELS, Line

MakeRun = Callable[..., Path]
COST = {"cost": Cost(escape=100, false_reject=10, recheck=1, currency="EUR")}


def with_limits(make_run: MakeRun, line: Line, recheck_from: float, reject_from: float, name: str = "new") -> Path:
    return make_run(line.folder / name, recheck_from=recheck_from, reject_from=reject_from)


def test_limit_that_moved_changes_exactly_the_parts_between(line: Line, make_run: MakeRun):
    new = with_limits(make_run, line, 0.4, 0.8)  # 160 and 180 of 255 lie between 0.6 and 0.8

    facts = line.replay(new).facts

    between = sorted(line.row_of(level)["id"] for level in (160, 180))
    assert sorted(part["record"] for part in facts["other"]["parts"]) == between
    assert facts["other"]["changed"] == 2
    assert (facts["judged"], facts["same"]["exact"], facts["same"]["different"]) == (8, 0, 0)
    assert facts["other"]["moves"]["table"] == {
        "GOOD": {"GOOD": 3, "RECHECK": 0, "REJECT": 0},
        "RECHECK": {"GOOD": 0, "RECHECK": 2, "REJECT": 0},
        "REJECT": {"GOOD": 0, "RECHECK": 2, "REJECT": 1},
    }
    assert all(part["was"]["defect_score"] == part["now"]["defect_score"] for part in facts["other"]["parts"])


def test_both_directions_stand_apart_and_no_change_is_called_an_improvement(line: Line, make_run: MakeRun):
    strict = line.replay(with_limits(make_run, line, 0.3, 0.3, "strict"), line.folder / "strict-out")
    mild = line.replay(with_limits(make_run, line, 0.7, 0.7, "mild"), line.folder / "mild-out")

    assert [direction_of(part) for part in strict.facts["other"]["parts"]].count("good_reject") == 1  # 90
    assert [direction_of(part) for part in mild.facts["other"]["parts"]].count("reject_good") == 1  # 160
    for done in (strict, mild):
        page = done.files[0].read_text(encoding="utf-8")
        assert "Without truth a change is not an improvement" in page
        assert "Ohne Wahrheit ist eine Änderung keine Verbesserung" in page
        assert not re.search(r"\bbetter\b|\bbesser\b", page.replace("for the better cannot", "").replace("ob die", ""))
        assert any("is not an improvement" in sentence for sentence in summarise(done.facts))


def test_page_and_json_tell_the_same_numbers(line: Line, make_run: MakeRun):
    done = line.replay(with_limits(make_run, line, 0.4, 0.8), line.folder / "out")

    facts = json.loads((line.folder / "out/replay.json").read_text(encoding="utf-8"))
    page = done.files[0].read_text(encoding="utf-8")
    assert facts == json.loads(json.dumps(done.facts))
    assert "2 of 8 parts would get another verdict with recipe made part." in page
    assert "2 von 8 Teilen bekämen mit dem Rezept made part ein anderes Urteil." in page
    assert page.count("data:image/jpeg;base64,") == len(shown_parts(facts)) == 2
    assert all(f"Record {part['record']}" in page for part in facts["other"]["parts"])
    assert all(f'id="show-{language}"' in page for language in languages)


def test_folder_of_the_camera_is_the_truth_until_a_person_says_otherwise(line: Line, make_run: MakeRun):
    new = with_limits(make_run, line, 0.4, 0.4)
    add_review(line.records, line.row_of(110)["id"], "A. Prüfer", "defect")  # lay in the folder good
    add_review(line.records, line.row_of(20)["id"], "A. Prüfer", "unsure")

    other = line.replay(new).facts["other"]

    assert other["said_by"] == {"review": 1, "folder": 7}
    assert (other["truths"]["defect"]["count"], other["truths"]["good"]["count"]) == (5, 3)
    assert other["mistakes"] == {
        "escapes": {"then": 1, "now": 1},  # 90
        "false_rejects": {"then": 1, "now": 1},  # 160
        "rechecks_defect": {"then": 2, "now": 0},  # 110, 130
        "rechecks_good": {"then": 0, "now": 0},
    }


def test_newest_word_of_a_person_counts(line: Line, make_run: MakeRun):
    new = with_limits(make_run, line, 0.4, 0.4)
    number = line.row_of(160)["id"]
    for verdict in ("good", "defect"):
        add_review(line.records, number, "A. Prüfer", verdict)  # type: ignore[arg-type]

    mistakes = line.replay(new).facts["other"]["mistakes"]
    assert mistakes["false_rejects"] == {"then": 0, "now": 1}  # 110 now; 160 is a defect by the newest word


def test_money_is_told_where_the_recipe_holds_costs_and_the_truth_is_known(line: Line, make_run: MakeRun):
    decision = {"recheck_from": 0.7, "reject_from": 0.7, "defect_share": 0.1, **COST}
    new = make_run(line.folder / "new", recipe={"decision": decision})

    money = line.replay(new).facts["other"]["money"]

    # then: escape 1 of 4 defects, recheck 1 of 4 both, false reject 1 of 4 good; now: escapes 2 of 4, no more
    assert money["then"]["value"] == pytest.approx(1000 * (0.1 * (100 + 1) / 4 + 0.9 * (10 + 1) / 4))
    assert money["now"]["value"] == pytest.approx(1000 * 0.1 * 100 * 2 / 4)
    assert money["share_is_stated"]


def test_recipe_without_costs_names_no_money(make_line: Callable[..., Line], make_run: MakeRun):
    line = make_line(recheck_from=0.5, reject_from=0.5)  # no rechecks, so nothing but the cost is missing
    limits = {"recheck_from": 0.4, "reject_from": 0.4}
    priced = make_run(line.folder / "priced", recipe={"decision": limits | {"cost": Cost(escape=20, false_reject=1)}})

    assert line.replay(with_limits(make_run, line, 0.4, 0.4)).facts["other"]["money"] is None
    assert line.replay(priced).facts["other"]["money"] is not None


def test_rechecks_without_a_price_name_no_money(line: Line, make_run: MakeRun):
    limits = {"recheck_from": 0.4, "reject_from": 0.4, "cost": Cost(escape=20, false_reject=1)}
    new = make_run(line.folder / "new", recipe={"decision": limits})

    assert line.replay(new).facts["other"]["money"] is None  # then two parts of each kind were rechecked


def test_parts_whose_class_no_recipe_knows_have_no_truth(make_line: Callable[..., Line], make_run: MakeRun):
    line = make_line({"shelf": (20, 240)})

    done = line.replay(with_limits(make_run, line, 0.99, 0.99), line.folder / "out")

    assert done.facts["other"]["said_by"] == {"review": 0, "folder": 0}
    assert done.facts["other"]["money"] is None
    assert "The truth of none of these parts is known" in done.files[0].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ({"classes": ("cap", "nut"), "good_class": None}, "sorts into cap, nut, but these parts were told good from"),
        ({"classes": ("defect", "good"), "good_class": "defect"}, "has 'defect' as good, but that was a defect when"),
        ({"classes": ("dent", "fine"), "good_class": "fine"}, "knows the classes dent, fine, but these parts were"),
    ],
    ids=["other-purpose", "good-was-a-defect", "no-class-in-common"],
)
def test_recipe_for_other_parts_is_refused(line: Line, make_run: MakeRun, manifest: dict[str, object], problem: str):
    other = make_run(line.folder / "other", manifest=manifest)

    with pytest.raises(ConfigError, match=problem):
        line.replay(other)


def test_jpeg_archive_says_that_changes_may_come_from_compression(make_line: Callable[..., Line], make_run: MakeRun):
    line = make_line(pictures="{format: jpeg}")

    done = line.replay(with_limits(make_run, line, 0.4, 0.8), line.folder / "out")

    assert done.facts["other"]["lossy"] == 8
    assert "8 of the pictures are JPEG" in done.files[0].read_text(encoding="utf-8")


def test_sorting_compares_classes(make_line: Callable[..., Line], make_run: MakeRun):
    sorting = {"classes": ("nut", "screw"), "good_class": None}
    line = make_line({"nut": (200, 250), "screw": (5, 140)}, manifest=sorting, recheck_from=0.48, reject_from=1.0)
    new = make_run(line.folder / "new", manifest=sorting, recheck_from=0.1, reject_from=1.0)

    other = line.replay(new, line.folder / "out").facts["other"]

    assert other["outcomes"] == ["nut", "screw", "RECHECK"]
    assert other["moves"]["table"]["nut"] == {"nut": 1, "screw": 0, "RECHECK": 2}
    assert other["truths"] is other["mistakes"] is other["money"] is None
    page = (line.folder / "out/replay.html").read_text(encoding="utf-8")
    assert "partgate compare does so on a labelled folder" in page
    assert "Reject, now good" not in page  # a class is neither
    assert {row["verdict"] for row in line.rows()} == {Verdict.GOOD.name}


def test_changed_lane_or_number_with_the_same_verdict_is_counted_apart(line: Line, make_run: MakeRun):
    new = make_run(line.folder / "new", recipe={"lanes": {"GOOD": 3, "RECHECK": 0, "REJECT": 0}})

    other = line.replay(new).facts["other"]

    assert (other["changed"], other["other_class"]) == (0, sum(row["verdict"] == "GOOD" for row in line.rows()))


def test_all_levels_of_the_made_parts_are_on_record(line: Line):
    """The levels that the numbers above rest on."""
    scores = sorted(round(255 * row["defect_score"]) for row in line.rows())

    assert scores == pytest.approx(sorted(level for levels in LEVELS.values() for level in levels), abs=1)
