"""Whether disk, processes and locks agree, after a step of a random walk (`tests/runs/walks.py`)."""

import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

from tests.runs.walking import World, reap_all
from vitbench.runs.lock import is_held
from vitbench.runs.process import mark_of, mark_of_process, start_ticks
from vitbench.runs.states import ENDED
from vitbench.runs.status import parse_status
from vitbench.runs.store import Run, Store

TIME_TO_AGREE = 60.0  # on a busy machine
"""Seconds after a step in which what was begun may end; a worker notices that its folder is gone within one."""


class Disagreement(AssertionError):
    """Disk, processes and locks say different things."""


class Patience:
    """Seconds in which something has to happen; those do not count in which a process waits for a processor.

    Else a busy machine would be taken for a fault. `LONGEST` seconds end it all the same.
    """

    LONGEST = 900.0

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self._began = self._looked = time.monotonic()

    def is_over(self, pids: Iterable[int]) -> bool:
        """Whether it is, as these processes stand now."""
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        if not any(_is_ready(pid) for pid in pids):
            self.left -= passed
        return self.left < 0 or now - self._began > self.LONGEST


def _is_ready(pid: int) -> bool:
    """Whether a process computes, or would if it had a processor."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R"
    except (OSError, IndexError):
        return False


class Judge:
    """Looks at two stores and at the processes of a world, from outside."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.stores = [Store(folder / name) for name in ("A", "B")]
        self.gone: set[Path] = set()
        """Folders of runs that may not come back."""

    def runs(self) -> list[Run]:
        """All runs of both stores."""
        return [run for store in self.stores for run in store.runs()]

    def living(self) -> list[tuple[str, int, str]]:
        """The workers and schedulers that live."""
        reap_all()
        return [row for row in self.world.registered() if start_ticks(row[1]) is not None]

    def agree(self, disagreement: Callable[[], str]) -> None:
        """Waits until there is none."""
        patience = Patience(TIME_TO_AGREE)
        while words := disagreement():
            if patience.is_over(pid for _, pid, _ in self.living()):
                raise Disagreement(words)
            time.sleep(0.005)

    def came_true(self, action: str, run: Run) -> str:
        """What a command that says it was done has not done (yet); empty if it has."""
        if action == "remove":
            return f"{run.id} is there after it was removed" if run.folder.exists() else ""
        if not run.folder.exists():
            return ""
        state = run.status().state
        left = {"pause": ("running", "queued"), "stop": ("running", "queued", "paused"), "kill": ("running", "queued")}
        if state in left.get(action, ()):
            return f"{run.id} is {state} after {action}"
        return ""

    def disagreement(self) -> str:
        """Where disk, processes and locks differ; empty if they agree."""
        for folder in self.gone:
            if folder.exists():
                return f"{folder} is back"
        workers: dict[str, list[int]] = {}
        for kind, pid, _ in self.living():
            if kind == "worker" and (mark := mark_of_process(pid)):
                workers.setdefault(mark, []).append(pid)
        used: list[str] = []
        for run in self.runs():
            try:
                words = self.of_run(run, workers.pop(mark_of(run.folder), []), used)
            except FileNotFoundError:
                return f"{run.id} vanishes"
            if words:
                return f"{run.id}: {words}"
        if workers:
            return f"workers of no folder: {workers}"
        if len(set(used)) != len(used):
            return f"two runs on one GPU: {used}"
        return ""

    def of_run(self, run: Run, workers: list[int], used: list[str]) -> str:
        """Where one run and its processes differ."""
        written, seen = parse_status(run.folder), run.status()
        if len(workers) > 1:
            return f"{len(workers)} workers"
        if written.process is not None and workers and written.process.pid != workers[0]:
            return f"the status names process {written.process.pid}, and {workers[0]} works"
        if seen.state == "running":
            used += seen.gpus
            if not workers:
                return "running without a worker"
            if not is_held(run.folder):
                return "running without a lock"
            if (run.folder / "run.lock").stat().st_nlink == 1 and seen.process is None:
                return "running, and its worker has not spoken"
            return ""
        if workers:
            return f"{seen.state} (written: {written.state}), and process {workers[0]} works"
        if is_held(run.folder) and (run.folder / "run.lock").stat().st_nlink == 1:
            return f"{seen.state}, and its lock is held"
        if written.state != "running" and run.requests() - {"checkpoint"}:
            return f"{seen.state}, with requests {run.requests()}"
        if (written.state in ENDED) != (written.ended_at is not None):
            return f"{seen.state} with an end at {written.ended_at}"
        return ""

    def wait_for(self, pid: int, action: str) -> None:
        """Until an app has ended."""
        patience = Patience(60.0)
        while start_ticks(pid) is not None:
            if patience.is_over([pid, *(other for _, other, _ in self.living())]):
                raise Disagreement(f"{action} hangs (process {pid})")
            time.sleep(0.002)
        reap_all()

    def others(self, run: Run | None) -> dict[Run, int]:
        """The runs that run, but for this one and those that end by themselves; with their processes."""
        running = [one for one in self.runs() if run is None or one.folder != run.folder]
        found = {one: one.status() for one in running}
        return {
            one: status.process.pid
            for one, status in found.items()
            if status.state == "running" and status.process is not None
        }

    def shares_lock(self, run: Run) -> bool:
        """Whether the lock is one with that of another folder, by a hard link."""
        try:
            return (run.folder / "run.lock").stat().st_nlink > 1
        except OSError:
            return False

    def check_steps(self, run: Run) -> None:
        """Each step of a finished run was done, in order but for those that were done again after a kill."""
        steps = [int(line) for line in (run.folder / "steps").read_text().split()]
        total = run.recipe().train.epochs
        if set(steps) != set(range(1, total + 1)) or any(then > now + 1 for now, then in pairwise(steps)):
            raise Disagreement(f"{run.id} finished with the steps {steps}")
