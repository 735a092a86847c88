"""Labelled folders written by hand, file by file."""

from collections.abc import Mapping
from pathlib import Path

from partgate.data.folder import LabelledFolder, read_folder


def write(folder: Path, files: Mapping[str, str] | list[str]) -> Path:
    """Write files; what stands in them is their own name or the content given."""
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[file] if isinstance(files, Mapping) else file, encoding="utf-8")
    return folder


def labelled(folder: Path, header: str, *rows: str, good_class: str | None = None, **options: bool) -> LabelledFolder:
    """Read a folder under a ``labels.csv`` after writing every picture that it names."""
    write(folder, [row.split(",")[0] for row in rows if not (folder / row.split(",")[0]).exists()])
    (folder / "labels.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    return read_folder(folder, good_class, **options)
