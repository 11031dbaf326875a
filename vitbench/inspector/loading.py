"""The libraries of the inspector, loaded aside: so that a waiting person hears what is being done and can cancel it,
and, when nobody asked yet, at low priority beside a training."""

import os
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vitbench.imports import without_collection
from vitbench.inspector.handlers import Handler
from vitbench.inspector.sheet_requests import SheetRequests
from vitbench.progress import Progress

if TYPE_CHECKING:
    from vitbench.inspector.requests import InspectorHandlers

NICE = 10
"""The niceness of the thread that loads ahead; Linux keeps one for each thread."""
_SAY_EVERY, _LOOK_EVERY = 0.25, 0.02
"""Seconds between two reports of progress, and between two looks whether all is loaded."""


class Loading:
    """Finds the handler of a request. Libraries are loaded in a thread, from the first request on that needs them."""

    def __init__(self, store: Path, ahead: bool, ready: Callable[[], None] = lambda: None) -> None:
        """`ahead`: loads at once, at low priority. `ready` is called when all is loaded."""
        self._stage = "loading PyTorch"
        self._handlers: InspectorHandlers | None = None
        self._error: BaseException | None = None
        self._done = False
        self._sheets = SheetRequests(store, lambda progress: self.all_handlers(progress).sources)
        self._thread = threading.Thread(target=self._load, args=(store, ahead, ready), daemon=True)
        self._starting = threading.Lock()
        if ahead:
            self._start()

    def handler(self, request: str, progress: Progress) -> Handler | None:
        """What answers a request of this name; None for an unknown one. Raises what the import raised."""
        if request in self._sheets.handlers:
            return self._sheets.handlers[request]
        return self.all_handlers(progress).handlers.get(request)

    def all_handlers(self, progress: Progress) -> "InspectorHandlers":
        """What answers all requests; says what is being loaded meanwhile. Raises what the import raised."""
        self._start()
        said = time.monotonic()
        while not self._done:
            # A cancellation may interrupt this at any point: of a thread whose join() was interrupted, Python 3.11
            # believes that it has ended.
            time.sleep(_LOOK_EVERY)
            if time.monotonic() - said >= _SAY_EVERY:
                said = time.monotonic()
                progress(0, 0, self._stage)
        if self._error is not None:
            raise self._error
        assert self._handlers is not None
        return self._handlers

    @property
    def loaded(self) -> "InspectorHandlers | None":
        """What answers all requests, if it is there already."""
        return self._handlers if self._done else None

    def _start(self) -> None:
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

    def _load(self, store: Path, ahead: bool, ready: Callable[[], None]) -> None:
        try:
            if ahead:
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
            with without_collection():
                import torch  # noqa: F401 - by itself, so that its part of the time is told

                self._stage = "loading networks"
                from vitbench.inspector.requests import InspectorHandlers

            self._handlers = InspectorHandlers(store)
        except BaseException as error:  # noqa: BLE001 - told to whoever asks, in their thread
            self._error = error
            return
        finally:
            self._done = True
        ready()


def warm_up(inspector: "InspectorHandlers") -> None:
    """Opens the package's network and makes one map, so that the first one that is asked for takes no longer than the
    others. Not where there is a GPU: nobody asked for one yet."""
    from vitbench.requests.attention import AttentionRequest
    from vitbench.runs.nvml import seen_gpus

    if seen_gpus():
        return

    def silent(done: int, total: int, what: str) -> None:
        """Nobody listens."""

    try:
        pictures = inspector.handlers["attention_pictures"]({"network": "demo", "path": ""}, silent).values["files"]
        request = AttentionRequest(network="demo", pictures=(pictures[0],))
        inspector.handlers["sheet"]({"kind": request.kind, "request": request.record()}, silent)
    except Exception:  # noqa: BLE001 - whoever asks for that map hears of it
        traceback.print_exc()
