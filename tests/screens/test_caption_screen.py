"""The captions screen with an inspector whose answers are known: keys, maps, captions, differences."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import Input, OptionList

from screens.app import Workbench
from screens.ask_dialog import AskDialog
from screens.caption_dialogs import CaptionDialog
from screens.caption_screen import CaptionScreen
from screens.export_dialog import ExportDialog
from screens.navigation import make_screen
from screens.paths import pictures_below
from screens.widgets.picture import Picture
from screens.widgets.picture_sheet import PictureSheet
from screens.widgets.run_details import Facts
from screens.widgets.words_view import WordCell, WordsView, wrapped
from vitbench.errors import UserError
from vitbench.figures.raster import OverlayStyle, overlay
from vitbench.figures.sheet import Panel, Sheet
from vitbench.figures.word_panels import word_panel
from vitbench.inspector.client import Answer
from vitbench.requests.captions import WORD_METHODS

OWN, SECOND = "a red circle", "a red square"
LAYERS, HEADS, GRID = 2, 3, (3, 4)
BARE, BOX = np.full((30, 40, 3), 128, np.uint8), (0, 0, 40, 30)


class KnownInspector:
    """Maps that are random but fixed: each follows from caption, captioner and settings."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict]] = []
        self.steps = {"demo": "demo"}
        self.known = {(1, 4): OWN, (1, 5): SECOND}

    async def ask(self, request, /, *, progress=None, replaces="", **arguments):
        self.asked.append((request, arguments))
        await asyncio.sleep(0)
        return getattr(self, request)(**arguments)

    async def close(self):
        pass

    def caption_pictures(self, captioner, path):
        if path == "/nowhere":
            raise UserError("There is no picture /nowhere.")
        return Answer({"files": [f"/p/{path.strip('/')}{n}.png" for n in range(3)], "first": 0}, {})

    def text_of(self, request):
        if text := request["text"]:
            self.known.setdefault((1, 6 + len(self.known)), text)
            return text
        return self.known.get(tuple(request["ids"]), OWN)

    def sheet(self, kind, request, arrays):
        text = self.text_of(request)
        if text == "too long":
            raise UserError("The caption has 99 tokens with its marks; this captioner reads 40.")
        words = [*text.split(), "<end>"]
        maps = maps_of(len(words), request)
        own = not request["text"] and not request["ids"]
        pinned = {
            "captioner": self.steps.get(request["captioner"], request["captioner"]),
            "ids": list(next(ids for ids, known in self.known.items() if known == text)),
            "text": None,
            "best": 1,
        }
        minus, what = self.minus(request, maps, words)
        panels = [Panel(BARE, "<start>")]
        for number, word in enumerate(words):
            taken = None if minus is None else minus[number]
            picture = word_panel(BARE, maps, number, BOX, one_scale=request["one_scale"], minus=taken)[0]
            panels.append(Panel(picture, word))
        facts = {
            "text": text,
            "score": -0.1 if own else None,
            "alternatives": [{"text": SECOND, "ids": [1, 5], "score": -2}] if own else [],
            "words": [
                {
                    "word": word,
                    "log_probability": float(np.log(0.9 - 0.1 * number)),
                    "rank": number + 1,
                    "entropy": 0.2 + 0.1 * number,
                    "peak": float(maps[number].max()) * 12,
                    "prefix_mass": 0.25,
                }
                for number, word in enumerate(words)
            ],
            "layers": LAYERS,
            "heads": HEADS,
            "unknown": [word for word in (request["text"] or "").split() if word == "zebra"],
            "minus": what,
            "warnings": ["The maps have collapsed: all words share one map."]
            if request["method"] == "relevancy"
            else [],
        }
        sheet = Sheet("caption", request | pinned, tuple(panels), facts)
        return Answer(sheet.values(), sheet.pixels())

    def minus(self, request, maps, words):
        if request["minus_word"]:
            word = request["minus_word"] - 1
            return np.broadcast_to(maps[word], maps.shape), f"the map of {words[word]}"
        if request["minus_method"]:
            return maps_of(len(words), request | {"method": request["minus_method"]}), request["minus_method"]
        if request["minus_captioner"]:
            other = request["minus_captioner"]
            return maps_of(len(words), request | {"captioner": other}), f"the map by {other}"
        return None, ""

    def save_sheet(self, kind, request, file, drawing):
        return Answer({"file": file}, {})


def maps_of(words, request):
    return known_maps(words, *(request[name] for name in ("captioner", "method", "layer", "head", "row")))


def known_maps(words, captioner, method, layer, head, row):
    seed = abs(hash((captioner, method, layer, head, row))) % 2**32
    maps = np.random.default_rng(seed).random((words, *GRID)).astype(np.float32)
    return maps / maps.sum((1, 2), keepdims=True)


class Opened:
    """The app with the screen, and what a test does with them."""

    def __init__(self, pilot, screen: CaptionScreen, inspector: KnownInspector) -> None:
        self.pilot, self.screen, self.inspector = pilot, screen, inspector

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settled()

    async def settled(self) -> None:
        groups = ("pictures", "caption", "maps", "save", "newest")
        while workers := [worker for worker in self.pilot.app.workers if worker.group in groups]:
            await self.pilot.app.workers.wait_for_complete(workers)
        await self.pilot.pause()

    def facts(self) -> dict[str, str]:
        return {name: value for name, value, _ in self.screen.query_one(Facts).facts}

    def shown(self) -> np.ndarray:
        return self.screen.query_one("#caption-map", Picture).pixels

    def note(self) -> str:
        return self.screen.query_one("#note")._left.plain


