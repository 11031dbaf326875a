"""Random walks over the states of runs: `python -m tests.runs.walks SEED COUNT SECONDS`.

A walk is some steps of one or two apps at once on two stores (make, start, pause, stop, resume, kill, delete, copy,
move, remove with other tools, SIGKILL of any process, SIGKILL of an app in the middle of what it does). After each
step disk, processes and locks have to agree; at the end all goes on until it has ended, and no step is lost.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.runs.agreement import Disagreement, Judge
from tests.runs.walking import LONG, ROOM_FOR_MARK, World, adopt_orphans, reap_all
from vitbench.files.writing import clear_folder
from vitbench.recipe import Recipe
from vitbench.runs import control, launcher
from vitbench.runs.lock import RunLock
from vitbench.runs.process import MARK, start_ticks
from vitbench.runs.queue import attend, scheduler_lock
from vitbench.runs.states import ENDED
from vitbench.runs.status import write_status
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import leave_request

TIME_TO_END = 900.0  # on a busy machine, where real workers take turns on the CPU
"""Seconds in which all runs of a walk end once nobody disturbs them."""
_CHANGED_BY_HAND = ("move", "erase", "unlock")


class Walk(Judge):
    """One walk, from its seed."""

    world_kind = World

    def __init__(self, seed: str, folder: Path, deadly: float) -> None:
        super().__init__(self.world_kind(folder, random.Random(f"{seed}/world"), deadly), folder)
        self.seed = seed
        self.chance = random.Random(seed)
        self.deadly = deadly
        self.history: list[str] = []
        self.counts: Counter[str] = Counter()
        self._names = 0

    def run(self, steps: int) -> None:
        """Walks, then lets all end. Raises Disagreement with what was done."""
        try:
            self.step(("make",), alone=True)
            for _ in range(steps):
                if self.chance.random() < 0.2:
                    self.step((self.draw(), self.draw()), alone=False)
                else:
                    self.step((self.draw(),), alone=True)
            self.end()
        except BaseException as error:
            error.add_note(f"walk {self.seed}:\n" + "\n".join(self.history))
            raise
        finally:
            self.kill_everything()

    # What is done ---------------------------------------------------------------------------------------------------

    def draw(self) -> str:
        """The next thing to do."""
        weights = {
            "make": 4,
            "pause": 3,
            "stop": 2,
            "resume": 5,
            "kill": 2,
            "remove": 1,
            "look": 2,
            "copy": 1,
            "copy by links": 1,
            "move": 1,
            "erase": 1,
            "unlock": 1,
            "strike": 3,
            "term": 1,
            "strike scheduler": 2,
            "checkpoint": 1,
            "let be": 2,
        }
        return self.chance.choices(list(weights), list(weights.values()))[0]

    def step(self, actions: tuple[str, ...], alone: bool) -> None:
        """Does one thing, or two at once, and waits until all agrees."""
        acting = []
        for number, action in enumerate(actions):
            self.counts[action] += 1
            runs = self.runs()
            run = self.chance.choice(runs) if runs else None
            if action != "make" and run is None:
                continue
            if action in ("strike", "term", "strike scheduler", "let be", *_CHANGED_BY_HAND, "copy", "copy by links"):
                self.by_hand(action, run)
                continue
            others = self.others(run) if alone and not self.deadly else {}
            operations = self.chance.randint(1, 60) if self.chance.random() < self.deadly else None
            result = self.folder / f"result-{number}"
            result.unlink(missing_ok=True)
            pid = self.world.act(self.command(action, run), result, operations)
            acting.append((action, run, pid, result, operations))
            self.history.append(
                f"{action} {run.id if run else ''} {'dies after ' + str(operations) if operations else ''}"
            )
        for action, run, pid, result, operations in acting:
            self.wait_for(pid, action)
            if not result.exists():
                self.counts["apps killed"] += 1
                assert operations is not None, f"{action} ended without a word"
                continue
            answer = json.loads(result.read_text())
            self.history[-1] += f" -> {answer['outcome']}: {answer['words']}"
            if answer["outcome"] == "raised":
                raise Disagreement(f"{action} raised {answer['words']}")
            if alone and answer["outcome"] == "done" and run is not None:
                self.agree(lambda action=action, run=run: self.came_true(action, run))  # type: ignore[misc]
            for other, pid in others.items():
                if start_ticks(pid) is None and other.status().state == "crashed":
                    raise Disagreement(f"{action} of {run} killed {other}")
        self.agree(self.disagreement)

    def command(self, action: str, run: Run | None) -> Callable[[], str]:
        """The function that a command or key calls."""
        if action == "make":
            store = self.stores[int(self.chance.random() < 0.2)]
            recipe = self.recipe()

            def make() -> str:
                made = store.create(recipe)
                return f"{made.id} {launcher.launch(made)} {recipe.train.device}"

            return make
        assert run is not None
        if action == "remove":
            return lambda: Store(run.store_folder).remove(run) or "removed"
        if action == "look":
            store = Store(run.store_folder)
            return lambda: attend(store, [(one, one.status()) for one in store.runs()])
        if action == "checkpoint":
            return lambda: "asked" if leave_request(run, "checkpoint") else "not running"
        return lambda: str(getattr(control, action)(run))

    def recipe(self) -> Recipe:
        """What the next run is to train: long or short, on any device, and sometimes into an error."""
        long, kind = self.chance.random() < 0.6, self.chance.choice((0, 0, 0, 0, 1, 2, 3))
        device = self.chance.choice(("auto", "auto", "cuda:1", "cpu"))
        values = {"epochs": LONG if long else 6, "seed": kind, "device": device}
        return Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "x"}, "train": values})

    def by_hand(self, action: str, run: Run | None) -> None:
        """What is done without vitbench."""
        assert run is not None
        self.history.append(f"{action} {run.id}")
        try:
            if action in ("copy", "copy by links"):
                store = self.chance.choice(self.stores)
                store.runs_folder.mkdir(parents=True, exist_ok=True)
                name = self.new_name("copy") if (store.runs_folder / run.id).exists() else run.id
                unlisted = store.runs_folder / f".copy-{name}"
                copy = os.link if action == "copy by links" else shutil.copy2
                shutil.copytree(run.folder, unlisted, copy_function=copy)
                (unlisted / "copied").touch()
                if action == "copy by links":
                    (run.folder / "copied").touch()  # what is added to a file is added to both
                unlisted.rename(store.runs_folder / name)
                self.gone.discard(store.runs_folder / name)
            elif action == "move":
                store = self.chance.choice(self.stores)
                store.runs_folder.mkdir(parents=True, exist_ok=True)
                run.folder.rename(store.runs_folder / self.new_name(f"{run.id[:15]}-moved"))
                self.gone.add(run.folder)
            elif action == "erase":
                shutil.rmtree(run.folder)
                self.gone.add(run.folder)
            elif action == "unlock":
                (run.folder / "run.lock").unlink(missing_ok=True)
            elif action == "strike scheduler":
                for kind, pid, _ in self.living():
                    if kind == "scheduler":
                        os.kill(pid, signal.SIGKILL)
            elif action == "let be":
                time.sleep(self.chance.uniform(0, 0.15))
            elif victims := [pid for kind, pid, _ in self.living() if kind == "worker"]:
                victim = self.chance.choice(victims)
                os.kill(victim, signal.SIGKILL if action == "strike" else signal.SIGTERM)
                if action == "strike":
                    self.wait_for(victim, action)
        except (shutil.Error, OSError) as error:  # it changed under the hand that copied or erased it
            self.history[-1] += f" -> {type(error).__name__}"
            for store in self.stores:
                for unlisted in store.runs_folder.glob(".copy-*"):
                    shutil.rmtree(unlisted, ignore_errors=True)
            if action == "erase":
                erase_for_good(run.folder)
                self.gone.add(run.folder)

    def new_name(self, beginning: str) -> str:
        """A name that no folder had before."""
        self._names += 1
        return f"{beginning}-{self._names}"

    # The end --------------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Nobody kills any more: every run can go on, nothing waits for ever, no step was lost, no litter stays."""
        self.world.deadly = self.deadly = 0.0
        self.world.may_end.touch()
        for kind, pid, _ in self.living():
            if kind == "scheduler":
                os.kill(pid, signal.SIGKILL)
        for run in self.runs():
            if run.status().state in ("paused", "stopped", "crashed", "queued") and not self.shares_lock(run):
                self.step_on(run, "resume")
        deadline = time.monotonic() + TIME_TO_END
        while live := [run for run in self.runs() if run.status().state == "running" or run.status().is_waiting]:
            self.step_on(live[0], "look")
            if time.monotonic() > deadline:
                states = {run.id: (run.status().state, run.status().waits_for) for run in live}
                raise Disagreement(f"these do not end: {states}")
            time.sleep(0.05)
        for store in self.stores:
            if runs := store.runs():
                self.step_on(runs[0], "look")
        self.agree(self.disagreement)
        for run in self.runs():
            # A copy of a run in motion has files of different moments.
            if run.status().state == "finished" and not (run.folder / "copied").exists():
                self.check_steps(run)
            litter = [entry.name for entry in run.folder.iterdir() if entry.name.endswith(".tmp")]
            if litter and not self.shares_lock(run):
                raise Disagreement(f"{run.id} ({run.status().state}) is left with {litter}")
        for store in self.stores:
            clear_folder(store.runs_folder)
            hidden = [entry.name for entry in store.runs_folder.glob(".*")]
            if hidden:
                raise Disagreement(f"{hidden} is left")
            if scheduler_lock(store.folder).exists():
                self.agree(
                    lambda: "a scheduler stays" if [1 for kind, _, _ in self.living() if kind == "scheduler"] else ""
                )

    def step_on(self, run: Run, action: str) -> None:
        """One undisturbed command; a copy by links, or what ended meanwhile, may be refused."""
        result = self.folder / "result-0"
        result.unlink(missing_ok=True)
        self.wait_for(self.world.act(self.command(action, run), result, None), action)
        answer = json.loads(result.read_text())
        self.history.append(f"{action} {run.id} -> {answer['outcome']}: {answer['words']}")
        if answer["outcome"] == "raised":
            raise Disagreement(f"{action} raised {answer['words']}")

    def kill_everything(self) -> None:
        """Leaves no process."""
        for _ in range(3):
            for _, pid, _ in self.living():
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
        reap_all()


