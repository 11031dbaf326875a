"""A person's own settings, for all stores: one TOML file at the XDG place. A recipe never holds them.

What the app remembers by itself (theme, order of the table) is kept by the app in the store.
"""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vitbench.errors import UserError
from vitbench.files.parsing import parse_toml
from vitbench.files.reading import RECIPE, MissingFile, read_text
from vitbench.files.writing import write_whole
from vitbench.nearest import perhaps
from vitbench.paths import expanded

ENDS = ("finished", "failed", "diverged", "crashed")
"""States of which a person is told: they come by themselves. Pause, stop and kill are a person's own doing."""


class Settings(BaseModel):
    """All settings with their defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    on_end: tuple[str, ...] = Field(
        default=(),
        description="A command and its arguments, run without a shell when a run of yours has ended by itself; the "
        "facts are in VITBENCH_* variables and as JSON on standard input (docs/notifications.md).",
    )
    on_end_states: tuple[str, ...] = Field(
        default=ENDS, description="The states for which on_end is run: finished, failed, diverged, crashed."
    )
    bell: bool = Field(default=True, description="Whether the app rings the terminal's bell when a run has ended.")

    @field_validator("on_end")
    @classmethod
    def _can_be_started(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        if any("\0" in word for word in command) or (command and not command[0].strip()):
            raise ValueError("the first word is the program to start, and none may hold a NUL")
        return command

    @field_validator("on_end_states")
    @classmethod
    def _are_states(cls, states: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [state for state in states if state not in ENDS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(ENDS)}")
        return states


def settings_file() -> Path:
    """`VITBENCH_SETTINGS`, else `vitbench/settings.toml` in the XDG folder of configurations. It need not exist."""
    if chosen := os.environ.get("VITBENCH_SETTINGS"):
        return expanded(chosen).absolute()
    return (expanded(os.environ.get("XDG_CONFIG_HOME") or "~/.config") / "vitbench" / "settings.toml").absolute()


def read_settings() -> Settings:
    """The settings as they are now; the defaults where there is no file.

    Raises UserError, with file and key, for a file that cannot be read or holds what is none.
    """
    file = settings_file()
    values = _values(file)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{file}: {_reason(error)}.") from None


def change_settings(changes: dict[str, object]) -> Path:
    """Writes changed settings and returns the file; None takes a setting back to its default.

    Raises UserError for a setting that there is not, a value that does not fit, and a file that cannot be written.
    """
    import tomli_w

    file = settings_file()
    values = _values(file)
    for name, value in changes.items():
        if name not in Settings.model_fields:
            raise UserError(f"There is {_no_setting(name)}.")
        values.pop(name, None)
        if value is not None:
            values[name] = value
    try:
        Settings.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{_reason(error)}.") from None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, tomli_w.dumps(values))
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror or error}.") from error
    return file


def _values(file: Path) -> dict[str, object]:
    try:
        return parse_toml(read_text(file, RECIPE), str(file))
    except MissingFile:
        return {}


def _no_setting(name: str) -> str:
    near = perhaps(name, Settings.model_fields)
    return f"no setting {name!r}{near}; there are: {', '.join(Settings.model_fields)}"


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"][:1])) or "the file"
    if first["type"] == "extra_forbidden":
        return f"there is {_no_setting(name)}"
    return f"{name}: {first['msg'].removeprefix('Value error, ')}"
