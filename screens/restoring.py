"""A signal that ends the app gives the terminal back first: the screen from before, a cursor, no mouse reports.

Nothing can do that after SIGKILL; `reset` in the shell does (docs/terminals.md).
"""

import contextlib
import os
import select
import signal
import sys
import termios
from types import FrameType

ENDING = (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)

_PATIENCE = 0.2
"""Seconds that a terminal which takes no more may hold up the end."""

_RESTORE = b"".join(
    (
        b"\x1b[0m",
        b"\x1b[?2048l\x1b[?2004l",  # reports of the window's size, bracketed paste
        b"\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l",  # the mouse
        b"\x1b[?1004l",  # focus reports
        b"\x1b[<u",  # the keyboard protocol of Kitty
        b"\x1b[?7h",  # lines wrap
        b"\x1b[?1049l",  # the screen from before
        b"\x1b[?25h",  # the cursor
    )
)
"""The reverse of what Textual's driver switches on."""


class Restoring:
    """From its making on, signals that end this process restore the terminal on `descriptor`.

    The handler writes by itself, since an app that hangs runs no clean-up; then the signal does what it always does.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = _terminal() if descriptor is None else descriptor
        self._attributes = None
        with contextlib.suppress(termios.error, OSError):
            self._attributes = termios.tcgetattr(self._descriptor)
        for number in ENDING:
            signal.signal(number, self._end)

    def _end(self, number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(OSError, ValueError):
            if select.select([], [self._descriptor], [], _PATIENCE)[1]:
                os.write(self._descriptor, _RESTORE)
        if self._attributes is not None:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._attributes)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _terminal() -> int:
    """The stream on which Textual draws, if it is a terminal; else the one from which keys come."""
    return 2 if sys.__stderr__ is not None and sys.__stderr__.isatty() else 0
