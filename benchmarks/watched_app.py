"""The real app over a pty, for the benchmarks: what it sends, what it costs, and the runs that it watches."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import psutil


class WatchedApp:
    """`vitbench` in a pty; `read` takes what it sends."""

    def __init__(self, store: Path, *arguments: str, columns: int = 120, rows: int = 40) -> None:
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "VITBENCH_HOME": str(store)}
        environment.pop("SSH_CONNECTION", None)  # over SSH it looks every two seconds; the figures are for one
        self.child = pexpect.spawn(
            sys.executable, ["-m", "vitbench", *arguments], dimensions=(rows, columns), env=environment, timeout=300
        )
        self.child.delaybeforesend = None
        self.process = psutil.Process(self.child.pid)
        self.paints = 0
        self._last = 0.0

    def wait_for(self, word: str) -> None:
        """Reads until a word has come; words that are drawn in one piece only."""
        self.child.expect_exact(word)

    def read(self, seconds: float) -> bytes:
        """All that comes within some seconds; `paints` counts what came a quarter of a second apart."""
        end, parts = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(pexpect.TIMEOUT):
                parts.append(self.child.read_nonblocking(1 << 16, timeout=left))
                now = time.monotonic()
                self.paints += now - self._last > 0.25
                self._last = now
        return b"".join(parts)

    def read_some(self, seconds: float = 1.0) -> bytes:
        """What has come, or comes within so many seconds."""
        with contextlib.suppress(pexpect.TIMEOUT):
            return bytes(self.child.read_nonblocking(1 << 16, timeout=seconds))
        return b""

    def cpu_seconds(self) -> float:
        """Processor time of the app so far, its threads included."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        """Ends the app, however long that takes on a busy machine."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def writing(store: Path, *options: str) -> Iterator[None]:
    """`writers.py` beside us, until the block ends."""
    script = Path(__file__).with_name("writers.py")
    process = subprocess.Popen([sys.executable, script, store, *options], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise SystemExit("The writers did not start.")
        yield
    finally:
        process.kill()
        process.wait()
