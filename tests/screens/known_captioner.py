"""A captioner whose answers are known, and the captions screen opened on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from screens.app import Workbench
from screens.caption_screen import CaptionScreen
from screens.navigation import make_screen
from screens.widgets.picture import Picture
from screens.widgets.run_details import Facts
from vitbench.errors import UserError
from vitbench.figures.raster import OverlayStyle, overlay
from vitbench.figures.sheet import Panel, Sheet
from vitbench.figures.word_panels import word_panel
from vitbench.inspector.client import Answer

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

    def caption_words(self, captioner):
        return Answer({"words": ["a", "red", "reddish", "circle", "square"]}, {})

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
            "heads_said": "",
            "told_unknown": "not in the vocabulary, so read as <unknown>: zebra"
            * ("zebra" in (request["text"] or "").split()),
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


@asynccontextmanager
async def open_captions(
    store: Path,
    captioner: str = "demo",
    size: tuple[int, int] = (100, 30),
    inspector: KnownInspector | None = None,
) -> AsyncIterator[Opened]:
    """The screen, with answers from `inspector`."""
    app = Workbench(store)
    app.inspector = inspector or KnownInspector()
    async with app.run_test(size=size) as pilot:
        screen = make_screen("captions", captioner=captioner)
        app.push_screen(screen)
        await pilot.pause()
        found = Opened(pilot, screen, app.inspector)
        await found.settled()
        yield found


def heat(word, layer=None, head=None, method="raw", row="predicting", words=4):
    maps = known_maps(words, "demo", method, layer, head, row)
    return overlay(np.full((30, 40, 3), 128, np.uint8), maps[word], OverlayStyle(), (0, 0, 40, 30))
