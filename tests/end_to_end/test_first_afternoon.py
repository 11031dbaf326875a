"""A person's first afternoon in a real terminal: from an empty store, by keys alone, to a run that has finished."""

import os
import re
from pathlib import Path

import pytest
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


def _back(app: Terminal) -> None:
    """Esc by itself: what follows it in the same packet would be read as one key with Alt."""
    app.press("escape")
    app.settle(0.4)


@pytest.mark.parametrize(("columns", "rows", "depth"), _days())
def test_from_an_empty_store_to_a_finished_run(store: Path, columns: int, rows: int, depth: str):
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
        _back(app)  # the search, then the form: it asks
        _back(app)
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
        app.press("enter")
        app.wait_for("end search")
        app.press("q")
        app.seconds_to_end()
    (run,) = Store(store).runs()
    assert run.status().name == "first"
    assert run.status().state == "finished"
