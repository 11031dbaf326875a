"""The heartbeat and progress of a run, written about once a second by a thread that knows nothing of torch."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from vitbench.runs.status import PROGRESS_FIELDS, Activity, RunProgress, read_progress, write_progress


class Heartbeat:
    """Holds the progress; whoever changes it does not wait for the disk, except through `write`.

    `at_each_beat` is called before each beat, in the thread.
    """

    def __init__(
        self,
        folder: Path,
        progress: RunProgress,
        interval: float = 1.0,
        at_each_beat: Callable[[], object] = lambda: None,
    ) -> None:
        self.folder = folder
        self.progress = RunProgress(**{name: getattr(progress, name) for name in PROGRESS_FIELDS})
        self.interval = interval
        self._at_each_beat = at_each_beat
        self._followed: Path | None = None
        self._changing = threading.Lock()
        self._writing = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Writes the progress, and from here on again and again. Raises OSError (a full disk)."""
        self.write()
        self._thread.start()

    def update(self, **changes: object) -> None:
        """Changes the progress; the thread will write it."""
        with self._changing:
            self.progress = self.progress.model_copy(update=changes)

    def follow(self, folder: Path) -> None:
        """From here on each beat tells the progress that another process writes into `folder`."""
        self._followed = folder

    def catch_up(self) -> None:
        """Takes over what the process that is followed wrote last."""
        told = read_progress(self._followed) if self._followed is not None else None
        if told is not None:
            self.update(**{name: value for name, value in told if name not in ("beat", "heartbeat")})

    def doing(self, what: str, done: int = 0, total: int = 0) -> None:
        """Notes long work that holds up the steps; it ends with the next one."""
        now = self.progress.doing
        began = now.began if now and now.what == what else time.time()
        self.update(doing=Activity(what=what, done=done, total=total, began=began))

    def write(self, **changes: object) -> None:
        """Changes the progress and writes it. Raises OSError (a full disk), and then the old one stands."""
        with self._writing:  # an older state never replaces a newer one, and `update` waits for no disk
            with self._changing:
                beat = self.progress.beat + 1
                changes = {"beat": beat, "heartbeat": max(0.0, time.time()), **changes}
                self.progress = progress = self.progress.model_copy(update=changes)
            write_progress(self.folder, progress)

    def stop(self, **changes: object) -> None:
        """Ends the thread, and changes the progress a last time, without writing it."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._changing:
            changes = {"beat": self.progress.beat + 1, **changes}
            self.progress = self.progress.model_copy(update=changes)

    def _beat(self) -> None:
        while not self._ended.wait(self.interval):
            self._at_each_beat()
            self.catch_up()
            try:
                self.write()
            except OSError:
                continue  # a disk that is full now may not be later; the reader sees an old heartbeat meanwhile
