"""A window that becomes tiny and large again, on each screen."""

from pathlib import Path

import pytest
from scripted_run import ScriptedRun
from terminal import Terminal

pytestmark = pytest.mark.timeout(900)

SCREENS = {
    "runs": ("", "2 runs"),
    "run": ("\r", "1 Curves"),
    "compare": ("c", "Compare"),
    "new run": ("n", "New run"),
    "attention": ("I", ".png"),
    "positions": ("V", "absolute"),
    "captions": ("W", ".png"),
}
"""The key that opens each screen from the table of runs, and a word by which it is known."""


@pytest.mark.slow
def test_each_screen_survives_a_tiny_window(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "24")  # what a program with GNU readline leaves to those that it starts
    for name in ("first", "second"):
        ScriptedRun(store, name).train(2.5, 2.25)
    with Terminal(store) as app:
        app.wait_for("2 runs", "first", "second")
        for name, (key, word) in SCREENS.items():
            app.press(key)
            if name != "runs":
                app.wait_without("2 runs")
            app.wait_for(word, "help")
            title = app.text.splitlines()[0].split()[:2]
            # The last differs from the first: a busy app may miss the one between, and then nothing would be new to it.
            for columns, rows in ((20, 5), (1, 1), (21, 5)):
                app.resize(columns, rows)
                app.settle()
            app.wait_for("vitbench needs 50x12")
            app.resize(120, 40)
            app.wait_for(word, "help")
            app.wait_without("needs 50x12")
            assert app.text.splitlines()[0].split()[:2] == title, name
            if name != "runs":
                app.press("escape")
                app.wait_for("2 runs")
        app.press("q")
        app.seconds_to_end()
