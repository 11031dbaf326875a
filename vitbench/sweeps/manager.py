"""Carries a sweep out: `python -m vitbench.sweeps.manager SWEEP_FOLDER`.

One process a sweep, started by whoever sees one that goes on without it. It may be killed at any instant: what was
tried stands in the run folders, and which run comes next follows from them and the plan. Runs are numbered trial by
trial, repeat by repeat; run k is made when all runs up to k - parallel have ended, so that what is tried and what is
stopped does not depend on which run was quicker.
"""

import sys
import time
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.locks import is_locked
from vitbench.files.parsing import to_json
from vitbench.files.writing import write_whole
from vitbench.runs import control
from vitbench.runs.detached import reap, start_detached
from vitbench.runs.launcher import launch, launch_together
from vitbench.runs.lease import outer_environment
from vitbench.runs.lock import FileLock
from vitbench.runs.process import MARK
from vitbench.runs.queue import attend
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import RunBusy, RunGone, StateChanged
from vitbench.sweeps.history import FILE, STOPPED, Attempt, History, Membership, read_history
from vitbench.sweeps.plan import brief, parse_plan
from vitbench.sweeps.stopping import loses_at
from vitbench.sweeps.store import Sweep, all_sweeps
from vitbench.sweeps.suggest import suggestion

_PAUSE = 1.0
_CRASHES = 3
"""How often a run that crashes at one and the same step is started again."""


class Manager:
    """Makes, starts, resumes and stops the runs of one sweep."""

    def __init__(self, sweep: Sweep, pause: float = _PAUSE) -> None:
        self.sweep, self.store, self.pause = sweep, sweep.store, pause
        self._crashes: dict[tuple[str, int], int] = {}

    def run(self) -> None:
        """Works until the sweep has ended, or another manager is at work."""
        lock = FileLock(self.sweep.lock_file)
        try:
            while lock.acquire() and self.sweep.state()[0] == "running":
                began = time.monotonic()
                try:
                    if self.poll():
                        self.sweep.set_state("finished")
                except UserError as error:
                    self.sweep.set_state("failed", str(error))
                    return
                time.sleep(max(self.pause, 5 * (time.monotonic() - began)))
        finally:
            lock.release()

    def poll(self) -> bool:
        """One look, with all that follows from it; whether every run has ended.

        Raises UserError for what makes the sweep impossible, and OSError.
        """
        reap()
        plan = self.sweep.plan()
        history = read_history(self.store, self.sweep.id, plan)
        attempts = [attempt for trial in history.trials.values() for attempt in trial.attempts.values()]
        attend(self.store, [(attempt.run, attempt.run.status()) for attempt in attempts])
        if plan.is_job_array:
            return self._make_array(history)
        self._start_those_that_wait_for_nobody(attempts)
        if self._stop_losers(history):
            return False  # what they count for has changed
        return self._make_next(history)

    def _start_those_that_wait_for_nobody(self, attempts: list[Attempt]) -> None:
        """Starts runs that were made and not started when a manager was killed, and resumes those that crashed."""
        for attempt in attempts:
            status = attempt.run.status()
            if status.state == "queued" and not status.is_waiting:
                self._launch(attempt.run)
            elif status.state == "crashed":
                key = (attempt.run.id, status.step)
                self._crashes[key] = self._crashes.get(key, 0) + 1
                if self._crashes[key] <= _CRASHES:
                    self._launch(attempt.run)
                else:
                    control.stop(attempt.run)

    def _launch(self, run: Run) -> None:
        try:
            launch(run)
        except (StateChanged, RunBusy, RunGone):
            return  # a person was quicker
        except OSError as error:  # a full disk: it may be better at the next poll
            print(f"{time.strftime('%F %T')} {run.id}: {error}", file=sys.stderr, flush=True)

    def _stop_losers(self, history: History) -> bool:
        """Stops the runs that are losing; whether there was one."""
        plan, found = history.plan, False
        ordered = in_order(history) if plan.stopping.rule != "none" else {}
        for place, attempt in ordered.items():
            if attempt.stopped_at is not None:
                continue
            before = [ordered[earlier] for earlier in range(place - plan.parallel + 1) if earlier in ordered]
            share = loses_at(attempt, before, plan.stopping, history.goal)
            if share is not None:
                # A run that was quicker than the judgement keeps its rank too: the result is the same either way.
                write_whole(attempt.run.folder / STOPPED, to_json({"share": share}))
                found = True
                if not attempt.has_ended:
                    self._stop(attempt.run)
        return found

    def _stop(self, run: Run) -> None:
        try:
            control.stop(run)
        except UserError:
            return  # it has ended meanwhile

    def _make_next(self, history: History) -> bool:
        """Makes the runs whose turn it is, and starts them; whether all have ended."""
        plan = history.plan
        ordered = in_order(history)
        for place in range(plan.trial_count * plan.repeats):
            if place in ordered:
                continue
            earlier = range(max(0, place - plan.parallel + 1))
            if not all(one in ordered and ordered[one].has_ended for one in earlier):
                return False
            if sum(not attempt.has_ended for attempt in ordered.values()) >= plan.parallel:
                return False
            self._make(history, *divmod(place, plan.repeats))
            return False  # the next poll sees it
        return all(attempt.has_ended for attempt in ordered.values())

    def _make_array(self, history: History) -> bool:
        """Makes all runs, then submits them to SLURM as one array; whether all have ended."""
        plan, ordered = history.plan, in_order(history)
        missing = [place for place in range(plan.trial_count * plan.repeats) if place not in ordered]
        for place in missing:
            self._create(history, *divmod(place, plan.repeats))
        if missing:
            return False  # the next poll sees all of them
        new = [
            one.run
            for one in ordered.values()
            if (status := one.run.status()).state == "queued" and not status.is_waiting
        ]
        if new:
            launch_together(new, at_once=plan.parallel)
        return all(attempt.has_ended for attempt in ordered.values())

    def _make(self, history: History, number: int, repeat: int) -> None:
        self._launch(self._create(history, number, repeat))

    def _create(self, history: History, number: int, repeat: int) -> Run:
        plan = history.plan
        known = history.trials.get(number)
        if known is not None:
            values = known.values
        else:
            # TPE sees the trials all of whose runs may have ended, whichever runs are quicker.
            certain = (number * plan.repeats - plan.parallel + 1) // plan.repeats
            before = [trial for trial in history.trials.values() if trial.number < certain]
            scored = [(trial.values, score) for trial in before if (score := trial.score(history.goal)) is not None]
            values = suggestion(plan, number, scored, history.goal)
        membership = Membership(sweep=self.sweep.id, trial=number, repeat=repeat, values=values)
        recipe = plan.recipe_of(values, repeat).anchored()
        seed = f" seed {recipe.train.seed}" if plan.repeats > 1 else ""
        name = f"{plan.name or 'sweep'} {number + 1}{seed}: {brief(values)}"[:200]
        return self.store.create(recipe, name, preset=recipe.preset, files={FILE: membership.model_dump_json(indent=1)})


