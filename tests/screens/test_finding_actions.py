"""Help, command palette, jump labels and leaving: what can be done is found without knowing its key."""

import re

from textual.command import CommandPalette
from textual.widgets import Input

from screens.help_dialog import HelpDialog
from screens.jump import JumpOverlay
from screens.widgets.chart import Chart
from screens.widgets.log_view import LogView
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened
from vitbench.runs.process import this_process


async def test_help_is_about_what_has_the_focus(store):
    FakeRun(store, "one").train(100).status("finished")
    async with opened(store, (80, 24)) as at:
        await at.press("question_mark")
        await at.see("The runs. Arrows", "This screen", "new run")
        await at.press("q")  # closes the help, and does not leave
        assert not isinstance(at.screen, HelpDialog)
        await at.press("enter")
        await at.see("1 Curves")
        await at.press("f1")
        await at.see("A chart. Arrows", "What has the focus", "zoom in")
        await at.press("end")
        await at.see("Everywhere", "Leave the app. Runs go on.")
        assert "Quit" not in at.text(), "q and ^q are the same"
        await at.press("escape", "escape", "escape", "n", "f1")
        await at.see("Down goes through", "completes", "^u empties", "data read as", "Quit")


async def test_the_palette_finds_an_action_by_its_name(store):
    FakeRun(store, "one").train(100).status("finished")
    async with opened(store, (80, 24)) as at:
        await at.press("ctrl+p")
        await at.until(lambda: isinstance(at.screen, CommandPalette))
        await at.type("new run")
        await at.see("Start a run from a preset")
        await at.press("enter")
        await at.see("Choose the data")
        await at.press("escape", "escape")
        await at.press("ctrl+p")
        await at.type("vitbench-light")
        await at.see("Theme: vitbench-light")
        await at.press("enter")
        await at.until(lambda: at.app.theme == "vitbench-light")


async def test_the_palette_goes_to_actions_of_other_screens(store, tmp_path):
    FakeRun(store, "one").train(100).evaluate(tmp_path / "pictures").status("finished")
    async with opened(store, (100, 30)) as at:
        await at.press("ctrl+p")
        await at.type("next confusion")
        await at.see("Confusion: next confusion")
        await at.press("enter")
        await at.see("predicted as")
        await at.press("ctrl+p")
        await at.type("reverse")
        await at.see("Runs: reverse")
        await at.press("enter")
        await at.see("by age ▼")


async def test_a_letter_goes_to_each_panel(store):
    FakeRun(store, "one").train(300).status("finished")
    async with opened(store, (80, 24)) as at:
        await at.press("enter")
        await at.see("1 Curves", "epoch 3: validation")
        await at.press("ctrl+o")
        await at.until(lambda: isinstance(at.screen, JumpOverlay))
        labels = [found[1] for row in at.rows() if (found := re.match(r" {1,2}([a-z]) ", row))]
        assert labels == ["a", "s", "d"]
        await at.press("d")
        assert isinstance(at.screen.focused, LogView)
        await at.press("ctrl+o", "s")
        assert isinstance(at.screen.focused, Chart)
        assert at.screen.focused.id == "accuracy"
        await at.press("ctrl+o", "escape")
        assert at.screen.focused.id == "accuracy"


async def test_leaving_says_which_runs_go_on(store):
    FakeRun(store, "[b]goes[/b] on").train(100).status("running", process=this_process())
    async with opened(store, (80, 24)) as at:
        await at.press("slash")
        await at.type("q")
        assert at.screen.query_one(Input).value == "q"
        await at.press("escape", "q")
        assert at.app.return_value == "1 run goes on: [b]goes[/b] on. `vitbench` shows them again."


async def test_the_palette_presses_nothing_on_another_screen_than_it_meant(store, monkeypatch):
    """A screen that does not open: its keys would mean something else on the table of runs, delete among it."""
    FakeRun(store, "one").train(100).status("finished")
    monkeypatch.setattr("screens.palette._PATIENCE", 3)
    async with opened(store, (80, 24)) as at:
        monkeypatch.setattr(type(at.screen), "action_machine", lambda screen: None)
        pressed = []
        await at.press("ctrl+p")
        await at.until(lambda: isinstance(at.screen, CommandPalette))
        await at.type("machine copy")
        await at.see("Machine: copy")
        monkeypatch.setattr(at.app, "simulate_key", pressed.append)
        await at.press("enter")
        told = "That screen cannot be opened now."
        await at.until(lambda: any(told in notice.message for notice in at.app._notifications), "the notice")
        assert pressed == ["M"]


async def test_in_an_empty_store_the_palette_names_what_needs_a_run(store):
    """Letters scattered over titles came first: `conf` found "Captions: previous word (Left)"."""
    async with opened(store, (100, 30)) as at:
        await at.press("ctrl+p")
        await at.until(lambda: isinstance(at.screen, CommandPalette))
        await at.type("conf")
        await at.see("Run: confusion", "There is no run yet: n starts one. Which classes")
        assert "previous word" not in at.text()
        await at.press("enter")
        await at.until(lambda: not isinstance(at.screen, CommandPalette))
        told = "There is no run yet: n starts one."
        await at.until(lambda: any(told in notice.message for notice in at.app._notifications), "the notice")
        await at.press("I", "question_mark")
        await at.see("0-9 ", "A head by its number; 0 is the mean of all.")
        assert at.text().count("A head by its number") == 1, "one row for ten keys"
