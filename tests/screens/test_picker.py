"""A line with a list: Enter takes what is meant and goes on."""

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Input

from screens.ask_dialog import AskDialog, choose
from screens.paths import folders_below
from screens.widgets.picker import Choice, Picker, matching

NAMES = [Choice("augreg"), Choice("demo"), Choice("fast")]


class Form(App[None]):
    """A list that shows everything when a choice is typed out, as presets do; folders; and a line after them."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted: list[str] = []

    def compose(self) -> ComposeResult:
        exact = [choice.value for choice in NAMES]
        yield Picker("Preset", lambda typed: NAMES if typed in exact else matching(NAMES, typed), id="preset")
        yield Picker("Data", folders_below, id="data")
        yield Input(id="last")

    def on_picker_accepted(self, message: Picker.Accepted) -> None:
        self.accepted.append(message.value)


@pytest.mark.parametrize(
    ("keys", "value"),
    [("demo", "demo"), ("de", "demo"), ("a", "augreg"), ("other", "other")],
)
async def test_enter_takes_what_was_typed_out_or_the_first(keys, value):
    app = Form()
    async with app.run_test() as pilot:
        app.query_one("#preset-line").focus()
        await pilot.press(*keys, "enter")
        assert app.accepted == [value]
        assert app.query_one("#preset", Picker).value == value
        assert app.focused.id == "data-line"


async def test_enter_goes_into_a_folder_and_once_more_takes_it(tmp_path):
    (tmp_path / "pictures" / "train").mkdir(parents=True)
    app = Form()
    async with app.run_test() as pilot:
        app.query_one("#data-line").focus()
        await pilot.press(*f"{tmp_path}/pict", "enter")
        picker = app.query_one("#data", Picker)
        assert picker.value == f"{tmp_path}/pictures/"
        assert picker.open
        assert app.accepted == []
        await pilot.press("enter")
        assert app.accepted == [f"{tmp_path}/pictures/"]
        assert app.focused.id == "last"

        app.query_one("#data-line").focus()
        await pilot.press("end", "down", "down", "enter")
        assert picker.value == f"{tmp_path}/pictures/train/"


async def test_a_list_that_is_open_at_once_shows_whole_entries():
    """It was filled before it had a width: every entry was cut to ten cells."""
    names = ["validation/accuracy_top5", "train/pictures_per_second"]

    class Asking(App[None]):
        def on_mount(self) -> None:
            self.push_screen(choose("Which?", [Choice(name, "a note") for name in names]))

    async with Asking().run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        seen = "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())
        assert f"{names[1]}  a note" in seen
        assert all(name in seen for name in names)


async def test_the_whole_of_a_lit_entry_that_is_cut_stands_below_the_list():
    long = "the map of a word, from that of each word that one moves to, however long this may be"

    class Asking(App[None]):
        def on_mount(self) -> None:
            self.push_screen(choose("Which?", [Choice("this word", long), Choice("short", "a note")]))

    async with Asking().run_test(size=(60, 24)) as pilot:
        await pilot.pause()
        whole = pilot.app.screen.query_one(".whole")
        assert whole.display
        assert whole.content.plain == f"this word  {long}"
        await pilot.press("down")
        assert not whole.display, "this one is seen whole"


async def test_a_list_in_which_nothing_matches_says_what_enter_does():
    class Asking(App[None]):
        def on_mount(self) -> None:
            self.push_screen(AskDialog("The network", lambda typed: matching(NAMES, typed)))

    async with Asking().run_test(size=(80, 24)) as pilot:
        await pilot.press(*"timm")
        nothing = pilot.app.screen.query_one(".nothing")
        assert nothing.display
        assert nothing.content.plain == 'Nothing matches "timm"; Enter takes it as it is typed.'
        await pilot.press("ctrl+u", *"fa")
        assert not nothing.display