@pytest.fixture
def opened(store):
    """A context manager that opens the screen."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def opening(captioner="demo", size=(100, 30), inspector=None):
        app = Workbench(store)
        app.inspector = inspector or KnownInspector()
        async with app.run_test(size=size) as pilot:
            screen = make_screen("captions", captioner=captioner)
            app.push_screen(screen)
            await pilot.pause()
            found = Opened(pilot, screen, app.inspector)
            await found.settled()
            yield found

    return opening


def heat(word, layer=None, head=None, method="raw", row="predicting", words=4):
    maps = known_maps(words, "demo", method, layer, head, row)
    return overlay(np.full((30, 40, 3), 128, np.uint8), maps[word], OverlayStyle(), (0, 0, 40, 30))


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


async def test_a_difference_is_saved_as_it_is_shown(opened, tmp_path):
    async with opened() as app:
        await app.press("right", "c", "enter", "e")
        app.pilot.app.screen.query_one("#file", Input).value = f"{tmp_path}/a.pdf"
        await app.press("enter")
        request, arguments = app.inspector.asked[-1]
        assert (request, arguments["file"]) == ("save_sheet", f"{tmp_path}/a.pdf")
        assert arguments["request"]["minus_word"] == 2


async def test_the_beams_captions_can_be_chosen(opened):
    async with opened() as app:
        assert "beam's caption 1 of 2" in app.note()
        await app.press("b", "down", "enter")
        assert app.screen.seen.text == SECOND
        assert "beam's caption 2 of 2" in app.note()


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


async def test_pictures_and_folders(opened):
    async with opened() as app:
        await app.press("pagedown")
        assert app.inspector.asked[-1][1]["request"]["picture"] == "/p/1.png"
        await app.press("pageup", "pageup")
        assert app.inspector.asked[-1][1]["request"]["picture"] == "/p/2.png"
        await app.press("enter")
        app.pilot.app.screen.query_one(Input).value = "/nowhere"
        await app.press("enter")
        assert "There is no picture" in app.note()
        assert app.screen.files[0] == "/p/0.png"


async def test_saving_says_where(opened, tmp_path, monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    async with opened() as app:
        await app.press("right", "ctrl+e")
        dialog = app.pilot.app.screen
        assert isinstance(dialog, ExportDialog)
        assert dialog.query_one("#file", Input).value.endswith("captions/0-02-red.png")
        dialog.query_one("#file", Input).value = f"{tmp_path}/red.svg"
        dialog.query_one("#width", Input).value = "8.5"
        await app.press("enter")
        request, arguments = app.inspector.asked[-1]
        assert (request, arguments["kind"], arguments["request"]["word"]) == ("save_sheet", "caption", 2)
        assert arguments["request"]["ids"] == [1, 4]
        assert arguments["drawing"] == {"width": 85.0, "dpi": 300, "caption": True}
        assert f"{tmp_path}/red.svg" in app.note()
        assert "scp" in app.note()


async def test_all_words_or_the_arrays_behind_them_are_saved_by_one_dialog(opened, tmp_path):
    async with opened() as app:
        await app.press("right", "e")
        dialog = app.pilot.app.screen
        dialog.query_one("#file", Input).value = f"{tmp_path}/all.png"
        dialog.query_one(OptionList).focus()
        await app.press("end", "enter")
        arguments = app.inspector.asked[-1][1]
        assert arguments["file"] == f"{tmp_path}/all.npz"
        assert arguments["request"]["word"] is None


async def test_a_run_that_trains_gives_its_newest_checkpoint(opened, store):
    from fake_runs import FakeRun

    run = FakeRun(store, "words", preset="scratch").train(20).status("running")
    for step in (10, 20):
        folder = run.run.folder / "checkpoints" / f"step-{step:08d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").touch()
    inspector = KnownInspector()
    inspector.steps[f"{run.id}@last"] = f"{run.id}@10"
    async with opened(f"{run.id}@last", inspector=inspector) as app:
        inspector.steps[f"{run.id}@last"] = f"{run.id}@20"
        run.train(10).status("running")
        app.pilot.app.watcher.wake()
        for _ in range(100):
            await app.settled()
            if app.screen.request.captioner == f"{run.id}@20":
                break
            await asyncio.sleep(0.05)
        assert app.screen.request.captioner == f"{run.id}@20"
        title = app.screen.query_one("#title")._right.plain
        assert "newest checkpoint, step 20" in title


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


def test_folders_offer_their_pictures(tmp_path):
    (tmp_path / "cat.png").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "more").mkdir()
    found = [choice.value for choice in pictures_below(f"{tmp_path}/")]
    assert found == [str(tmp_path), f"{tmp_path}/more/", f"{tmp_path}/cat.png"]
    assert [choice.value for choice in pictures_below(f"{tmp_path}/ca")] == [f"{tmp_path}/cat.png"]
    assert Path(found[2]).name == "cat.png"
