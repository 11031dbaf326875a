"""The captions screen: the difference of two words, of two methods, of two captioners."""

from functools import partial

import numpy as np
import pytest
from textual.widgets import Input

from screens.ask_dialog import AskDialog
from tests.screens.known_captioner import BARE, BOX, heat, known_maps, open_captions
from vitbench.figures.raster import OverlayStyle, overlay
from vitbench.figures.word_panels import word_panel


@pytest.fixture
def opened(store):
    """Opens the screen: `async with opened() as app`."""
    return partial(open_captions, store)


async def test_a_difference_is_saved_as_it_is_shown(opened, tmp_path):
    async with opened() as app:
        await app.press("right", "c", "enter", "e")
        app.pilot.app.screen.query_one("#file", Input).value = f"{tmp_path}/a.pdf"
        await app.press("enter")
        request, arguments = app.inspector.asked[-1]
        assert (request, arguments["file"]) == ("save_sheet", f"{tmp_path}/a.pdf")
        assert arguments["request"]["minus_word"] == 2


async def test_the_difference_of_two_words(opened):
    async with opened() as app:
        await app.press("right", "c")
        assert isinstance(app.pilot.app.screen, AskDialog)
        await app.press("enter")
        assert app.screen.word == 2
        maps = known_maps(4, "demo", "raw", None, None, "predicting")
        difference = maps[2] - maps[1]
        extreme = float(np.abs(difference).max())
        style = OverlayStyle(colour_map="RdBu_r", strength=0.65, low=-extreme, high=extreme)
        expected = overlay(np.full((30, 40, 3), 128, np.uint8), difference, style, (0, 0, 40, 30))
        np.testing.assert_array_equal(app.shown(), expected)
        assert "the map of red" in app.facts()["minus"]
        await app.press("c")
        np.testing.assert_array_equal(app.shown(), heat(2))


async def test_the_difference_to_another_method_and_to_another_checkpoint(opened):
    async with opened() as app:
        await app.press("c", "down", "enter")
        assert app.screen.request.minus_method == "raw_minus_mean"
        assert app.facts()["minus"].startswith("raw_minus_mean")
        await app.press("c", "c", "up", "enter")
        dialog = app.pilot.app.screen
        assert isinstance(dialog, AskDialog)
        dialog.query_one(Input).value = "/other"
        await app.press("enter")
        assert "/other" in app.facts()["minus"]
        mine = known_maps(4, "demo", "raw", None, None, "predicting")
        theirs = known_maps(4, "/other", "raw", None, None, "predicting")
        expected = word_panel(BARE, mine, 0, BOX, minus=theirs[0])[0]
        np.testing.assert_array_equal(app.shown(), expected)