def put_in_fault(fault: str) -> None:
    """Breaks this program as earlier versions were broken, to see that a walk notices."""
    if fault == "two writers":  # a pause that does not ask whether somebody is starting the run

        def pause(run: Run) -> str:
            time.sleep(0.002)
            if run.status().state not in ENDED:
                write_status(run.folder, run.status().model_copy(update={"state": "paused"}))
            return "is paused"

        control.pause = pause
    elif fault == "deaf worker":  # one that does not look whether its folder is there
        RunLock.keep = lambda self: True  # type: ignore[method-assign]


def erase_for_good(folder: Path) -> None:
    """What a person does whose rm -rf met a file that was written meanwhile: the same again, until nothing is left."""
    for _ in range(200):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{folder} cannot be erased")


def walk(seed: str, count: int, seconds: float, kind: type[Walk] = Walk) -> int:
    """Walks, and prints as JSON what was done; the first disagreement ends it, and is printed with its walk."""
    assert os.environ.get(MARK) == ROOM_FOR_MARK
    adopt_orphans()
    counts: Counter[str] = Counter()
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    began, done = time.monotonic(), 0
    try:
        for number in range(count):
            with tempfile.TemporaryDirectory(prefix="vitbench-walk-", dir=place) as folder:
                os.environ |= {"VITBENCH_GPUS": "GPU-w1,GPU-w2", "VITBENCH_GPU_LOCKS": folder}
                os.environ.pop("CUDA_VISIBLE_DEVICES", None)
                # Half of the walks kill at random operations, the other half must come true to the word.
                one = kind(f"{seed}/{number}", Path(folder), deadly=0.25 if number % 2 else 0.0)
                one.run(steps=8)
                counts += one.counts
                counts["processes"] += len(one.world.registered())
            done += 1
            if time.monotonic() - began > seconds:
                break
    finally:
        print(json.dumps({"walks": done, "seconds": round(time.monotonic() - began, 1), **counts}))
    return 0


if __name__ == "__main__":
    for fault in sys.argv[4:]:
        put_in_fault(fault)
    sys.exit(walk(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
