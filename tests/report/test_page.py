"""The report page: complete, in both languages, self-contained, safe against names from outside."""

import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import pytest

from partgate.glossary import format_number, format_percent, format_score, languages, load_texts
from partgate.report.page import render_page

JPEG = b"\xff\xd8\xff\xe0 not a picture"
Report = Callable[..., dict[str, Any]]
Read = Callable[[str, str], str]


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "3 of 412 defect parts escaped (0.7 %, at most 1.9 %, one-sided 95 %)"),
        ("en", "7 of 1203 good parts rejected (0.6 %, at most 1.1 %, one-sided 95 %)"),
        ("en", "9 of 412 defect parts rechecked (2.2 %, at most 3.8 %, one-sided 95 %)"),
        ("en", "6 of 412 defect parts escaped (1.5 %, at most 2.9 %, one-sided 95 %)"),
        ("de", "3 von 412 Schlechtteilen als gut durchgelassen (0,7 %, höchstens 1,9 %, einseitig 95 %)"),
        ("de", "7 von 1203 Gutteilen fälschlich ausgeschleust (0,6 %, höchstens 1,1 %, einseitig 95 %)"),
        ("de", "11 von 1203 Gutteilen zur Nachprüfung (0,9 %, höchstens 1,5 %, einseitig 95 %)"),
        ("de", "17 von 1203 Gutteilen fälschlich ausgeschleust (1,4 %, höchstens 2,1 %, einseitig 95 %)"),
    ],
)
def test_headline_says_how_many_of_how_many_and_at_most(
    language: str, sentence: str, report_of: Report, read: Read
) -> None:
    assert sentence in read(render_page(report_of(), {}), language)


@pytest.mark.parametrize("language", languages)
def test_every_number_of_the_report_stands_in_the_page_in_both_formats(
    language: str, report_of: Report, read: Read
) -> None:
    report = report_of()

    words = set(re.split(r"[^\d.,]+", read(render_page(report, {}), language)))

    words |= {word.rstrip(".,") for word in words}
    missing = [number for number in numbers_of(report, language) if number not in words]
    assert missing == []


def numbers_of(report: Mapping[str, Any], language: str) -> list[str]:
    """Return all numbers of a report as they must be printed."""
    shares = [report[key] for key in report if "rate" in key or key == "balanced_accuracy"]
    shares += [counts[key] for counts in report["per_class"].values() for key in ("recall", "precision")]
    scores = [*report["thresholds"].values(), report["auroc"], report["worst"][0]["defect_score"]]
    counts = [report[key] for key in report if key.startswith(("n_", "escapes", "false_rejects", "rechecks_"))]
    counts += [report["n"], *report["lanes"].values(), *(count for row in report["confusion_matrix"] for count in row)]
    counts += [value for row in report["per_class"].values() for value in row.values() if isinstance(value, int)]
    counts += [value for part in ("data", "training") for value in report[part].values() if isinstance(value, int)]
    counts += [count for side in ("good", "defect") for count in report["histogram"][side] if count]
    written = [format_percent(share, language).removesuffix(" %") for share in shares]
    return written + [format_score(score, language) for score in scores] + [format_number(n, language) for n in counts]


@pytest.mark.parametrize("language", languages)
def test_page_opens_in_the_language_asked_for_and_holds_the_other(language: str, report_of: Report, read: Read) -> None:
    page = render_page(report_of(), {}, language)

    assert re.search(rf'id="show-{language}"[^>]* checked', page)
    assert page.count(" checked>") == 1
    assert "Schlupf" in read(page, "de")
    assert "Escapes" in read(page, "en")


def test_no_word_of_one_language_is_read_in_the_other(report_of: Report, sorting_report: Report, read: Read) -> None:
    page = render_page(report_of(), {})

    assert not re.search(r"\b(Ergebnis|Schlupf|Teile|Bahn|von)\b", read(page, "en"))
    assert not re.search(r"\b(Result|Escapes?|parts|Lane|of)\b", read(page, "de"))


