"""The captions screen with an inspector whose answers are known: keys, maps, captions, room."""

from functools import partial

import numpy as np
import pytest
from textual.widgets import Input, OptionList

from screens.caption_dialogs import CaptionDialog
from screens.caption_screen import CaptionScreen
from screens.widgets.lines import TextLine
from screens.widgets.picture import Picture
from screens.widgets.picture_sheet import PictureSheet
from screens.widgets.words_view import WordCell, WordsView, wrapped
from tests.screens.known_captioner import BARE, OWN, SECOND, heat, known_maps, open_captions
from vitbench.figures.raster import OverlayStyle, overlay
from vitbench.requests.captions import WORD_METHODS


@pytest.fixture
def opened(store):
    """Opens the screen: `async with opened() as app`."""
    return partial(open_captions, store)


async def test_words_layers_heads_rows_show_their_own_maps(opened):
    async with opened() as app:
        np.testing.assert_array_equal(app.shown(), heat(0))
        await app.press("right", "right")
        np.testing.assert_array_equal(app.shown(), heat(2))
        assert app.facts()["word"].startswith("circle")
        await app.press("up")
        np.testing.assert_array_equal(app.shown(), heat(2, layer=1))
        await app.press("3")
        np.testing.assert_array_equal(app.shown(), heat(2, layer=1, head=3))
        await app.press("left_square_bracket")
        np.testing.assert_array_equal(app.shown(), heat(2, layer=1, head=2))
        await app.press("r")
        np.testing.assert_array_equal(app.shown(), heat(2, layer=1, head=2, row="reading"))
        assert "reading" in app.facts()["row"]
        await app.press("0", "down", "r", "left", "left", "left")
        np.testing.assert_array_equal(app.shown(), heat(3))


async def test_a_key_that_was_pressed_before_asks_nobody(opened):
    async with opened() as app:
        await app.press("up", "up", "up")
        asked = len(app.inspector.asked)
        await app.press("up", "right", "down")
        assert len(app.inspector.asked) == asked


async def test_a_head_that_is_not_there_is_refused_in_words(opened):
    async with opened() as app:
        await app.press("9")
        assert "3 heads" in app.note()
        assert app.screen.request.head is None


async def test_methods_without_layers_say_so_and_warnings_are_shown(opened):
    async with opened() as app:
        await app.press("up", "m", *"relevancy", "enter")
        assert (app.screen.request.method, app.screen.request.layer) == ("relevancy", None)
        assert "collapsed" in app.note()
        assert "collapsed" in app.facts()["warning"]
        await app.press("up")
        assert "takes all layers together" in app.note()


async def test_methods_open_as_a_list_with_the_quick_ones_first(opened):
    async with opened() as app:
        await app.press("m")
        options = app.pilot.app.screen.query_one(OptionList)
        titles = [str(options.get_option_at_index(n).prompt) for n in range(options.option_count)]
        assert len(titles) == len(WORD_METHODS)
        assert titles[0].startswith("cross-attention above the mean over the caption's words")
        assert "takes long" in titles[-2]
        assert "shown now" in titles[-1]
        await app.press(*"nonsense")
        assert "Nothing matches" in app.pilot.app.screen.query_one(".nothing").content.plain
        await app.press(*["backspace"] * 8, "enter")
        assert app.screen.request.method == "raw_minus_mean"


async def test_one_scale_dims_words_that_are_less_sure(opened):
    async with opened() as app:
        own = app.shown().copy()
        await app.press("u")
        maps = known_maps(4, "demo", "raw", None, None, "predicting")
        style = OverlayStyle(low=0.0, high=float(maps.max()))
        expected = overlay(np.full((30, 40, 3), 128, np.uint8), maps[0], style, (0, 0, 40, 30))
        np.testing.assert_array_equal(app.shown(), expected)
        assert not np.array_equal(own, app.shown())


