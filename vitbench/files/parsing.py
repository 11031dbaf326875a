"""Reads JSON, JSON lines and TOML from outside: whatever the text is, the answer is plain values or one UserError.

The parsers of the standard library also raise RecursionError (deep nesting), ValueError (a number of more than 4,300
digits) and MemoryError, take seconds for one key of 100,000 parts, and return what breaks later: numbers beyond 64
bits, infinities, and halves of characters that no stream can print.
"""

import json
import math
import os
import re
import tomllib
from collections.abc import Iterator
from typing import Any, NoReturn

from vitbench.errors import UserError
from vitbench.files.reading import RECIPE, RECORD, Kind, read_bytes, read_text

DEEPEST = 64
"""Levels of nesting. COCO, the deepest format that is read, has six."""
LONGEST_TOML_LINE = 8192
"""Characters. The time for a dotted key grows with the square of its length."""
LARGEST_INTEGER = 2**63

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRUCTURE = re.compile(_STRING + r"|([\[{])|([\]}])", re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))
# Only text with one of these can hold a number beyond 64 bits or beyond the range of a float.
_LARGE_NUMBERS = (re.compile(r"(?:\A|[^.0-9])[0-9]{19}"), re.compile(r"[eE]\+?[0-9]{3}"))
_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


class Malformed(UserError):
    """Text that is not what it should be, or holds what cannot be used; the message says where.

    `reason` says why without the place; `place` is the line in a larger text, `line 3: `, or nothing.
    """

    def __init__(self, sentence: str, reason: str = "", place: str = "") -> None:
        super().__init__(sentence)
        self.reason, self.place = reason or sentence, place


class _UnusableNumberError(ValueError):
    def __init__(self, token: str, what: str) -> None:
        super().__init__(what)
        self.token = token


