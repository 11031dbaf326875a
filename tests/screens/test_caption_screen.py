"""The captions screen with an inspector whose answers are known: keys, maps, sentences, differences."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import Input, OptionList

from screens.app import Workbench
from screens.ask_dialog import AskDialog
from screens.caption_dialogs import ChooseDialog, SaveDialog, SentenceDialog
from screens.caption_screen import CaptionScreen
from screens.navigation import make_screen
from screens.paths import pictures_below
from screens.widgets.picture import Picture
from screens.widgets.run_details import Facts
from screens.widgets.words_view import WordCell, WordsView, wrapped
from vitbench.errors import UserError
from vitbench.figures.raster import OverlayStyle, overlay
from vitbench.inspector.client import Answer

OWN, SECOND = "a red circle", "a red square"
LAYERS, HEADS, GRID = 2, 3, (3, 4)


class KnownInspector:
    """Maps that are random but fixed: each follows from sentence, captioner and settings."""

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

    def caption(self, request):
        text = self.text_of(request)
        if text == "too long":
            raise UserError("The sentence has 99 tokens with its marks; this captioner reads 40.")
        own = not request["text"] and not request["ids"]
        sentences = [{"sentence": OWN, "ids": [1, 4], "score": -0.1}, {"sentence": SECOND, "ids": [1, 5], "score": -2}]
        values = {
            "captioner": self.steps.get(request["captioner"], request["captioner"]),
            "name": "net",
            "source": "",
            "sentence": text,
            "ids": list(next(ids for ids, known in self.known.items() if known == text)),
            "words": [*text.split(), "<end>"],
            "layers": LAYERS,
            "heads": HEADS,
            "box": [0, 0, 40, 30],
            "unknown": [word for word in (request["text"] or "").split() if word == "zebra"],
            "sentences": sentences if own else [],
        }
        return Answer(values, {"picture": np.full((30, 40, 3), 128, np.uint8)})

    def caption_maps(self, request):
        words = [*self.text_of(request).split(), "<end>"]
        method = request["method"]
        maps = known_maps(len(words), request["captioner"], method, request["layer"], request["head"], request["row"])
        count = len(words)
        arrays = {
            "maps": maps,
            "entropy": np.linspace(0.2, 0.9, count),
            "peak": maps.reshape(count, -1).max(1) * 12,
            "prefix_mass": np.full(count, 0.25),
            "log_probs": np.log(np.linspace(0.9, 0.5, count)),
            "ranks": np.arange(1, count + 1),
        }
        warnings = ["The maps have collapsed: all words share one map."] if method == "relevancy" else []
        return Answer({"words": words, "describe": method, "warnings": warnings}, arrays)

    def save_sheet(self, kind, request, file):
        return Answer({"file": file}, {})


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
        groups = ("pictures", "sentence", "maps", "difference", "save", "newest")
        while workers := [worker for worker in self.pilot.app.workers if worker.group in groups]:
            await self.pilot.app.workers.wait_for_complete(workers)
        await self.pilot.pause()

    def facts(self) -> dict[str, str]:
        return {name: value for name, value, _ in self.screen.query_one(Facts).facts}

    def shown(self) -> np.ndarray:
        return self.screen.query_one(Picture).pixels

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
        await app.press("up", "right", "down", "u")
        assert len(app.inspector.asked) == asked


async def test_a_head_that_is_not_there_is_refused_in_words(opened):
    async with opened() as app:
        await app.press("9")
        assert "3 heads" in app.note()
        assert app.screen.request.head is None


async def test_methods_without_layers_say_so_and_warnings_are_shown(opened):
    async with opened() as app:
        await app.press("up", "m", "m", "m", "m")
        assert (app.screen.request.method, app.screen.request.layer) == ("relevancy", None)
        assert "collapsed" in app.note()
        assert "collapsed" in app.facts()["warning"]
        await app.press("up")
        assert "takes all layers together" in app.note()
        await app.press("m", "m")
        assert app.screen.request.method == "raw"


async def test_one_scale_dims_words_that_are_less_sure(opened):
    async with opened() as app:
        own = app.shown().copy()
        await app.press("u")
        maps = known_maps(4, "demo", "raw", None, None, "predicting")
        style = OverlayStyle(low=0.0, high=float(maps.max()))
        expected = overlay(np.full((30, 40, 3), 128, np.uint8), maps[0], style, (0, 0, 40, 30))
        np.testing.assert_array_equal(app.shown(), expected)
        assert not np.array_equal(own, app.shown())


async def test_a_typed_sentence_is_read_on_the_same_picture(opened):
    async with opened() as app:
        await app.press("t")
        dialog = app.pilot.app.screen
        assert isinstance(dialog, SentenceDialog)
        assert dialog.query_one(Input).value == OWN
        dialog.query_one(Input).value = "two blue hearts here"
        await app.press("enter")
        assert app.screen.sentence.words == ("two", "blue", "hearts", "here", "<end>")
        assert "typed" in app.note()
        assert app.facts()["said at"].startswith("90.0%")
        await app.press("t")
        app.pilot.app.screen.query_one(Input).value = "too long"
        await app.press("enter")
        assert "99 tokens" in app.note()
        assert app.screen.sentence.text == "two blue hearts here"


async def test_words_that_the_vocabulary_lacks_are_named(opened):
    async with opened() as app:
        await app.press("t")
        app.pilot.app.screen.query_one(Input).value = "a zebra"
        await app.press("enter")
        assert "not in the vocabulary" in app.note()
        assert "zebra" in app.note()


async def test_leaving_and_coming_back_finds_sentence_word_and_method(opened):
    async with opened() as app:
        await app.press("t")
        app.pilot.app.screen.query_one(Input).value = "two blue hearts here"
        await app.press("enter")
        await app.press("right", "m", "pageup")
        await app.press("pagedown", "t")
        app.pilot.app.screen.query_one(Input).value = "a blue heart"
        await app.press("enter", "right", "right", "escape")
        assert app.pilot.app.screen is not app.screen
        again = CaptionScreen("demo")
        app.pilot.app.push_screen(again)
        app.screen = again
        await app.pilot.pause()
        await app.settled()
        assert again.sentence.text == "a blue heart"
        assert (again.word, again.request.method) == (2, "raw_minus_mean")
        assert "typed" in app.note()


async def test_a_difference_is_saved_as_it_is_shown(opened, tmp_path):
    async with opened() as app:
        await app.press("right", "c", "enter", "e")
        dialog = app.pilot.app.screen
        dialog.query_one(Input).value = str(tmp_path)
        dialog.query_one(OptionList).highlighted = 0
        await app.press("enter")
        assert app.inspector.asked[-1][1]["request"]["minus_word"] == 2


async def test_the_beams_sentences_can_be_chosen(opened):
    async with opened() as app:
        assert "beam's sentence 1 of 2" in app.note()
        await app.press("b", "down", "enter")
        assert app.screen.sentence.text == SECOND
        assert "beam's sentence 2 of 2" in app.note()


async def test_the_difference_of_two_words(opened):
    async with opened() as app:
        await app.press("right", "c")
        assert isinstance(app.pilot.app.screen, ChooseDialog)
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
        reference = app.screen.reference
        np.testing.assert_array_equal(reference.maps, known_maps(4, "demo", "raw_minus_mean", None, None, "predicting"))
        await app.press("c", "c", "end", "enter")
        dialog = app.pilot.app.screen
        assert isinstance(dialog, AskDialog)
        dialog.query_one(Input).value = "/other"
        await app.press("enter")
        reference = app.screen.reference
        assert reference.title == "/other"
        np.testing.assert_array_equal(reference.maps, known_maps(4, "/other", "raw", None, None, "predicting"))
        assert app.inspector.asked[-1][1]["request"]["text"] == OWN


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
        await app.press("right", "e")
        dialog = app.pilot.app.screen
        assert isinstance(dialog, SaveDialog)
        dialog.query_one(Input).value = str(tmp_path)
        dialog.query_one(OptionList).highlighted = 1
        await app.press("enter")
        request, arguments = app.inspector.asked[-1]
        assert (request, arguments["kind"], arguments["request"]["word"]) == ("save_sheet", "caption", 2)
        assert arguments["request"]["ids"] == [1, 4]
        assert f"{tmp_path}/0-02-red.png" in app.note()
        assert "scp" in app.note()


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
            if app.screen.sentence.captioner == f"{run.id}@20":
                break
            await asyncio.sleep(0.05)
        assert app.screen.sentence.captioner == f"{run.id}@20"
        title = app.screen.query_one("#title")._right.plain
        assert "newest checkpoint, step 20" in title


@pytest.mark.parametrize("size", [(80, 24), (50, 12), (160, 50)])
async def test_words_and_picture_find_room(opened, size):
    async with opened(size=size) as app:
        assert app.screen.query_one(Picture).size.height >= 4
        assert app.screen.query_one(WordsView).size.height >= 3


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
