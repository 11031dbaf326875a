"""The inspector: `python -m vitbench.inspector.server STORE` answers requests on stdin until it ends.

One thread reads requests, so that a cancellation is seen while work goes on; the main thread does the work, one
request at a time. Whatever libraries print goes to stderr: stdout carries frames and nothing else.
"""

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vitbench.errors import UserError
from vitbench.inspector.arguments import check_arguments
from vitbench.inspector.client import AHEAD
from vitbench.inspector.protocol import BadFrame, Cancel, Header, Request, read_request, write_frame
from vitbench.progress import Progress
from vitbench.text import shortened

_MOST_WAITING = 1000


_INTERRUPT, _PATIENCE = signal.SIGUSR1, 0.1
"""What ends a cancelled handler that has not reported progress for so many seconds."""


class Cancelled(Exception):
    """Raised inside a handler when nobody waits for the answer any more: at its next report of progress, or where it
    is, if that does not come soon."""


@dataclass
class Reply:
    """What a handler gives back: values that JSON can carry, and arrays."""

    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


Handler = Callable[[dict[str, Any], Progress], Reply]


class Server:
    """Reads requests from one stream and answers them on another with a table of handlers."""

    def __init__(
        self,
        handlers: Mapping[str, Handler] | Callable[[Progress], Mapping[str, Handler]],
        requests: BinaryIO,
        answers: BinaryIO,
    ) -> None:
        """`handlers` may be a function that has them when they are loaded, and reports that to the first request."""
        self._handlers = handlers
        self.requests = requests
        self.answers = answers
        self._queue: deque[Request] = deque()
        self._open: set[int] = set()
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._cancelled: set[int] = set()
        self._working = 0
        """The request whose handler may be interrupted now; 0 while a frame is written, which must be whole."""
        self._thread = 0
        self._ended = False

    def serve(
        self,
        idle: Callable[[], None] | None = None,
        idle_after: float = 60.0,
        between: Callable[[], None] | None = None,
        pause: float = 2.0,
    ) -> None:
        """Answers until the requests end; calls `between` after each answer and each `pause` seconds while there is
        nothing to do, and `idle` each time nothing was asked for `idle_after` seconds."""
        if threading.current_thread() is threading.main_thread():
            self._thread = threading.get_ident()
            signal.signal(_INTERRUPT, lambda number, frame: self._stop_cancelled())
        threading.Thread(target=self._read, daemon=True).start()
        answered = time.monotonic()
        while True:
            with self._changed:
                asked = self._changed.wait_for(
                    lambda: self._queue or self._ended, timeout=min(pause, idle_after) if between else idle_after
                )
                if asked and not self._queue:
                    return
                request = self._queue.popleft() if asked else None
            if request is not None:
                self._answer(request)
                answered = time.monotonic()
            elif idle and time.monotonic() - answered >= idle_after:
                idle()
                answered = time.monotonic()
            if between:
                between()

    def _read(self) -> None:
        while True:
            try:
                request = read_request(self.requests)
            except BadFrame as error:
                with suppress(OSError):
                    self._send(_refusal(error.number, f"This is no request: {error}."))
                continue
            except OSError:
                request = None
            with self._changed:
                if request is None:
                    self._ended = True
                    self._queue.clear()
                    self._cancelled.add(-1)
                else:
                    with suppress(OSError):  # who asked is gone, which the end of the requests says too
                        self._take(request)
                self._changed.notify()
            if request is None:
                return

    def _take(self, request: Request | Cancel) -> None:
        if isinstance(request, Cancel):
            if request.number in self._open:
                self._cancelled.add(request.number)
                if self._thread:
                    threading.Timer(_PATIENCE, self._interrupt, (request.number,)).start()
            return
        if request.number in self._open:
            self._send(_refusal(0, f"The id {request.number} belongs to a request that is not answered yet."))
            return
        if request.replaces:
            for waiting in [waiting for waiting in self._queue if waiting.replaces == request.replaces]:
                self._queue.remove(waiting)
                self._open.discard(waiting.number)
                self._cancelled.discard(waiting.number)
                self._send({"id": waiting.number, "kind": "superseded"})
        if len(self._queue) >= _MOST_WAITING:
            self._send(_refusal(request.number, f"{_MOST_WAITING:,} requests wait already."))
            return
        self._open.add(request.number)
        self._queue.append(request)

    def _answer(self, request: Request) -> None:
        number = request.number

        def progress(done: int, total: int, what: str) -> None:
            if number in self._cancelled or -1 in self._cancelled:
                raise Cancelled
            self._working = 0
            self._send({"id": number, "kind": "progress", "done": done, "total": total, "what": what})
            self._working = number

        try:
            if number in self._cancelled:
                raise Cancelled
            handlers = self._handlers(progress) if callable(self._handlers) else self._handlers
            handler = handlers.get(request.name)
            if handler is None:
                raise UserError(f"The inspector knows no request {shortened(request.name)!r}.")
            check_arguments(request.name, request.arguments)
            self._working = number
            reply = handler(dict(request.arguments), progress)
            self._working = 0
            self._send({"id": number, "kind": "result", "values": reply.values}, reply.arrays)
        except Cancelled:
            self._working = 0
            self._send({"id": number, "kind": "cancelled"})
        except UserError as error:
            self._working = 0
            self._send(_refusal(number, str(error)))
        except Exception as error:  # noqa: BLE001 - the boundary: one bad request must not end the process
            self._working = 0
            traceback.print_exc()
            self._send({"id": number, "kind": "error", "message": f"{type(error).__name__}: {error}"})
        finally:
            with self._changed:
                self._open.discard(number)
                self._cancelled.discard(number)

    def _interrupt(self, number: int) -> None:
        """From another thread: ends the handler of a cancelled request that is still at work."""
        if self._working == number:
            signal.pthread_kill(self._thread, _INTERRUPT)

    def _stop_cancelled(self) -> None:
        """In the thread that works, between two instructions: a request that was answered meanwhile is left alone."""
        if self._working and self._working in self._cancelled:
            self._working = 0
            raise Cancelled

    def announce(self, kind: str) -> None:
        """Tells the client something that answers no request; a client that is gone needs it no more."""
        with contextlib.suppress(BrokenPipeError):
            self._send({"id": 0, "kind": kind})

    def _send(self, header: Header, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        with self._writing:
            write_frame(self.answers, header, arrays)


def _refusal(number: int, message: str) -> Header:
    return {"id": number, "kind": "refused", "message": message}


def main(arguments: list[str]) -> int:
    """Serves the store named in `arguments` over stdin and stdout; with `--ahead`, nobody has asked yet."""
    from vitbench.deferred_compiler import defer_compiler
    from vitbench.inspector.loading import Loading, warm_up
    from vitbench.runs.children import die_with_parent

    die_with_parent()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    defer_compiler()
    ahead = AHEAD in arguments[1:]
    server: Server
    loading = Loading(Path(arguments[0]), ahead, ready=lambda: server.announce("ready"))
    server = Server(lambda progress: loading.workbench(progress).handlers, sys.stdin.buffer, answers)
    to_warm = [warm_up] if ahead else []

    def idle() -> None:
        if workbench := loading.loaded:
            workbench.give_back()

    def between() -> None:
        if workbench := loading.loaded:
            if to_warm:
                to_warm.pop()(workbench)
            workbench.between()

    try:
        server.serve(idle=idle, between=between, pause=0.5 if ahead else 2.0)
    except BrokenPipeError:
        return 0  # the app is gone, and with it whoever wanted the answer
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
