"""The preview in a real terminal: the bytes that the app writes to a pty are read back as half blocks with colours."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pexpect
import pyte
import pytest
from PIL import Image

from screens.widgets.picture import fitted_size

COLUMNS, ROWS = 44, 13
PROGRAM = """
import sys
import numpy as np
from PIL import Image
from textual.app import App
from screens.widgets.picture import Picture

class Shown(App):
    CSS = "Picture {{ width: 100%; height: 100%; }}"
    def compose(self):
        yield Picture(np.asarray(Image.open({file!r}).convert("RGB")))
    def on_ready(self):
        self.call_after_refresh(lambda: open({ready!r}, "w").close())

Shown().run()
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that shows `picture.png` and then makes the file `ready`."""
    pixels = np.random.default_rng(0).integers(0, 256, size=(30, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.format(file=str(tmp_path / "picture.png"), ready=str(tmp_path / "ready")))
    return file


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "VITBENCH_ASCII", "TMUX")}
    return kept | {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONPATH": str(Path.cwd()), **more}


def wanted(tmp_path: Path) -> tuple[np.ndarray, int, int]:
    """What Pillow scales to, and the cell of its first pixel: column, row."""
    columns, rows = fitted_size(64, 30, COLUMNS, ROWS)
    picture = Image.open(tmp_path / "picture.png").resize((columns, rows), Image.Resampling.BICUBIC)
    return np.asarray(picture), (COLUMNS - columns) // 2, (ROWS - (rows + 1) // 2) // 2


def every_pixel_is_right(screen: pyte.Screen, tmp_path: Path) -> None:
    """Compares each cell of the picture: its foreground is the upper pixel, its background the lower one."""
    pixels, left, top = wanted(tmp_path)
    for y in range(0, pixels.shape[0] // 2 * 2, 2):
        for x in range(pixels.shape[1]):
            cell = screen.buffer[top + y // 2][left + x]
            assert cell.data == "\u2580"
            assert cell.fg == "{:02x}{:02x}{:02x}".format(*pixels[y, x])
            assert cell.bg == "{:02x}{:02x}{:02x}".format(*pixels[y + 1, x])


def test_every_pixel_arrives(program: Path, tmp_path: Path) -> None:
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    child = pexpect.spawn(
        sys.executable, [str(program)], env=environment(COLORTERM="truecolor"), dimensions=(ROWS, COLUMNS), timeout=60
    )
    try:
        found = ""
        end = time.monotonic() + 60
        while time.monotonic() < end and not found.count("\u2580") >= 20:
            try:
                stream.feed(child.read_nonblocking(65536, timeout=0.2))
            except pexpect.TIMEOUT:
                found = "".join(screen.display)
    finally:
        child.close(force=True)
    every_pixel_is_right(screen, tmp_path)


def test_tmux_holds_the_same_colours(program: Path, tmp_path: Path) -> None:
    try:
        subprocess.run(["tmux", "-V"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("tmux is not installed")
    tmux = ["tmux", "-L", f"vitbench-{os.getpid()}", "-f", "/dev/null"]
    command = f"COLORTERM=truecolor {sys.executable} {program}"
    size = ["-x", str(COLUMNS), "-y", str(ROWS + 1)]  # tmux keeps a row for its status line
    subprocess.run([*tmux, "new-session", "-d", *size, command], env=environment(), check=True)
    try:
        end = time.monotonic() + 60
        lines: list[str] = []
        while time.monotonic() < end and not (
            (tmp_path / "ready").exists() and any("\u2580" in line for line in lines)
        ):
            time.sleep(0.1)
            answer = subprocess.run([*tmux, "capture-pane", "-e", "-p"], capture_output=True, text=True, check=True)
            lines = answer.stdout.splitlines()
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    screen = pyte.Screen(COLUMNS, ROWS + 1)
    pyte.Stream(screen).feed("\r\n".join(lines))
    every_pixel_is_right(screen, tmp_path)