async def test_tab_completes_the_words_that_the_captioner_knows(opened):
    async with opened() as app:
        await app.press("t")
        dialog = app.pilot.app.screen
        line = dialog.query_one(Input)
        await app.press("end", "space", "r", "e")
        assert dialog.query_one(TextLine)._left.plain.strip() == "Tab: red  reddish"
        await app.press("tab")
        assert line.value == f"{OWN} red"
        await app.press("tab")
        assert line.value == f"{OWN} reddish", "Tab again takes the next one"
        await app.press("space", "tab")
        assert line.value == f"{OWN} reddish ", "nothing is shown, nothing is taken"
        await app.press("home", "a", "space", "s", "q", "tab")
        assert line.value == f"a square{OWN} reddish ", "the word before the cursor, and not the last one"
        await app.press("end", "ctrl+u", "c", "i", "tab", "enter")
        assert app.screen.seen.words == ("circle", "<end>")


async def test_a_typed_caption_is_read_on_the_same_picture(opened):
    async with opened() as app:
        await app.press("t")
        dialog = app.pilot.app.screen
        assert isinstance(dialog, CaptionDialog)
        assert dialog.query_one(Input).value == OWN
        dialog.query_one(Input).value = "two blue hearts here"
        await app.press("enter")
        assert app.screen.seen.words == ("two", "blue", "hearts", "here", "<end>")
        assert "typed" in app.note()
        assert app.facts()["rank"].endswith("probability 90.0%")
        await app.press("t")
        app.pilot.app.screen.query_one(Input).value = "too long"
        await app.press("enter")
        assert "99 tokens" in app.note()
        assert app.screen.seen.text == "two blue hearts here"


async def test_words_that_the_vocabulary_lacks_are_named(opened):
    async with opened() as app:
        await app.press("t")
        app.pilot.app.screen.query_one(Input).value = "a zebra"
        await app.press("enter")
        assert "not in the vocabulary" in app.note()
        assert "zebra" in app.note()


async def test_leaving_and_coming_back_finds_caption_word_and_method(opened):
    async with opened() as app:
        await app.press("t")
        app.pilot.app.screen.query_one(Input).value = "two blue hearts here"
        await app.press("enter")
        await app.press("right", "m", "enter", "pageup")
        await app.press("pagedown", "t")
        app.pilot.app.screen.query_one(Input).value = "a blue heart"
        await app.press("enter", "right", "right", "escape")
        assert app.pilot.app.screen is not app.screen
        again = CaptionScreen("demo")
        app.pilot.app.push_screen(again)
        app.screen = again
        await app.pilot.pause()
        await app.settled()
        assert again.seen.text == "a blue heart"
        assert (again.word, again.request.method) == (2, "raw_minus_mean")
        assert "typed" in app.note()


async def test_the_beams_captions_can_be_chosen(opened):
    async with opened() as app:
        assert "beam's caption 1 of 2" in app.note()
        await app.press("b", "down", "enter")
        assert app.screen.seen.text == SECOND
        assert "beam's caption 2 of 2" in app.note()


@pytest.mark.parametrize("size", [(80, 24), (50, 12), (120, 40), (200, 60)])
async def test_words_and_picture_find_room(opened, size):
    async with opened(size=size) as app:
        assert app.screen.query_one("#caption-map").size.height >= 4
        assert app.screen.query_one(WordsView).size.height >= 3
        room = size[0] >= 120
        assert app.screen.query_one("#caption-picture").display is room
        assert app.screen.query_one(PictureSheet).display is room


async def test_where_there_is_room_the_bare_picture_and_all_words_stand_beside_the_map(opened):
    async with opened(size=(120, 40)) as app:
        await app.press("right", "right")
        np.testing.assert_array_equal(app.screen.query_one("#caption-picture", Picture).pixels, BARE)
        titles = [title for title, _ in app.screen.query_one(PictureSheet).panels]
        assert titles == ["a", "red", "circle", "<end>"]
        for word, (_, pixels) in enumerate(app.screen.query_one(PictureSheet).panels):
            np.testing.assert_array_equal(pixels, heat(word))


def test_words_are_wrapped_and_none_is_lost():
    words = [WordCell(text, 0.5, 1.0) for text in ("a", "quick", "brown", "fox", "over", "incomprehensibilities")]
    lines = wrapped(words, 20)
    assert [number for line in lines for number, _, _ in line] == list(range(6))
    assert all(first + wide <= 20 for line in lines for _, first, wide in line)
