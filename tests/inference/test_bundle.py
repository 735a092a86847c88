"""Bundles: every byte is checked; the pinned one is taken and no other."""

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partgate.errors import BundleError
from partgate.inference.bundle import BUNDLE_FORMAT, Geometry, Manifest, open_pinned, read_bundle, write_bundle
from partgate.recipe import Recipe, load_recipe


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, make_manifest: Callable[..., Manifest]) -> bytes:
    """The bytes of a bundle with a model that no engine has to understand."""
    path = tmp_path_factory.mktemp("bundle") / "model.partgate"
    write_bundle(path, make_manifest(), bytes(range(256)) * 3)
    return path.read_bytes()


def sealed(manifest: object, parts: Mapping[str, bytes]) -> bytes:
    """Return the bytes of an archive with a fitting checksum, whatever stands in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        archive.writestr("manifest.json", text)
        for name, content in parts.items():
            archive.writestr(name, content)
        archive.comment = b"0" * 64
    body = buffer.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


def manifest_of(data: bytes) -> dict[str, object]:
    """Return the manifest inside a bundle as plain values."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found: dict[str, object] = json.loads(archive.read("manifest.json"))
        return found


def test_what_was_written_is_read_back(tmp_path: Path, make_manifest: Callable[..., Manifest]) -> None:
    manifest = make_manifest(geometry=Geometry(region=(1, 2, 30, 40), height_px=64, width_px=96))
    path = tmp_path / "model.partgate"

    write_bundle(path, manifest, b"the graph")
    bundle = read_bundle(path)

    assert bundle.model == b"the graph"
    assert bundle.id == hashlib.sha256(b"the graph").hexdigest()
    assert bundle.manifest == manifest.model_copy(update={"format": 1, "parts": {"model.onnx": bundle.id}})
    assert bundle.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_equal_content_gives_equal_bytes(tmp_path: Path, make_manifest: Callable[..., Manifest]) -> None:
    for name in ("one", "two"):
        write_bundle(tmp_path / name, make_manifest(), b"the graph")

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_other_facts_about_the_same_model_keep_its_id(tmp_path: Path, make_manifest: Callable[..., Manifest]) -> None:
    write_bundle(tmp_path / "one", make_manifest(), b"the graph")
    write_bundle(tmp_path / "two", make_manifest(partgate="0.2"), b"the graph")

    one, two = read_bundle(tmp_path / "one"), read_bundle(tmp_path / "two")

    assert one.id == two.id
    assert one.sha256 != two.sha256


def test_bundle_is_a_plain_archive_that_holds_no_pickle(whole: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.namelist() == ["manifest.json", "model.onnx"]
        assert archive.testzip() is None


# --- damage


@pytest.mark.parametrize("share", [i / 40 for i in range(40)] + [0.9999], ids=lambda share: f"{share:.3f}")
@pytest.mark.parametrize("bit", [0, 5, 7])  # 5: upper and lower case of the checksum's digits
def test_one_flipped_bit_anywhere_is_noticed(tmp_path: Path, whole: bytes, share: float, bit: int) -> None:
    data = bytearray(whole)
    data[int(share * len(data))] ^= 1 << bit
    (tmp_path / "model.partgate").write_bytes(data)

    with pytest.raises(BundleError, match=r"bundle .*model\.partgate: is damaged or no bundle .*copy it again"):
        read_bundle(tmp_path / "model.partgate")


@pytest.mark.parametrize("bit", range(8))
def test_one_flipped_bit_in_the_checksum_itself_is_noticed(tmp_path: Path, whole: bytes, bit: int) -> None:
    for position in range(len(whole) - 64, len(whole)):
        data = bytearray(whole)
        data[position] ^= 1 << bit
        (tmp_path / "model.partgate").write_bytes(data)

        with pytest.raises(BundleError, match="is damaged"):
            read_bundle(tmp_path / "model.partgate")


@given(st.data())
def test_changed_byte_is_never_overlooked(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    changed = bytearray(whole)
    position = data.draw(st.integers(0, len(whole) - 1))
    changed[position] = data.draw(st.integers(0, 255).filter(lambda value: value != whole[position]))
    path = tmp_path_factory.getbasetemp() / "changed.partgate"
    path.write_bytes(changed)

    with pytest.raises(BundleError, match="is damaged"):
        read_bundle(path)


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 500, -65, -64, -1])
def test_truncated_bundle_is_noticed(tmp_path: Path, whole: bytes, length: int) -> None:
    (tmp_path / "model.partgate").write_bytes(whole[:length])

    with pytest.raises(BundleError, match="is damaged or no bundle"):
        read_bundle(tmp_path / "model.partgate")


