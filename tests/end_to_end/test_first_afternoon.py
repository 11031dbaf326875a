"""A person's first afternoon in a real terminal: from an empty store, by keys alone, to exported figures."""

import os
import re
from pathlib import Path

import pytest
from PIL import Image
from terminal import Terminal

from vitbench.runs.store import Store

pytestmark = [pytest.mark.timeout(1800), pytest.mark.storm]

SIZES = ((120, 40), (80, 24), (200, 60))
DEPTHS = ("true", "256")
DATA = "scenes:base?count=240&size=32&seed=1"


def _days() -> list[tuple[int, int, str]]:
    """All sizes in both depths under `make test-storm`, else one of them."""
    days = [(*size, depth) for size in SIZES for depth in DEPTHS]
    return days if os.environ.get("VITBENCH_STORM") == "full" else days[:1]


@pytest.mark.parametrize(("columns", "rows", "depth"), _days())
def test_thirty_steps_from_an_empty_store_to_a_figure(store: Path, tmp_path: Path, columns: int, rows: int, depth: str):
    map_file, chart_file, table_file = tmp_path / "map.png", tmp_path / "loss.pdf", tmp_path / "compared.csv"
    with Terminal(store, columns=columns, rows=rows, VITBENCH_COLOURS=depth) as app:
        # What one can do, and with what.
        app.wait_for("No runs yet", "train the demo")
        app.press("?")
        app.wait_for("This screen")
        app.press("escape")
        app.wait_without("This screen")
        app.press("4")
        app.wait_for("This machine", "torch")

        # A run of one's own.
        app.press("n")
        app.wait_for("New run", "Choose the data")
        app.press("\x15", DATA, "\t", "demo", "enter", "first", "\t")
        app.wait_for("first", "Ready to start.")
        app.press("/", "train.epochs")
        app.wait_for("1 of 1")
        app.press("enter", "enter")
        app.wait_for("train.epochs: Enter takes it")
        app.press("\x15", "2", "enter")
        app.wait_without("Enter takes it")
        app.press("escape", "escape")  # the search, then the form: it asks
        app.wait_for("Go back?", "train.epochs")
        app.press("n")
        app.wait_without("Go back?")
        app.press("\x13")
        app.wait_for("Started", "first")
        app.wait_for("finished")
        app.wait_without("Started")

        # What it did.
        app.press("3")
        app.wait_for("Starting on")
        app.press("/", "validation:")
        app.wait_until(lambda: bool(re.search(r"\d of \d", app.text)), "a match in the log")
        app.press("enter", "escape", "4")
        app.wait_for("epochs = 2")
        app.press("5")
        app.wait_for("right")
        app.press("6")
        app.wait_for("Predicted")

        # Why it was wrong there.
        app.press("enter")
        app.wait_for("Attention", "layer")
        app.press("e")
        app.wait_for("Save the")
        app.press("\x15", str(map_file), "enter")
        app.wait_until(map_file.exists, "the map's figure")
        app.press("escape")

        # Its curves.
        app.wait_for("6 Mistakes")
        app.press("1")
        app.wait_for("Loss", "Accuracy")
        app.press("x", "l", "right")
        app.wait_for("log")
        app.press("e")
        app.wait_for("Save the chart")
        app.press("\x15", str(chart_file), "enter")
        app.wait_until(chart_file.exists, "the chart's figure")

        # Beside others, in other colours, and away.
        app.press("escape", "escape")
        app.wait_for("by age")
        app.press(" ", "c")
        app.wait_for("Compare  1 run", "train/loss")
        app.press("t", "accuracy")
        app.wait_for("validation/accuracy")
        app.press("escape", "escape", "e")
        app.wait_for("Save the chart")
        app.press("\x15", str(table_file), "enter")
        app.wait_until(table_file.exists, "the numbers")
        app.press("\x14")
        app.wait_for("Theme:")
        app.press("escape", "q")
        app.seconds_to_end()
    with Image.open(map_file) as picture:
        assert min(picture.size) > 300
    assert chart_file.read_bytes().startswith(b"%PDF")
    assert table_file.read_text().startswith(("step,", "epoch,", "time"))
    (run,) = Store(store).runs()
    assert run.status().name == "first"
    assert run.status().state == "finished"
