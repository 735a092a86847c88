"""Weight files: every wrong one refused in one sentence, nothing in a file executed, nothing fetched unasked."""

import hashlib
import http.server
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torchvision

from partgate.errors import TrainingError
from partgate.models.registry import BACKBONES, find_backbone
from partgate.models.weights import MOST_BYTES, find_weights, read_weights

STATE = {"conv.weight": torch.tensor([[1.0, 2.0]]), "conv.bias": torch.tensor([3.0])}


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, (f"open({str(self.victim)!r}, 'w').close()",)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def refusal(path: Path) -> str:
    """Return the sentence with which a file is refused whose hash is right."""
    with pytest.raises(TrainingError) as refused:
        read_weights(path, sha256(path))
    message = str(refused.value)
    assert message.startswith(f"weights {path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "save",
    [
        lambda victim, path: torch.save({"layer": Evil(victim)}, path),
        lambda victim, path: torch.save({"layer": Evil(victim)}, path, _use_new_zipfile_serialization=False),
        lambda victim, path: path.write_bytes(pickle.dumps(Evil(victim))),
        lambda victim, path: path.write_bytes(pickle.dumps(Evil(victim), protocol=0)),
    ],
    ids=["torch", "torch-before-1.6", "pickle", "pickle-as-text"],
)
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_pickle_that_runs_code_is_refused_and_never_executed(
    save: Callable[[Path, Path], None], name: str, tmp_path: Path
):
    path, victim = tmp_path / name, tmp_path / "executed"
    save(victim, path)

    message = refusal(path)

    assert not victim.exists()
    assert re.search("holds (Python's '[a-z_.]*exec'|a plain Python pickle), which", message)
    assert "which could run code; nothing was executed: get a file of tensors alone" in message


def test_payload_of_these_tests_does_run_where_nobody_is_careful(tmp_path: Path):
    pickle.loads(pickle.dumps(Evil(tmp_path / "executed")))

    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty; copy it again from its source"),
        (b"hello, these are no weights", r"is neither safetensors nor a state dict .*27 bytes, begins with b'hello"),
        (b"<!DOCTYPE html><html>404</html>", "is a web page; save the file that its link leads to"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of Git LFS, .*'git lfs pull'"),
        (b"\x08\x00\x00\x00\x00\x00\x00\x00{not json", "is neither safetensors nor a state dict"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", "is neither safetensors nor a state dict"),
    ],
    ids=["empty", "text", "web-page", "lfs-pointer", "torn-header", "header-of-8-exabytes"],
)
def test_file_that_is_no_weights_is_told_for_what_it_is(content: bytes, sentence: str, tmp_path: Path):
    path = written(tmp_path / "weights.pth", content)

    with pytest.raises(TrainingError, match=sentence):
        read_weights(path, sha256(path))


def test_file_that_was_cut_off_says_after_how_many_bytes(tmp_path: Path):
    whole = saved(tmp_path / "whole.pth", STATE).read_bytes()

    assert "is cut off after 200 bytes" in refusal(written(tmp_path / "cut.pth", whole[:200]))


def test_safetensors_file_that_was_cut_off_is_refused(tmp_path: Path):
    whole = safetensors.torch.save(STATE)

    assert "or is damaged" in refusal(written(tmp_path / "cut.safetensors", whole[:-4]))


def test_folder_missing_file_and_huge_file_are_told_before_anything_is_read(tmp_path: Path):
    huge = tmp_path / "huge.pth"
    with huge.open("wb") as file:
        file.truncate(MOST_BYTES + 1)  # takes no room on disk

    for path, sentence in (
        (tmp_path, "is a folder; name the file in it"),
        (tmp_path / "gone.pth", "no such file"),
        (huge, "has 4.0 GB; weights of a backbone have at most 4 GB"),
    ):
        with pytest.raises(TrainingError, match=sentence):
            read_weights(path, "0" * 64)


def test_file_with_another_hash_is_refused_before_it_is_read(tmp_path: Path):
    path = saved(tmp_path / "weights.pth", {"layer": Evil(tmp_path / "executed")})

    with pytest.raises(TrainingError, match=f"SHA-256 is {sha256(path)}, must be {'0' * 64}; get the file again"):
        read_weights(path, "0" * 64)


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        ([1, 2], "holds list, must be a state dict"),
        ({}, "holds dict, must be a state dict"),
        ({"epoch": 3, **STATE}, r"1 of 3 entries are no plain tensors \(first: epoch\)"),
        ({"bn": torch.zeros(2).to_sparse(), **STATE}, r"1 of 3 entries are no plain tensors \(first: bn\)"),
        ({**STATE, "bn": torch.tensor([float("nan")])}, r"1 of 3 tensors hold NaN or infinity \(first: bn\)"),
    ],
    ids=["list", "nothing", "other-things", "sparse", "nan"],
)
def test_content_that_is_no_state_dict_of_finite_numbers_is_refused(held: object, sentence: str, tmp_path: Path):
    path = saved(tmp_path / "weights.pth", held)

    with pytest.raises(TrainingError, match=sentence):
        read_weights(path, sha256(path))


