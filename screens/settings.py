"""What the app remembers between two visits: the theme and the order of the table. One small file in the store.

Two apps may be open on one store: each writes what was changed in it, and leaves the rest as the other has written it.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any


class Settings:
    """Plain values by name. A file that cannot be read or written costs the memory and nothing else."""

    def __init__(self, store: Path) -> None:
        self.file = store / "screens.json"
        self._values = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            read = json.loads(self.file.read_text())
        except (OSError, ValueError):
            return {}
        return read if isinstance(read, dict) else {}

    def text(self, name: str, default: str) -> str:
        """A remembered word."""
        value = self._values.get(name, default)
        return value if isinstance(value, str) else default

    def flag(self, name: str, default: bool) -> bool:
        """A remembered yes or no."""
        value = self._values.get(name, default)
        return value if isinstance(value, bool) else default

    def texts(self, name: str) -> list[str]:
        """A remembered list of words."""
        value = self._values.get(name, [])
        return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []

    def add(self, name: str, word: str, most: int = 500) -> None:
        """Adds a word to a remembered list, behind what another app has put there meanwhile."""
        self._values |= self._read()
        self.remember(name, [*self.texts(name), word][-most:])

    def remember(self, name: str, value: str | bool | list[str]) -> None:
        """Writes at once: the line may drop at any moment."""
        if self._values.get(name) == value:
            return
        self._values |= self._read()
        self._values[name] = value
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(dir=self.file.parent, prefix=".screens-")
            with os.fdopen(handle, "w") as stream:
                json.dump(self._values, stream, indent=1)
            Path(beside).replace(self.file)
        except OSError:
            return
