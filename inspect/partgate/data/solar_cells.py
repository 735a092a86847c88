"""The ELPV solar cells as a labelled folder: 2,624 electroluminescence pictures from a package, nothing downloaded.

Source:
    Buerhop-Lutz et al. (2018), "A benchmark for visual identification of defective solar cells in
    electroluminescence imagery"; Deitsch et al. (2019), Solar Energy 185. Pictures: CC BY-NC-SA 4.0.
"""

import csv
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from partgate.data.labels_csv import LABELS_FILE
from partgate.errors import DataError

SOLAR_CELLS_LICENCE = (
    "ELPV solar cells: CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/). To try partgate with: "
    "neither the pictures nor a model trained on them belongs into a product. Please cite Buerhop-Lutz et al. 2018, "
    "Deitsch et al. 2019 and 2021."
)
_SURE = {"0.0000": ("good", "1"), "1.0000": ("defect", "1")}
_UNSURE = {"0.3333": ("good", "0.3333"), "0.6667": ("defect", "0.6667")}


def lay_out_solar_cells(destination: Path, with_unsure: bool = False) -> int:
    """Write the cells as a labelled folder with a ``labels.csv``; return how many.

    Args:
        destination: A folder that does not exist yet, or is empty.
        with_unsure: Add the cells that the rater was not sure of, as good with weight 1/3 and defect with weight 2/3.

    Raises:
        DataError: If the package with the pictures is missing or the folder is in use.
    """
    spec = find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise DataError("solar-cells: the package with the pictures is missing; pip install 'partgate[demo]'")
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise DataError(f"{destination}: is in use; name a folder that does not exist yet")
    source = Path(spec.origin).parent / "data"
    grades = _SURE | (_UNSURE if with_unsure else {})
    rows: list[list[str]] = []
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}."))
    except OSError as error:
        raise DataError(f"{destination}: cannot be made: {error.strerror}; name a writable folder") from error
    try:
        for name in ("good", "defect"):
            (part / name).mkdir()
        for line in (source / "labels.csv").read_text(encoding="utf-8").splitlines():
            file, probability, cell_type = line.split()
            grade = f"{float(probability):.4f}"
            if grade not in grades:
                continue
            label, weight = grades[grade]
            target = f"{label}/{Path(file).name}"
            shutil.copyfile(source / file, part / target)
            rows.append([target, label, weight, f"{float(probability):.2f}", cell_type])
        with (part / LABELS_FILE).open("w", encoding="utf-8", newline="") as text:
            table = csv.writer(text, lineterminator="\n")
            table.writerow(["file", "label", "weight", "grade", "cell_type"])
            table.writerows(rows)
        (part / "LICENCE.txt").write_text(SOLAR_CELLS_LICENCE + "\n", encoding="utf-8")
        os.chmod(part, 0o755)
        if destination.exists():
            destination.rmdir()
        os.replace(part, destination)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise DataError(f"{destination}: cannot be written: {error.strerror}; name a folder with free space") from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return len(rows)
