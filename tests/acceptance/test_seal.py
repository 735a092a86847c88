"""The seal: what it holds, and every way in which data or the seal itself was changed afterwards."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from partgate.acceptance.seal import check_against_seal, read_seal, read_test_folder, seal_now, write_seal
from partgate.cli.main import app
from partgate.errors import DataError
from partgate.imaging import encode_png

ROWS = {
    "good/a.png": ("good", "P1", ""),
    "good/b.png": ("good", "P2", ""),
    "dent/c.png": ("dent", "P3", "critical"),
}


def write_labels(data: Path, rows: dict[str, tuple[str, str, str]]) -> None:
    lines = ["file,label,part,severity", *(",".join((file, *row)) for file, row in rows.items())]
    (data / "labels.csv").write_text("\n".join(lines), encoding="utf-8")


def write_picture(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.full((4, 4, 3), level, np.uint8)))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for level, file in enumerate(ROWS):
        write_picture(tmp_path / "data" / file, level)
    write_labels(tmp_path / "data", ROWS)
    return tmp_path / "data"


@pytest.fixture
def seal_file(data: Path, tmp_path: Path) -> Path:
    write_seal(seal_now(read_test_folder(data).pictures), "data", tmp_path / "seal.json")
    return tmp_path / "seal.json"


def test_seal_holds_every_picture_with_its_hash_label_part_and_severity(data: Path, seal_file: Path):
    seal = read_seal(seal_file)

    found = [(one.file, one.label, one.part, one.severity) for one in seal.pictures]
    assert found == [
        ("dent/c.png", "dent", "P3", "critical"),
        ("good/a.png", "good", "P1", None),
        ("good/b.png", "good", "P2", None),
    ]
    assert all(len(one.sha256) == 64 for one in seal.pictures)
    check_against_seal(read_test_folder(data), seal)


def test_missing_added_changed_and_relabelled_pictures_are_all_named_at_once(data: Path, seal_file: Path):
    write_picture(data / "good/new.png", 9)
    write_picture(data / "good/b.png", 10)
    (data / "good/a.png").unlink()
    write_labels(data, {
        "good/b.png": ("good", "P2", ""), "good/new.png": ("good", "P4", ""), "dent/c.png": ("dent", "P3", "minor"),
    })  # fmt: skip

    with pytest.raises(DataError) as caught:
        check_against_seal(read_test_folder(data), read_seal(seal_file))

    text = str(caught.value)
    assert "1 pictures are missing: good/a.png" in text
    assert "1 pictures were added: good/new.png" in text
    assert "1 pictures are other pictures now: good/b.png" in text
    assert "dent/c.png (severity 'critical' is now 'minor')" in text
    assert "or seal anew and say so" in text


def test_broken_file_is_not_sealed(data: Path, tmp_path: Path):
    whole = (data / "good/b.png").read_bytes()
    (data / "good/b.png").write_bytes(whole[:-20])

    done = CliRunner().invoke(app, ["seal", str(data), "--out", str(tmp_path / "seal.json")])

    assert isinstance(done.exception, DataError)
    assert "1 pictures cannot be read; a broken file proves nothing" in str(done.exception)
    assert "good/b.png" in str(done.exception)
    assert not (tmp_path / "seal.json").exists()


def test_another_label_is_noticed(data: Path, seal_file: Path):
    write_labels(data, ROWS | {"dent/c.png": ("good", "P3", "critical")})

    with pytest.raises(DataError, match=r"dent/c\.png \(label 'dent' is now 'good'\)"):
        check_against_seal(read_test_folder(data), read_seal(seal_file))


def test_leaving_pictures_out_after_sealing_is_noticed(data: Path, seal_file: Path):
    (data / "findings.yaml").write_text("leave_out: [dent/c.png]\n", encoding="utf-8")

    with pytest.raises(DataError, match=r"are missing: dent/c\.png"):
        check_against_seal(read_test_folder(data), read_seal(seal_file))


@pytest.mark.parametrize(
    ("key", "value"), [("sealed_at", "2020-01-01T00:00:00+00:00"), ("pictures", []), ("sha256", "0" * 64)]
)
def test_seal_that_was_edited_is_refused(seal_file: Path, key: str, value: object):
    content = json.loads(seal_file.read_text(encoding="utf-8"))
    seal_file.write_text(json.dumps(content | {key: value}), encoding="utf-8")

    with pytest.raises(DataError, match="was changed after sealing"):
        read_seal(seal_file)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("no json", "is not JSON"),
        ("[]", "is no seal; name the file that 'partgate seal' wrote"),
        ('{"sealed_at": "x", "format": 9}', "format must be 1, got 9"),
        ('{"sealed_at": "x", "format": 1, "pictures": []}', "does not hold together: .*isoformat"),
        ('{"sealed_at": "2026-01-01", "format": 1, "pictures": [{"file": "a"}]}', "does not hold together"),
    ],
    ids=["no-json", "a-list", "newer", "no-time", "half-a-picture"],
)
def test_file_that_is_no_seal_is_refused(tmp_path: Path, content: str, problem: str):
    (tmp_path / "seal.json").write_text(content, encoding="utf-8")

    with pytest.raises(DataError, match=problem):
        read_seal(tmp_path / "seal.json")


def test_missing_seal_says_how_to_write_one(tmp_path: Path):
    with pytest.raises(DataError, match="No such file or directory; write one with 'partgate seal'"):
        read_seal(tmp_path / "none.json")


def test_seal_is_never_overwritten(data: Path, seal_file: Path):
    with pytest.raises(DataError, match="a seal is never overwritten"):
        write_seal(seal_now(read_test_folder(data).pictures), "data", seal_file)


def test_part_with_two_labels_is_refused(data: Path):
    write_labels(data, ROWS | {"good/b.png": ("good", "P3", "critical")})

    with pytest.raises(DataError, match="part 'P3' has two labels"):
        read_test_folder(data)


def test_part_with_two_severities_is_refused(data: Path):
    write_picture(data / "dent/d.png", 7)
    write_labels(data, ROWS | {"dent/d.png": ("dent", "P3", "")})

    with pytest.raises(DataError, match=r"part 'P3' has two severities: .*'dent/d\.png' is 'empty'"):
        read_test_folder(data)


def test_copy_of_a_picture_cannot_count_as_another_part(data: Path):
    shutil.copy(data / "good/a.png", data / "good/z.png")
    write_labels(data, ROWS | {"good/z.png": ("good", "P9", "")})

    with pytest.raises(DataError, match=r"1 pictures are copies of others .* 'good/z\.png' of 'good/a\.png'"):
        read_test_folder(data)


def test_copies_without_parts_are_refused_and_copies_within_a_part_are_not(data: Path):
    shutil.copy(data / "good/a.png", data / "good/z.png")
    write_labels(data, ROWS | {"good/z.png": ("good", "P1", "")})
    assert len(read_test_folder(data).pictures) == 4

    (data / "labels.csv").unlink()

    with pytest.raises(DataError, match="would count twice"):
        read_test_folder(data)


def test_command_prints_the_hash_to_be_told_to_the_other_side(data: Path, tmp_path: Path):
    result = CliRunner().invoke(app, ["seal", str(data), "--out", str(tmp_path / "new.json")])

    assert result.exit_code == 0
    assert "3 pictures, counted as 3" in result.output
    assert read_seal(tmp_path / "new.json").sha256 in result.output


def test_folders_named_like_verdicts_can_be_sealed(tmp_path: Path):
    write_picture(tmp_path / "data/GOOD/a.png", 1)
    write_picture(tmp_path / "data/REJECT/b.png", 2)

    assert len(read_test_folder(tmp_path / "data").pictures) == 2
