"""Which files this program has written: path and SHA-256, one small file a path, below `outputs/` in the store.

A file that is not in the ledger, or whose bytes are others by now, belongs to a person and is not replaced unasked.
"""

import ast
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import RECORD
from vitbench.files.writing import write_whole

_PATIENCE = 10.0

Content = tuple[str, int]
"""SHA-256 (hexadecimal) and size in bytes."""


class Ledger:
    """The ledger of one store. Questions may be asked of a store that is missing, damaged or read-only."""

    def __init__(self, store: Path) -> None:
        self.folder = store / "outputs"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps parallel commands apart while one checks a file and replaces it, which takes milliseconds.

        A store that is read-only has no lock, and one whose holder was stopped is waited for `_PATIENCE` seconds.
        """
        descriptor = None
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(self.folder / ".lock", flags, 0o666)
            _wait_for_lock(descriptor)
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def written(self, file: Path) -> set[Content]:
        """What this program has written to `file`, a real path; nothing where the entry is missing or damaged."""
        try:
            entry = read_json_object(self._entry(file), RECORD)
            if entry["path"] != ascii(os.fsencode(file)):
                return set()
            return {(str(digest), int(size)) for digest, size in entry["written"]}
        except (UserError, OSError, ValueError, KeyError, TypeError):
            return set()

    def is_ours(self, file: Path) -> bool:
        """Whether the regular file at `file`, a real path, holds the very bytes that this program wrote there."""
        written = self.written(file)
        while written and not _holds_one_of(file, written):
            # A parallel call may have replaced the file between the two looks; it notes its content first.
            before, written = written, self.written(file)
            if written == before:
                return False
        return bool(written)

    def files(self) -> Iterator[Path]:
        """The paths that were written to, whether they are still there or not; damaged entries are passed over."""
        with suppress(OSError):
            for entry in sorted(self.folder.glob("*.json")):
                with suppress(UserError, OSError, ValueError, KeyError, TypeError, SyntaxError):
                    path = ast.literal_eval(str(read_json_object(entry, RECORD)["path"]))
                    if isinstance(path, bytes):
                        yield Path(os.fsdecode(path))

    def note(self, file: Path, contents: set[Content]) -> None:
        """Notes that `file` holds one of `contents`. Raises OSError if that cannot be written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # As bytes: the name of a file need not be text.
        entry = {"path": ascii(os.fsencode(file)), "written": sorted(contents)}
        write_whole(self._entry(file), json.dumps(entry), durable=False)

    def _entry(self, file: Path) -> Path:
        return self.folder / f"{hashlib.sha256(os.fsencode(file)).hexdigest()[:32]}.json"


def _holds_one_of(file: Path, contents: set[Content]) -> bool:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_size not in {size for _, size in contents}:
            return False
        return (hashlib.file_digest(stream, "sha256").hexdigest(), facts.st_size) in contents


def content_of(data: bytes) -> Content:
    """How the ledger names some bytes."""
    return hashlib.sha256(data).hexdigest(), len(data)


def _wait_for_lock(descriptor: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return
            time.sleep(0.01)
