"""The libraries of the inspector, loaded aside: so that a waiting person hears what is being done and can cancel it,
and, when nobody asked yet, at low priority beside a training."""

import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vitbench.progress import Progress

if TYPE_CHECKING:
    from vitbench.inspector.requests import InspectorHandlers

NICE = 10
"""The niceness of the thread that loads ahead; Linux keeps one for each thread."""
_SAY_EVERY = 0.25


class Loading:
    """Loads in a thread from its making on; `workbench` waits for it."""

    def __init__(self, store: Path, ahead: bool, ready: Callable[[], None] = lambda: None) -> None:
        """`ahead` is low priority; `ready` is called when all is loaded."""
        self._stage = "loading PyTorch"
        self._workbench: InspectorHandlers | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._load, args=(store, ahead, ready), daemon=True)
        self._thread.start()

    def workbench(self, progress: Progress) -> "InspectorHandlers":
        """The handlers; says what is being loaded meanwhile. Raises what the import raised."""
        while self._thread.is_alive():
            self._thread.join(_SAY_EVERY)
            if self._thread.is_alive():
                progress(0, 0, self._stage)
        if self._error is not None:
            raise self._error
        assert self._workbench is not None
        return self._workbench

    @property
    def loaded(self) -> "InspectorHandlers | None":
        """The handlers, if they are there already."""
        return None if self._thread.is_alive() else self._workbench

    def _load(self, store: Path, ahead: bool, ready: Callable[[], None]) -> None:
        try:
            if ahead:
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
            import torch  # noqa: F401 - by itself, so that its part of the time is told

            self._stage = "loading networks"
            from vitbench.inspector.requests import InspectorHandlers

            self._workbench = InspectorHandlers(store)
        except BaseException as error:  # noqa: BLE001 - told to whoever asks, in their thread
            self._error = error
            return
        ready()


def warm_up(workbench: "InspectorHandlers") -> None:
    """Opens the package's network and makes one map, so that the first one that is asked for takes no longer than the
    others. Not where there is a GPU: nobody asked for one yet."""
    from vitbench.requests.attention import AttentionRequest
    from vitbench.runs.nvml import seen_gpus

    if seen_gpus():
        return

    def silent(done: int, total: int, what: str) -> None:
        """Nobody listens."""

    try:
        pictures = workbench.handlers["attention_pictures"]({"network": "demo", "path": ""}, silent).values["files"]
        request = AttentionRequest(network="demo", pictures=(pictures[0],))
        workbench.handlers["sheet"]({"kind": request.kind, "request": request.record()}, silent)
    except Exception:  # noqa: BLE001 - whoever asks for that map hears of it
        traceback.print_exc()
