"""Keys that arrive in one packet (a slow line, a fast typist, a paste) act in the order in which they were typed."""

from pathlib import Path

import pytest

from tests.end_to_end.terminal import Terminal
from tests.screens.fake_runs import FakeRun

TAB, BACK_TAB, CLEAR = "\t", "\x1b[Z", "\x15"


def fields(app: Terminal) -> dict[str, str]:
    """What stands in the lines of the form for a new run."""
    rows = [line.strip() for line in app.text.splitlines()]
    found = {}
    for name in ("Preset", "Data", "Model", "Name"):
        row = next((row for row in rows if row.startswith(name + " ")), name)
        found[name] = row.removeprefix(name).strip().split("  ")[0]
    return found


@pytest.fixture
def form(store: Path) -> Terminal:
    FakeRun(store, "one").train(100).status("finished")
    with Terminal(store) as app:
        app.wait_for("1 run")
        app.press("n")
        app.wait_for("New run", "Choose the data")
        yield app


def test_tabs_and_text_in_one_packet(form: Terminal) -> None:
    form.press(TAB + "abc" + TAB + "def" + BACK_TAB + "ghi")
    form.wait_until(lambda: fields(form)["Name"] == "def" and "ghi" in fields(form)["Model"], "the text in its fields")
    assert fields(form)["Model"] in ("abcghi", "abc ghi", "ghi")
    assert "abc" not in fields(form)["Data"]


def test_clearing_and_text_in_one_packet(form: Terminal) -> None:
    form.press("/nowhere/at/all")
    form.wait_for("/nowhere/at/all")
    form.press(CLEAR + "scenes:x" + TAB + TAB + "named" + CLEAR + "again")
    form.wait_until(lambda: fields(form)["Name"] == "again", "the name")
    assert fields(form)["Data"] == "scenes:x"


def test_pasted_text_stays_behind_the_keys_before_it(form: Terminal) -> None:
    form.press(TAB + TAB + "\x1b[200~pasted\x1b[201~" + "!" + BACK_TAB + "model")
    form.wait_until(lambda: fields(form)["Name"] == "pasted!" and fields(form)["Model"] == "model", "both texts")


def test_a_screen_its_text_and_back_in_one_packet(store: Path) -> None:
    for name in ("alpha", "beta"):
        FakeRun(store, name).train(100).status("finished")
    with Terminal(store) as app:
        app.wait_for("alpha", "beta")
        app.press("/bet\rn" + TAB + TAB + "typed")  # a filter, the form, and a text in its last field
        app.wait_until(lambda: fields(app)["Name"] == "typed", "the name in the form")
        app.press("\x1b")
        app.wait_for("This is lost: name")
        app.press("y")
        app.wait_for("2 runs, 1 shown")
        app.press("\x1b\r")  # Esc takes the filter away; Enter opens what is selected
        app.wait_for("6 Mistakes")
        app.press("\x1b" + "/alp\r" + "\x1b4")
        app.wait_for("2 runs  ")


def test_a_dialog_and_its_answer_in_one_packet(store: Path) -> None:
    run = FakeRun(store, "one").train(100).status("finished")
    with Terminal(store) as app:
        app.wait_for("1 run")
        app.press("Dn")
        app.settle()
        assert run.run.folder.exists()
        app.press("Dy")
        app.wait_for("No runs yet")
        assert not run.run.folder.exists()
