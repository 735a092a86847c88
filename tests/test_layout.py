"""The house as planned: folders, configs, pages, promises that hold over all files."""

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

from partgate.configfile import load_config
from partgate.imaging import PICTURE_SUFFIXES
from partgate.recipe import Recipe
from partgate.station.config import StationConfig
from partgate.training.config import load_training

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "inspect" / "partgate"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs the git checkout")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_inspect_is_a_source_root_and_not_a_package():
    """An ``inspect/__init__.py`` would hide Python's own ``inspect`` module."""
    assert not (ROOT / "inspect" / "__init__.py").exists()


def test_every_training_file_loads():
    files = sorted((ROOT / "configs/training").glob("*.yaml"))

    assert files
    for path in files:
        load_training(ROOT / "datasets", path.stem)


@pytest.mark.parametrize("path", sorted((ROOT / "configs/stations").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_station_file_loads(path: Path):
    assert load_config(path, StationConfig).name


@pytest.mark.parametrize("path", sorted((ROOT / "configs/recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_file_loads(path: Path):
    assert load_config(path, Recipe).name


def test_design_names_every_folder_and_module_of_the_package():
    text = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    tree = text[text.index("inspect/partgate/\n") : text.index("configs/  ")]

    for folder in sorted(path for path in PACKAGE.iterdir() if (path / "__init__.py").exists()):
        line = next(line for line in tree.splitlines() if line.strip().startswith(f"{folder.name}/"))
        if folder.name in {"cli", "simulate"}:
            continue
        for module in folder.glob("*.py"):
            assert module.stem == "__init__" or re.search(rf"\b{module.stem}\b", line), (
                f"{module} is not in docs/design.md"
            )
    for module in PACKAGE.glob("*.py"):
        assert module.stem.startswith("__") or f"{module.name}" in tree


def test_layers_in_the_design_are_those_that_the_tool_checks():
    text = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    contract = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.findall(r'^    "(partgate\.[^"]+)",$', contract[contract.index("layers = [") :], re.MULTILINE)

    drawn = text[text.index("checks it in CI.") :].split("```")[1].split("\n")

    assert [line.replace("partgate.", "") for line in layers] == [line for line in drawn if line]


def test_reference_pages_are_up_to_date():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from make_reference import pages
    finally:
        sys.path.pop(0)

    for name, text in pages().items():
        found = (ROOT / "docs/reference" / name).read_text(encoding="utf-8")
        assert found == text, f"{name}: run python tools/make_reference.py"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_outgrows_one_idea(path: Path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 320


def test_links_between_pages_lead_somewhere():
    pages = [path for path in tracked() if path.suffix == ".md"]

    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_readme_starts_with_the_two_commands():
    head = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20]

    assert any(line.startswith("make demo") for line in head)
    assert any(line.startswith("make test") for line in head)


def test_line_pc_installs_nothing_that_only_learning_needs():
    of_windows_alone = "tzdata"
    own = [line for line in requires("partgate") or [] if "extra ==" not in line and of_windows_alone not in line]
    names = {re.split(r"[<>=!~ \[;]", line, maxsplit=1)[0].lower() for line in own}

    expected = "numpy opencv-python-headless onnxruntime pydantic pyyaml typer rich pymodbus sqlalchemy jinja2"
    assert names == set(expected.split())


def test_every_dependency_says_what_it_is_for():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text[text.index("dependencies = [") : text.index("[project.scripts]")]

    for line in block.splitlines():
        if line.strip().startswith('"'):
            assert "#" in line, line


def test_no_picture_of_the_real_sets_is_in_the_repository():
    allowed = {ROOT / "docs/images/report.png", ROOT / "docs/images/operating-point.png"}  # the second: charts alone

    pictures = {path for path in tracked() if path.suffix.lower() in PICTURE_SUFFIXES}

    assert pictures <= allowed


def test_controller_program_in_the_docs_names_every_word_of_the_block():
    program = (ROOT / "docs/plc/gate.st").read_text(encoding="utf-8")

    own = "VIS_HB RES_SEQ VERDICT RES_CLASS RES_LANE RES_BOOT REASON RES_CHECK VIS_STATE"
    for word in f"{own} PLC_HB TRIG_SEQ ACK_SEQ CMD RECIPE WINDOW_MS PLC_BOOT".split():
        assert f"{word} AT %MW" in program
