"""Processes that outlive whoever started them."""

import os
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from vitbench.errors import UserError

_started: dict[int, "subprocess.Popen[bytes]"] = {}


def start_detached(
    command: Sequence[str], output: Path, environment: Mapping[str, str], descriptors: Sequence[int] = ()
) -> int:
    """Starts a process in a session of its own, and returns its pid; `exit_code` tells how it ended.

    What it prints is added to the file `output`; it inherits `descriptors`. Raises OSError.
    """
    stream = _open_output(output)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            pass_fds=descriptors,
            env=environment,
        )
    finally:
        os.close(stream)
    # An object that is dropped would be reaped by the next Popen, and its exit code lost.
    _started[process.pid] = process
    reap()
    return process.pid


def exit_code(pid: int) -> int | None:
    """The exit code of a process that `start_detached` has started here; None if it still runs, or is not ours."""
    process = _started.get(pid)
    return None if process is None else process.poll()


def reap() -> None:
    """Takes note of the processes that have ended, so that no zombie stays."""
    for process in list(_started.values()):
        process.poll()


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """An interrupt of the person (Ctrl-C) in the middle of this takes effect at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python interrupts its main thread only
        return
    pressed: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        pressed.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def _open_output(file: Path) -> int:
    """Opens a log for adding; never blocks, as a FIFO would."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(file, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UserError(f"{file} is not a regular file; delete it.")
    return descriptor
