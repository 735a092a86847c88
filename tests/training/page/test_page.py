"""The run page: says what was learned, chosen and reached, in both languages, from one file, safe against names."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from partgate.data.groups import GroupSource
from partgate.evaluation.threshold_words import ChosenLimits
from partgate.glossary import languages, load_texts
from partgate.inference.bundle import Geometry
from partgate.training.fine_tune import Tuned
from partgate.training.outcome import Story
from partgate.training.page import render_page, write_page

Read, MakeStory, MakeTuned = Callable[..., str], Callable[..., Story], Callable[..., Tuned]
LOSSES = {"frozen": 0.4, "fine-tuned": 0.31, "mean of both": 0.29}


def with_learned(story: Story, **changes: Any) -> Story:
    return replace(story, learned=replace(story.learned, **changes))


def test_page_is_one_file_that_fetches_nothing(make_story: MakeStory, make_tuned: MakeTuned):
    page = render_page(make_story(tuned=make_tuned(), losses=LOSSES, kind="mean of both"), "run")

    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert not re.search(r"https?:|@import|<script|<link|url\((?!#)", page)
    assert page.count('src="data:image/jpeg;base64,') == 6
    assert "default-src 'none'" in page


@pytest.mark.parametrize("language", languages)
def test_page_says_how_many_of_how_many_went_wrong(read: Read, make_story: MakeStory, language: str):
    seen = read(render_page(make_story(), "run", language), language)

    said = {
        "en": ("1 of 3 pictures of defect parts escaped (33.3 %)", "1 of 3 pictures of good parts rejected (33.3 %)"),
        "de": (
            "1 von 3 Bildern von Schlechtteilen als gut durchgelassen (33,3 %)",
            "fälschlich ausgeschleust (33,3 %)",
        ),
    }[language]
    assert all(sentence in seen for sentence in said)


def test_both_languages_are_in_the_page_whichever_is_shown_first(read: Read, make_story: MakeStory):
    page = render_page(make_story(), "run", "de")

    assert "Was erreicht wurde" in read(page, "de")
    assert "What was reached" in read(page, "en")
    assert 'id="show-de" autocomplete="off" checked' in page


def test_cross_validated_figures_stand_with_their_interval(read: Read, make_story: MakeStory):
    seen = read(render_page(make_story(), "run"))

    # Five of the nine pairs of a defect and a good score are in order; recall 2 of 3 on both sides.
    assert re.search(r"AUROC chance that .* good one 0\.556 \d\.\d+ to \d\.\d+", seen)
    assert re.search(r"Balanced accuracy mean of .* classes 0\.667 \d\.\d+ to \d\.\d+", seen)


def test_classes_are_counted_on_each_side_with_their_groups(read: Read, make_story: MakeStory):
    together = ["one", "one", "two", "three", "four", "five", "six", "seven"]

    seen = read(render_page(make_story(groups=together), "run"))

    assert "defect 2 1 1 4" in seen
    assert "good good class 2 1 1 3" in seen
    assert "All 4 2 2 7" in seen


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("frozen", "describes each picture in numbers and stays as it is"),
        ("fine-tuned", "(efficientnet_lite0) were fitted to these parts, in 2 copies"),
        ("mean of both", "Their judgement is averaged with that of the unchanged network"),
    ],
)
def test_page_says_what_the_model_is_and_why(
    read: Read,
    make_story: MakeStory,
    make_tuned: MakeTuned,
    kind: str,
    sentence: str,
):
    losses = {"frozen": 0.4, "fine-tuned": 0.5, "mean of both": 0.6} | {kind: 0.29}

    seen = read(render_page(make_story(tuned=make_tuned(), losses=losses, kind=kind), "run"))

    others = sorted(loss for name, loss in losses.items() if name != kind)
    assert sentence in seen
    assert f"its log loss there is 0.290, that of the next best {others[0]:.3f}" in seen


@pytest.mark.parametrize(
    ("preset", "sentence"),
    [("quick", "fine_tune.part is none"), ("standard", "there was no time for two rounds")],
    ids=["not-asked-for", "no-time"],
)
def test_page_says_where_there_was_nothing_to_choose(read: Read, make_story: MakeStory, preset: str, sentence: str):
    seen = read(render_page(make_story(config={"preset": preset}), "run"))

    assert sentence in seen
    assert "Fine-tuning round by round" not in seen


def test_page_says_which_round_was_kept_and_that_it_ended_early(
    read: Read, make_story: MakeStory, make_tuned: MakeTuned
):
    patient = {"fine_tune": {"patience": 1}}

    seen = read(render_page(make_story(config=patient, tuned=make_tuned(), losses=LOSSES, kind="fine-tuned"), "run"))
    whole = read(render_page(make_story(tuned=make_tuned(epochs=3), losses=LOSSES, kind="fine-tuned"), "run"))

    assert "Round 2 of 3 was kept" in seen
    assert "Planned were 6; a round took 5 s." in seen
    assert "It ended early: 1 rounds in a row brought nothing better." in seen
    assert "It ended early" not in whole


def test_guessing_is_drawn_at_the_loss_of_equal_classes(read: Read, make_story: MakeStory):
    assert "guessing: 0.693" in read(render_page(make_story(), "run"))  # ln 2


def test_guessing_by_weights_knows_how_frequent_classes_are(read: Read, make_story: MakeStory):
    story = make_story(config={"head": {"class_balance": False}})
    found = story.learned.found
    weights = tuple(replace(one, weight=3.0 if one.label == "good" else 1.0) for one in found.pictures)

    seen = read(render_page(with_learned(story, found=replace(found, pictures=weights)), "run"))

    assert f"guessing: {-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)):.3f}" in seen


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({}, "an escape costs as much as 10 false rejects and as many parts are defective as in these pictures"),
        (
            {"cost": {"escape": 2.5}, "defect_share": 0.02},
            "as 2.5 false rejects and 2.0 % of the parts are defective",
        ),
        ({"max_escape_rate": 0.01}, "This keeps what was asked for: max_escape_rate 1.0 %"),
    ],
    ids=["cost", "cost-at-share", "wish"],
)
def test_page_says_by_what_the_thresholds_were_set(
    read: Read, make_story: MakeStory, wishes: dict[str, float], sentence: str
):
    assert sentence in read(render_page(make_story(config={"decision": wishes}), "run"))


def test_recheck_band_has_a_figure_of_its_own(read: Read, make_story: MakeStory):
    banded = ChosenLimits(0.15, 0.8, 3, 3, 1, 1, 1, 1, 0.5, "wished", ())

    seen = read(render_page(make_story(limits=banded), "run"))

    assert "2 of 6 pictures rechecked" in seen
    assert "From 0.150 on it goes to recheck, from 0.800 on it is rejected" in seen


def test_sorting_by_class_speaks_of_wrong_classes_and_never_of_escapes(read: Read, make_story: MakeStory):
    sorting = ChosenLimits(0.4, 1.0, 4, 2, 2, 0, 0, 0, 0.5, "cheapest", ())

    seen = read(render_page(make_story(good_class=None, limits=sorting), "run"))

    assert "2 of 6 pictures sorted into a wrong class" in seen
    assert "Sorted wrong, the surest first (2 of 2)" in seen
    assert "scape" not in seen.split("Set like this")[0]


def test_picture_that_vanished_since_is_left_out(read: Read, make_story: MakeStory):
    story = make_story()
    (story.folder.folder / "defect" / "a.png").unlink()

    page = render_page(story, "run")

    assert page.count("<figure>") == page.count('src="data:image/jpeg;base64,') == 5
    assert "defect/a.png" not in read(page)


def test_not_independent_figures_say_so(read: Read, make_story: MakeStory):
    by_picture = {"split": {"by": "picture"}}

    assert "Not independent" in read(render_page(make_story(config=by_picture), "run"))
    assert "Not independent" not in read(render_page(make_story(), "run"))


def test_unknown_groups_are_a_warning(read: Read, make_story: MakeStory):
    story = make_story()

    alone = replace(story, folder=replace(story.folder, has_groups=False))
    searched = replace(alone, source=GroupSource.LOOK_ALIKES)

    assert "Every picture counts as a part of its own." in read(render_page(alone, "run"))
    assert "Every picture counts as a part of its own." not in read(render_page(searched, "run"))
    assert "Every picture counts as a part of its own." not in read(render_page(story, "run"))


def test_notes_are_shown_and_their_absence_is_said(read: Read, make_story: MakeStory):
    assert "33 of 40 pictures are dark" in read(render_page(make_story(notes=("33 of 40 pictures are dark",)), "run"))
    assert "Nothing stood out." in read(render_page(make_story(), "run"))


def test_unreadable_picture_is_named_from_its_folder_on(read: Read, make_story: MakeStory, tmp_path: Path):
    story = make_story()
    note = f"{story.folder.folder / 'good' / 'x.png'}: is empty (0 bytes)"

    page = render_page(replace(story, notes=(note,)), "run")

    assert "good/x.png: is empty (0 bytes)" in read(page)
    assert str(tmp_path) not in page


def test_settings_that_differ_from_the_preset_stand_first_and_name_no_folder(read: Read, make_story: MakeStory):
    story = make_story(config={"seed": 7, "weights": "/home/someone/net.safetensors", "head": {"folds": 4}})

    seen = read(render_page(story, "run"))

    first, rest = seen.split("As in the preset: ")
    assert "seed 7 0" in first
    assert "head.folds 4 5" in first
    assert "weights net.safetensors null" in first
    assert "fine_tune.patience" in rest.split("Next step")[0]
    assert "fine_tune.patience" not in first
    assert "/home/" not in seen


def test_next_command_judges_the_test_side(read: Read, make_story: MakeStory, tmp_path: Path):
    seen = read(render_page(make_story(), "run 7"))

    assert "partgate evaluate 'run 7' covers --out 'run 7-report'" in seen
    assert str(tmp_path) not in seen


def test_proof_stands_with_its_limit(read: Read, make_story: MakeStory):
    seen = read(render_page(make_story(), "run"))

    assert "judged 6 pictures as the trained network did: the largest difference of a score is 0.000003, 0 " in seen
    assert "From 0.0001 on" in seen


def test_names_from_outside_cannot_become_part_of_the_page(read: Read, make_story: MakeStory):
    story = make_story(config={"name": "<script>alert(1)</script>"}, notes=("</li><img src=x onerror=alert(2)>",))

    page = render_page(story, "<b>run</b>")

    assert "<script" not in page
    assert "<img src=x" not in page
    assert "<b>run" not in page
    assert "<script>alert(1)</script>" in read(page)


@pytest.mark.parametrize(("row", "column"), [(2, 1), (1, 3)])
def test_tile_that_decided_is_named_in_both_languages(read: Read, make_story: MakeStory, row: int, column: int):
    story = make_story()
    geometry = Geometry(region=None, height_px=32, width_px=32, tiles=(2, 3))
    tiled = replace(story.learned.backbone, geometry=geometry)
    judged = replace(story.learned.judged, regions=(f"row {row}, column {column}",) * 6)

    page = render_page(with_learned(story, backbone=tiled, judged=judged), "run")

    assert f"row {row}, column {column}" in read(page)
    assert f"Zeile {row}, Spalte {column}" in read(page, "de")


def test_page_is_written_whole_or_not_at_all(read: Read, make_story: MakeStory, tmp_path: Path):
    story = make_story()
    write_page(tmp_path / "training.html", story, "run")

    with pytest.raises(OSError, match="missing"):
        write_page(tmp_path / "missing" / "training.html", story, "run")

    assert read((tmp_path / "training.html").read_text(encoding="utf-8")).endswith("no statement of conformity. ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["covers", "training.html"]


def test_unknown_language_is_refused(make_story: MakeStory):
    with pytest.raises(ValueError, match="language must be one of en, de, got 'fr'"):
        render_page(make_story(), "run", "fr")


def test_every_text_of_the_page_is_used():
    package = Path(render_page.__code__.co_filename).parent
    sources = [*package.glob("page*.py"), package / "training.html.j2"]
    written = "".join(path.read_text(encoding="utf-8") for path in sources)

    ids = [text_id.removesuffix(".note") for text_id in load_texts() if text_id.startswith("training_page.")]

    # Some ids are put together: the part before their last dot stands in the source.
    assert [one for one in ids if one not in written and one.rsplit(".", 1)[0] + "." not in written] == []
