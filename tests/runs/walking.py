"""Processes for random walks over the states of runs: forked instead of started, so that one takes milliseconds.

Commands, workers and schedulers run their real code; only the training is played. Each may be killed with SIGKILL at a
random file operation. `python -m tests.runs.walks` is the program that walks.
"""

import ctypes
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.runs import launcher, queue
from vitbench.runs.checkpoints import WEIGHTS_NAME
from vitbench.runs.log import RunLog
from vitbench.runs.process import MARK
from vitbench.runs.scheduler import Scheduler
from vitbench.runs.states import State
from vitbench.runs.store import Run, Store
from vitbench.training import worker
from vitbench.training.control import Control
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.outcome import Diverged, Outcome

ROOM_FOR_MARK = "x" * 60
"""The mark with which the program has to be started: a forked worker writes its own over it."""
_WATCHED = {
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.scandir",
    "os.listdir",
    "fcntl.flock",
    "os.kill",
    "os.killpg",
    "os.fork",
    "shutil.rmtree",
}
LONG = 40
"""Steps of a run that does not end while a walk lasts."""
_PR_SET_CHILD_SUBREAPER = 36

_left: int | None = None
_hooked = False


def die_after(operations: int | None) -> None:
    """SIGKILL to this process before its file operation of this number; None for never."""
    global _left, _hooked
    _left = operations
    if operations is not None and not _hooked:
        sys.addaudithook(_count)
        _hooked = True


def _count(event: str, arguments: tuple[Any, ...]) -> None:
    global _left
    if _left is None or event not in _WATCHED:
        return
    _left -= 1
    if _left <= 0:
        _left = None  # the kill is an operation too
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Makes this process the parent of those whose parent has ended, so that it can reap them."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_all() -> None:
    """Takes note of all children that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


class World:
    """What the forked processes know: where they register, and how often they are killed."""

    operations = 150
    """File operations within which a worker or scheduler that is to be killed is killed."""

    def __init__(self, folder: Path, chance: random.Random, deadly: float) -> None:
        self.folder, self.chance, self.deadly = folder, chance, deadly
        self.process_list = folder / "processes"
        self.process_list.touch()
        self.may_end = folder / "may-end"
        """The last step of a long run waits until this file is there."""

    def registered(self) -> list[tuple[str, int, str]]:
        """Kind, pid, and folder of every worker and scheduler that was ever started."""
        rows = [line.split(" ", 2) for line in self.process_list.read_text().splitlines()]
        return [(kind, int(pid), folder) for kind, pid, folder in rows]

    def start_detached(
        self, command: Sequence[str], output: Path, environment: Mapping[str, str], descriptors: Sequence[int] = ()
    ) -> int:
        """In the place of `detached.start_detached`: forks, and goes on as the module that the command names."""
        module, argument = command[-2], command[-1]
        seed = self.chance.random()
        pid = os.fork()
        if pid:
            return pid
        code = 70
        try:
            os.setsid()
            self.chance = random.Random(seed)
            die_after(None)
            stream = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            for number in (1, 2):
                os.dup2(stream, number)
            _close_all_but({0, 1, 2, *descriptors})
            os.environ.clear()
            os.environ.update(environment)
            _overwrite_mark(environment.get(MARK, ""))
            self._register("scheduler" if module.endswith("scheduler") else "worker", argument)
            die_after(self.chance.randint(1, self.operations) if self.chance.random() < self.deadly else None)
            if module.endswith("scheduler"):
                Scheduler(Store(argument), pause=0.02).run()
                code = 0
            else:
                code = self.work(Path(argument))
        finally:
            if sys.exc_info()[0] is not None:
                traceback.print_exc()
            os._exit(code)

    def _register(self, kind: str, folder: str) -> None:
        with self.process_list.open("ab", buffering=0) as stream:
            stream.write(f"{kind} {os.getpid()} {folder}\n".encode())

    def work(self, folder: Path) -> int:
        """The life of a worker; its exit code."""
        worker.Heartbeat = _QuickHeartbeat  # type: ignore[misc]
        return worker.live(folder, self.play)

    def play(self, run: Run, control: Control, heartbeat: Heartbeat, log: RunLog, outcome: Outcome) -> State:
        """A training that only counts: it saves, obeys, and may end in an error, as its recipe says by its seed."""
        control.interval = 0.003
        recipe = run.recipe()
        total, kind = recipe.train.epochs, recipe.train.seed
        step = max((entry.step for entry in run.checkpoints()), default=0)
        log.write(step, "info", f"from step {step}")
        heartbeat.update(total_steps=total)
        while step < total:
            time.sleep(0.004)
            waits = total >= LONG and step + 1 == total and not self.may_end.exists()
            if not waits:
                step += 1
                with (run.folder / "steps").open("a") as stream:
                    stream.write(f"{step}\n")
                heartbeat.update(step=step, epoch=float(step), latest={"train/loss": 1 / step}, doing=None)
                if kind == 1 and step == 5:
                    raise UserError("The recipe does not fit: set it right.")
                if kind == 2 and step == 5:
                    raise Diverged(step, "loss", float("nan"))
                if kind == 3 and step == 5:
                    raise ZeroDivisionError("a fault of the program")
            request = control.asked()
            if request == "checkpoint":
                run.acknowledged("checkpoint")
            if request or (step % 4 == 0 and not waits):
                save(run, step)
            if request in ("pause", "stop"):
                return "paused" if request == "pause" else "stopped"
        save(run, step)
        return "finished"

    def act(self, action: Callable[[], str], result: Path, operations: int | None) -> int:
        """Forks a command or an app that does one thing, and writes what came of it; returns its pid."""
        seed = self.chance.random()
        pid = os.fork()
        if pid:
            return pid
        answer = {"outcome": "raised", "words": ""}
        try:
            self.chance = random.Random(seed)
            launcher.start_detached = self.start_detached  # type: ignore[assignment]
            queue.start_detached = self.start_detached  # type: ignore[assignment]
            die_after(operations)
            answer = {"outcome": "done", "words": action() or ""}
        except UserError as error:
            answer = {"outcome": "refused", "words": str(error)}
        finally:
            die_after(None)
            if sys.exc_info()[0] is not None:
                answer = {"outcome": "raised", "words": traceback.format_exc()}
            result.write_text(json.dumps(answer))
            os._exit(0)


class _QuickHeartbeat(Heartbeat):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "interval": 0.02})


def save(run: Run, step: int) -> None:
    """A checkpoint that is whole or absent, and whose folder does not come back."""
    folder = run.folder / "checkpoints"
    unfinished = folder / f"step-{step:08d}.tmp"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    (unfinished / WEIGHTS_NAME).write_text(str(step))
    shutil.rmtree(folder / f"step-{step:08d}", ignore_errors=True)
    unfinished.rename(folder / f"step-{step:08d}")


def _close_all_but(kept: set[int]) -> None:
    for name in [entry.name for entry in os.scandir("/proc/self/fd")]:
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:
                continue


def _overwrite_mark(mark: str) -> None:
    """Makes /proc/PID/environ say `mark`, as it would if this process had been started and not forked."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[47]), int(fields[48])
    place = ctypes.string_at(begin, end - begin).find(f"{MARK}={'x' * 8}".encode())
    if place < 0:
        place = ctypes.string_at(begin, end - begin).find(f"{MARK}=".encode())
    assert place >= 0, "start this program with room for a mark"
    value = mark.encode().ljust(len(ROOM_FOR_MARK), b"\0")
    ctypes.memmove(begin + place + len(MARK) + 1, value, len(ROOM_FOR_MARK))
