"""What a quality manager signs: agreed limits, galleries behind the matrix, heat, data statement, signatures."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from markupsafe import Markup

from partgate.glossary import languages
from partgate.report.page import render_page

JPEG, HOT = b"\xff\xd8\xff\xe0 not a picture", b"\xff\xd8\xff\xe0 nor this"
Report = Callable[..., dict[str, Any]]
Read = Callable[[str, str], str]


def limit(**changes: Any) -> dict[str, Any]:
    """Return a limit of 2 % that 0 of 149 parts have shown."""
    return {
        "kind": "escape_rate", "scope": "all", "name": None, "limit": 0.02, "events": 0, "parts": 149,
        "lower": 0.0, "upper": 0.0199, "verdict": "passed", "parts_missing": 0,
    } | changes  # fmt: skip


def agreed(*results: dict[str, Any], source: str = "file") -> dict[str, Any]:
    return {
        "source": source, "sha256": "ac" * 32, "name": "cover", "agreed_by": [], "agreed_on": None, "confidence": 0.95,
        "rechecks": "caught", "rechecks_good": "accepted", "verdict": "not_shown", "results": list(results),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "No limits are agreed."), ("de", "Es sind keine Grenzen vereinbart.")],
)
def test_report_without_agreed_limits_says_so(language: str, sentence: str, report_of: Report, read: Read) -> None:
    assert sentence in read(render_page(report_of(), {}), language)


def test_each_agreed_limit_stands_with_its_counts_bounds_and_verdict_in_words_and_sign(
    report_of: Report, read: Read
) -> None:
    few = limit(scope="class", name="dent", parts=50, upper=0.0582, verdict="not_shown", parts_missing=99)
    bad = limit(kind="false_reject_rate", limit=0.05, events=40, parts=200, lower=0.1547, upper=0.2524,
                verdict="failed", parts_missing=None)  # fmt: skip

    page = render_page(report_of(agreed=agreed(limit(), few, bad), limits_sha256="ac" * 32), {})

    shown = read(page, "de")
    assert "Schlupfrate höchstens 2 % Gezählt 0 von 149 Schlechtteilen (0,0 %) Wahre Rate 0,0 % bis 1,99 %" in shown
    assert re.search(r"✓ bestanden .*Schlupfrate, Klasse dent .*\? nicht nachgewiesen", shown)
    assert "99 weitere ohne Fehlurteil" in shown
    assert re.search(r"Pseudofehlerrate höchstens 5 % .*✗ nicht bestanden", shown)
    assert "Alle Grenzen zusammen: nicht nachgewiesen" in shown
    assert f'title="{"ac" * 32}"' in page


def test_wishes_of_the_recipe_are_not_passed_off_as_an_agreement(report_of: Report, read: Read) -> None:
    shown = read(render_page(report_of(agreed=agreed(limit(), source="recipe")), {}), "en")

    assert "Nobody named agreed limits. Shown instead is what the recipe is meant to achieve" in shown


def test_every_picture_is_in_the_page_once_wherever_it_is_shown(report_of: Report) -> None:
    heat = {"kind": "class_activation", "full": 5.0, "speaks_for": {"scratch/17.jpg": "scratch"}}
    thumbnails = {"scratch/17.jpg": JPEG, "good/4.jpg": JPEG + b"!"}

    page = render_page(report_of(heat=heat), thumbnails, heated={"scratch/17.jpg": HOT})

    data = re.findall(r"data:image/jpeg;base64,([^)\"]*)", page)
    assert len(data) == len(set(data)) == 3
    assert page.count("thumb shown p0") == 3
    assert page.count("thumb shown h0") == 1


def test_cells_of_the_matrix_lead_to_galleries_that_exist(report_of: Report, read: Read) -> None:
    cells = [
        {"truth": truth, "predicted_class": predicted, "n": n, "pictures": report_of()["cells"][0]["pictures"]}
        for truth, predicted, n in [("good", "good", 1190), ("good", "scratch", 13), ("scratch", "good", 3),
                                    ("scratch", "scratch", 409)]
    ]  # fmt: skip

    page = render_page(report_of(cells=cells), {})

    targets = set(re.findall(r'href="#([^"]*)"', page))
    assert targets == {"matrix", "cell-0-0", "cell-0-1", "cell-1-0", "cell-1-1"}
    assert targets <= set(re.findall(r'\bid="([^"]*)"', page))
    assert "scratch, taken for good 1 of 3 shown" in read(page, "en")
    assert '<a href="#cell-1-0"><g><title>scratch, taken for good: 3 of 412</title>' in page


def test_heat_stands_beside_the_picture_with_its_scale_kind_and_class(report_of: Report, read: Read) -> None:
    heat = {"kind": "occlusion", "full": 150.0, "speaks_for": {"scratch/17.jpg": "dent"}}

    page = render_page(report_of(heat=heat), {"scratch/17.jpg": JPEG}, heated={"scratch/17.jpg": HOT})

    shown = read(page, "en")
    assert "Kind of map: first order" in shown
    assert "150 and more" in shown
    assert "speaks for dent" in shown
    assert shown.count("no heat map") == 1  # of good/4.jpg


def test_unknown_and_untested_classes_are_rows_with_a_word_why(report_of: Report, read: Read) -> None:
    rows = report_of()["per_class"]
    nothing = {"mistake_rate": None, "mistake_rate_upper95": None, "n": 0, "mistakes": 0}
    per_class = {"good": rows["good"] | nothing, "scratch": rows["scratch"] | {"is_known": False}}

    shown = read(render_page(report_of(per_class=per_class), {}), "en")

    assert re.search(r"good good class Counted no part in this test", shown)
    assert re.search(r"scratch the model does not know it Counted 3 of 412 defect parts escaped", shown)


def test_severities_are_listed_and_those_without_one_named(report_of: Report, read: Read) -> None:
    row = report_of()["per_class"]["scratch"]

    shown = read(render_page(report_of(per_severity={"critical": row, "": row}), {}), "de")

    assert re.search(r"Schlupf nach Schwere .* critical .*3 von 412 .* nicht angegeben .*3 von 412", shown)
    assert "Schlupf nach Schwere" not in read(render_page(report_of(), {}), "de")


@pytest.mark.parametrize("language", languages)
def test_curves_name_their_areas_with_bounds(language: str, report_of: Report, read: Read) -> None:
    shown = read(render_page(report_of(), {}), language)

    expected = {"en": "Area: 0.989 (95 %: 0.974 to 0.996)", "de": "Fläche: 0,989 (95 %: 0,974 bis 0,996)"}
    assert expected[language] in shown


def test_test_of_one_side_says_why_there_is_no_curve(report_of: Report, read: Read) -> None:
    curves = report_of()["curves"] | {"roc_area": None, "average_precision": None}

    assert "A curve needs good and defect parts" in read(render_page(report_of(curves=curves), {}), "en")


def test_parts_without_a_score_are_told_where_the_curves_begin(report_of: Report, read: Read) -> None:
    curves = report_of()["curves"]
    curves = curves | {"points": [{"reject_from": None, "caught": 0, "false_rejects": 2}, *curves["points"][1:]]}

    assert "A part without a score is rejected" in read(render_page(report_of(curves=curves), {}), "en")
    assert "A part without a score is rejected" not in read(render_page(report_of(), {}), "en")


def test_data_statement_names_classes_parts_groups_days_and_what_was_left_out(report_of: Report, read: Read) -> None:
    dates = {"column": "date", "first": "2026-01-05", "last": "2026-09-30", "known": 1800}
    data = report_of()["data"] | {"dates": dates, "left_out_by_findings": 4, "left_out_without_label": 9}

    shown = read(render_page(report_of(data=data), {}), "de")

    for words in ("scratch: 421 Bilder, 412 Teile gezählt", "1617, durch labels.csv",
                  "5203 Bilder, mit denen das Modell gelernt hat", "4 durch findings.yaml", "9 ohne Angabe der Klasse",
                  "broken.jpg", "05.01.2026 bis 30.09.2026, bei 1800 von 1822 Bildern (Spalte date)"):  # fmt: skip
        assert words in shown


@pytest.mark.parametrize(
    ("on_two_sides", "sentence"),
    [(0, "No group stands on two sides."), (3, "3 groups stand on more than one side: this test is not independent")],
)
def test_split_tells_its_sides_and_whether_they_are_kept_apart(
    on_two_sides: int, sentence: str, report_of: Report, read: Read
) -> None:
    side = {"pictures": 600, "groups": 60}
    sides = {"train": side, "validation": side, "test": side, "groups_on_two_sides": on_two_sides}
    chosen_on = {"parts": 120, "pictures": 1200}
    training = report_of()["training"] | {"sides": sides, "limits_chosen_on": chosen_on}

    shown = read(render_page(report_of(training=training), {}), "en")

    assert sentence in shown
    assert "The limits rest on 120 parts (1200 pictures) of learning and validation, none of the test." in shown


def test_further_section_stands_before_the_signatures(report_of: Report, read: Read) -> None:
    shown = read(render_page(report_of(), {}, appendix=Markup("<section><h2>12 months</h2></section>")), "en")

    assert shown.index("How the model learned") < shown.index("12 months") < shown.index("Signatures")


def test_two_people_sign_with_name_role_place_and_date(report_of: Report, read: Read) -> None:
    signed = read(render_page(report_of(), {}), "de").split("Unterschriften")[1]

    assert re.search(r"Qualität .*Name .*Funktion .*Ort, Datum .*Unterschrift .*Produktion .*Unterschrift", signed)


def test_who_set_the_limits_when_why_and_by_which_wish_is_said(report_of: Report, read: Read) -> None:
    limits_set = {"by": "Q. Meyer", "at": "2026-11-21T08:00:00+00:00", "why": "fewer rechecks"}
    shown = read(render_page(report_of(limits_set=limits_set, limits_chosen="least cost"), {}, "en"), "en")

    assert "Set by Q. Meyer Set on" in shown
    assert "Reason fewer rechecks How chosen least cost" in shown


def test_pictures_without_a_part_stand_where_the_report_says_how_it_counted(report_of: Report, read: Read) -> None:
    data = report_of()["data"] | {"pictures": 323, "pictures_without_part": 279}

    shown = read(render_page(report_of(data=data), {}, "de"), "de")

    assert "279 von 323 Bildern nennen kein Teil: Jedes davon zählt als eigenes Teil" in shown


def test_few_defect_parts_are_held_against_the_limit_that_was_agreed(report_of: Report, read: Read) -> None:
    found = agreed(limit(limit=0.05, parts=20, upper=0.1391, verdict="not_shown", parts_missing=39))
    shown = read(render_page(report_of(n_defect=20, agreed=found), {}, "en"), "en")

    assert "even 0 of 20 escaped would show only at most 13.9 %; for 5 % at least 59 different" in shown
