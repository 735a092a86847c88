"""What an acceptance refuses to judge, its seal, and what its record rests on."""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from partgate.acceptance import acceptance
from partgate.acceptance.acceptance import Acceptance
from partgate.acceptance.seal import read_seal, read_test_folder, seal_now, write_seal
from partgate.errors import BundleError, ConfigError, DataError, PartgateError
from partgate.inference.bundle import TrainingFacts
from partgate.recipe import ChosenOn, Limits

MakeRun = Callable[..., Path]
MakeFolder = Callable[..., Path]
Judge = Callable[..., Acceptance]
REJECT = 200  # brightness / 255 is the made gate's score; it rejects from 0.6


# --- parts that prove nothing


@pytest.fixture
def picture_sha256(make_grey_folder: MakeFolder) -> str:
    """The hash of the first picture of ``refused``."""
    folder = make_grey_folder({"defect": [REJECT]}, "same")
    return hashlib.sha256((folder / "defect/000.png").read_bytes()).hexdigest()


@pytest.fixture
def refused(make_run: MakeRun, make_grey_folder: MakeFolder, judge: Judge, tmp_path: Path) -> Callable[..., str]:
    """A function: why three pictures are refused by a gate with such facts."""

    def refuse(**facts: object) -> str:
        data = make_grey_folder({"defect": [REJECT, REJECT], "good": [10]})

        with pytest.raises(DataError) as caught:
            judge(data, "escape_rate: 0.5", gate=make_run(tmp_path / "other", **facts))

        assert not (tmp_path / "out").exists()
        return str(caught.value)

    return refuse


def test_pictures_that_trained_the_bundle_are_refused_with_the_hash_that_gives_them_away(
    refused: Callable[..., str], picture_sha256: str
):
    training = TrainingFacts(folder="made", pictures=1, groups=1, groups_ignored=False, seed=0, preset="quick",
                             picture_sha256=(picture_sha256,))  # fmt: skip

    problem = refused(manifest={"training": training})

    assert "1 of 3 pictures trained bundle" in problem
    assert f"'defect/000.png' (SHA-256 {picture_sha256[:16]}…)" in problem


def test_pictures_that_chose_the_limits_are_refused_with_the_hash_that_gives_them_away(
    refused: Callable[..., str], picture_sha256: str
):
    chosen_on = ChosenOn(parts=1, pictures=1, picture_sha256=(picture_sha256[:16],))

    problem = refused(recipe={"decision": Limits(recheck_from=0.4, reject_from=0.6, chosen_on=chosen_on)})

    assert "1 of 3 pictures chose the limits of recipe 'made part'" in problem
    assert f"'defect/000.png' (SHA-256 {picture_sha256[:16]}…)" in problem
    assert "an acceptance needs parts that had no say in the gate" in problem


def test_new_picture_of_a_part_that_was_learned_from_is_refused_by_the_runs_split(
    make_grey_folder: MakeFolder, run: Path, judge: Judge, tmp_path: Path
):
    data = make_grey_folder({"defect": [REJECT, REJECT]})
    (data / "labels.csv").write_text("file,label,part\ndefect/000.png,defect,7\ndefect/001.png,defect,8\n")
    (run / "split.csv").write_text(f"file,label,split,group,sha256\nold.png,defect,validation,part 7,{'0' * 64}\n")

    with pytest.raises(DataError) as caught:
        judge(data, "escape_rate: 0.5")

    assert "1 of 2 pictures are new ones of a part or group that had a say in the gate" in str(caught.value)
    assert "e.g. 'defect/000.png' of 'part 7'; if that is another part or group" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("changed", ["recipe", "limits"])
def test_record_holds_the_hash_of_the_files_that_judged_though_they_changed_meanwhile(
    make_grey_folder: MakeFolder, run: Path, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
):
    path = {"recipe": run / "recipe.yaml", "limits": tmp_path / "limits.yaml"}[changed]
    before: list[bytes] = []

    def change_then_judge(*arguments: object) -> object:
        before.append(path.read_bytes())
        path.write_bytes(before[0] + b"# another\n")
        return judge_parts(*arguments)

    judge_parts = acceptance.judge_parts
    monkeypatch.setattr(acceptance, "judge_parts", change_then_judge)

    record = judge(make_grey_folder({"defect": [REJECT]}), "escape_rate: 0.5").record

    assert record["sha256"][changed] == hashlib.sha256(before[0]).hexdigest()


def test_pictures_of_the_runs_own_test_are_told(make_grey_folder: MakeFolder, run: Path, judge: Judge):
    data = make_grey_folder({"defect": [REJECT, REJECT]})
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((data / "defect").iterdir())]
    rows = f"file,label,group,split,sha256\na.png,defect,g,test,{hashes[0]}\n"
    (run / "split.csv").write_text(rows, encoding="utf-8")

    record = judge(data, "escape_rate: 0.5").record

    assert record["material"]["on_test_side"] == 1


