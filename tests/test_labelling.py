"""``labels.csv`` row by row: what stood there stays, and a full disk leaves it as it was."""

from pathlib import Path

import pytest

from partgate import labelling
from partgate.errors import DataError
from partgate.labelling import LabelsTable


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "columns file and label, got nothing"),
        (b"a,b\n", "columns file and label, got a, b"),
        (b"file,label\nx.png\n", "row 2: has another number of columns"),
        (b"file,label\n\xff\xfe\n", "is no CSV in UTF-8"),
    ],
    ids=["empty", "columns", "short-row", "not-utf8"],
)
def test_table_that_cannot_be_kept_whole_is_refused(tmp_path: Path, text: bytes, told: str):
    (tmp_path / "labels.csv").write_bytes(text)

    with pytest.raises(DataError, match=told):
        LabelsTable(tmp_path)
    assert (tmp_path / "labels.csv").read_bytes() == text


def test_what_a_person_wrote_stays_and_new_columns_are_empty_there(tmp_path: Path):
    (tmp_path / "labels.csv").write_text("file;label;shift\na.png;good;früh\n", encoding="utf-8-sig")

    LabelsTable(tmp_path).add({"file": "b.png", "label": "dent", "part": "7; 8"})

    assert (tmp_path / "labels.csv").read_text(encoding="utf-8") == (
        'file;label;shift;part\na.png;good;früh;\nb.png;dent;;"7; 8"\n'
    )


def test_pictures_in_class_folders_become_rows_once_there_is_a_table(tmp_path: Path):
    for name in ("good/a.png", "dent/b.JPG", "loose.png", "good/.hidden.png", "good/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    table = LabelsTable(tmp_path)
    table.add({"file": "good/c.png", "label": "good"})

    assert table.adopted == 2
    assert (tmp_path / "labels.csv").read_text().splitlines() == [
        "file,label", "dent/b.JPG,dent", "good/a.png,good", "good/c.png,good",
    ]  # fmt: skip


def test_removed_row_is_gone_and_the_others_stay(tmp_path: Path):
    table = LabelsTable(tmp_path)
    for name in "abc":
        table.add({"file": f"{name}.png", "label": "good"})

    table.remove("b.png")

    assert (tmp_path / "labels.csv").read_text() == "file,label\na.png,good\nc.png,good\n"
    assert table.counts == {"good": 2}


def test_full_disk_leaves_table_and_memory_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    table = LabelsTable(tmp_path)
    table.add({"file": "a.png", "label": "good"})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(labelling, "write_atomically", full)
        with pytest.raises(OSError, match="No space"):
            table.add({"file": "b.png", "label": "good", "lot": "L"})
        with pytest.raises(OSError, match="No space"):
            table.remove("a.png")

    table.add({"file": "c.png", "label": "good"})
    assert (tmp_path / "labels.csv").read_text() == "file,label\na.png,good\nc.png,good\n"
