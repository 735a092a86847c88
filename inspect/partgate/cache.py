"""What is kept of this machine's work: features, exported graphs, measured costs; safe to delete at any time."""

import os
from collections.abc import Callable
from pathlib import Path

from partgate.configfile import write_atomically


def cache_folder() -> Path:
    """Return where features and exported backbones are kept: ``PARTGATE_CACHE``, else the user's cache folder."""
    if named := os.environ.get("PARTGATE_CACHE"):
        return Path(named)
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "partgate"


def cached_bytes(name: str, make: Callable[[], bytes]) -> bytes:
    """Return a file of the cache, made once; a cache that cannot be written is no reason to stop."""
    path = cache_folder() / name
    if path.is_file():
        return path.read_bytes()
    content = make()
    keep(path, content)
    return content


def keep(path: Path, content: bytes) -> None:
    """Write a file of the cache; a cache that cannot be written is no reason to stop."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError:  # full or read-only: slower next time, nothing else
        return