def test_sorting_by_class_has_nothing_to_accept(
    make_grey_folder: MakeFolder, make_run: MakeRun, judge: Judge, tmp_path: Path
):
    run = make_run(tmp_path / "sorting", manifest={"classes": ("bright", "dark"), "good_class": None})
    data = make_grey_folder({"bright": [250], "dark": [5]})

    with pytest.raises(ConfigError, match="recipe 'made part': sorts by class"):
        judge(data, "escape_rate: 0.5", gate=run)


def test_bundle_that_was_exchanged_is_refused(
    make_grey_folder: MakeFolder,
    run: Path,
    judge: Judge,
    make_run: MakeRun,
    make_model: Callable[..., bytes],
    tmp_path: Path,
):
    other = make_run(tmp_path / "other", model=make_model(offsets=(0.1, 0.9)))
    shutil.copy(other / "model.partgate", run / "model.partgate")

    with pytest.raises(BundleError, match="is pinned to bundle"):
        judge(make_grey_folder({"defect": [REJECT]}), "escape_rate: 0.5")


# --- seal and record


def test_data_that_differs_from_its_seal_is_refused(make_grey_folder: MakeFolder, judge: Judge, tmp_path: Path):
    data = make_grey_folder({"defect": [REJECT, 10]})
    write_seal(seal_now(read_test_folder(data).pictures), "data", tmp_path / "seal.json")
    (data / "defect/001.png").unlink()

    with pytest.raises(DataError, match=r"not as sealed: 1 pictures are missing: defect/001\.png"):
        judge(data, "escape_rate: 0.5", seal_file=tmp_path / "seal.json")


@pytest.mark.parametrize("before", [True, False])
def test_record_says_whether_the_parts_were_sealed_before(
    make_grey_folder: MakeFolder, judge: Judge, tmp_path: Path, before: bool
):
    data = make_grey_folder({"defect": [REJECT]})
    write_seal(seal_now(read_test_folder(data).pictures), "data", tmp_path / "seal.json")

    done = judge(data, "escape_rate: 0.5", seal_file=tmp_path / "seal.json" if before else None)

    seal = read_seal(tmp_path / "seal.json" if before else tmp_path / "out/seal.json")
    assert done.record["seal"] == {"sealed_at": seal.sealed_at.isoformat(), "before": before}
    assert done.record["sha256"]["seal"] == seal.sha256
    assert (tmp_path / "out/seal.json").exists() is not before


def test_record_names_the_hash_of_everything_it_rests_on(
    make_grey_folder: MakeFolder, run: Path, judge: Judge, tmp_path: Path
):
    data = make_grey_folder({"defect": [REJECT]})

    done = judge(data, "escape_rate: 0.5")

    hashes = done.record["sha256"]
    assert set(hashes) == {"data", "seal", "bundle_id", "bundle_file", "recipe", "limits"}
    assert hashes["recipe"] == hashlib.sha256((run / "recipe.yaml").read_bytes()).hexdigest()
    assert hashes["limits"] == hashlib.sha256((tmp_path / "limits.yaml").read_bytes()).hexdigest()
    assert hashes["bundle_file"] == hashlib.sha256((run / "model.partgate").read_bytes()).hexdigest()
    written = json.loads((tmp_path / "out/acceptance.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(done.record))


def test_seal_left_by_a_run_that_broke_off_is_not_written_over(
    make_grey_folder: MakeFolder, judge: Judge, tmp_path: Path
):
    data = make_grey_folder({"defect": [REJECT]})
    (tmp_path / "out").mkdir()
    write_seal(seal_now(read_test_folder(data).pictures), "data", tmp_path / "out/seal.json")

    with pytest.raises(DataError, match="holds a seal already; judge by it with --seal"):
        judge(data, "escape_rate: 0.5")

    assert judge(data, "escape_rate: 0.5", seal_file=tmp_path / "out/seal.json").record["seal"]["before"]


def test_missing_pdf_library_is_told_before_anything_is_judged(
    make_grey_folder: MakeFolder, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "weasyprint", None)

    with pytest.raises(PartgateError, match="WeasyPrint is not installed"):
        judge(make_grey_folder({"defect": [REJECT]}), "escape_rate: 0.5", pdf=True)

    assert not (tmp_path / "out").exists()


def test_record_is_never_overwritten(make_grey_folder: MakeFolder, judge: Judge):
    data = make_grey_folder({"defect": [REJECT]})
    judge(data, "escape_rate: 0.5")

    with pytest.raises(DataError, match="holds a record already; a record is never overwritten"):
        judge(data, "escape_rate: 0.5")