@pytest.mark.parametrize(
    "save",
    [
        lambda path: torch.save(STATE, path),
        lambda path: torch.save(STATE, path, _use_new_zipfile_serialization=False),
        lambda path: path.write_bytes(safetensors.torch.save(STATE)),
        lambda path: torch.save({"epoch": 3, "state_dict": STATE}, path),
        lambda path: torch.save({"model": {f"module.{name}": value for name, value in STATE.items()}}, path),
    ],
    ids=["bare", "before-1.6", "safetensors", "in-a-checkpoint", "from-several-gpus"],
)
def test_weights_are_read_as_trainers_keep_them(save: Callable[[Path], None], tmp_path: Path):
    path = tmp_path / "weights"
    save(path)

    state, found = read_weights(path, sha256(path))

    assert found == sha256(path)
    assert {name: value.tolist() for name, value in state.items()} == {
        "conv.weight": [[1.0, 2.0]],
        "conv.bias": [3.0],
    }


def test_weights_without_a_hash_are_refused_and_the_hash_is_told(tmp_path: Path):
    path = written(tmp_path / "weights.pth", b"anything")

    with pytest.raises(TrainingError, match=f"weights_sha256: {hashlib.sha256(b'anything').hexdigest()}"):
        find_weights(find_backbone("resnet18"), path)


@pytest.mark.parametrize("given", ["f37072fd", "", "g" * 64, "0" * 65])
def test_hash_that_is_not_whole_is_refused(given: str, tmp_path: Path):
    path = written(tmp_path / "weights.pth", b"anything")

    with pytest.raises(TrainingError, match=f"weights_sha256 must be 64 hex digits, got '{given}'"):
        find_weights(find_backbone("resnet18"), path, given)


def test_hash_may_be_written_in_capitals(tmp_path: Path):
    path = written(tmp_path / "weights.pth", b"anything")

    assert find_weights(find_backbone("resnet18"), path, f" {sha256(path).upper()}\n") == (path, sha256(path))


def test_file_of_the_user_stands_above_package_and_download(tmp_path: Path):
    path = written(tmp_path / "weights.pth", b"anything")

    found, _ = find_weights(find_backbone("efficientnet_lite0"), path, sha256(path), download=True)

    assert found == path


def test_package_carries_the_default_weights_under_their_hash():
    path, expected = find_weights(find_backbone("efficientnet_lite0"), download=True)

    assert sha256(path) == expected == BACKBONES["efficientnet_lite0"].weights_sha256


def test_backbone_without_a_package_says_what_to_fetch_and_how_to_name_it():
    address = r"https://download\.pytorch\.org/models/resnet50-11ad3fa6\.pth"
    with pytest.raises(TrainingError, match=rf"weights: and weights_sha256: \({address}\), or set download: true"):
        find_weights(find_backbone("resnet50"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on the loopback and the folder it serves."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}", folder
        served.shutdown()
        thread.join()


@pytest.fixture
def publish(
    server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[bytes, str | None], Path]:
    """A function: let torchvision's address of resnet18 lead to this content; returns where torch will keep it."""

    def serve(content: bytes, begins: str | None = None) -> Path:
        address, folder = server
        name = f"resnet18-{begins or hashlib.sha256(content).hexdigest()[:8]}.pth"
        (folder / name).write_bytes(content)
        weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
        monkeypatch.setattr(weights.value, "url", f"{address}/{name}")
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        return tmp_path / "torch" / "hub" / "checkpoints" / name

    return serve


def test_download_keeps_the_file_in_torchs_cache_and_asks_once(publish: Callable[..., Path], server: tuple[str, Path]):
    kept = publish(b"weights")

    first = find_weights(find_backbone("resnet18"), download=True)
    (server[1] / kept.name).unlink()
    second = find_weights(find_backbone("resnet18"), download=True)

    assert first == second == (kept, hashlib.sha256(b"weights").hexdigest()[:8])
    assert kept.read_bytes() == b"weights"


def test_damaged_file_in_torchs_cache_is_fetched_again(publish: Callable[..., Path]):
    kept = publish(b"weights")
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"weig")

    find_weights(find_backbone("resnet18"), download=True)

    assert kept.read_bytes() == b"weights"


def test_nothing_is_fetched_unless_the_config_says_so(publish: Callable[..., Path]):
    kept = publish(b"weights")

    with pytest.raises(TrainingError, match="no package carries its weights"):
        find_weights(find_backbone("resnet18"))

    assert not kept.parent.exists()


def test_download_of_other_content_is_refused_and_not_kept(publish: Callable[..., Path]):
    kept = publish(b"something else", begins="01234567")

    with pytest.raises(TrainingError, match=r'could not be downloaded: invalid hash .*"01234567".*; fetch http'):
        find_weights(find_backbone("resnet18"), download=True)

    assert list(kept.parent.iterdir()) == []


def test_failing_network_says_how_to_bring_the_file_by_hand(
    publish: Callable[..., Path], server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
):
    kept = publish(b"weights")
    (server[1] / kept.name).unlink()

    with pytest.raises(TrainingError) as refused:
        find_weights(find_backbone("resnet18"), download=True)

    assert str(refused.value) == (
        "backbone 'resnet18': its weights could not be downloaded: HTTP Error 404: File not found; "
        f"fetch {server[0]}/{kept.name} on another PC, copy it here, and name it with weights: and weights_sha256:"
    )
