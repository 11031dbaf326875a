"""`make screenshots`: the pictures of the documents, taken from the real app in a pseudo-terminal.

It trains two small runs in a store of its own (or takes the newest two of `--store`), goes through the screens by
their keys, and writes docs/pictures/*.png, the moving picture of the README (docs/pictures/vitbench.gif) and a figure
of all methods. It needs no network and no GPU.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.end_to_end.terminal import Terminal
from tools.terminal_drawing import drawn
from vitbench import api
from vitbench.methods import METHODS
from vitbench.paths import sample_images

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
COLUMNS, ROWS = 110, 32
LARGEST_GIF = 2_000_000
"""Bytes."""
DATA = "scenes:new?count=740&size=96&seed=7"
PICTURE = "04_heart_square.png"


class Camera:
    """The app in a terminal, with what was taken of it so far."""

    def __init__(self, app: Terminal) -> None:
        self.app = app
        self.frames: list[tuple[Image.Image, int]] = []

    def press(self, *keys: str) -> "Camera":
        """Presses keys, each after what the one before did."""
        for key in keys:
            self.app.press(key)
            self.app.settle(0.7)
        return self

    def until_picture(self) -> "Camera":
        """Waits until a picture is shown and nothing more arrives."""
        self.app.wait_until(lambda: self.app.text.count("▀") > 200, "a picture", patience=600)
        self.app.settle(2.5)
        return self

    def frame(self, milliseconds: int = 1600) -> "Camera":
        """One frame of the moving picture."""
        self.frames.append((drawn(self.app.screen, 12), milliseconds))
        return self

    def take(self, name: str) -> "Camera":
        """Saves what is shown as docs/pictures/NAME.png."""
        drawn(self.app.screen, 14).quantize(256, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)
        print(FOLDER / f"{name}.png", flush=True)
        return self

    def save(self, file: Path) -> None:
        """The frames as a GIF. Raises ValueError if it is larger than a README may carry."""
        palette = self.frames[-1][0].copy()
        sheet = Image.new("RGB", (palette.width, palette.height * len(self.frames)))
        for number, (frame, _) in enumerate(self.frames):
            sheet.paste(frame, (0, number * palette.height))
        colours = sheet.quantize(255, dither=Image.Dither.NONE)
        reduced = [frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame, _ in self.frames]
        durations = [duration for _, duration in self.frames]
        reduced[0].save(file, save_all=True, append_images=reduced[1:], duration=durations, loop=0, optimize=True)
        if file.stat().st_size > LARGEST_GIF:
            raise ValueError(f"{file} has {file.stat().st_size:,} bytes; at most {LARGEST_GIF:,} are allowed.")
        print(file, f"{file.stat().st_size:,} bytes", flush=True)


def train(store: Path) -> None:
    """Two runs that finished, the second with another learning rate, and their evaluations."""
    for name, rate in (("gentle", "1e-3"), ("first", "5e-3")):
        given = ["--data", DATA, "--name", name, "--set", f"optim.lr={rate}", "--set", "train.epochs=20"]
        vitbench("train", "demo", *given, "--foreground", store=store)


def vitbench(*arguments: str, store: Path) -> None:
    """Runs one command. Raises CalledProcessError if it fails."""
    subprocess.run([sys.executable, "-m", "vitbench", *arguments, "--store", str(store)], check=True)


def go_round(store: Path) -> None:
    """Every screen by its keys."""
    with Terminal(store, columns=COLUMNS, rows=ROWS, VITBENCH_INSPECTOR_MINUTES="10") as app:
        camera = Camera(app)
        app.wait_for("first", "gentle")
        camera.press("n")
        app.wait_for("New run")
        camera.press("\x15").take("new-run").press("escape")
        if "Go back?" in app.text:
            camera.press("y")
        camera.press("M").take("machine").press("escape")
        camera.press("up").frame().take("runs")
        camera.press(" ", "down", " ", "c")
        app.wait_without("Runs")
        app.settle(2.0)
        camera.frame(2400).take("compare").press("escape", "up", "enter")
        app.wait_for("loss")
        app.settle(1.5)
        camera.frame(2400).take("run")
        camera.press("right", "right", "right").frame()
        camera.press("5").take("confusion").press("6").take("mistakes").press("1")
        camera.press("i").until_picture().frame(2400).take("attention")
        camera.press("down").until_picture().frame()
        camera.press("escape", "v").until_picture().frame(2400).take("positions")
        camera.press("escape", "W").until_picture().frame(2400).take("captions")
        camera.press("right").until_picture().frame().press("right").until_picture().frame()
        camera.press("escape", "f").until_picture().frame(2400).take("features")
        camera.save(FOLDER / "vitbench.gif")


def methods() -> None:
    """The figure of docs/methods.md: every method on one picture, the slow ones too."""
    sheet = api.explain("demo", [sample_images() / PICTURE], grid="methods", methods=list(METHODS))
    print(api.save(sheet, FOLDER / "methods.png", dpi=110, width="two", overwrite=True))


def main() -> int:
    """Trains, goes round, and saves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, help="one that has runs named first and gentle")
    given = parser.parse_args().store
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        store = given or Path(folder)
        if given is None:
            train(store)
        methods()
        go_round(store)
    return 0


if __name__ == "__main__":
    sys.exit(main())