def parse_json(text: str | bytes, where: str, line: int | None = None, allow_nan: bool = False) -> Any:
    """The value of a JSON text. `where` names it in messages (a path), `line` is the one it stands on in a larger file.

    NaN and the infinities, which are no JSON, are refused unless `allow_nan`. Raises Malformed.
    """
    content = _decoded(text, where, line)
    try:
        _check_structure(content, where, line)
        return _json_value(content, where, line, allow_nan)
    except json.JSONDecodeError as error:
        _refuse(where, line or error.lineno, f"it is not valid JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        _refuse(where, line, f"it is nested deeper than {DEEPEST} levels")
    except MemoryError:
        _refuse(where, line, "there is not enough memory for it")
    except _UnusableNumberError as error:
        _refuse(where, line or _line_of(content, re.compile(f"{_STRING}|({re.escape(error.token)})")), str(error))


def read_json(file: str | os.PathLike[str], kind: Kind = RECORD, allow_nan: bool = False) -> Any:
    """The value of a JSON file. Raises Malformed, and MissingFile or Unreadable as `reading.open_file` does."""
    return parse_json(read_bytes(file, kind), os.fspath(file), allow_nan=allow_nan)


def read_json_object(file: str | os.PathLike[str], kind: Kind = RECORD, allow_nan: bool = False) -> dict[str, Any]:
    """The JSON object in a file. Raises as `read_json` does, and Malformed for any other value."""
    value = read_json(file, kind, allow_nan)
    if not isinstance(value, dict):
        raise Malformed(f"{os.fspath(file)} has {json_type(value)} where an object ({{...}}) is needed.")
    return value


def parse_json_lines(text: str, where: str) -> Iterator[tuple[int, Any]]:
    """Number and value of each line that is not blank. Raises Malformed at a line that cannot be read."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, parse_json(line, where, number)


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The table of a TOML text; `where` names it in messages. Raises Malformed."""
    for number, row in enumerate(text.split("\n"), start=1):
        if len(row) > LONGEST_TOML_LINE:
            _refuse(where, number, f"it has {len(row):,} characters, and at most {LONGEST_TOML_LINE:,} are read")
    try:
        table = tomllib.loads(text)
        _check_values(table)
        return table
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
        if found and found[1]:
            _refuse(where, int(found[1]), f"it is not valid TOML: {message[: found.start()]} (column {found[2]})")
        rest = message.removesuffix(" (at end of document)")
        _refuse(where, text.count("\n") + 1 if found else None, f"it is not valid TOML: {rest}")
    except RecursionError:
        _refuse(where, None, f"it is nested deeper than {DEEPEST} levels")
    except MemoryError:
        _refuse(where, None, "there is not enough memory for it")
    except ValueError as error:
        long = "Exceeds the limit" in str(error)
        message = "a number is too large (beyond 64 bits)" if long else str(error)
        _refuse(where, _line_of(text, re.compile(r"([0-9_]{4300})")) if long else None, message)


def read_toml(file: str | os.PathLike[str], kind: Kind = RECIPE) -> dict[str, Any]:
    """The table of a TOML file. Raises Malformed, and MissingFile or Unreadable as `reading.open_file` does."""
    return parse_toml(read_text(file, kind), os.fspath(file))


def json_type(value: Any) -> str:
    """What kind of JSON value it is, with its article."""
    for kind, name in ((bool, "true or false"), (dict, "an object"), (list, "a list"), (str, "a text")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "a number"


def to_json(value: Any, indent: int | None = None) -> str:
    """Valid JSON in ASCII, whatever is in `value`: what is no finite number becomes null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _decoded(text: str | bytes, where: str, line: int | None) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(where, line or text.count(b"\n", 0, error.start) + 1, "it is not UTF-8 text; save it as UTF-8")
    except MemoryError:
        _refuse(where, line, "there is not enough memory for it")


def _check_structure(text: str, where: str, line: int | None) -> None:
    """Refuses deep nesting and halves of characters before anything is built of them."""
    if _may_be_deep(text):
        depth = 0
        for found in _STRUCTURE.finditer(text):
            if found[1]:
                depth += 1
                if depth > DEEPEST:
                    number = line or text.count("\n", 0, found.start()) + 1
                    _refuse(where, number, f"it is nested deeper than {DEEPEST} levels")
            elif found[2]:
                depth -= 1
    if _SURROGATE.search(text):
        for found in _ESCAPE.finditer(text):
            if found[1]:
                number = line or text.count("\n", 0, found.start()) + 1
                _refuse(where, number, f"\\{found[1]} is half of a character")


def _may_be_deep(text: str) -> bool:
    """False if the text is certainly not nested too deep: ten times as fast as looking at each bracket."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    data = text.encode(errors="replace")
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # The quotes of a string without brackets in it are neighbours now.
    brackets = data.translate(_BRACKETS, _NO_BRACKETS).replace(b'""', b"")
    if b'"' in brackets:
        return True
    for _ in range(DEEPEST):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")  # the innermost level
    return bool(brackets)


def _may_have_large_numbers(text: str) -> bool:
    """False if all numbers fit for certain, so that the parser need not call back for each."""
    digits = text.encode(errors="replace").translate(_DIGITS, b"+")
    quick = b"0" * 19 in digits or b"e000" in digits
    return quick and any(pattern.search(text) for pattern in _LARGE_NUMBERS)


def _json_value(text: str, where: str, line: int | None, allow_nan: bool) -> Any:
    hooks: dict[str, Any] = {} if allow_nan else {"parse_constant": _refuse_constant}
    if _may_have_large_numbers(text):
        hooks |= {"parse_int": _integer, "parse_float": float if allow_nan else _float}
    return json.loads(text, **hooks)


def _refuse_constant(word: str) -> NoReturn:
    raise _UnusableNumberError(word, f"{word} is not a number that JSON knows")


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -LARGEST_INTEGER <= (number := int(digits)) < LARGEST_INTEGER:
        raise _UnusableNumberError(digits, "a number is too large (beyond 64 bits)")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _UnusableNumberError(digits, "a number is too large (beyond the range of a float)")
    return number


def _check_values(table: dict[str, Any]) -> None:
    """Refuses deep nesting, large integers, and text that no path or stream can hold."""
    level: list[Any] = [table]
    for _ in range(DEEPEST):
        following: list[Any] = []
        for container in level:
            values = [*container, *container.values()] if isinstance(container, dict) else container
            for value in values:
                if isinstance(value, dict | list):
                    following.append(value)
                elif isinstance(value, int) and not -LARGEST_INTEGER <= value < LARGEST_INTEGER:
                    raise ValueError("a number is too large (beyond 64 bits)")
                elif isinstance(value, str) and "\0" in value:
                    raise ValueError("a text holds a NUL character")
        if not following:
            return
        level = following
    raise RecursionError


def _line_of(text: str, pattern: re.Pattern[str]) -> int | None:
    """The line of the first match that has group 1."""
    return next((text.count("\n", 0, found.start()) + 1 for found in pattern.finditer(text) if found[1]), None)


def _refuse(where: str, line: int | None, what: str) -> NoReturn:
    place = f"{where}, line {line}" if line else where
    raise Malformed(f"{place}: {what}.", what, f"line {line}: " if line else "") from None
