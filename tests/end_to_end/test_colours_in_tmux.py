"""Inside tmux the colours are those of its client, and of the next one after a re-attach."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests.end_to_end.terminal import PATIENCE

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

COLUMNS, ROWS = 90, 30


class Tmux:
    """A tmux server of its own, with the app in it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        config = folder / "tmux.conf"
        config.write_text("set -s terminal-features 'xterm-256color:RGB'\n")
        self.command = ["tmux", "-S", str(folder / "socket"), "-f", str(config)]
        self.clients: list[pexpect.spawn] = []

    def run(self, *words: str) -> str:
        return subprocess.run(
            [*self.command, *words], capture_output=True, text=True, check=True, env=ENVIRONMENT
        ).stdout

    def start(self, **environment: str) -> None:
        words = [f"{name}={value}" for name, value in environment.items()]
        program = ["env", *words, f"VITBENCH_HOME={self.home}", sys.executable, "-m", "vitbench"]
        self.run("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), *program)

    def attach(self, term: str) -> None:
        client = pexpect.spawn(
            self.command[0],
            [*self.command[1:], "attach"],
            env={**ENVIRONMENT, "TERM": term},
            dimensions=(ROWS + 1, COLUMNS),
            timeout=None,
        )
        self.clients.append(client)

    def detach(self) -> None:
        self.run("detach-client", "-a")
        self.run("detach-client")

    def screen(self) -> str:
        """What the pane shows, with its colours."""
        return self.run("capture-pane", "-e", "-p")

    def wait_until(self, condition: Callable[[str], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition(shown := self.screen()):
            assert time.monotonic() < end, shown
            for client in self.clients:
                try:
                    client.read_nonblocking(1 << 16, timeout=0.05)
                except (pexpect.TIMEOUT, pexpect.EOF):
                    time.sleep(0.02)


ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE", "COLORTERM")},
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
    "PYTHONPATH": str(Path.cwd()),
}


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path)
    try:
        yield server
    finally:
        subprocess.run([*server.command, "kill-server"], check=False, capture_output=True)
        for client in server.clients:
            client.close(force=True)


def in_true_colour(shown: str) -> bool:
    return "No runs yet" in shown and "38;2;" in shown and "38;5;" not in shown


def in_256_colours(shown: str) -> bool:
    return "No runs yet" in shown and "38;5;" in shown and "38;2;" not in shown


def test_colours_follow_the_client(tmux: Tmux) -> None:
    tmux.start()
    tmux.wait_until(in_256_colours)  # nobody looks: what TERM says
    tmux.attach("xterm-256color")
    tmux.wait_until(in_true_colour)
    tmux.detach()
    tmux.attach("screen-256color")
    tmux.wait_until(in_256_colours)
    tmux.detach()
    tmux.attach("xterm-256color")
    tmux.wait_until(in_true_colour)


def test_an_inherited_variable_does_not_count_while_a_client_looks(tmux: Tmux) -> None:
    tmux.start(COLORTERM="truecolor")
    tmux.wait_until(in_true_colour)
    tmux.attach("screen-256color")
    tmux.wait_until(in_256_colours)


def test_a_choice_counts_all_the_same(tmux: Tmux) -> None:
    tmux.start(VITBENCH_COLOURS="true")
    tmux.attach("screen-256color")
    tmux.wait_until(in_true_colour)
