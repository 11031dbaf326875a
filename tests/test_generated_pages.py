"""Pages that are written from the program say what it is, and every environment variable stands in the table."""

import re
from pathlib import Path

import pytest

from vitbench import environment_variables as variables
from vitbench.generated_pages import pages
from vitbench.recipe import Recipe, preset_names

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", ["commands.md", "recipes.md", "settings.md"])
def test_the_page_is_what_the_program_says(name):
    assert (ROOT / "docs" / name).read_text() == pages()[name], "run python -m vitbench.generated_pages"


def test_every_key_of_a_recipe_and_every_preset_is_there():
    page = pages()["recipes.md"]
    for name, field in Recipe.model_fields.items():
        for key in getattr(field.annotation, "model_fields", {name: field}):
            assert f"| `{key}` |" in page
    assert len(preset_names()) >= 3
    for preset in preset_names():
        assert f"\n### {preset}\n\n" in page


def test_every_environment_variable_of_the_source_is_in_the_table():
    table = {one.name for one in variables.OWN} | set(variables.OF_NOTICES) | set(variables.BETWEEN_PROCESSES)
    used = set()
    for folder in ("vitbench", "screens"):
        for file in (ROOT / folder).rglob("*.py"):
            if file.name != "environment_variables.py":
                used |= set(re.findall(r"\bVITBENCH_[A-Z][A-Z_]*[A-Z]\b", file.read_text()))
    assert used >= {"VITBENCH_HOME", "VITBENCH_GRAPHICS"}
    assert used <= table, "add it to vitbench/environment_variables.py"
    assert {one.name for one in variables.OWN} <= used, "nothing reads it any more"
