"""Which pictures are kept, how, and that they are what the camera gave."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from partgate.configfile import check_settings
from partgate.errors import ConfigError
from partgate.imaging import read_picture
from partgate.parts import Frame, Reason, Record, Verdict
from partgate.records.config import PicturesConfig, RecordsConfig
from partgate.records.pictures import draw, files_of
from partgate.records.store import RecordStore, read_records
from partgate.records.verify import verify_records

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
NOISE = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)


def make_record(sequence: int, verdict: Verdict = Verdict.GOOD, **changes: object) -> Record:
    record = Record(
        station="line", boot=1, sequence=sequence, first_sequence=sequence, at=AT, verdict=verdict, reason=Reason.MODEL,
        detail="", sent=True, missed=False, recipe="cover", bundle_id="0" * 64, image=NOISE,
    )  # fmt: skip
    return replace(record, **changes)  # type: ignore[arg-type]


def write(folder: Path, *records: Record, **pictures: object) -> list[dict[str, object]]:
    with RecordStore(RecordsConfig(folder=folder, pictures=PicturesConfig(**pictures))) as store:  # type: ignore[arg-type]
        for record in records:
            store.add(record)
    return read_records(folder)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"pictures": {"good_share": 0.5}}, "good_share 0.5 needs keep: not_good, got keep: all"),
        ({"pictures": {"keep": "not_good", "good_share": 1.5}}, "good_share: input should be less than or equal to 1"),
        ({"pictures": {"format": "bmp"}}, "format: input should be 'png' or 'jpeg', got 'bmp'"),
        ({"keep_pictures": "all"}, "keep_pictures is not a known key; did you mean 'pictures'"),
        ({"retention": {}}, "retention: must name days, gigabytes or both"),
        ({"when_unwritable": "stop"}, "input should be 'continue' or 'lock', got 'stop'"),
        ({"database": {"host": "db", "name": "p", "user": "u", "password": "geheim"}}, "must not stand in this file"),
    ],
)
def test_settings_that_cannot_be_meant_are_told(settings: dict[str, object], problem: str):
    with pytest.raises(ConfigError) as caught:
        check_settings({"folder": "r"} | settings, RecordsConfig, source="line.yaml", folder=Path())

    assert problem in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(("keep", "kept"), [("all", [1, 2, 3]), ("not_good", [2, 3]), ("none", [])])
def test_only_the_wanted_pictures_are_kept(tmp_path: Path, keep: str, kept: list[int]):
    records = [make_record(1), make_record(2, Verdict.RECHECK), make_record(3, Verdict.REJECT)]

    rows = write(tmp_path, *records, keep=keep)

    assert [row["sequence"] for row in rows if row["picture"]] == kept
    assert len(list(tmp_path.rglob("*.png"))) == len(kept)


def test_share_of_good_is_drawn_by_the_trigger_alone_so_that_nobody_can_choose(tmp_path: Path):
    records = [make_record(sequence) for sequence in range(1, 101)]
    expected = [record.sequence for record in records if draw(record) < 0.3]

    rows = write(tmp_path, *records, keep="not_good", good_share=0.3)

    assert [row["sequence"] for row in rows if row["picture"]] == expected
    assert 15 < len(expected) < 45
    assert draw(records[0]) == draw(make_record(1, Verdict.REJECT, part_id="A"))
    assert len({draw(make_record(7)), draw(make_record(7, boot=2)), draw(make_record(7, station="b"))}) == 3


def test_picture_is_kept_to_the_bit_unless_jpeg_is_asked_for(tmp_path: Path):
    (exact,) = write(tmp_path / "png", make_record(1))
    (small,) = write(tmp_path / "jpeg", make_record(1), format="jpeg", quality=50)
    (fine,) = write(tmp_path / "fine", make_record(1), format="jpeg", quality=100)

    assert np.array_equal(read_picture(tmp_path / "png" / str(exact["picture"])), NOISE)
    assert str(small["picture"]).endswith(".jpg")
    assert not np.array_equal(read_picture(tmp_path / "jpeg" / str(small["picture"])), NOISE)
    assert int(str(small["picture_bytes"])) < int(str(fine["picture_bytes"]))


def test_pictures_of_further_cameras_are_kept_beside_the_first_and_proved(tmp_path: Path):
    frames = tuple(Frame(NOISE[::-1], AT, name) for name in ("left", "top"))
    (row,) = write(tmp_path, make_record(1, camera="right", captured_at=AT, more_frames=frames))

    more = json.loads(str(row["more_pictures"]))
    files = files_of(row)

    assert [picture["camera"] for picture in more] == ["left", "top"]
    assert set(more[0]) == {"camera", "file", "sha256", "captured_at"}
    assert row["picture_bytes"] == sum((tmp_path / file).stat().st_size for file in files)
    assert len(set(files)) == 3
    assert (verify_records(tmp_path).pictures, verify_records(tmp_path).problems) == (3, ())

    (tmp_path / files[2]).write_bytes(b"other")

    assert verify_records(tmp_path).problems == (f"record 1: picture {files[2]} was changed",)


def test_record_whose_picture_is_not_wanted_waits_without_it(tmp_path: Path):
    with RecordStore(RecordsConfig(folder=tmp_path, pictures=PicturesConfig(keep="none"))) as store:
        store.add(make_record(1, more_frames=(Frame(NOISE, AT, "left"),)))
        assert store._bytes_waiting == 0

    assert not (tmp_path / "pictures").exists()
