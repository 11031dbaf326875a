"""How the app and the inspector talk: a frame is one line of JSON, then the bytes of the arrays that it announces.

A request is `{"id", "request", "arguments", "replaces"}` or `{"cancel": id}`. An answer is `{"id", "kind"}` with
kind `progress` (`done`, `total`, `what`), `result` (`values`), `refused` (a person's mistake: `message`),
`error` (ours: `message`), `cancelled` or `superseded`.
"""

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

Header = dict[str, Any]
Arrays = dict[str, np.ndarray]


def write_frame(stream: BinaryIO, header: Header, arrays: Mapping[str, np.ndarray] | None = None) -> None:
    """Writes one frame and flushes it. Arrays may have any shape and any plain dtype."""
    packed = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    announced = [{"name": name, "dtype": a.dtype.str, "shape": list(a.shape)} for name, a in packed.items()]
    line = json.dumps({**header, "arrays": announced} if announced else header).encode()
    stream.write(b"".join([line, b"\n", *(array.tobytes() for array in packed.values())]))
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[Header, Arrays] | None:
    """The next frame, or None when the stream has ended. Raises ValueError for what is not a frame."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    header = parse_header(line)
    return header, {entry["name"]: as_array(entry, stream.read(byte_count(entry))) for entry in announced(header)}


def parse_header(line: bytes) -> Header:
    """The JSON object of a frame's first line. Raises ValueError if it is none."""
    header = json.loads(line)
    if not isinstance(header, dict):
        raise ValueError("a frame begins with a JSON object")
    return header


def announced(header: Header) -> list[dict[str, Any]]:
    """What a header says of each array that follows it."""
    return list(header.get("arrays", []))


def byte_count(entry: dict[str, Any]) -> int:
    """How many bytes an announced array takes."""
    return int(np.prod(entry["shape"], dtype=np.int64)) * np.dtype(entry["dtype"]).itemsize


def as_array(entry: dict[str, Any], data: bytes) -> np.ndarray:
    """An announced array from its bytes; read-only, since it may be shown by several widgets."""
    return np.frombuffer(data, dtype=np.dtype(entry["dtype"])).reshape(entry["shape"])
