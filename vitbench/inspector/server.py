"""The inspector: `python -m vitbench.inspector.server STORE` answers questions on stdin until it ends.

One thread reads questions, so that a cancellation is seen while work goes on; the main thread answers one at a time.
What may take long is answered aside, each in a thread of its own, so that a quick question never waits for it.
Whatever libraries print goes to stderr: stdout carries frames and nothing else.
"""

import contextlib
import ctypes
import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from vitbench.errors import UserError
from vitbench.exhausted import exhausted
from vitbench.inspector.arguments import check_arguments, takes_long
from vitbench.inspector.client import AHEAD
from vitbench.inspector.handlers import Handler, Reply
from vitbench.inspector.protocol import BadFrame, Cancel, Header, Question, read_question, write_frame
from vitbench.progress import Progress
from vitbench.text import shortened

_MOST_WAITING = 1000
_MOST_ASIDE = 8
"""Questions that are answered aside at once; more wait their turn."""

_INTERRUPT, _PATIENCE = signal.SIGUSR1, 0.1
"""What ends a cancelled handler that has not reported progress for so many seconds."""


class Cancelled(Exception):
    """Raised inside a handler when nobody waits for the answer any more: at its next report of progress, or where it
    is, if that does not come soon."""


class _Work:
    """A question that a thread is at. It may be interrupted while `at_work`, never while a frame is written."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.at_work = False
        self._thread = threading.get_ident()
        self._is_main = threading.current_thread() is threading.main_thread()
        self._lock = threading.Lock()

    def rest(self) -> None:
        """No interruption from here on; one that was on its way is taken back, or raised here."""
        with self._lock:
            self.at_work = False
            if not self._is_main:
                _raise_in(self._thread, None)

    def interrupt(self) -> bool:
        """From another thread: raises Cancelled in this one, between two instructions; False if it has to wait."""
        with self._lock:
            if self.at_work and self._has_to_end():
                return False
            if self.at_work and self._is_main:
                signal.pthread_kill(self._thread, _INTERRUPT)
            elif self.at_work:
                _raise_in(self._thread, Cancelled)
                if self._has_to_end():  # begun between the look and the exception
                    _raise_in(self._thread, None)
                    return False
        return True

    def _has_to_end(self) -> bool:
        return _has_to_end(sys._current_frames().get(self._thread))


def _has_to_end(frame: FrameType | None) -> bool:
    """Whether something goes on that must not be left half-way: an import, or the start of a thread.

    Half of torch or timm would stay, and every later import of them fail. A thread that is being started bears the
    number of the one that starts it until it runs: it would get the exception, and the other one wait for it for good.
    """
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith("<frozen importlib") or code is threading.Thread.start.__code__:
            return True
        frame = frame.f_back
    return False


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raises an exception in another thread as soon as it runs Python again; None takes one back."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error)
    )


class Server:
    """Reads questions from one stream and answers them on another with a table of handlers."""

    def __init__(
        self,
        handlers: Mapping[str, Handler] | Callable[[str, Progress], Handler | None],
        questions: BinaryIO,
        answers: BinaryIO,
        aside: Callable[[Question], bool] = lambda question: False,
        give_way: Callable[[], None] = lambda: None,
    ) -> None:
        """`handlers` may be a function that finds the handler of a question, and reports if that takes long.

        `aside` says which questions may take long; they call `give_way` whenever they report progress.
        """
        self._handlers = handlers
        self._aside = aside
        self._give_way = give_way
        self.questions = questions
        self.answers = answers
        self._queue: deque[Question] = deque()
        self._open: set[int] = set()
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._cancelled: set[int] = set()
        self._works: dict[int, _Work] = {}
        self._main_work: _Work | None = None
        self._can_interrupt = False
        self._ended = False

    def serve(
        self,
        idle: Callable[[], None] | None = None,
        idle_after: float = 60.0,
        between: Callable[[], None] | None = None,
        pause: float = 2.0,
    ) -> None:
        """Answers until the questions end; calls `between` after each answer and each `pause` seconds while there is
        nothing to do, and `idle` each time nothing was asked for `idle_after` seconds."""
        if threading.current_thread() is threading.main_thread():
            self._can_interrupt = True
            signal.signal(_INTERRUPT, lambda number, frame: self._stop_cancelled(frame))
        threading.Thread(target=self._read, daemon=True).start()
        answered = time.monotonic()
        while True:
            with self._changed:
                asked = self._changed.wait_for(
                    lambda: self._queue or self._ended, timeout=min(pause, idle_after) if between else idle_after
                )
                if asked and not self._queue:
                    return
                question = self._queue.popleft() if asked else None
            if question is not None:
                self._answer(question)
                answered = time.monotonic()
            elif self._works:
                answered = time.monotonic()
            elif idle and time.monotonic() - answered >= idle_after:
                idle()
                answered = time.monotonic()
            if between:
                between()

    def _read(self) -> None:
        while True:
            try:
                question = read_question(self.questions)
            except BadFrame as error:
                with suppress(OSError):
                    self._send(_refusal(error.number, f"This is not a request: {error}."))
                continue
            except OSError:
                question = None
            with self._changed:
                if question is None:
                    self._ended = True
                    self._queue.clear()
                    self._cancelled.add(-1)
                else:
                    with suppress(OSError):  # who asked is gone, which the end of the questions says too
                        self._take(question)
                self._changed.notify()
            if question is None:
                return

    def _take(self, question: Question | Cancel) -> None:
        if isinstance(question, Cancel):
            if question.number in self._open - self._cancelled:
                self._cancelled.add(question.number)
                if self._can_interrupt:
                    self._interrupt_later(question.number)
            return
        if question.number in self._open:
            self._send(_refusal(0, f"The id {question.number} belongs to a request that is not answered yet."))
            return
        if question.replaces:
            for waiting in [waiting for waiting in self._queue if waiting.replaces == question.replaces]:
                self._queue.remove(waiting)
                self._open.discard(waiting.number)
                self._cancelled.discard(waiting.number)
                self._send({"id": waiting.number, "kind": "superseded"})
        if len(self._queue) >= _MOST_WAITING:
            self._send(_refusal(question.number, f"{_MOST_WAITING:,} requests wait already."))
            return
        self._open.add(question.number)
        if self._aside(question) and len(self._works) < _MOST_ASIDE:
            threading.Thread(target=self._answer, args=(question,), daemon=True).start()
        else:
            self._queue.append(question)

    def _answer(self, question: Question) -> None:
        number = question.number
        work = _Work(number)
        self._works[number] = work
        if threading.current_thread() is threading.main_thread():
            self._main_work = work

        def progress(done: int, total: int, what: str) -> None:
            work.rest()
            if number in self._cancelled or -1 in self._cancelled:
                raise Cancelled
            self._send({"id": number, "kind": "progress", "done": done, "total": total, "what": what})
            self._give_way()
            if number in self._cancelled:
                raise Cancelled
            work.at_work = True

        try:
            header, reply = self._outcome(question, work, progress)
            work.rest()
        except Cancelled:  # an interruption that came late, of which there is one a question
            header, reply = {"id": number, "kind": "cancelled"}, Reply()
        try:
            self._send(header, reply, question.known)
        finally:
            with self._changed:
                del self._works[number]
                self._open.discard(number)
                self._cancelled.discard(number)

    def _outcome(self, question: Question, work: _Work, progress: Progress) -> tuple[Header, Reply]:
        """What a question is answered with."""
        number = question.number
        try:
            if number in self._cancelled:
                raise Cancelled
            find = self._handlers
            handler = find(question.name, progress) if callable(find) else find.get(question.name)
            if handler is None:
                raise UserError(f"The inspector knows no request {shortened(question.name)!r}.")
            check_arguments(question.name, question.arguments)
            work.at_work = True
            reply = handler(dict(question.arguments), progress)
            work.rest()
        except Cancelled:
            work.rest()
            return {"id": number, "kind": "cancelled"}, Reply()
        except UserError as error:
            work.rest()
            return _refusal(number, str(error)), Reply()
        except Exception as error:  # noqa: BLE001 - the boundary: one bad question must not end the process
            work.rest()
            traceback.print_exc()
            if sentence := exhausted(error):
                # Once the frames are let go that hold what was computed so far; the cache of the GPU can go too.
                error.__traceback__ = None
                free_memory()
                return _refusal(number, sentence), Reply()
            return {"id": number, "kind": "error", "message": f"{type(error).__name__}: {error}"}, Reply()
        return {"id": number, "kind": "result", "values": reply.values}, reply

    def _interrupt(self, number: int) -> None:
        """From another thread: ends the handler of a cancelled question that is still at work."""
        work = self._works.get(number)
        if work is not None and not work.interrupt():
            self._interrupt_later(number)

    def _interrupt_later(self, number: int) -> None:
        timer = threading.Timer(_PATIENCE, self._interrupt, (number,))
        timer.daemon = True
        timer.start()

    def _stop_cancelled(self, frame: FrameType | None) -> None:
        """In the main thread, between two instructions: a question that was answered meanwhile is left alone."""
        work = self._main_work
        if work is not None and work.at_work and work.number in self._cancelled:
            if _has_to_end(frame):
                self._interrupt_later(work.number)
                return
            work.at_work = False
            raise Cancelled

    def announce(self, kind: str) -> None:
        """Tells the client something that answers no question; a client that is gone needs it no more."""
        with contextlib.suppress(BrokenPipeError):
            self._send({"id": 0, "kind": kind})

    def _send(self, header: Header, reply: Reply | None = None, known: Sequence[str] = ()) -> None:
        reply = reply or Reply()
        with self._writing:
            write_frame(self.answers, header, reply.arrays, reply.constant, known)


def free_memory() -> None:
    """Gives back what nobody holds any more, and what torch keeps of a GPU's memory, so that the next question fits."""
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


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

    def give_way() -> None:
        if inspector := loading.loaded:
            inspector.sources.turn.give_way()

    server = Server(loading.handler, sys.stdin.buffer, answers, takes_long, give_way)
    to_warm = [warm_up] if ahead else []

    def idle() -> None:
        if inspector := loading.loaded:
            inspector.give_back()

    def between() -> None:
        if inspector := loading.loaded:
            if to_warm:
                to_warm.pop()(inspector)
            inspector.between()

    try:
        server.serve(idle=idle, between=between, pause=0.5 if ahead else 2.0)
    except BrokenPipeError:
        return 0  # the app is gone, and with it whoever wanted the answer
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
