"""Packed recipes: what was packed is read back byte by byte; nothing damaged, foreign or tricky is taken."""

import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from partgate.errors import BundleError, ConfigError
from partgate.inference.pack import PACK_FORMAT, pack_recipe, read_pack, seal_pack

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SEEN = {"parts": 1, "pictures": 1, "picture_sha256": ["0123456789abcdef"]}


@pytest.fixture(scope="module")
def run(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    limits = {"recheck_from": 0.4, "reject_from": 0.6, "chosen_on": SEEN}
    return make_run(tmp_path_factory.mktemp("pack") / "run", recipe={"decision": limits})


@pytest.fixture(scope="module")
def whole(run: Path) -> bytes:
    out = run.parent / "whole.partgate-recipe"
    pack_recipe(run, out, packed_by="A. Meier", packed_at=AT)
    return out.read_bytes()


def reseal(whole: bytes, *, extra: dict[str, bytes] | None = None, listed: bool = True, **facts: object) -> bytes:
    """Return a pack with other facts or parts and a fitting checksum, as somebody who means harm would write it."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    found = json.loads(files.pop("pack.json"))
    files |= extra or {}
    if listed:
        found["parts"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return seal_pack(json.dumps(found | facts).encode(), files)


def refused(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "x.partgate-recipe"
    path.write_bytes(data)
    with pytest.raises(BundleError) as caught:
        read_pack(path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]
    return str(caught.value)


def test_what_was_packed_is_read_back_byte_by_byte(tmp_path: Path, run: Path):
    report = tmp_path / "report.html"
    report.write_text("<p>report")

    packed = pack_recipe(run, tmp_path / "a.partgate-recipe", [report], packed_by="A. Meier", note="line 3")

    assert packed.files == {
        "recipe.yaml": (run / "recipe.yaml").read_bytes(),
        "model.partgate": (run / "model.partgate").read_bytes(),
        "report.html": b"<p>report",
    }
    assert (packed.facts.format, packed.facts.recipe, packed.facts.packed_by) == (PACK_FORMAT, "made part", "A. Meier")


def test_same_content_and_time_give_the_same_bytes(tmp_path: Path, run: Path, whole: bytes):
    pack_recipe(run, tmp_path / "b.partgate-recipe", packed_by="A. Meier", packed_at=AT)

    assert (tmp_path / "b.partgate-recipe").read_bytes() == whole


def test_windows_writes_the_same_bytes(monkeypatch: pytest.MonkeyPatch):
    here = seal_pack(b"{}", {"a.txt": b"x"})
    monkeypatch.setattr(sys, "platform", "win32")

    assert seal_pack(b"{}", {"a.txt": b"x"}) == here


def test_hashes_of_the_pictures_that_chose_the_limits_travel_along(tmp_path: Path, whole: bytes):
    path = tmp_path / "a.partgate-recipe"
    path.write_bytes(whole)

    assert read_pack(path).load_recipe().decision.rests_on("0123456789abcdef" + "0" * 48)


def test_bundle_elsewhere_becomes_the_one_beside_the_recipe(tmp_path: Path, run: Path):
    content = yaml.safe_load((run / "recipe.yaml").read_text())
    content["bundle"]["file"] = str(run / "model.partgate")
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(content))

    packed = pack_recipe(tmp_path / "other.yaml", tmp_path / "a.partgate-recipe")

    assert yaml.safe_load(packed.files["recipe.yaml"])["bundle"]["file"] == "model.partgate"
    assert packed.load_recipe().decision.rests_on("0123456789abcdef")


# --- what cannot be packed


def test_bundle_that_does_not_fit_the_recipe_is_not_packed(tmp_path: Path, make_run: Callable[..., Path]):
    run = make_run(tmp_path / "run")
    content = yaml.safe_load((run / "recipe.yaml").read_text())
    content["bundle"]["id"] = "0" * 64
    (run / "recipe.yaml").write_text(yaml.safe_dump(content))

    with pytest.raises(BundleError, match="is pinned to bundle 000000000000"):
        pack_recipe(run, tmp_path / "a.partgate-recipe")

    assert not (tmp_path / "a.partgate-recipe").exists()


@pytest.mark.parametrize(
    ("out", "who", "paper", "message"),
    [
        ("a.zip", "", None, "ends with .partgate-recipe"),
        ("gone/a.partgate-recipe", "", None, "cannot be written: No such file"),
        ("a.partgate-recipe", "\x1b[2J", None, "packed_by"),
        ("a.partgate-recipe", "", "run.exe", "cannot be carried by this name"),
        ("a.partgate-recipe", "", "con.html", "cannot be carried by this name"),
        ("a.partgate-recipe", "", "PACK.json", "stands twice"),
        ("a.partgate-recipe", "", "none.html", "cannot be read: No such file"),
    ],
)
def test_what_cannot_be_packed_is_told(tmp_path: Path, run: Path, out: str, who: str, paper: str | None, message: str):
    papers = [tmp_path / paper] if paper else []

    with pytest.raises((BundleError, ConfigError), match=message):
        pack_recipe(run, tmp_path / out, papers, packed_by=who)

    assert not list(tmp_path.iterdir())


# --- what is not taken


@pytest.mark.parametrize("share", [0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999])
def test_one_flipped_bit_anywhere_is_noticed(tmp_path: Path, whole: bytes, share: float):
    data = bytearray(whole)
    data[2 + int(share * (len(data) - 3))] ^= 1

    assert "is damaged" in refused(tmp_path, bytes(data))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_file_is_noticed(tmp_path: Path, whole: bytes, share: float):
    assert "is damaged" in refused(tmp_path, whole[: int(share * len(whole))])


def test_other_kinds_of_files_are_named(tmp_path: Path, run: Path):
    assert "is no packed recipe" in refused(tmp_path, b"")
    assert "is no packed recipe" in refused(tmp_path, b"\x89PNG and more")
    assert "a bundle: pack the run folder" in refused(tmp_path, (run / "model.partgate").read_bytes())


def test_newer_format_says_what_to_update(tmp_path: Path, whole: bytes):
    message = refused(tmp_path, reseal(whole, format=PACK_FORMAT + 1, partgate="9.9", unheard_of=1))

    assert "written by a newer partgate ('9.9')" in message
    assert "update partgate on this PC" in message


@pytest.mark.parametrize(
    "name",
    ["../a.html", "/a.html", "a/b.html", "a\\b.html", "C:a.html", "nul.html", ".a.html", "a.sh", "RECIPE.YAML", ""],
)
def test_part_that_could_leave_its_folder_or_run_is_refused(tmp_path: Path, whole: bytes, name: str):
    assert "cannot be carried" in refused(tmp_path, reseal(whole, extra={name: b"x"}))


def test_part_that_differs_in_case_alone_is_refused(tmp_path: Path, whole: bytes):
    message = refused(tmp_path, reseal(whole, extra={"a.html": b"x", "A.html": b"y"}))

    assert "'A.html': stands twice" in message


def test_part_that_the_list_does_not_name_is_refused(tmp_path: Path, whole: bytes):
    assert "holds 'a.html', which its list does not name" in refused(
        tmp_path, reseal(whole, extra={"a.html": b"x"}, listed=False)
    )


def test_part_that_is_not_the_listed_one_is_refused(tmp_path: Path, whole: bytes):
    assert "'recipe.yaml' is not the one" in refused(
        tmp_path, reseal(whole, extra={"recipe.yaml": b"name: x"}, listed=False)
    )


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"parts": {}}, "holds 'recipe.yaml', which its list does not name"),
        ({"packed_by": "\x1b[2J"}, "packed_by"),
        ({"bundle_id": "short"}, "bundle_id"),
        ({"more": 1}, "more"),
    ],
    ids=["no-parts", "control-codes", "short-id", "unknown"],
)
def test_facts_that_are_none_are_refused(tmp_path: Path, whole: bytes, facts: dict[str, object], says: str):
    assert says in refused(tmp_path, reseal(whole, **facts))


def forged(*entries: tuple[zipfile.ZipInfo | str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
        archive.comment = b"0" * 64
    body = buffer.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


def test_compressed_archive_is_refused_before_it_is_unpacked(tmp_path: Path):
    bomb = forged(("pack.json", bytes(10**7)), compression=zipfile.ZIP_DEFLATED)

    assert "is compressed or encrypted" in refused(tmp_path, bomb)


def test_facts_too_large_to_be_facts_are_not_read(tmp_path: Path):
    assert "at most 1048576 are read" in refused(tmp_path, forged(("pack.json", b" " * (2**20 + 1))))


def test_facts_nested_without_end_are_refused(tmp_path: Path):
    assert "is not JSON" in refused(tmp_path, forged(("pack.json", b"[" * 200_000)))


def test_recipe_without_its_bundle_is_refused(tmp_path: Path, whole: bytes):
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        facts, recipe = json.loads(archive.read("pack.json")), archive.read("recipe.yaml")
    del facts["parts"]["model.partgate"]

    data = seal_pack(json.dumps(facts).encode(), {"recipe.yaml": recipe})

    assert "lacks recipe.yaml or model.partgate" in refused(tmp_path, data)


def test_parts_that_lie_in_one_another_are_refused(tmp_path: Path, whole: bytes):
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    facts = json.loads(files.pop("pack.json"))
    facts["parts"] |= {"a.html": "0" * 64, "b.html": "0" * 64}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in {"pack.json": json.dumps(facts).encode(), **files, "a.html": bytes(10**6)}.items():
            archive.writestr(name, content)
        inner = zipfile.ZipInfo("b.html")
        inner.file_size = inner.compress_size = 10**6 - 100
        inner.header_offset, inner.CRC = archive.getinfo("a.html").header_offset + 40, 0
        archive.filelist.append(inner)
        archive.comment = b"0" * 64
    body = buffer.getvalue()[:-64]

    message = refused(tmp_path, body + hashlib.sha256(body).hexdigest().encode())

    assert "larger than the file (they overlap)" in message


def test_link_inside_is_refused(tmp_path: Path, whole: bytes):
    with zipfile.ZipFile(io.BytesIO(reseal(whole, extra={"a.html": b"/etc/passwd"}))) as archive:
        entries = [(info, archive.read(info)) for info in archive.infolist()]
    entries[-1][0].external_attr = 0o120777 << 16

    assert "'a.html' is a link or a folder" in refused(tmp_path, forged(*entries))
