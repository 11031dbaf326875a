"""A figure says how it was made: a JSON document in its own file, from which it can be made again."""

import hashlib
import html
import json
import platform
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from vitbench import __version__
from vitbench.errors import UserError

KEY = "vitbench"
"""The name of the PNG text chunk (and of the metadata field of other formats)."""

FORMAT = 2
"""Of what is recorded; in figures without it, layers and heads count from 0."""
_MOST_BYTES = 2**28

_LIBRARIES = ("torch", "timm", "numpy", "matplotlib", "pillow")


def provenance(
    kind: str,
    request: Mapping[str, Any],
    inputs: Mapping[str, str],
    facts: Mapping[str, Any],
    drawing: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a figure records: its kind (attention, positions, caption, ...), the request that makes it again, the
    hash of each input by name (pictures, weights), facts for people, and how it was put on paper."""
    versions = {"vitbench": __version__, "python": platform.python_version()}
    versions |= {name: version(name) for name in _LIBRARIES}
    return {
        "format": FORMAT,
        "kind": kind,
        "drawing": dict(drawing or {}),
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
    """What `provenance` recorded in the PNG, PDF or SVG at `path`.

    Raises UserError if there is no such file, or if it is not a figure of vitbench.
    """
    text = _recorded_text(path)
    if text is None:
        raise UserError(f"{path} does not say how it was made; only figures saved by vitbench do.")
    try:
        found = json.loads(text)
        kind, request, inputs = found["kind"], found["request"], found["inputs"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"What {path} says about how it was made is damaged.") from None
    if not (isinstance(kind, str) and isinstance(request, dict) and isinstance(inputs, dict)):
        raise UserError(f"What {path} says about how it was made is damaged.")
    return dict(found)


def _recorded_text(path: Path) -> str | None:
    """The JSON document in a figure's metadata, by the file's first bytes; None if there is none."""
    try:
        if path.stat().st_size > _MOST_BYTES or not path.is_file():
            raise UserError(f"{path} is no file that could be a figure.")
        start = path.read_bytes()[:5] if path.stat().st_size < 5 else _first(path, 5)
        if start == b"%PDF-":
            return _in_pdf(path.read_bytes())
        if start in (b"<?xml", b"<svg "):
            return _in_svg(path.read_bytes())
        with Image.open(path) as picture:
            text = picture.info.get(KEY)
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.") from None
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"The file {path} is not a figure that can be read ({error}).") from error
    return text if isinstance(text, str) else None


def _first(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _in_pdf(content: bytes) -> str | None:
    """The Subject of a PDF's information, a string in parentheses with escapes (ISO 32000, 7.3.4.2)."""
    found = re.search(rb"/Subject \(((?:[^()\\]|\\.)*)\)", content, re.DOTALL)
    if found is None:
        return None
    plain = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
    return re.sub(rb"\\(.)", lambda escape: plain.get(escape[1], escape[1]), found[1], flags=re.DOTALL).decode(
        "ascii", "replace"
    )


def _in_svg(content: bytes) -> str | None:
    """The description in an SVG's metadata."""
    found = re.search(rb"<dc:description>([^<]*)</dc:description>", content)
    return None if found is None else html.unescape(found[1].decode(errors="replace"))


def changed_inputs(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names of inputs whose hash is another than when the figure was made."""
    return sorted(name for name in before if before[name] != now.get(name))