@pytest.mark.parametrize("kind", ["gate", "sorting"])
def test_page_fetches_nothing_from_anywhere(kind: str, report_of: Report, sorting_report: Report) -> None:
    report = report_of() if kind == "gate" else sorting_report()

    page = render_page(report, {"scratch/17.jpg": JPEG})

    assert not re.search(r"https?:|//[a-z]|@import|<link|<script|<iframe|<object", page)
    assert all(target.startswith("#") for target in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert all(target.startswith(("#", "data:image/jpeg")) for target in re.findall(r"url\(([^)]*)\)", page))


def test_names_from_outside_never_become_markup(report_of: Report, read: Read) -> None:
    name = "<script>alert('ä')</script>\n\"x\".jpg"
    worst = [dict(report_of()["worst"][0], file=name, truth=name)]
    classes = ["good", name]
    per_class = {"good": report_of()["per_class"]["good"], name: report_of()["per_class"]["scratch"]}
    data = dict(report_of()["data"], folder=name, unreadable=[name])
    cells = [{"truth": name, "predicted_class": "good", "n": 1, "pictures": worst}]
    report = report_of(
        classes=classes, per_class=per_class, worst=worst, cells=cells, examples={name: {"worst": worst, "median": []}},
        data=data, recipe=name, lanes={name: 3},
    )  # fmt: skip

    page = render_page(report, {name: JPEG})

    assert "<script" not in page
    assert "<script>alert('ä')</script>␊\"x\".jpg" in read(page, "de")


def test_undecodable_file_name_can_be_written_as_utf8(report_of: Report) -> None:
    worst = [dict(report_of()["worst"][0], file="gr\udcf6sse.jpg")]

    page = render_page(report_of(worst=worst), {"gr\udcf6sse.jpg": JPEG})

    assert "gr�sse.jpg" in page.encode("utf-8").decode("utf-8")


def test_mistake_without_a_picture_shows_an_empty_box_instead(report_of: Report, read: Read) -> None:
    page = render_page(report_of(), {"scratch/17.jpg": JPEG})

    assert page.count('"thumb shown p0" role="img" aria-label="scratch/17.jpg"') == 3  # worst, cell, example
    assert read(page, "en").count("no picture kept") == 2


def test_hashes_are_short_in_the_text_and_whole_in_the_hint(report_of: Report, read: Read) -> None:
    page = render_page(report_of(), {})

    assert f'title="{"ab" * 32}"' in page
    assert "ab" * 6 in read(page, "en")
    assert "ab" * 7 not in read(page, "en")


def test_test_without_defect_parts_says_so_instead_of_naming_a_rate(report_of: Report, read: Read) -> None:
    gone = {key: None for key in report_of() if "escape" in key or "rate_defect" in key or key == "rechecks_defect"}
    report = report_of(**gone) | {"n_defect": 0}

    shown = read(render_page(report, {}), "en")

    assert "No defect parts in this test" in shown
    assert "No defect part was tested. Nothing can be said about escapes." in shown
    assert "None" not in shown


def test_few_defect_parts_are_told_what_they_can_show_at_best(report_of: Report, read: Read) -> None:
    shown = read(render_page(report_of(n_defect=20), {}), "de")

    few = "Zu wenige Schlechtteile: Selbst 0 von 20 durchgeschlüpft zeigte nur höchstens 13,9 %; "
    assert f"{few}für 1 % sind mindestens 299" in shown


def test_enough_defect_parts_are_not_called_too_few(report_of: Report, read: Read) -> None:
    assert "Too few defect parts" not in read(render_page(report_of(n_defect=299), {}), "en")
    assert "Too few defect parts" in read(render_page(report_of(n_defect=298), {}), "en")


def test_rechecking_everything_is_named_before_all_other_limits(report_of: Report, read: Read) -> None:
    shown = read(render_page(report_of(rechecks=1600), {}), "en")

    limits = shown.split("What this test cannot show")[1].strip()
    assert limits.startswith("1600 of 1615 parts (99.1 %) were not decided by the system")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"counted": "picture"}, "Pictures were counted, not parts."),
        ({"data": {"groups": None}}, "Nobody said which pictures show the same part."),
        ({"data": {"groups_known_by": "look_alikes"}}, "was found by their looks; nobody said so."),
        ({"training": {"test_pictures_that_chose_the_limits": 40}}, "40 of 1822 pictures were also used to choose"),
        ({"n_good": 0}, "No good part was tested."),
    ],
    ids=["pictures-counted", "parts-unknown", "parts-by-looks", "chose-the-limits", "no-good-part"],
)
def test_what_weakens_the_test_is_said(change: dict[str, Any], sentence: str, report_of: Report, read: Read) -> None:
    whole = report_of()
    changed = {key: whole[key] | value if isinstance(value, dict) else value for key, value in change.items()}

    assert sentence in read(render_page(report_of(**changed), {}), "en")
    assert sentence not in read(render_page(report_of(), {}), "en")


