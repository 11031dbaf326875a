"""`python -m vitbench.generated_pages` writes docs/commands.md, docs/recipes.md and docs/settings.md.

A test compares them with what they are written from.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from vitbench.cli import COMMANDS, EXIT_CODES
from vitbench.commands._examples import EXAMPLES
from vitbench.environment_variables import BETWEEN_PROCESSES, OF_NOTICES, OF_OTHERS, OWN, Variable
from vitbench.files.toml_text import toml_value
from vitbench.recipe import Recipe, load_recipe, preset_names
from vitbench.recipe_tables import description
from vitbench.settings import Settings

_NOTE = "Written by `python -m vitbench.generated_pages`; a test compares it with the program."


def pages() -> dict[str, str]:
    """The name of each page in docs/, with its text."""
    return {"commands.md": _commands(), "recipes.md": _recipes(), "settings.md": _settings()}


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> list[str]:
    cells = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    lines = [" | ".join(row) for row in (head, ("---",) * len(head), *cells)]
    return [f"| {line} |" for line in lines]


def _commands() -> str:
    lines = [
        "# Commands",
        "",
        _NOTE,
        "",
        "`vitbench` alone opens the app. Everything on a screen also exists as a command. `vitbench COMMAND --help`",
        "has all options of one. `RUN` is a run's id, the beginning of one, its name, the path of its folder, or",
        "`last`; `RUN@best`, `RUN@last` and `RUN@STEP` are its checkpoints. Most commands take `--json`, and all take",
        "`--store DIR`.",
        "",
        "## Exit codes",
        "",
        *_table(("code", "means"), ((str(code), words) for code, words in EXIT_CODES.items())),
        "",
        "Results go to stdout, progress and complaints to stderr, so pipes hold results only.",
    ]
    for command, summary in COMMANDS.items():
        examples = [(f"vitbench {words}", meaning) for words, meaning in EXAMPLES[command]]
        width = max(len(words) for words, _ in examples)
        shown = [f"{words:<{width}}  # {meaning}" for words, meaning in examples]
        lines += ["", f"## {command}", "", f"{summary[0].upper()}{summary[1:]}.", "", "```bash", *shown, "```"]
    return "\n".join(lines) + "\n"


def _recipes() -> str:
    lines = [
        "# Recipes, key by key",
        "",
        _NOTE,
        "",
        "A recipe is a TOML file: everything that decides a run. Start from a preset and change keys with `--set`, or",
        "write the preset to a file and edit that:",
        "",
        "```bash",
        "vitbench train fast --data pets/ --set optim.lr=1e-4 --set train.epochs=10",
        "vitbench recipe fast > mine.toml",
        "vitbench recipe mine.toml --set data.path=pets/ --check   # does it fit the data?",
        "vitbench train mine.toml --data pets/",
        "```",
        "",
        "A key that does not exist, a value out of range and keys that contradict each other are refused before",
        "anything runs. The run keeps its recipe as it was (`recipe.toml` in its folder).",
        "",
        "## Presets",
    ]
    for name in preset_names():
        lines += ["", f"### {name}", "", *_preset_words(name)]
    tables = {name: field for name, field in Recipe.model_fields.items() if _is_table(field)}
    single = {name: field for name, field in Recipe.model_fields.items() if not _is_table(field)}
    lines += ["", "## Keys", "", *_keys(single, load_recipe("fast").model_copy(update={"preset": ""}))]
    for name, field in tables.items():
        table: Any = field.annotation
        words = " ".join((table.__doc__ or "").split())
        lines += ["", f"## [{name}]", "", words, "", *_keys(table.model_fields, table())]
    return "\n".join(lines) + "\n"


def _preset_words(name: str) -> list[str]:
    """The comment that a preset begins with, a paragraph each for what it is for, its source and its result."""
    file = Path(__file__).resolve().parent / "presets" / f"{name}.toml"
    lines: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        words = line.removeprefix("#").strip()
        if words.startswith(("For:", "Source:", "Time:", "Result:")):
            lines.append("")
        lines.append(words)
    return lines


def _linked(words: str) -> str:
    """`(docs/page.md)` as a link."""
    return re.sub(r"\((?:docs/)?([\w-]+)\.md\)", r"([\1](\1.md))", words)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _is_table(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _keys(fields: dict[str, FieldInfo], values: BaseModel) -> list[str]:
    def default(name: str) -> str:
        value = getattr(values, name)
        return "" if value is None else f"`{toml_value(value)}`"

    rows = ((f"`{name}`", default(name), description(field)) for name, field in fields.items())
    return _table(("key", "default", "meaning"), rows)


def _settings() -> str:
    def rows(variables: tuple[Variable, ...]) -> Iterator[tuple[str, ...]]:
        for one in variables:
            yield f"`{one.name}`", one.default, _linked(one.meaning)

    settings = (
        (f"`{name}`", f"`{toml_value(field.default)}`", _linked(field.description or ""))
        for name, field in Settings.model_fields.items()
    )
    lines = [
        "# Settings and environment variables",
        "",
        _NOTE,
        "",
        "## Settings",
        "",
        "Your own settings, for all stores, are one TOML file: `VITBENCH_SETTINGS`, else `settings.toml` in the folder",
        "`vitbench` of `XDG_CONFIG_HOME` (`~/.config`). A recipe never holds them.",
        "",
        "```bash",
        "vitbench settings                # all, and where the file is",
        "vitbench settings bell=false     # change one",
        "vitbench settings bell=          # take its default again",
        "```",
        "",
        *_table(("setting", "default", "meaning"), settings),
        "",
        "What the app remembers by itself (theme, order of the table) is `screens.json` in the store.",
        "",
        "## Environment variables",
        "",
        *_table(("variable", "without it", "what it does"), rows(OWN)),
        "",
        "Of others:",
        "",
        *_table(("variable", "without it", "what it does"), rows(OF_OTHERS)),
        "",
        f"Set for the command of `on_end` ([notifications](notifications.md)): {_listed(OF_NOTICES)}.",
        f"Set by vitbench for its own processes, and by nobody else: {_listed(BETWEEN_PROCESSES)}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Writes the pages of the checkout."""
    folder = Path(__file__).resolve().parent.parent / "docs"
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
