"""A figure says how it was made: a JSON document in its own file, from which it can be made again."""

import hashlib
import html
import io
import platform
import re
import struct
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from vitbench import __version__
from vitbench.errors import UserError
from vitbench.files.parsing import parse_json
from vitbench.files.reading import WEIGHTS, Kind, MissingFile, open_file, read_bytes
from vitbench.nearest import perhaps_path

KEY = "vitbench"
"""The name of the PNG text chunk (and of the metadata field of other formats)."""

FORMAT = 2
"""Of what is recorded; in figures without it, layers and heads count from 0."""
_FIGURE = Kind("figure", 2**28)

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
    return {
        "format": FORMAT,
        "kind": kind,
        "drawing": dict(drawing or {}),
        "request": dict(request),
        "inputs": dict(inputs),
        "facts": dict(facts),
        "versions": dict(_versions()),
    }


@cache
def _versions() -> dict[str, str]:
    """Read once: to find a library's version takes milliseconds."""
    own = {"vitbench": __version__, "python": platform.python_version()}
    return own | {name: version(name) for name in _LIBRARIES}


def file_hash(path: str | Path) -> str:
    """16 hexadecimal digits (SHA-256) of a file's bytes. Raises UserError if it cannot be read."""
    try:
        with open_file(path, WEIGHTS) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise UserError(f"The file {path} cannot be read ({error.strerror or error}).") from error


def read_provenance(path: Path) -> dict[str, Any]:
    """What `provenance` recorded in the PNG, PDF or SVG at `path`.

    Raises UserError if there is no such file, or if it is not a figure of vitbench.
    """
    text = _recorded_text(path)
    if text is None:
        raise UserError(f"{path} does not say how it was made; only figures saved by vitbench do.")
    try:
        found = parse_json(text, str(path))
        kind, request, inputs = found["kind"], found["request"], found["inputs"]
    except (UserError, KeyError, TypeError):
        raise UserError(f"What {path} says about how it was made is damaged.") from None
    if not (isinstance(kind, str) and isinstance(request, dict) and isinstance(inputs, dict)):
        raise UserError(f"What {path} says about how it was made is damaged.")
    return dict(found)


def _recorded_text(path: Path) -> str | None:
    """The JSON document in a figure's metadata, by the file's first bytes; None if there is none."""
    try:
        content = read_bytes(path, _FIGURE)
        if content.startswith(b"%PDF-"):
            return _in_pdf(content)
        if content.startswith((b"<?xml", b"<svg ")):
            return _in_svg(content)
        with Image.open(io.BytesIO(content)) as picture:
            text = picture.info.get(KEY)
    except MissingFile:
        raise UserError(f"There is no file {path}{perhaps_path(path)}.") from None
    except UserError:
        raise
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, TypeError, LookupError, ArithmeticError) as error:
        raise UserError(f"The file {path} is not a figure that can be read ({error}).") from error
    except (AttributeError, struct.error, MemoryError, Image.DecompressionBombError) as error:
        raise UserError(f"The file {path} is not a figure that can be read ({error}).") from error
    return text if isinstance(text, str) else None


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
