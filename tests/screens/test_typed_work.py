"""Esc, q and the palette ask before they lose what was typed; where nothing was, they do not."""

import pytest
from textual.widgets import Input

from screens.ask_dialog import AskDialog, choose
from screens.caption_dialogs import CaptionDialog
from screens.dialogs import ConfirmDialog
from screens.export_dialog import ExportDialog
from screens.new_run_screen import NewRunScreen
from screens.widgets.picker import Choice
from screens.widgets.recipe_fields import FieldList
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened
from tests.screens.test_new_run_screen import checking  # noqa: F401  (no test here starts torch)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: AskDialog("Where?", lambda typed: []),
        lambda path: ExportDialog(path / "chart.png"),
        lambda path: CaptionDialog("a red circle"),
    ],
    ids=["question", "export", "caption"],
)
async def test_a_dialog_asks_before_typed_text_is_lost(store, tmp_path, make):
    async with opened(store, (80, 24)) as at:
        for typed in (False, True):
            answers = []
            dialog = make(tmp_path)
            at.app.push_screen(dialog, answers.append)
            await at.pilot.pause()
            if typed:
                dialog.query(Input).first().value = "a long [b]answer[/b] that took a minute to type"
            await at.press("escape")
            if typed:
                await at.see("This is lost", '"a long [b]answer[/b]')
                await at.press("n")
                assert at.screen is dialog
                assert dialog.query(Input).first().value.startswith("a long")
                assert not answers
                await at.press("escape", "y")
            await at.until(lambda dialog=dialog: at.screen is not dialog, "the end of the dialog")
            assert answers == [None]


async def test_what_filters_a_list_is_taken_away_before_the_list(store):
    async with opened(store, (80, 24)) as at:
        dialog = choose("Which?", [Choice("one"), Choice("two")])
        at.app.push_screen(dialog)
        await at.pilot.pause()
        await at.type("tw")
        await at.until(lambda: "one" not in at.text())
        await at.press("escape")
        await at.see("one", "two")
        assert at.screen is dialog
        await at.press("escape")
        assert at.screen is not dialog


async def test_a_new_run_is_not_lost_by_any_way_out(store, tmp_path):
    FakeRun(store, "one").train(100).status("finished")
    async with opened(store, (120, 40)) as at:
        screen = await at.show("new_run", preset="scratch", data=str(tmp_path))
        await at.see("Ready to start.")
        fields = screen.query_one(FieldList)
        fields.focus()
        await at.press("slash")
        await at.type("optim.lr")
        await at.press("enter", "enter")
        line = screen.query_one("#edit", Input)
        line.value = "0.002"
        await at.press("escape")
        await at.see("Go back without optim.lr = 0.002?")
        await at.press("n")
        assert line.value == "0.002"
        await at.press("enter")
        await at.until(lambda: screen.draft.changes == {"optim.lr": "0.002"})
        screen.query_one("#name-line", Input).value = "tuesday"

        for key in ("escape", "escape", "q"):  # the first one takes the search away
            fields.focus()
            await at.press(key)
            if not isinstance(at.screen, ConfirmDialog):
                continue
            await at.see("This is lost: name,", "optim.lr.")
            await at.press("n")
            assert at.screen is screen
        await at.press("ctrl+p")
        await at.type("compare: scalar")
        await at.see("Compare: scalar")
        await at.press("enter")
        await at.see("Go there? This is lost: name, optim.lr.")
        await at.press("n")
        assert at.screen is screen
        await at.press("escape", "y")
        await at.until(lambda: not isinstance(at.screen, NewRunScreen), "the list")
        await at.press("n", "escape")
        await at.see("by age")
        assert not isinstance(at.screen, ConfirmDialog), "nothing was typed, so nothing is asked"
