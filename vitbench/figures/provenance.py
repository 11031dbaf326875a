"""A figure says how it was made: a JSON document in its own file, from which it can be made again."""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from vitbench import __version__
from vitbench.errors import UserError

KEY = "vitbench"
"""The name of the PNG text chunk (and of the metadata field of other formats)."""

_LIBRARIES = ("torch", "timm", "numpy", "matplotlib", "pillow")


def provenance(
    kind: str, request: Mapping[str, Any], inputs: Mapping[str, str], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What a figure records: its kind (attention, positions, caption, ...), the request that makes it again, the
    hash of each input by name (pictures, weights), and facts for people."""
    versions = {"vitbench": __version__, "python": platform.python_version()}
    versions |= {name: version(name) for name in _LIBRARIES}
    return {
        "kind": kind,
        "request": dict(request),
        "inputs": dict(inputs),
        "facts": dict(facts),
        "versions": versions,
    }


def file_hash(path: str | Path) -> str:
    """16 hexadecimal digits (SHA-256) of a file's bytes. Raises UserError if it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise UserError(f"The file {path} cannot be read ({error.strerror}).") from error


def read_provenance(path: Path) -> dict[str, Any]:
    """What `provenance` recorded in the PNG at `path`.

    Raises UserError if there is no such file, or if it is not a figure of vitbench.
    """
    try:
        with Image.open(path) as picture:
            text = picture.info.get(KEY)
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.") from None
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        raise UserError(f"The file {path} is not a picture that can be read ({error}).") from error
    if not isinstance(text, str):
        raise UserError(f"The picture {path} does not say how it was made; only PNG figures saved by vitbench do.")
    try:
        found = json.loads(text)
        kind, request, inputs = found["kind"], found["request"], found["inputs"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"What {path} says about how it was made is damaged.") from None
    if not (isinstance(kind, str) and isinstance(request, dict) and isinstance(inputs, dict)):
        raise UserError(f"What {path} says about how it was made is damaged.")
    return found


def changed_inputs(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names of inputs whose hash is another than when the figure was made."""
    return sorted(name for name in before if before[name] != now.get(name))
