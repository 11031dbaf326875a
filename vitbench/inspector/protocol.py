"""How the app and the inspector talk: a frame is one line of JSON, then the bytes of the arrays that it announces.

A request is `{"id", "request", "arguments", "replaces", "known"}` or `{"cancel": id}`. An answer is `{"id", "kind"}`
with kind `progress` (`done`, `total`, `what`), `result` (`values`), `refused` (a person's mistake: `message`),
`error` (ours: `message`), `cancelled` or `superseded`. An array with a `key` comes again with other answers: a client
that names it among the `known` gets the announcement (`omitted`) without the bytes.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from vitbench.files.parsing import Malformed, json_type, parse_json

_LONGEST_REQUEST = 16 * 2**20

Header = dict[str, Any]
Arrays = dict[str, np.ndarray]


def write_frame(
    stream: BinaryIO,
    header: Header,
    arrays: Mapping[str, np.ndarray] | None = None,
    constant: Collection[str] = (),
    known: Collection[str] = (),
) -> None:
    """Writes one frame and flushes it. Arrays may have any shape and any plain dtype.

    Those named in `constant` get a key, and are left out where it is among the `known`.
    """
    announced: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for name, given in (arrays or {}).items():
        array = np.ascontiguousarray(given)
        entry: dict[str, Any] = {"name": name, "dtype": array.dtype.str, "shape": list(array.shape)}
        content = array.tobytes()
        if name in constant:
            entry["key"] = hashlib.blake2b(repr(entry["shape"]).encode() + content, digest_size=16).hexdigest()
        if entry.get("key") in known:
            entry["omitted"] = True
        else:
            parts.append(content)
        announced.append(entry)
    line = json.dumps({**header, "arrays": announced} if announced else header).encode()
    stream.write(b"".join([line, b"\n", *parts]))
    stream.flush()


@dataclass(frozen=True)
class Question:
    """A question that can be answered or refused."""

    number: int
    name: str
    arguments: dict[str, Any]
    replaces: str = ""
    known: tuple[str, ...] = ()
    """Keys of arrays that the asker has."""


@dataclass(frozen=True)
class Cancel:
    """The answer to a question is no longer wanted."""

    number: int


class BadFrame(ValueError):
    """A line that is not a request; `number` is the id that it gives, or 0."""

    def __init__(self, what: str, number: int = 0) -> None:
        super().__init__(what)
        self.number = number


def read_question(stream: BinaryIO) -> Question | Cancel | None:
    """The next line that is not blank, or None when the stream has ended. Raises BadFrame; what follows can be read."""
    while True:
        line = stream.readline(_LONGEST_REQUEST)
        if not line.endswith(b"\n"):
            if len(line) < _LONGEST_REQUEST:
                return None
            while line and not line.endswith(b"\n"):
                line = stream.readline(_LONGEST_REQUEST)
            raise BadFrame("a request is longer than any can be")
        if line.strip():
            break
    try:
        header = parse_json(line, "the request")
    except Malformed as error:
        raise BadFrame(str(error)) from error
    if not isinstance(header, dict):
        raise BadFrame(f"a request is a JSON object, not {json_type(header)}")
    if "cancel" in header:
        return Cancel(_number(header["cancel"], "cancel"))
    number = _number(header.get("id"), "id")
    name, arguments, replaces = header.get("request"), header.get("arguments"), header.get("replaces")
    if not isinstance(name, str):
        raise BadFrame(f"`request` is {json_type(name)}, not a text", number)
    if not isinstance(arguments, dict | None):
        raise BadFrame(f"`arguments` is {json_type(arguments)}, not an object", number)
    if not isinstance(replaces, str | None):
        raise BadFrame(f"`replaces` is {json_type(replaces)}, not a text", number)
    known = header.get("known") or []
    if not isinstance(known, list) or not all(isinstance(key, str) for key in known):
        raise BadFrame("`known` is not a list of texts", number)
    if header.get("arrays"):
        raise BadFrame("a request carries no arrays", number)
    return Question(number, name, arguments or {}, replaces or "", tuple(known))


def _number(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadFrame(f"`{name}` is not a whole number from 0 on")
    return value


def parse_header(line: bytes) -> Header:
    """The JSON object of a frame's first line. Raises ValueError if it is none."""
    header = parse_json(line, "a frame", allow_nan=True)
    if not isinstance(header, dict):
        raise ValueError("a frame begins with a JSON object")
    return header


def announced(header: Header) -> list[dict[str, Any]]:
    """What a header says of each array that follows it."""
    return list(header.get("arrays", []))


def byte_count(entry: dict[str, Any]) -> int:
    """How many bytes of an announced array follow."""
    if entry.get("omitted"):
        return 0
    return int(np.prod(entry["shape"], dtype=np.int64)) * np.dtype(entry["dtype"]).itemsize


def as_array(entry: dict[str, Any], data: bytes) -> np.ndarray:
    """An array from its bytes, with the `dtype` and `shape` that were announced; read-only, since several widgets may
    show it."""
    return np.frombuffer(data, dtype=np.dtype(entry["dtype"])).reshape(entry["shape"])
