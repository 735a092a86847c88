"""``labels.csv``: it decides; every wrong row is told at once, with its number."""

from collections.abc import Callable
from pathlib import Path

import pytest

from partgate.data.folder import LabelledFolder, read_folder
from partgate.data.labels_csv import LabelRow, read_labels
from partgate.errors import DataError

PIXEL = b"BM"  # what stands in the file does not matter here


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with good/a.png, good/b.png and scratch/c.png, each with its own bytes."""
    for file in ("good/a.png", "good/b.png", "scratch/c.png"):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(PIXEL + file.encode())
    return tmp_path


@pytest.fixture
def rows(data: Path) -> Callable[..., list[LabelRow]]:
    """A function: the rows of a ``labels.csv`` with this content."""

    def read(content: str | bytes) -> list[LabelRow]:
        (data / "labels.csv").write_bytes(content.encode() if isinstance(content, str) else content)
        return read_labels(data, [])

    return read


def folder_of(data: Path, content: str) -> LabelledFolder:
    """Return the labelled folder under a ``labels.csv``."""
    (data / "labels.csv").write_text(content, encoding="utf-8")
    return read_folder(data)


def test_labels_csv_decides_and_a_folder_that_disagrees_is_reported(data: Path) -> None:
    folder = folder_of(data, "file,label\ngood/a.png,good\ngood/b.png,scratch\nscratch/c.png,scratch\n")

    assert {picture.file: picture.label for picture in folder.pictures} == {
        "good/a.png": "good", "good/b.png": "scratch", "scratch/c.png": "scratch",
    }  # fmt: skip
    assert folder.notes == (
        "1 pictures lie in a class folder that differs from their label, e.g. 'good/b.png' is labelled 'scratch'; "
        "labels.csv decides",
    )


def test_pictures_without_a_row_are_left_out_and_reported(data: Path) -> None:
    folder = folder_of(data, "file,label\ngood/a.png,good\nscratch/c.png,scratch\n")

    assert [picture.file for picture in folder.pictures] == ["good/a.png", "scratch/c.png"]
    assert folder.notes == ("1 pictures are not in labels.csv and are left out, e.g. 'good/b.png'",)


def test_pictures_may_lie_anywhere_where_no_folder_is_a_class(data: Path) -> None:
    (data / "camera3").mkdir()
    (data / "camera3" / "d.png").write_bytes(PIXEL)

    folder = folder_of(data, "file,label\ngood/a.png,ok\nscratch/c.png,dent\ncamera3/d.png,dent\n")

    assert folder.classes == ("dent", "ok")
    assert not [note for note in folder.notes if "differs" in note]


@pytest.mark.parametrize(
    "content",
    [
        "file;label\ngood/a.png;good\n",
        "\ufefffile;label\r\ngood/a.png;good\r\n",
        "file,label\ngood\\a.png, good \n",
        " label , file \ngood,./good/a.png\n",
        'file,label\n"good/a.png","good"\n\n\n',
    ],
    ids=["semicolons", "excel-with-bom", "backslash-and-spaces", "other-order", "quoted-with-empty-lines"],
)
def test_ways_of_writing_the_same_row(rows: Callable[..., list[LabelRow]], content: str) -> None:
    assert rows(content) == [LabelRow("good/a.png", "good")]


def test_all_columns_are_read_and_further_ones_kept(rows: Callable[..., list[LabelRow]]) -> None:
    (row,) = rows("file,label,group,part,weight,split,grade,cell type\ngood/a.png,good,g1, p1 ,0.5,Test,0.33,mono\n")

    assert row == LabelRow("good/a.png", "good", "g1", "p1", 0.5, "test", {"grade": "0.33", "cell type": "mono"})


@pytest.mark.parametrize(("text", "weight"), [("", 1.0), ("0", 0.0), ("0,3333", 0.3333), ("2", 2.0)])
def test_weight_is_a_number_with_point_or_comma_and_one_where_none_is_given(
    rows: Callable[..., list[LabelRow]], text: str, weight: float
) -> None:
    (row,) = rows(f"file;label;weight\ngood/a.png;good;{text}\n")

    assert row.weight == weight


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "heavy"])
def test_weight_that_is_no_weight_is_refused(rows: Callable[..., list[LabelRow]], text: str) -> None:
    with pytest.raises(DataError, match=rf"row 2: weight must be a number of at least 0, got '{text}'"):
        rows(f"file,label,weight\ngood/a.png,good,{text}\n")


def test_unknown_side_of_the_split_lists_the_known_ones(rows: Callable[..., list[LabelRow]]) -> None:
    with pytest.raises(DataError, match="row 2: split must be train, validation, test or empty, got 'val'"):
        rows("file,label,split\ngood/a.png,good,val\n")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("good/z.png,good", "'good/z.png' does not exist"),
        ("good/a.txt,good", "'good/a.txt' is no png, jpg, bmp or tif"),
        ("../other/a.png,good", "'../other/a.png' must lie inside "),
        ("/etc/a.png,good", "'/etc/a.png' must lie inside "),
        ("good/a.png,", "has no label"),
        ("good/a.png,scrach", r"label 'scrach' is unknown; did you mean 'scratch'\? \(a new class has a folder"),
        ("good/a.png", "has 1 columns, the first row has 2"),
        ("good/a.png,good,x", "has 3 columns, the first row has 2"),
        (f"good/{'a' * 300}.png,good", "'good/a+.png' does not exist"),
        (",good", "'' is no png, jpg, bmp or tif"),
    ],
    ids=[
        "missing-file",
        "no-picture",
        "outside",
        "absolute",
        "no-label",
        "typo",
        "short",
        "long",
        "endless",
        "no-file",
    ],
)
def test_wrong_row_is_told_with_its_number(rows: Callable[..., list[LabelRow]], row: str, told: str) -> None:
    with pytest.raises(DataError, match=f"labels.csv: row 3: {told}"):
        rows(f"file,label\ngood/b.png,good\n{row}\n")


def test_number_of_a_row_is_the_one_that_a_spreadsheet_shows(rows: Callable[..., list[LabelRow]]) -> None:
    with pytest.raises(DataError, match=r"row 5: 'good/z\.png' does not exist"):
        rows("file,label\n\ngood/a.png,good\n\ngood/z.png,good\n")


def test_all_wrong_rows_are_told_at_once_but_no_flood_of_them(rows: Callable[..., list[LabelRow]]) -> None:
    with pytest.raises(DataError) as caught:
        rows("file,label\n" + "".join(f"good/{i}.png,good\n" for i in range(13)))

    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "... and 3 more problems"


@pytest.mark.parametrize("again", ["good/a.png", "./good/a.png", "good\\a.png", "good//a.png"])
def test_picture_named_twice_is_refused_however_it_is_written(rows: Callable[..., list[LabelRow]], again: str) -> None:
    with pytest.raises(DataError, match=r"row 3: 'good/a\.png' stands in row 2 already"):
        rows(f"file,label\ngood/a.png,good\n{again},good\n")


def test_class_whose_name_is_like_another_one_is_taken_where_it_has_a_folder(data: Path) -> None:
    (data / "scratch_2").mkdir()

    folder = folder_of(data, "file,label\ngood/a.png,good\ngood/b.png,scratch\nscratch/c.png,scratch_2\n")

    assert folder.classes == ("good", "scratch", "scratch_2")


def test_label_unlike_every_folder_is_a_class_of_its_own(rows: Callable[..., list[LabelRow]]) -> None:
    assert rows("file,label\ngood/a.png,pore\n")[0].label == "pore"


@pytest.mark.parametrize(
    ("content", "found"),
    [("", "nothing"), ("\n", "nothing"), ("good/a.png,good\n", "good/a.png, good"), ("File,Label\n", "File, Label")],
    ids=["empty", "empty-line", "no-header", "upper-case"],
)
def test_first_row_must_name_file_and_label(rows: Callable[..., list[LabelRow]], content: str, found: str) -> None:
    with pytest.raises(DataError, match=f"labels.csv: the first row must name the columns file and label, got {found}"):
        rows(content)


def test_column_named_twice_is_refused_because_one_would_hide_the_other(rows: Callable[..., list[LabelRow]]) -> None:
    with pytest.raises(DataError, match="the first row names the column label more than once"):
        rows("file,label,label\ngood/a.png,good,scratch\n")


def test_file_in_the_code_page_of_windows_is_refused_and_says_how_to_save_it(
    data: Path, rows: Callable[..., list[LabelRow]]
) -> None:
    (data / "good" / "grün.png").write_bytes(PIXEL)

    with pytest.raises(DataError, match=r"labels\.csv: is not UTF-8 \(byte 18\); save it as 'CSV UTF-8'"):
        rows("file,label\ngood/grün.png,good\n".encode("cp1252"))


def test_quotation_mark_left_open_over_a_long_file_is_told(rows: Callable[..., list[LabelRow]]) -> None:
    with pytest.raises(
        DataError, match=r"labels\.csv: is no CSV: field larger than field limit .* quotation mark open"
    ):
        rows('file,label\n"good/a.png,good\n' + "good/b.png,good\n" * 10_000)


@pytest.mark.parametrize(
    "name",
    ["line\nbreak.png", "Gehäuse ß.PNG", "a, b; c.png", 'the "best".png', "next\x85line.png", "form\x0cfeed.png"],
)
def test_quoted_file_names_may_hold_anything(data: Path, rows: Callable[..., list[LabelRow]], name: str) -> None:
    (data / "good" / name).write_bytes(PIXEL)
    quoted = name.replace('"', '""')

    found = rows(f'file,label\n"good/{quoted}",good\n')

    assert found == [LabelRow(f"good/{name}", "good")]


def test_unquoted_name_with_a_rare_line_separator_is_one_row(data: Path, rows: Callable[..., list[LabelRow]]) -> None:
    (data / "good" / "a\u2028b.png").write_bytes(PIXEL)

    assert rows("file,label\ngood/a\u2028b.png,good\n") == [LabelRow("good/a\u2028b.png", "good")]


def test_cells_of_part_left_empty_are_told_with_their_number(data: Path) -> None:
    folder = folder_of(data, "file,label,part\ngood/a.png,good,P1\ngood/b.png,good,\nscratch/c.png,scratch,\n")

    assert folder.notes == ("part is empty in 2 of 3 rows: each such picture counts as a part of its own",)


@pytest.mark.parametrize("parts", [("", "", ""), ("P1", "P2", "P3")], ids=["none-known", "all-known"])
def test_column_part_that_is_empty_or_full_needs_no_note(data: Path, parts: tuple[str, str, str]) -> None:
    files = ("good/a.png,good", "good/b.png,good", "scratch/c.png,scratch")
    rows = "\n".join(f"{file},{part}" for file, part in zip(files, parts, strict=True))

    assert folder_of(data, f"file,label,part\n{rows}\n").notes == ()


def test_part_with_two_severities_is_refused_and_shown_to_the_check(data: Path) -> None:
    content = "file,label,part,severity\ngood/a.png,bent,P1,minor\ngood/b.png,bent,P1,\nscratch/c.png,good,P2,\n"

    with pytest.raises(DataError, match=r"part 'P1' has two severities: 'good/b.png' is 'empty', 'good/a.png' is 'mi"):
        folder_of(data, content)

    assert "part 'P1' has two severities" in " ".join(read_folder(data, for_check=True).notes)


def test_umlaut_that_the_disk_spells_in_another_way_is_found(tmp_path: Path):
    import unicodedata

    from partgate.data.folder import read_folder

    stored, written = (unicodedata.normalize(form, "prüf.png") for form in ("NFD", "NFC"))
    for label in ("good", "dent"):
        (tmp_path / label).mkdir()
        (tmp_path / label / stored).write_bytes(label.encode())
    (tmp_path / "labels.csv").write_text(f"file,label\ngood/{written},good\ndent/{written},dent\n", encoding="utf-8")

    assert len(read_folder(tmp_path).pictures) == 2