def in_order(history: History) -> dict[int, Attempt]:
    """The runs by their place: trial by trial, repeat by repeat."""
    repeats = history.plan.repeats
    return {
        number * repeats + repeat: attempt
        for number, trial in sorted(history.trials.items())
        for repeat, attempt in sorted(trial.attempts.items())
        if repeat < repeats
    }


def ensure_managers(store: Store) -> None:
    """Starts a manager for each sweep that goes on without one, as far as this user may write there."""
    for sweep in all_sweeps(store):
        if sweep.state()[0] == "running" and is_locked(sweep.lock_file) is not True:
            start_manager(sweep)


def start_manager(sweep: Sweep) -> int | None:
    """Starts a manager that outlives this process; one too many leaves at once. None if it cannot be started."""
    command = [sys.executable, "-m", "vitbench.sweeps.manager", str(sweep.folder)]
    environment = {name: value for name, value in outer_environment().items() if name != MARK}
    try:
        return start_detached(command, sweep.folder / "manager.log", environment)
    except (OSError, UserError):
        return None


def add_trials(sweep: Sweep, trials: int) -> None:
    """Raises the number of trials to `trials`; a sweep that has finished goes on. Raises UserError for fewer."""
    plan = sweep.plan()
    if trials < plan.trial_count:
        raise UserError(f"The sweep has {plan.trial_count} trials; trials can only be added to them.")
    more = parse_plan(plan.model_dump(mode="json") | {"trials": trials}, "The sweep")
    if more.trial_count < trials:
        raise UserError(f"The grid has {more.trial_count} points and no more; a random sweep can have more trials.")
    sweep.change(more)
    if sweep.state()[0] == "finished":
        sweep.set_state("running")


def stop_sweep(sweep: Sweep, *, runs: bool) -> int:
    """Makes no more runs; with `runs` also stops those that run or wait. How many were stopped."""
    sweep.set_state("stopped")
    if not runs:
        return 0
    history = read_history(sweep.store, sweep.id, sweep.plan())
    stopped = 0
    for attempt in in_order(history).values():
        if not attempt.has_ended:
            try:
                control.stop(attempt.run)
                stopped += 1
            except UserError:
                continue  # it has ended meanwhile
    return stopped


if __name__ == "__main__":
    Manager(Sweep(Path(sys.argv[1]))).run()


__all__ = ["Manager", "Store", "add_trials", "ensure_managers", "in_order", "start_manager", "stop_sweep"]
