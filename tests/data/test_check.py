"""The check of a folder as a whole: each kind of finding on a made folder that has just this."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from partgate.data.check import Checked, check_folder
from partgate.data.doubts import OutOfFold
from partgate.data.findings import Severity
from partgate.data.folder import LabelledFolder, read_folder
from partgate.data.look_alikes import AlikePair, LookAlikes


def quiet(step: str, done: int, total: int) -> None:
    """Say nothing."""


def check(folder: LabelledFolder, **options: object) -> Checked:
    return check_folder(folder, **{"image_size_px": 64, "progress": quiet, "threads": 1} | options)  # type: ignore[arg-type]


def checked(folder: Path, good_class: str | None = None, **options: object) -> Checked:
    return check(read_folder(folder, good_class, for_check=True), **options)


def texture(seed: int, brightness: float = 120.0, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(cv2.resize(rng.normal(brightness, 25, (24, 32)), size[::-1]), 0, 255).astype(np.uint8)


def write(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    for name, pixels in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / name), pixels)
    return folder


def made(folder: Path, good: int = 20, dent: int = 20) -> Path:
    """Write pictures that all differ, under light that varies alike in both classes."""
    pictures = {f"good/{i:02d}.png": texture(i, 80 + 4 * (i % 20)) for i in range(good)}
    return write(folder, pictures | {f"dent/{i:02d}.png": texture(100 + i, 80 + 4 * (i % 20)) for i in range(dent)})


def kinds(result: Checked) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for finding in result.findings:
        found.setdefault(finding.kind, []).append(finding.files)
    return found


QUIET_SET = {"groups_unknown", "marks_none"}


def test_light_that_never_varies_is_told(tmp_path: Path) -> None:
    even = {
        f"{label}/{i:02d}.png": texture(i + shift) for label, shift in (("good", 0), ("dent", 100)) for i in range(20)
    }

    assert kinds(checked(write(tmp_path, even))).keys() - QUIET_SET == {"one_light"}


def test_ordinary_folder_has_nothing_to_fix_and_nothing_to_look_at(tmp_path: Path) -> None:
    result = checked(made(tmp_path))

    assert kinds(result).keys() == QUIET_SET
    assert [result.count(severity) for severity in Severity] == [0, 0, 2]
    assert result.not_checked == ("alike", "doubtful_label")


# --- bad folders


def test_single_picture_is_checked_and_what_lacks_is_named(tmp_path: Path) -> None:
    result = checked(write(tmp_path, {"good/a.png": texture(0)}))

    assert {"one_class", "too_few"} <= kinds(result).keys()
    assert result.sizes == ((48, 64, 1),)


def test_only_unreadable_pictures_are_all_named(tmp_path: Path) -> None:
    for name in ("good/a.png", "dent/b.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"no picture")

    result = checked(tmp_path)

    assert kinds(result)["unreadable"] == [("dent/b.png",), ("good/a.png",)]
    assert (result.unreadable, result.sizes) == (2, ())


def test_classes_without_a_good_one_are_asked_about_unless_sorting_is_meant(tmp_path: Path) -> None:
    data = write(tmp_path, {f"{name}/{i}.png": texture(i + len(name)) for name in ("red", "green") for i in range(5)})

    assert "no_good_class" in kinds(checked(data))
    assert "no_good_class" not in kinds(checked(data, "none", is_sorting=True))


def test_grey_colour_and_16_bit_pictures_of_all_sizes_are_checked(tmp_path: Path) -> None:
    colour = cv2.cvtColor(texture(1), cv2.COLOR_GRAY2BGR)
    data = write(
        tmp_path,
        {
            "good/grey.png": texture(0),
            "good/colour.jpg": colour,
            "good/deep.tif": texture(2).astype(np.uint16) * 257,
            "dent/large.bmp": texture(3, size=(300, 400)),
        },
    )

    assert checked(data).unreadable == 0


# --- labels


def test_same_picture_under_two_labels_comes_first_and_must_be_fixed(tmp_path: Path) -> None:
    data = made(tmp_path)
    shutil.copy(data / "good/00.png", data / "dent/copy.png")

    result = checked(data)

    assert result.findings[0].kind == "two_labels"
    assert result.findings[0].severity == Severity.FIX
    assert result.findings[0].files == ("dent/copy.png", "good/00.png")
    assert "copies" not in kinds(result)


def test_part_under_two_labels_must_be_fixed(tmp_path: Path) -> None:
    data = write(tmp_path, {"good/a.png": texture(0), "dent/b.png": texture(1)})
    (data / "labels.csv").write_text("file,label,part\ngood/a.png,good,7\ndent/b.png,dent,7\n", encoding="utf-8")

    assert kinds(checked(data))["part_two_labels"] == [("dent/b.png", "good/a.png")]


def test_label_that_the_model_contradicts_is_shown_with_what_it_sees(tmp_path: Path) -> None:
    folder = read_folder(made(tmp_path), for_check=True)
    scores = {
        (one.sha256, one.label): np.array([0.9, 0.1] if one.label == "dent" else [0.1, 0.9]) for one in folder.pictures
    }
    wrong = next(one for one in folder.pictures if one.file == "good/03.png")
    scores[wrong.sha256, "good"] = np.array([0.95, 0.05])

    result = check(folder, scores=OutOfFold(("dent", "good"), scores))

    doubt = result.findings[0]
    assert (doubt.kind, doubt.files, doubt.facts["instead"]) == ("doubtful_label", ("good/03.png",), "dent")
    assert doubt.facts["agreed_share"] == 39 / 40
    assert (result.scored, result.not_checked) == (40, ("alike",))


# --- amounts


def test_few_groups_are_told_for_defects_together_and_for_each_class(tmp_path: Path) -> None:
    data = made(tmp_path, good=12, dent=2)
    write(data, {"spot/0.png": texture(500)})

    found = checked(data).findings

    assert "too_few" not in {finding.kind for finding in found}, "three defect parts are enough to split"
    few = [(finding.facts["label"], finding.severity) for finding in found if finding.kind == "few_groups"]
    assert few == [("dent", Severity.LOOK), ("spot", Severity.LOOK)]
    assert [finding.facts for finding in found if finding.kind == "few_pictures"] == [
        {"label": "good", "n": 12, "parts": 12}
    ]


def test_many_pictures_of_few_parts_are_told_with_both_numbers(tmp_path: Path) -> None:
    data = made(tmp_path, good=40, dent=20)
    rows = [f"good/{i:02d}.png,good,g{i % 10}" for i in range(40)] + [f"dent/{i:02d}.png,dent,d{i}" for i in range(20)]
    (data / "labels.csv").write_text("\n".join(["file,label,group", *rows]), encoding="utf-8")

    result = checked(data)

    (few,) = [finding for finding in result.findings if finding.kind == "few_parts"]
    assert few.facts == {"label": "good", "n": 40, "parts": 10}
    assert [(count.name, count.pictures, count.parts) for count in result.classes] == [
        ("dent", 20, 20),
        ("good", 40, 10),
    ]
    assert "groups_unknown" not in kinds(result)


# --- look-alikes


def alike(folder: LabelledFolder, *together: str, unsure: tuple[AlikePair, ...] = ()) -> LookAlikes:
    groups = {one.file: "x" if one.file in together else one.file for one in folder.pictures}
    return LookAlikes(groups, (), unsure, 0.5, 0.7)


def test_look_alikes_beyond_doubt_are_shown_and_counted_as_parts(tmp_path: Path) -> None:
    folder = read_folder(made(tmp_path), for_check=True)

    result = check(folder, alike=alike(folder, "good/00.png", "good/01.png"))

    assert kinds(result)["alike"] == [("good/00.png", "good/01.png")]
    assert result.count(Severity.LOOK) == 0, "they stay together in any case"
    assert (result.classes[1].parts, result.parts_by) == (19, "found")
    assert "alike" not in result.not_checked


def test_group_that_hangs_on_unsure_pairs_is_to_be_looked_at_with_its_weakest_link_first(tmp_path: Path) -> None:
    folder = read_folder(made(tmp_path), for_check=True)
    strong, weak = AlikePair("good/00.png", "good/01.png", 0.65), AlikePair("good/01.png", "good/02.png", 0.6)
    together = ("good/00.png", "good/01.png", "good/02.png")

    (found,) = [
        finding
        for finding in check(folder, alike=alike(folder, *together, unsure=(strong, weak))).findings
        if finding.severity == Severity.LOOK
    ]

    assert (found.kind, found.files) == ("alike_unsure", ("good/01.png", "good/02.png", "good/00.png"))
    assert found.facts == {"n": 3, "groups": 3, "unsure": 2, "alike_share": 0.6}
    assert found.pairs == (("good/01.png", "good/02.png"), ("good/00.png", "good/01.png"))


def test_confirmed_look_alikes_are_not_asked_again(tmp_path: Path) -> None:
    data = made(tmp_path)
    (data / "findings.yaml").write_text("same_part: [[good/00.png, good/01.png]]", encoding="utf-8")
    folder = read_folder(data, for_check=True)
    pair = AlikePair("good/00.png", "good/01.png", 0.6)

    found = kinds(check(folder, alike=alike(folder, "good/00.png", "good/01.png", unsure=(pair,))))

    assert found.keys() & {"alike", "alike_unsure"} == set()


def test_where_groups_are_given_only_look_alikes_across_them_are_shown(tmp_path: Path) -> None:
    data = made(tmp_path, good=4, dent=4)
    rows = [f"{name}/{i:02d}.png,{name},{name}{i // 2}" for name in ("good", "dent") for i in range(4)]
    (data / "labels.csv").write_text("\n".join(["file,label,group", *rows]), encoding="utf-8")
    folder = read_folder(data, for_check=True)

    inside = kinds(check(folder, alike=alike(folder, "good/00.png", "good/01.png")))
    across = kinds(check(folder, alike=alike(folder, "good/01.png", "good/02.png")))

    assert "alike_across" not in inside
    assert across["alike_across"] == [("good/01.png", "good/02.png")]


# --- what a person decided


def test_accepted_finding_is_no_longer_open_and_keeps_its_id_over_new_pictures(tmp_path: Path) -> None:
    data = made(tmp_path)
    shutil.copy(data / "good/00.png", data / "good/copy.png")
    (copies,) = [finding for finding in checked(data).findings if finding.kind == "copies"]
    (data / "findings.yaml").write_text(f"accepted: ['{copies.id}']", encoding="utf-8")
    write(data, {"good/new.png": texture(999)})

    result = checked(data)

    assert [finding.id for finding in result.accepted] == [copies.id]
    assert "copies" not in kinds(result)


def test_left_out_pictures_are_not_checked_but_counted(tmp_path: Path) -> None:
    data = made(tmp_path)
    shutil.copy(data / "good/00.png", data / "good/copy.png")
    (data / "findings.yaml").write_text("leave_out: [good/copy.png]", encoding="utf-8")

    result = checked(data)

    assert (len(result.pictures), result.left_out) == (40, 1)
    assert "copies" not in kinds(result)


def test_findings_come_by_severity_and_each_kind_in_one_piece(tmp_path: Path) -> None:
    data = made(tmp_path, good=14, dent=2)
    (data / "good/torn.png").write_bytes(b"")
    shutil.copy(data / "good/00.png", data / "good/same bytes.png")
    shutil.copy(data / "good/01.png", data / "dent/copy.png")

    found = [finding.kind for finding in checked(data).findings]

    assert found[0] == "two_labels"
    assert found.index("unreadable") < found.index("few_groups") < found.index("copies") < found.index("marks_none")
    assert [kind for i, kind in enumerate(found) if i == 0 or found[i - 1] != kind] == list(dict.fromkeys(found))


@pytest.mark.data
def test_castings_show_eleven_good_parts(real_data: Path) -> None:
    result = checked(real_data / "casting_impeller", image_size_px=288)

    facts = [finding.facts for finding in result.findings if finding.kind == "few_parts"]
    assert {"label": "good", "n": 262, "parts": 11} in facts
    assert result.count(Severity.FIX) == 0