def test_bytes_behind_the_end_are_noticed(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "model.partgate").write_bytes(whole + b"\0")

    with pytest.raises(BundleError, match="is damaged"):
        read_bundle(tmp_path / "model.partgate")


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_bundle_that_is_not_there_is_named(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        (tmp_path / "model.partgate").mkdir()

    with pytest.raises(BundleError, match=r"bundle .*model\.partgate: cannot be read: (No such file|Is a directory)"):
        read_bundle(tmp_path / "model.partgate")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": BUNDLE_FORMAT + 1, "partgate": "9.9"}, rf"format {BUNDLE_FORMAT + 1} was written by a newer "
         rf"partgate \(9\.9\); this version reads up to format {BUNDLE_FORMAT}: update partgate on this PC"),
        ({"format": 99, "shape_of_tomorrow": {}}, r"format 99 was written by a newer partgate"),
        ({"classes": None}, r"its manifest is not one: classes: .*; train again"),
        ({"geometry": {"region": None, "height_px": 0, "width_px": 8}}, r"manifest is not one: geometry\.height_px: "),
        ({"unknown": 1}, r"its manifest is not one: unknown: is not a known key"),
        ({"parts": {}}, r"model\.onnx is not the one its manifest names"),
        ({"parts": {"model.onnx": "0" * 64}}, r"model\.onnx is not the one its manifest names; train again"),
    ],
    ids=["newer", "much-newer", "no-classes", "no-height", "unknown-key", "no-part", "another-model"],
)  # fmt: skip
def test_intact_file_of_another_version_or_hand_says_what_is_wrong(
    tmp_path: Path, whole: bytes, changes: Mapping[str, object], told: str
) -> None:
    data = sealed(manifest_of(whole) | changes, {"model.onnx": bytes(range(256)) * 3})
    (tmp_path / "model.partgate").write_bytes(data)

    with pytest.raises(BundleError, match=told):
        read_bundle(tmp_path / "model.partgate")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (sealed({}, {}), "its manifest is not one"),
        (sealed([], {"model.onnx": b""}), "its manifest is not one"),
        (sealed(b"{", {"model.onnx": b""}), "its manifest is not JSON"),
        (sealed(b"\xff\xfe", {"model.onnx": b""}), "its manifest is not JSON"),
        (b"".join((struct.pack("<I", 7), hashlib.sha256(struct.pack("<I", 7)).hexdigest().encode())), "lacks a part"),
    ],
    ids=["empty", "list", "cut-off", "no-text", "no-archive"],
)
def test_intact_file_that_is_no_bundle_is_told(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "model.partgate").write_bytes(data)

    with pytest.raises(BundleError, match=told):
        read_bundle(tmp_path / "model.partgate")


def test_bundle_without_its_model_lacks_a_part(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "model.partgate").write_bytes(sealed(manifest_of(whole), {}))

    with pytest.raises(BundleError, match=r"lacks a part: .*model\.onnx"):
        read_bundle(tmp_path / "model.partgate")


# --- the pinned one


def changed(run: Path, **changes: object) -> Recipe:
    """Return the recipe of a run with some keys changed by hand."""
    return load_recipe(run).model_copy(update=changes)


def test_pinned_bundle_is_opened(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(tmp_path / "run")

    assert open_pinned(load_recipe(run)).path == run / "model.partgate"


def test_run_folder_may_be_moved(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    make_run(tmp_path / "run").rename(tmp_path / "line 3")

    assert open_pinned(load_recipe(tmp_path / "line 3")).manifest.classes == ("defect", "good")


def test_another_bundle_in_the_place_of_the_pinned_one_is_refused_with_both_ids(
    tmp_path: Path, make_run: Callable[..., Path], make_model: Callable[..., bytes]
) -> None:
    run = make_run(tmp_path / "run")
    other = make_run(tmp_path / "other", model=make_model(offsets=(0.01, 0.99)))
    ids = [read_bundle(folder / "model.partgate").id[:12] for folder in (run, other)]
    (run / "model.partgate").write_bytes((other / "model.partgate").read_bytes())

    told = rf"^recipe 'made part': is pinned to bundle {ids[0]}, but .*model\.partgate is {ids[1]}; put the released"
    with pytest.raises(BundleError, match=told):
        open_pinned(load_recipe(run))


@pytest.mark.parametrize(
    ("trained", "wanted", "told"),
    [
        (None, (0, 0, 64, 64), r"region \[0, 0, 64, 64\] differs from none"),
        ((0, 0, 64, 64), None, r"region none differs from \[0, 0, 64, 64\]"),
        (
            (0, 0, 64, 64),
            (0, 0, 64, 65),
            r"region \[0, 0, 64, 65\] differs from \[0, 0, 64, 64\], which the bundle was",
        ),
    ],
)
def test_region_that_differs_from_the_trained_one_is_refused(
    tmp_path: Path, make_run: Callable[..., Path], trained: object, wanted: object, told: str
) -> None:
    run = make_run(tmp_path / "run", manifest={"geometry": Geometry(region=trained, height_px=32, width_px=32)})

    with pytest.raises(BundleError, match=f"^recipe 'made part': {told}"):
        open_pinned(changed(run, region=wanted))


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ("defect", "fine", "good")},
        {"classes": ("good", "defect")},
        {"good_class": "defect"},
        {"good_class": None},
    ],
    ids=["one-more", "other-order", "other-good-class", "sorting"],
)
def test_classes_that_differ_from_the_bundle_are_refused_with_both_lists(
    tmp_path: Path, make_run: Callable[..., Path], changes: Mapping[str, object]
) -> None:
    run = make_run(tmp_path / "run")

    with pytest.raises(
        BundleError, match=r"classes .* differ from the bundle's defect, good with good; take them from"
    ):
        open_pinned(changed(run, **changes))
