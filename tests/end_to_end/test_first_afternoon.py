"""A first afternoon in a real terminal: thirty steps by keys alone, from an empty store to exported figures."""

import re
from itertools import product
from pathlib import Path

import pytest
from PIL import Image

from tests.end_to_end.terminal import Terminal
from vitbench.runs.store import Store

pytestmark = pytest.mark.timeout(1800)

SIZES = ((120, 40), (80, 24), (200, 60))
DEPTHS = ("true", "256")
DATA = "scenes:base?count=240&size=32&seed=1"
CLEAR, NEXT, BEFORE, START, THEME = "\x15", "\t", "\x1b[Z", "\x13", "\x14"
DAYS = [
    pytest.param(*size, depth, marks=[] if (size, depth) == (SIZES[0], DEPTHS[0]) else pytest.mark.slow)
    for size, depth in product(SIZES, DEPTHS)
]


class Afternoon:
    """A terminal, and the steps that have been taken in it."""

    def __init__(self, app: Terminal) -> None:
        self.app = app
        self.steps = 0

    def step(self, *keys: str, see: tuple[str, ...] = (), gone: tuple[str, ...] = ()) -> None:
        """Presses keys, and waits for what they show and for what they take away."""
        self.steps += 1
        self.app.press(*keys)
        if gone:
            self.app.wait_without(*gone)
        if see:
            self.app.wait_for(*see)

    def save(self, file: Path) -> None:
        """The export dialog: another name, Enter, and the file."""
        self.step("e", see=("Save the",))
        self.step(CLEAR, str(file), "enter")
        self.app.wait_until(file.exists, f"{file.name}")
        self.app.wait_without("Save the")


@pytest.mark.parametrize(("columns", "rows", "depth"), DAYS)
def test_thirty_steps_from_an_empty_store_to_figures(store: Path, tmp_path: Path, columns: int, rows: int, depth: str):
    map_file, chart_file, table_file = tmp_path / "map.png", tmp_path / "loss.pdf", tmp_path / "compared.csv"
    with Terminal(store, columns=columns, rows=rows, VITBENCH_COLOURS=depth) as app:
        day = Afternoon(app)

        # What one can do, and with what.
        day.step(see=("No runs yet", "train the demo"))
        day.step("?", see=("This screen",))
        day.step("escape", gone=("This screen",))
        day.step("4", see=("This machine", "torch"))

        # A run of one's own.
        day.step("n", see=("New run", "Choose the data"))
        day.step(CLEAR, DATA, BEFORE, CLEAR, "scratch", NEXT, NEXT, "demo", "enter", "first", NEXT, see=("first",))
        day.step(see=("Ready to start.",))
        day.step("/", "train.epochs", see=("1 of 1",))
        day.step("enter", "enter", see=("train.epochs: Enter takes it",))
        day.step(CLEAR, "2", "enter", gone=("Enter takes it",))
        day.step("escape", "escape", see=("Go back?", "train.epochs"))  # the search, then the form: it asks
        day.step("n", gone=("Go back?",))
        day.step(START, see=("1 Curves", "first"))  # the notice of the start may be gone before a slow look
        day.step(see=("finished",), gone=("Started",))

        # What it did.
        day.step("3", see=("Starting on",))
        day.step("/", "validation:")
        app.wait_until(lambda: bool(re.search(r"\d of \d", app.text)), "a match in the log")
        day.step("enter", "escape", "4", see=("the run's name, for people",))
        day.step("/", "epochs = 2", see=("epochs = 2  ", "1 of 1"))
        day.step("enter", "escape", gone=("1 of 1",))
        day.step("5", see=("right",))
        day.step("6", see=("mistakes in", "Predicted"))

        # Why it was wrong there.
        day.step("enter", see=("Attention", "Predicted", "true class"))
        day.save(map_file)

        # Its curves.
        day.step("escape", "1", see=("Loss", "Accuracy"))
        day.step("l", "right", see=("log",))
        day.save(chart_file)

        # Beside others, in other colours, and away.
        day.step("escape", "escape", see=("by age",))  # the chart's cursor, then the screen
        day.step(" ", "c", see=("Compare  1 run", "train/loss"))
        day.step("t", "accuracy", see=("The scalar to show", "validation/accuracy"))
        day.step("escape", "escape", gone=("The scalar to show",))  # what filters the list, then the list
        day.save(table_file)
        day.step(THEME, see=("Theme:",))
        day.step("escape", "q")
        app.seconds_to_end()
    assert day.steps >= 30
    with Image.open(map_file) as picture:
        assert min(picture.size) > 300
    assert chart_file.read_bytes().startswith(b"%PDF")
    assert table_file.read_text().startswith(("step,", "epoch,", "time"))
    (run,) = Store(store).runs()
    assert run.status().name == "first"
    assert run.status().state == "finished"
