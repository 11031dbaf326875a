"""`vitbench settings [NAME=VALUE ...]`: a person's own settings, listed and changed."""

import argparse

from vitbench.errors import UserError
from vitbench.files.parsing import parse_toml
from vitbench.output import print_json
from vitbench.settings import Settings, change_settings, read_settings, settings_file
from vitbench.text import clean, shortened


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "changes",
        metavar="NAME=VALUE",
        nargs="*",
        help='a new value as in TOML (on_end=\'["notify-send", "vitbench"]\', bell=false); NAME= takes the default',
    )
    parser.add_argument("--json", action="store_true", help="the settings as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Changes what is to be changed, then prints all settings with what they mean."""
    changes = dict(_change(text) for text in arguments.changes)
    if changes:
        change_settings(changes)
    settings = read_settings()
    if arguments.json:
        print_json(settings.model_dump(mode="json"))
        return 0
    there = "" if settings_file().exists() else " (not there yet: these are the defaults)"
    print(clean(f"{settings_file()}{there}"))
    for name, field in Settings.model_fields.items():
        value = settings.model_dump(mode="json")[name]
        default = "" if getattr(settings, name) == field.default else "  # changed"
        print()
        print(clean(f"{name} = {_toml(value)}{default}"))
        print(f"    {field.description}")
    return 0


def _change(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{shortened(text)} is no NAME=VALUE; `vitbench settings` lists the settings.")
    if not value.strip():
        return name.strip(), None
    try:
        return name.strip(), parse_toml(f"value = {value}", "the value")["value"]
    except UserError:
        return name.strip(), value


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"'
