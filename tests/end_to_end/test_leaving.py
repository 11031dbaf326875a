"""`q` leaves, whenever and however it arrives, and what runs goes on."""

import time
from pathlib import Path

import pytest
from scripted_run import ScriptedRun
from terminal import Terminal

pytestmark = pytest.mark.timeout(600)


def test_q_leaves_and_says_that_runs_go_on(store: Path) -> None:
    run = ScriptedRun(store, "pets")
    began = time.monotonic()
    with Terminal(store) as app:
        app.wait_for("pets", "running", "q leave")
        start = time.monotonic() - began
        app.press("q")
        assert app.seconds_to_end() < max(2.0, start)
        assert b"1 run goes on: pets." in app.tail
    assert run.run.status().state == "running"
    assert not run.run.requests()


@pytest.mark.parametrize("keys", [("q",), ("escape", "q")], ids=["q", "escape q"])
def test_keys_typed_before_the_first_paint_are_not_lost(store: Path, keys: tuple[str, ...]) -> None:
    """They wait in the kernel until the app listens, and then arrive together."""
    with Terminal(store) as app:
        app.press(*keys)
        app.seconds_to_end()


def test_escape_and_q_in_one_packet(store: Path) -> None:
    """As a slow line delivers them: what Textual reads is q with Alt."""
    with Terminal(store) as app:
        app.wait_for("No runs yet")
        app.press("\x1bq")
        app.seconds_to_end()
