"""What the app remembers between two visits, such as the theme and the order of the table. One small file in the store.

Nothing in it can keep the app from starting: a value that does not fit is left out, and a file that cannot be read is
set aside; `problems` says so. Two apps may be open on one store: each writes what was changed in it, and leaves the
rest as the other has written it.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.parsing import json_type, read_json, to_json
from vitbench.files.reading import SETTINGS, MissingFile

_TYPES: dict[str, type] = {
    "theme": str,
    "colours": str,
    "sort": str,
    "sort_reverse": bool,
    "details": bool,
    "filter": str,
    "marked": list,
    "axis": str,
    "smoothing": str,
    "columns": list,
    "grouped": bool,
    "compare_scalars": list,
    "logs": list,
    "preset": str,
    "data": str,
    "seen_crashes": list,
    "last_look": str,
}
"""What is remembered, and as what. A list is one of words."""
_EXPECTED = {str: "a text", bool: "true or false", list: "a list of texts"}


class Remembered:
    """Plain values by name. A file that cannot be read or written costs the memory and nothing else."""

    def __init__(self, store: Path) -> None:
        self.file = store / "screens.json"
        self.problems: list[str] = []
        """What of the file was not used, a sentence each."""
        self._values = self._first_read()
        self.tell: Callable[[str], object] = self.problems.append
        """Who is told, once, that nothing can be remembered."""
        self._failed = False

    def _first_read(self) -> dict[str, object]:
        """The values that fit; says what does not, and sets aside a file that cannot be read."""
        try:
            read = read_json(self.file, SETTINGS)
            if not isinstance(read, dict):
                raise UserError(f"it has {json_type(read)} where an object ({{...}}) is needed.")
        except MissingFile:
            return {}
        except UserError as error:
            self.problems.append(self._set_aside(str(error)))
            return {}
        for name in [name for name, kind in _TYPES.items() if name in read and not _fits(read[name], kind)]:
            what = _EXPECTED[_TYPES[name]]
            self.problems.append(f'{self.file.name}: "{name}" is not {what}; it is left out.')
            del read[name]
        return read

    def _set_aside(self, reason: str) -> str:
        aside = self.file.with_name(self.file.name + ".unusable")
        reason = reason.removeprefix(str(self.file)).lstrip(":, ").rstrip(".")
        try:
            self.file.rename(aside)
        except OSError:
            return f"{self.file.name} is not used ({reason}); the app starts with its defaults."
        return f"{self.file.name} was set aside as {aside.name} ({reason}); the app starts with its defaults."

    def _read(self) -> dict[str, object]:
        """What another app may have written meanwhile."""
        try:
            read = read_json(self.file, SETTINGS)
        except UserError:
            return {}
        return read if isinstance(read, dict) else {}

    def text(self, name: str, default: str) -> str:
        """A remembered text."""
        value = self._values.get(name, default)
        return value if isinstance(value, str) else default

    def flag(self, name: str, default: bool) -> bool:
        """A remembered yes or no."""
        value = self._values.get(name, default)
        return value if isinstance(value, bool) else default

    def number(self, name: str) -> float:
        """A remembered number, which is kept as a text; 0 where there is none."""
        text = self.text(name, "")
        return float(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0.0

    def texts(self, name: str) -> list[str]:
        """A remembered list of texts."""
        value = self._values.get(name, [])
        return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []

    def add(self, name: str, text: str, most: int = 500) -> None:
        """Adds a text to a remembered list, behind what another app has put there meanwhile."""
        self._values |= self._read()
        self.set(name, [*self.texts(name), text][-most:])

    def set(self, name: str, value: str | bool | list[str]) -> None:
        """Remembers a value, written at once: the line may drop at any moment."""
        if self._values.get(name) == value:
            return
        self._values |= self._read()
        self._values[name] = value
        try:
            self._write(to_json(self._values, indent=1))
        except OSError as error:
            if not self._failed:
                self._failed = True
                reason = error.strerror or str(error)
                self.tell(f"{self.file} cannot be written ({reason}): what you choose is not remembered.")

    def _write(self, text: str) -> None:
        """The file replaced whole; what was begun is taken away where that fails."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=self.file.parent, prefix=".screens-")
        try:
            with os.fdopen(handle, "w") as stream:
                stream.write(text)
            Path(beside).replace(self.file)
        except OSError:
            Path(beside).unlink(missing_ok=True)
            raise


def _fits(value: object, kind: type) -> bool:
    if kind is list:
        return isinstance(value, list) and all(isinstance(text, str) for text in value)
    return isinstance(value, kind)
