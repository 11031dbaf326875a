"""What documents say of files is true: paths in backticks exist, links lead somewhere, what is imported is declared."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_OLD = {"renames.md"}
"""Documents that name modules which are gone."""
_PATH = re.compile(r"`((?:vitbench|screens|tests|benchmarks|docs|sample_images|\.ci)/[\w./-]*)`")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_files_that_a_document_names_exist(document: Path) -> None:
    if document.name in OF_OLD:
        pytest.skip("it says what was called otherwise")
    text = document.read_text()
    named = {path for path in _PATH.findall(text) if "NAME" not in path}
    missing = sorted(path for path in named if not (ROOT / path).exists())
    assert not missing, f"{document.name} names {', '.join(missing)}"
    dead = sorted(link for link in _LINK.findall(text) if not (document.parent / link).exists())
    assert not dead, f"{document.name} links to {', '.join(dead)}"


def test_the_documents_name_files() -> None:
    """The pattern finds what it is to check."""
    assert sum(len(_PATH.findall(document.read_text())) for document in DOCUMENTS) > 50


def imported_packages() -> set[str]:
    """The top-level names that `vitbench` and `screens` import, also inside functions."""
    found = set()
    for folder in ("vitbench", "screens"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    found.update(alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"vitbench", "screens"}


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(need for extra in extras for need in extra)]
    declared = {_plain(re.match(r"[\w.-]+", need)[0]) for need in wanted}
    distributions = packages_distributions()
    imported = imported_packages()
    assert {"torch", "textual", "numpy"} <= imported
    undeclared = {
        name
        for name in imported
        if not {_plain(distribution) for distribution in distributions.get(name, [name])} & declared
    }
    assert not undeclared


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_table_of_layers_is_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    table = (ROOT / "docs" / "architecture.md").read_text().partition("## Layers")[2].partition("\n## ")[0]
    rows = [re.findall(r"`([\w.]+)`", row.split("|")[1]) for row in table.splitlines() if row.startswith("| `")]
    assert rows == [re.split(r" [:|] ", layer) for layer in layers]
