"""The whole app on a store of made runs: press keys, wait for what is to be seen, read the screen."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen

from screens.app import Workbench
from screens.navigation import make_screen

PATIENCE = 60.0


class Opened:
    """An open app. Nothing here waits for a fixed time."""

    def __init__(self, app: Workbench, pilot: Pilot[str]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def screen(self) -> Screen[Any]:
        """The uppermost screen."""
        return self.app.screen

    def rows(self) -> list[str]:
        """What is to be seen, row by row."""
        return [strip.text.rstrip() for strip in self.app.screen._compositor.render_strips()]

    def text(self) -> str:
        """What is to be seen."""
        return "\n".join(self.rows())

    async def press(self, *keys: str) -> None:
        """Presses keys, each after what the one before did."""
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Types a text into what has the focus."""
        names = {" ": "space", ":": "colon", ">": "greater_than_sign", "/": "slash", ".": "full_stop", "-": "minus"}
        await self.press(*(names.get(character, character) for character in text))

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Waits for something to become true."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"{what or 'it'} never came; to be seen was:\n{self.text()}"
            await asyncio.sleep(0.05)
            await self.pilot.pause()

    async def see(self, *texts: str) -> None:
        """Waits until all these texts are to be seen."""
        await self.until(lambda: all(text in self.text() for text in texts), f"{texts}")

    async def show(self, name: str, **subject: Any) -> Screen[Any]:
        """Opens a screen by its name."""
        self.app.push_screen(make_screen(name, **subject))
        await self.pilot.pause()
        return self.app.screen


@asynccontextmanager
async def opened(store: Path, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Opened]:
    """The app on a store, once it has looked at it."""
    app = Workbench(store)
    app.watcher.interval = 0.2
    async with app.run_test(size=size) as pilot:
        at = Opened(app, pilot)
        if (store / "runs").exists():
            await at.until(lambda: app.endings.states is not None, "the first look at the store")
        yield at
