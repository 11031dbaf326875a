"""The contracts of the house: arrows point one way, and what a screen needs stays free of torch."""

import graphlib
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "timm", "torchvision", "matplotlib")
DECLARATIONS = (
    "methods",
    "augmentations",
    "schedules",
    "model_sources",
    "data/layouts",
    "captions/formats",
    "requests",
)
"""Packages of declarations: what is in a file is known without the packages that its computation needs."""


def test_import_contracts() -> None:
    """import-linter sees lazy imports too, which a look at `sys.modules` does not."""
    linter = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run([linter, "--config", ROOT / "pyproject.toml"], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def groups_of_the_architecture() -> dict[str, str]:
    """Each module that stands in a group of files which import each other, and the group's first file."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    groups = {}
    for named in re.findall(r"^- \*\*.*\*\* \((`.*`)\): ", page, re.MULTILINE):
        first, *others = re.findall(r"`([\w/]+)\.py`", named)
        folder = first.rpartition("/")[0]
        groups |= {path.replace("/", "."): first for path in (first, *(f"{folder}/{other}" for other in others))}
    return groups


def test_only_the_groups_that_the_architecture_names_import_each_other() -> None:
    groups = groups_of_the_architecture()
    assert len(set(groups.values())) == 3
    graph = grimp.build_graph("vitbench", "screens", cache_dir=None)
    assert set(groups) <= graph.modules
    arrows = graphlib.TopologicalSorter()
    for module in graph.modules:
        named = groups.get(module, module)
        imported = {groups.get(other, other) for other in graph.find_modules_directly_imported_by(module)}
        arrows.add(named, *imported - {named})
    arrows.prepare()  # raises CycleError, which names the modules


def torch_free_modules() -> list[str]:
    """Every module under a torch-free contract, by its dotted name."""
    files = [*(ROOT / "screens").rglob("*.py"), *(ROOT / "vitbench" / "runs").rglob("*.py")]
    files += (ROOT / "vitbench" / "commands").glob("*.py")  # they import it in `run` only
    for package in DECLARATIONS:
        files += (ROOT / "vitbench" / package).glob("*.py")
    files += [ROOT / "vitbench" / f"{name}.py" for name in ("recipe", "inspector/client", "cli")]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files if file.is_file()]
    return sorted(name.removesuffix(".__init__") for name in names)


def test_torch_free_modules_in_a_fresh_process() -> None:
    modules = torch_free_modules()
    assert {"vitbench.cli", "vitbench.methods.libra", "vitbench.schedules.cosine"} <= set(modules)
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"    heavy = [module for module in {HEAVY!r} if module in sys.modules]\n"
        "    assert not heavy, f'{name} imports {heavy}'\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_the_engine_has_no_screen_in_it() -> None:
    program = "import vitbench.cli, sys; assert 'textual' not in sys.modules and 'screens' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_the_first_paint_waits_for_nothing_that_it_does_not_show() -> None:
    """Pictures, processes and requests come with the first screen or poll that needs them."""
    program = (
        "import screens.app, screens.runs_screen, sys\n"
        "early = {'PIL', 'psutil', 'vitbench.figures.sheet', 'vitbench.requests.captions'} & set(sys.modules)\n"
        "assert not early, early"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_what_is_only_read_is_told_without_torch(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(tmp_path / "pets" / label / "1.png")
    program = (
        "import sys; from vitbench.cli import main\n"
        f"for words in (['data', {str(tmp_path / 'pets')!r}], ['runs'], ['recipe', 'fast'], ['settings']):\n"
        "    assert main(words) == 0, words\n"
        f"    assert not [module for module in {HEAVY!r} if module in sys.modules], words\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("word", ["vitbench.runs", "screens"])
def test_the_contract_names_what_it_guards(word: str) -> None:
    """A contract whose module was renamed away would guard nothing."""
    assert word in (ROOT / "pyproject.toml").read_text()
    assert (ROOT / Path(*word.split("."))).is_dir()