def test_classes_with_few_or_no_examples_are_named(report_of: Report, read: Read) -> None:
    per_class = report_of()["per_class"]
    per_class["good"]["n"], per_class["scratch"]["n"] = 0, 19

    shown = read(render_page(report_of(per_class=per_class), {}), "en")

    assert "Not one example in this test: good." in shown
    assert "more than chance: scratch (19)." in shown


@pytest.mark.parametrize("language", languages)
def test_pure_sorting_counts_wrong_lanes_and_rechecks_instead(
    language: str, sorting_report: Report, read: Read
) -> None:
    shown = read(render_page(sorting_report(), {}), language)

    expected = {  # bounds: scipy.stats.beta.ppf(0.95, k + 1, n - k) = 0.00650 and 0.02582
        "en": [
            "5 of 1615 parts sorted into a wrong class (0.3 %, at most 0.6 %, one-sided 95 %)",
            "31 of 1615 parts rechecked (1.9 %, at most 2.6 %, one-sided 95 %)",
        ],
        "de": [
            "5 von 1615 Teilen falsch einsortiert (0,3 %, höchstens 0,6 %, einseitig 95 %)",
            "31 von 1615 Teilen zur Nachprüfung (1,9 %, höchstens 2,6 %, einseitig 95 %)",
        ],
    }
    assert [sentence for sentence in expected[language] if sentence not in shown] == []
    assert not re.search("Escape|escaped|False reject|Schlupf|Pseudofehler|None", shown)


def test_one_class_and_no_mistake_still_make_a_page(report_of: Report, read: Read) -> None:
    per_class = {"good": report_of()["per_class"]["good"]}
    report = report_of(classes=["good"], confusion_matrix=[[20]], per_class=per_class, worst=[], cells=[],
                       examples={}, lanes={}, n_defect=0)  # fmt: skip

    shown = read(render_page(report, {}), "en")

    assert "No mistakes to show." in shown
    assert "No lanes are set in the recipe." in shown


def test_lanes_name_a_verdict_in_words_and_a_class_by_its_name(
    report_of: Report, sorting_report: Report, read: Read
) -> None:
    shown = read(render_page(report_of(), {}), "de")
    sorted_by_class = read(render_page(sorting_report(lanes={"scratch": 2, "RECHECK": 0}), {}), "de")

    assert re.search(r"Gut +1 +Nachprüfung +2 +Ausschleusen +0 \(Ausschleusbahn\)", shown)
    assert re.search(r"scratch +2 +Nachprüfung +0 \(Ausschleusbahn\)", sorted_by_class)


def test_equal_thresholds_are_told_as_no_recheck_band(report_of: Report, read: Read) -> None:
    shown = read(render_page(report_of(thresholds={"recheck_from": 0.5, "reject_from": 0.5}), {}), "de")

    assert "Einen Nachprüfbereich gibt es nicht." in shown


def test_many_unreadable_files_are_counted_rather_than_listed(report_of: Report, read: Read) -> None:
    data = dict(report_of()["data"], unreadable=[f"{index}.jpg" for index in range(25)])

    assert "and 5 more" in read(render_page(report_of(data=data), {}), "en")


def test_foot_says_that_this_is_no_safety_function(report_of: Report, read: Read) -> None:
    assert "not a safety function" in read(render_page(report_of(), {}), "en").split("How the model learned")[1]


def test_report_of_another_format_is_refused(report_of: Report) -> None:
    with pytest.raises(ValueError, match="report format must be 2, got 1"):
        render_page(report_of(format=1), {})


def test_unknown_language_is_refused(report_of: Report) -> None:
    with pytest.raises(ValueError, match="language must be one of en, de, got 'fr'"):
        render_page(report_of(), {}, "fr")


def read_templates() -> list[str]:
    """Return the sources of all templates that make the report's page."""
    found = [file for file in files("partgate.report").iterdir() if file.name.endswith(".j2")]
    assert len(found) > 5
    return [file.read_text(encoding="utf-8") for file in found]


def test_template_holds_no_words_of_its_own() -> None:
    source = "".join(read_templates())

    bare = re.sub(
        r"\{% block style %\}.*?\{% endblock %\}|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", source, flags=re.DOTALL
    )
    attributes = re.findall(r'\b(?:title|alt|aria-label|placeholder)="([^"]*)"', bare)
    between = re.sub(r"<[^>]*>", "", bare)

    assert re.findall(r"[^\W\d_]+", between + " ".join(attributes)) == []


def test_every_text_the_template_names_exists() -> None:
    source = "".join(read_templates())

    named = set(re.findall(r't\("([\w.]+)"[,)]', source))

    assert named - set(load_texts()) == set()
    assert len(named) > 40
