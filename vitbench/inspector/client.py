"""The app's side of the inspector: asks by name, awaits the answer, and never imports torch.

inspector = Inspector(store_folder)
answer = await inspector.ask("sheet", kind="attention", request={"network": "demo", "pictures": ["cat.png"]})
answer.values["facts"], answer.arrays["panel 1"]
"""

import asyncio
import contextlib
import io
import itertools
import os
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitbench.errors import UserError
from vitbench.inspector.protocol import Arrays, Header, announced, as_array, byte_count, parse_header, write_frame
from vitbench.progress import Progress, silent
from vitbench.text import clean

_LONGEST_HEADER = 64 * 2**20
_LAST_WORDS_TIME = 1.0
"""Seconds that are waited for what a dead inspector wrote to stderr."""
_MOST_CONSTANTS = 8
"""Arrays that are remembered because other answers have them, too, such as the bare picture."""
AHEAD = "--ahead"
"""The argument of an inspector that is started before anyone asks."""


class InspectorError(Exception):
    """The inspector failed or died while it worked on a request; the next request starts a fresh one."""


class Superseded(Exception):
    """A newer request took the place of this one before it was begun."""


@dataclass(frozen=True)
class Answer:
    """What came back: plain values and named arrays."""

    values: dict[str, Any]
    arrays: Arrays


@dataclass
class _Waiting:
    future: asyncio.Future[Answer]
    progress: Progress
    process: asyncio.subprocess.Process
    known: Mapping[str, np.ndarray]
    """Arrays that need not come again, by key; as they were when it was asked."""


class Inspector:
    """One child process, started with the first question and again after a crash."""

    def __init__(self, store: Path, command: Sequence[str] | None = None) -> None:
        self._has_own_command = command is None
        self.command = command or [sys.executable, "-m", "vitbench.inspector.server", str(store)]
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[int, _Waiting] = {}
        self._listeners: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._ahead = self._ready = False
        self._asked = time.monotonic()
        self._constants: OrderedDict[str, np.ndarray] = OrderedDict()

    @property
    def is_running(self) -> bool:
        """Whether there is a process that may hold something."""
        return self._process is not None and self._process.returncode is None

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last question, or since the start; 0 while one is being answered."""
        return 0.0 if self._waiting else time.monotonic() - self._asked

    async def start_ahead(self) -> None:
        """Starts the process before anything is asked: it loads at low priority, and makes its first map ready."""
        async with self._starting:
            if not self.is_running:
                await self._start(*((AHEAD,) if self._has_own_command else ()))
                self._ahead = True

    async def ask(
        self, request: str, /, *, progress: Progress = silent, replaces: str = "", **arguments: object
    ) -> Answer:
        """Sends `request` and awaits its answer; cancelling the await cancels the work.

        With `replaces`, a waiting request of the same word that was not begun yet is dropped: its caller gets
        Superseded. Raises UserError for a person's mistake, InspectorError if the inspector failed or died.
        """
        self._asked = time.monotonic()
        process = await self._running()
        number = next(self._numbers)
        known = dict(self._constants)
        waiting = _Waiting(asyncio.get_running_loop().create_future(), progress, process, known)
        self._waiting[number] = waiting
        try:
            asked: Header = {"id": number, "request": request, "arguments": arguments, "replaces": replaces}
            await self._send(process, asked | ({"known": list(known)} if known else {}))
            return await waiting.future
        except asyncio.CancelledError:
            if process.returncode is None:
                await self._send(process, {"cancel": number})
            raise
        finally:
            self._waiting.pop(number, None)
            self._asked = time.monotonic()

    async def close(self) -> None:
        """Ends the child process; it holds nothing that needs saving."""
        process, self._process = self._process, None
        if process and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await asyncio.gather(*self._listeners, return_exceptions=True)

    async def _running(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self.is_running and self._ahead and not self._ready and _is_busy():
                # What loads at low priority on a busy machine takes many times as long as it would for a person.
                await self.close()
            if not self.is_running:
                await self._start()
            assert self._process is not None
            return self._process

    async def _start(self, *options: str) -> None:
        self._ahead = self._ready = False
        self._asked = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *self.command,
            *options,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_HEADER,
        )
        listener = asyncio.create_task(self._listen(self._process))
        self._listeners.add(listener)
        listener.add_done_callback(self._listeners.discard)

    async def _send(self, process: asyncio.subprocess.Process, header: Header) -> None:
        frame = io.BytesIO()
        write_frame(frame, header)
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):  # a dead inspector is reported by the listener
            process.stdin.write(frame.getvalue())
            await process.stdin.drain()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        last_words: deque[str] = deque(maxlen=30)
        stderr = asyncio.create_task(_keep_last_words(process.stderr, last_words))
        try:
            while line := await process.stdout.readline():
                header = parse_header(line)
                arrays: Arrays = {}
                for entry in announced(header):
                    content = await process.stdout.readexactly(byte_count(entry))
                    if (array := self._array(header, entry, content)) is not None:
                        arrays[entry["name"]] = array
                self._deliver(header, arrays)
        except (asyncio.IncompleteReadError, ValueError, LookupError, TypeError, MemoryError):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        code = await process.wait()
        # A process that it started may hold its stderr open for any time.
        await asyncio.wait([stderr], timeout=_LAST_WORDS_TIME)
        stderr.cancel()
        reason = f"the inspector ended (exit code {code})" + (f": {last_words[-1]}" if last_words else "")
        # Those that were sent to its successor meanwhile wait on.
        for waiting in [waiting for waiting in self._waiting.values() if waiting.process is process]:
            if not waiting.future.done():
                waiting.future.set_exception(InspectorError(reason))

    def _array(self, header: Header, entry: dict[str, Any], content: bytes) -> np.ndarray | None:
        """An array of an answer: that comes now, or that is known. None where nobody waits for it any more."""
        key = entry.get("key")
        if entry.get("omitted"):
            waiting = self._waiting.get(header.get("id", 0))
            return None if waiting is None else waiting.known[str(key)]
        array = as_array(entry, content)
        if key is not None:
            self._constants[key] = array
            self._constants.move_to_end(key)
            while len(self._constants) > _MOST_CONSTANTS:
                self._constants.popitem(last=False)
        return array

    def _deliver(self, header: Header, arrays: Arrays) -> None:
        if header.get("kind") == "ready":
            self._ready = True
        waiting = self._waiting.get(header.get("id", 0))
        if waiting is None or waiting.future.done():
            return
        match header["kind"]:
            case "progress":
                waiting.progress(header["done"], header["total"], header["what"])
            case "result":
                waiting.future.set_result(Answer(header["values"], arrays))
            case "refused":
                waiting.future.set_exception(UserError(header["message"]))
            case "superseded":
                waiting.future.set_exception(Superseded())
            case "cancelled":
                waiting.future.cancel()
            case _:
                waiting.future.set_exception(InspectorError(header.get("message", "the inspector failed")))


async def _keep_last_words(stream: asyncio.StreamReader, words: deque[str]) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            continue  # a line longer than any: the reader has dropped it
        if not line:
            return
        if text := clean(line.decode(errors="replace")).strip():
            words.append(text)


def _is_busy() -> bool:
    """Whether others keep the processors of this machine busy."""
    return os.getloadavg()[0] >= (os.cpu_count() or 1)
