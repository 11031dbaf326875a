"""The real program in a real pseudo-terminal, and the screen that a person would see: pexpect drives, pyte draws."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pexpect
import psutil
import pyte

PATIENCE = 240.0
"""Seconds that a test waits for a condition: many times what a quiet machine needs."""

KEYS = {"escape": "\x1b", "enter": "\r", "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D"}


class Terminal:
    """A terminal in which `vitbench` was started; it is a session leader, as under SSH."""

    def __init__(self, home: Path, *arguments: str, columns: int = 120, rows: int = 40, **variables: str) -> None:
        """`home` becomes VITBENCH_HOME; `variables` are added to the environment."""
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
            "VITBENCH_HOME": str(home),
            **variables,
        }
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(
            sys.executable, ["-m", "vitbench", *arguments], dimensions=(rows, columns), env=environment, timeout=None
        )
        self.child.delaybeforesend = None
        self.tail = b""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the program and what it started in its own session; a worker is not of it."""
        if self.is_alive():
            self.child.kill(signal.SIGKILL)
        with suppress(OSError, pexpect.ExceptionPexpect):
            self.child.wait()
        self.child.ptyproc.fileobj.close()

    # What is seen

    def pump(self, seconds: float = 0.05) -> bytes:
        """Draws what arrives within some seconds, and returns it."""
        try:
            data = self.child.read_nonblocking(1 << 16, timeout=seconds)
        except (pexpect.TIMEOUT, pexpect.EOF, ValueError):
            time.sleep(0.01)
            return b""
        self.tail = (self.tail + data)[-(1 << 14) :]
        self._stream.feed(data)
        return bytes(data)

    @property
    def text(self) -> str:
        """The screen as lines of text."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_until(self, condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """Draws on until the condition holds; fails with the screen when it never does."""
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, f"Waited {patience:.0f} s for {what}. The screen:\n{self.text}"
            assert self.is_alive(), f"The app ended while {what} was awaited. The screen:\n{self.text}"
            self.pump()

    def wait_for(self, *words: str, patience: float = PATIENCE) -> None:
        """Waits until all words are on the screen."""
        self.wait_until(lambda: all(word in self.text for word in words), f"{words}", patience)

    def wait_without(self, *words: str, patience: float = PATIENCE) -> None:
        """Waits until none of the words is on the screen any more."""
        self.wait_until(lambda: not any(word in self.text for word in words), f"no {words}", patience)

    def settle(self, quiet: float = 0.3) -> None:
        """Draws on until nothing has arrived for a while."""
        last = time.monotonic()
        while time.monotonic() - last < quiet:
            if self.pump():
                last = time.monotonic()

    # What a person does

    def press(self, *keys: str) -> None:
        """Presses keys, by name or as they are typed."""
        for key in keys:
            self.child.send(KEYS.get(key, key))

    def resize(self, columns: int, rows: int) -> None:
        """Another window size, as when a person drags its corner; the kernel sends SIGWINCH."""
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def hang_up(self) -> None:
        """The line drops: the kernel sends SIGHUP to the program."""
        self.child.ptyproc.fileobj.close()

    # The process

    @property
    def pid(self) -> int:
        return int(self.child.pid)

    def is_alive(self) -> bool:
        """Whether the process runs; one that has ended and not been waited for does not."""
        try:
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def seconds_to_end(self, patience: float = PATIENCE) -> float:
        """Waits until the process has ended, and says how long that took."""
        began = time.monotonic()
        while self.is_alive():
            assert time.monotonic() - began < patience, f"The app does not end. The screen:\n{self.text}"
            self.pump()
        return time.monotonic() - began
