"""A signal that ends the app leaves the terminal as it was found, also when the app hangs."""

import os
import pty
import select
import signal
import sys
import termios
import time
from pathlib import Path

import pyte
import pytest

from tests.end_to_end.terminal import PATIENCE

HANGING = """
import time
from textual.app import App
from screens.restoring import Restoring
class Hanging(App):
    def on_ready(self):
        print("hangs now", file=open({file!r}, "w"))
        time.sleep(1000)
Restoring()
Hanging().run()
"""


def in_a_shell(arguments: list[str], number: signal.Signals, ready: object, store: Path) -> tuple[pyte.Screen, bytes]:
    """Runs a program on a terminal that goes on when it ends, as a shell's does; sends it the signal when it is ready.

    Gives back the screen and all bytes; checks that lines and echo are back.
    """
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    screen = pyte.Screen(80, 24)
    stream = pyte.ByteStream(screen)
    os.write(slave, b"$ vitbench\r\n")
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for descriptor in (0, 1, 2):
            os.dup2(slave, descriptor)
        environment = {**os.environ, "TERM": "xterm-256color", "VITBENCH_HOME": str(store)}
        os.execve(sys.executable, [sys.executable, *arguments], environment)
    received = b""
    sent = False
    end = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < end, screen.display
        if select.select([master], [], [], 0.1)[0]:
            data = os.read(master, 1 << 16)
            received += data
            stream.feed(data)
        if not sent and ready(screen):  # type: ignore[operator]
            os.kill(pid, number)
            sent = True
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            break
    while select.select([master], [], [], 0.2)[0]:
        data = os.read(master, 1 << 16)
        received += data
        stream.feed(data)
    assert os.waitstatus_to_exitcode(status) == -number
    assert termios.tcgetattr(slave)[:4] == before[:4]
    os.close(master)
    os.close(slave)
    return screen, received


def is_restored(received: bytes) -> None:
    """Each thing that was switched on has been switched off after it."""
    for on, off in (
        (b"\x1b[?1049h", b"\x1b[?1049l"),
        (b"\x1b[?25l", b"\x1b[?25h"),
        (b"\x1b[?1000h", b"\x1b[?1000l"),
        (b"\x1b[?1003h", b"\x1b[?1003l"),
        (b"\x1b[?1006h", b"\x1b[?1006l"),
        (b"\x1b[?1004h", b"\x1b[?1004l"),
        (b"\x1b[>", b"\x1b[<u"),
    ):
        assert received.rfind(off) > received.rfind(on) >= 0, (on, off)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_the_terminal_is_restored(store: Path, number: signal.Signals) -> None:
    def ready(screen: pyte.Screen) -> bool:
        return any("No runs yet" in line for line in screen.display)

    _, received = in_a_shell(["-m", "vitbench"], number, ready, store)
    is_restored(received)


def test_an_app_that_hangs_restores_it_too(store: Path, tmp_path: Path) -> None:
    mark = tmp_path / "hangs"
    _, received = in_a_shell(
        ["-c", HANGING.format(file=str(mark))], signal.SIGTERM, lambda _: mark.exists() and mark.read_text(), store
    )
    is_restored(received)
