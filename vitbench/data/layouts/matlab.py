"""What stands in MATLAB files, which scipy reads (an extra): vectors, texts and structures of archives.

scipy runs in a process of its own (`matlab_process`), since a damaged file can end the process that reads it.
"""

import signal
import subprocess
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vitbench.data.layouts import matlab_process
from vitbench.data.layouts.place import Place
from vitbench.errors import UserError
from vitbench.files.parsing import Malformed, parse_json
from vitbench.files.reading import MIB, Kind, read_bytes
from vitbench.text import shortened

_FILE = Kind("MATLAB file", 256 * MIB)
"""Of labels; the largest archive that is read has one of a few megabytes."""


def variable(place: Place, name: str, key: str) -> Any:
    """The variable `key` of a MATLAB file: a number, a text, a flat list, or structures as dictionaries.

    Raises UserError if scipy, the file or the variable is missing, or the file is none.
    """
    if find_spec("scipy") is None:
        raise UserError(f"{place.root / name} is a MATLAB file, which scipy reads: pip install 'vitbench[matlab]'.")
    answer = _read(read_bytes(place.root / name, _FILE))
    found, left_out = answer.get("variables", {}), answer.get("left_out", {})
    if key in found:
        return found[key]
    there = f"it has {', '.join(found)}" if found else "it is empty"
    reason = answer.get("error") or left_out.get(key) or there
    raise UserError(f"{place.root / name} holds no {key!r} that can be read ({shortened(reason)}).")


def numbers(place: Place, name: str, key: str) -> list[int]:
    """A vector of whole numbers. Raises as `variable` does."""
    values = _list(variable(place, name, key))
    if not all(isinstance(value, int | float) and value == value // 1 for value in values):
        raise UserError(f"{place.root / name} holds no vector {key!r} of whole numbers.")
    return [int(value) for value in values]


def texts(place: Place, name: str, key: str) -> list[str]:
    """A cell array of texts. Raises as `variable` does."""
    values = _list(variable(place, name, key))
    if not all(isinstance(value, str) for value in values):
        raise UserError(f"{place.root / name} holds no list {key!r} of texts.")
    return values


def structures(place: Place, name: str, key: str) -> list[dict[str, Any]]:
    """A vector of structures, each as its fields by name. Raises as `variable` does."""
    values = _list(variable(place, name, key))
    if not all(isinstance(value, dict) for value in values):
        raise UserError(f"{place.root / name} holds no structures {key!r}.")
    return values


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@lru_cache(maxsize=2)
def _read(content: bytes) -> dict[str, Any]:
    """What the process answers; its `error` also says how it ended without an answer."""
    command = [sys.executable, "-P", str(Path(matlab_process.__file__))]
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=2 * matlab_process.SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": f"reading it took more than {2 * matlab_process.SECONDS} seconds"}
    except OSError as error:
        return {"error": f"no process could be started to read it: {error.strerror or error}"}
    if done.returncode < 0:
        return {"error": f"its reader crashed on it, {_signal(-done.returncode)}: it is damaged, get it again"}
    try:
        return dict(parse_json(done.stdout, "the reader's answer", allow_nan=True))
    except Malformed:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return {"error": f"its reader failed: {shortened(last or 'it said nothing')}"}


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
