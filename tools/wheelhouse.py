"""Put everything a line PC needs into one folder for a USB stick: wheels and their hashes, nothing of training.

Run: make wheelhouse, or python tools/wheelhouse.py FOLDER [--platform win_amd64 --python-version 3.11]
On the line PC, without internet: python -m venv .venv, then the pip line of FOLDER/INSTALL.txt.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSTALL = """partgate for a line PC without internet

Python {python} must be installed. In this folder:

  Linux:    python3 -m venv /opt/partgate
            /opt/partgate/bin/python -m pip install --no-index --find-links . --require-hashes -r requirements.txt
  Windows:  py -m venv C:\\partgate
            C:\\partgate\\Scripts\\python -m pip install --no-index --find-links . --require-hashes -r requirements.txt

Then: partgate doctor
Every file is checked against its SHA-256 in requirements.txt; a damaged or exchanged one is refused.
"""


def main() -> None:
    """Build our wheel, fetch what it needs, lock all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--platform", help="of the line PC, e.g. win_amd64; by default this machine's")
    parser.add_argument("--python-version", help="of the line PC, e.g. 3.11; by default this machine's")
    options = parser.parse_args()
    unfinished = options.folder.with_name(f"{options.folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    pip("wheel", "--no-deps", "--wheel-dir", unfinished, ROOT)
    ours = next(unfinished.glob("partgate-*.whl"))
    target = ["--only-binary=:all:"]
    target += ["--platform", options.platform] if options.platform else []
    target += ["--python-version", options.python_version] if options.python_version else []
    pip("download", "--dest", unfinished, "-c", ROOT / "constraints.txt", *target, ours)
    python = options.python_version or f"{sys.version_info.major}.{sys.version_info.minor}"
    (unfinished / "requirements.txt").write_text(lock(unfinished), encoding="utf-8")
    (unfinished / "INSTALL.txt").write_text(INSTALL.format(python=python), encoding="utf-8")
    shutil.rmtree(options.folder, ignore_errors=True)
    unfinished.rename(options.folder)
    size = sum(path.stat().st_size for path in options.folder.iterdir()) / 1e6
    print(f"{len(list(options.folder.glob('*.whl')))} wheels, {size:.0f} MB in {options.folder}; see INSTALL.txt there")


def pip(*arguments: object) -> None:
    """Run pip quietly; end where it fails."""
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *map(str, arguments)], check=True, cwd=ROOT)


def lock(folder: Path) -> str:
    """Return one line per wheel: name, version, SHA-256."""
    lines = []
    for path in sorted(folder.glob("*.whl")):
        name, version = path.name.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n")
    return "".join(lines)


if __name__ == "__main__":
    main()
