"""Hostile inputs, drawn from a seed: damaged bytes, values that no field expects, and paths that lead to no file."""

import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

FRAGMENTS = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\n",
    b"\r",
    b"\x1b[2J\x1b]0;title\x07",
    b"\x9b31m",
    "\u202e\u2028".encode(),
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 5000,
    b"0x" + b"f" * 4000,
    b"[" * 3000,
    b'{"a":' * 2000,
    b'"\\ud800"',
    b'"\\u0000"',
    b"'" * 3,
    b'"',
    b"a." * 3000 + b"a",
    b"../" * 40 + b"etc/passwd",
    b"/dev/zero",
    b"\x80\x04\x95",
    b"x" * 70_000,
    b"-1",
    b"1.5",
    b"null",
    b"true",
    b"{}",
    b"[]",
]
"""What is inserted into bytes."""

VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    1e300,
    10**18,
    2**70,
    float("nan"),
    float("inf"),
    "",
    "x" * 70_000,
    "nul\0byte",
    "half \ud800",
    "\x1b[31mred\x07\x9b\r\n\u202e",
    "~nosuch/x",
    "../../../../etc/passwd",
    "/dev/zero",
    "²",
    [],
    {},
    [[]],
    [None, {"a": [1]}],
    {"": {"": {}}},
    [float("nan")],
    ["x"] * 300,
]
"""What stands where a document has something else."""


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def damaged(content: bytes, seed: random.Random) -> bytes:
    """One to three changes to some bytes."""
    data = bytearray(content)
    for _ in range(seed.randint(1, 3)):
        place = seed.randrange(len(data) + 1)
        match seed.randrange(6):
            case 0:
                data[place:place] = seed.choice(FRAGMENTS)
            case 1:
                del data[place:]
            case 2 if place < len(data):
                data[place] ^= 1 << seed.randrange(8)
            case 3:
                data[place : place + seed.randint(1, 40)] = seed.choice(FRAGMENTS)
            case 4:
                data[place:place] = data[max(0, place - seed.randint(1, 200)) : place]
            case _:
                data[place : place + seed.randint(1, 8)] = seed.randbytes(seed.randint(1, 8))
    return bytes(data)


def changed(document: Any, seed: random.Random) -> Any:
    """The document with one value replaced, one key renamed, one left out or one added, somewhere in it."""
    document = copy.deepcopy(document)
    containers = list(_containers(document))
    if not containers:
        return seed.choice(VALUES)
    container = seed.choice(containers)
    value = seed.choice(VALUES) if seed.random() < 0.95 else nested(seed.choice([60, 70, 500]))
    keys = list(container) if isinstance(container, dict) else list(range(len(container)))
    match seed.randrange(4):
        case 0 if keys:
            del container[seed.choice(keys)]
        case 1 if isinstance(container, dict):
            container[seed.choice(["", "x" * 5000, "\x1b[31m", "nul\0", "__class__"])] = value
        case 2 if isinstance(container, list):
            container.insert(seed.randint(0, len(container)), value)
        case _ if keys:
            container[seed.choice(keys)] = value
    return document


def _containers(value: Any) -> Any:
    if isinstance(value, dict | list) and value:
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


def json_bytes(document: Any, seed: random.Random) -> bytes:
    """A changed document in JSON, or its damaged bytes."""
    if seed.random() < 0.3:
        return damaged(json.dumps(document).encode(), seed)
    return json.dumps(changed(document, seed)).encode()


def _sparse(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate(20 * 2**30)


def _socket_like(file: Path) -> None:
    os.mknod(file, 0o600 | 0o140000)


NO_FILES: dict[str, Callable[[Path], None]] = {
    "nothing": lambda file: None,
    "a FIFO": os.mkfifo,
    "a folder": lambda file: file.mkdir(),
    "a link to a device": lambda file: file.symlink_to("/dev/zero"),
    "a link to nothing": lambda file: file.symlink_to("nowhere"),
    "a link to itself": lambda file: file.symlink_to(file.name),
    "20 GB of holes": _sparse,
    "a socket": _socket_like,
    "an empty file": lambda file: file.touch(),
}
"""What may stand where a file is expected."""


def put(file: Path, content: bytes, seed: random.Random) -> str:
    """Makes `file`: usually with this content, sometimes as something that is not a file. Says which."""
    remove(file)
    if seed.random() < 0.03:
        kind = seed.choice(list(NO_FILES))
        NO_FILES[kind](file)
        return kind
    file.write_bytes(content)
    return repr(content[:200])


def remove(file: Path) -> None:
    """Takes away whatever stands there."""
    if file.is_dir() and not file.is_symlink():
        for inner in file.iterdir():
            remove(inner)
        file.rmdir()
    else:
        file.unlink(missing_ok=True)


class Payload:
    """Runs when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.marker}",))
