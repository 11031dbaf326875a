"""The status of a run, written about once a second by a thread that knows nothing of torch."""

import threading
import time
from pathlib import Path
from typing import Any

from vitbench.runs.status import Activity, Status, write_status


class Heartbeat:
    """Holds the status; whoever changes it does not wait for the disk, except through `write`."""

    def __init__(self, folder: Path, status: Status, interval: float = 1.0) -> None:
        self.folder = folder
        self.status = status
        self.interval = interval
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Writes the status, and from here on again and again."""
        self.write()
        self._thread.start()

    def update(self, **changes: Any) -> None:
        """Changes the status; the thread will write it."""
        with self._lock:
            self.status = self.status.model_copy(update=changes)

    def doing(self, what: str, done: int = 0, total: int = 0) -> None:
        """Notes long work that holds up the steps; it ends with the next one."""
        now = self.status.doing
        began = now.began if now and now.what == what else time.time()
        self.update(doing=Activity(what=what, done=done, total=total, began=began))

    def write(self, **changes: Any) -> None:
        """Changes the status and writes it. Raises OSError (a full disk), and then the old one stands."""
        with self._lock:
            self.status = self.status.model_copy(update={"heartbeat": time.time(), **changes})
            write_status(self.folder, self.status)

    def stop(self, **changes: Any) -> None:
        """Ends the thread, then writes the last status."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self.write(**changes)

    def _beat(self) -> None:
        while not self._ended.wait(self.interval):
            try:
                self.write()
            except OSError:
                continue  # a disk that is full now may not be later; the reader sees an old heartbeat meanwhile
