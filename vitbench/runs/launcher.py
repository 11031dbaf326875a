"""Starts workers that outlive whoever started them, on a GPU that is free; without one, a run waits in the queue."""

import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from vitbench.errors import UserError
from vitbench.recipe import Recipe
from vitbench.runs import detached, slurm
from vitbench.runs.detached import interrupts_deferred, start_detached
from vitbench.runs.estimates import known_memory
from vitbench.runs.frozen import freeze
from vitbench.runs.lease import Busy, Gpu, Lease, gpus_for, gpus_named, refuse_if_never, take
from vitbench.runs.lock import INHERITED, RunLock, is_held
from vitbench.runs.offer import check_offer
from vitbench.runs.process import MARK, mark_of
from vitbench.runs.queue import HELD, claimed_gpus, ensure_scheduler, in_order, place_of, waits_here
from vitbench.runs.slots import CPU, take_slot
from vitbench.runs.states import ENDED, STARTABLE, State
from vitbench.runs.status import Status, read_status
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import RunBusy, RunGone, StateChanged, note_crash, transition

MENDABLE = 2
"""The exit code of a worker that a person's mistake ended."""
_QUEUED: tuple[State, ...] = ("queued",)
_TIME_TO_LEAVE = 15.0
"""Seconds that a worker which has written its last status may take to end."""


def launch(
    run: Run,
    command: Sequence[str] | None = None,
    *,
    held: bool = False,
    after: Sequence[Run] = (),
    memory: int | None = None,
) -> int | None:
    """Starts the worker of `run` in a session of its own, and returns its pid.

    Where all GPUs that it may have are held, or without a GPU all CPU slots, it is queued for the scheduler, and the
    answer is None; so it is when it is to be `held`, or to start `after` other runs have finished. `memory` are the
    bytes that are to be free on its GPU; without it those asked for when it was started last. What the worker prints
    goes to `worker.log`. With `launch.engine = "slurm"` it is submitted there instead. Raises UserError if the run has
    a worker already, or asks for GPUs that are not there.
    """
    with _held(run) as lock:
        status = _startable(run, lock)
        recipe = run.recipe()
        check_offer(recipe, run.store_folder)
        if recipe.launch.engine == "slurm":
            _submit([run], [recipe], [lock], held=held, after=after)
            return None
        gpus = gpus_for(recipe.train.device)
        needs = Needs(gpus_wanted(recipe), status.needs_memory if memory is None else memory)
        if needs != Needs():
            refuse_if_never(gpus, count=needs.gpus, asked=needs.memory)
        follows = [other.id for other in after]
        reason, left = _before_its_turn(run, status, gpus, held=held, after=follows)
        started = Busy(reason) if reason else _start_if_free(run, lock, left, command, STARTABLE, needs)
        if not isinstance(started, Busy):
            return started
        since = status.queued_at if status.is_waiting else time.time()
        waits: dict[str, Any] = {
            "queued_at": since,
            "queued_for": [gpu.name for gpu in gpus] or [CPU],
            "waits_for": started.reason,
            "held": held,
            "after": follows,
            "needs_gpus": needs.gpus,
            "needs_memory": needs.memory,
        }
        freeze(run, recipe)
        transition(run, STARTABLE, "queued", by="launcher", lock=lock, **waits)
    if not held:
        ensure_scheduler(run.store_folder)
    return None


def launch_together(runs: Sequence[Run], *, at_once: int) -> None:
    """Submits runs of one and the same [launch] to SLURM as a job array, of which `at_once` run at a time.

    Raises UserError as `launch` does, and then none is submitted.
    """
    with ExitStack() as stack:
        locks = [stack.enter_context(_held(run)) for run in runs]
        for run, lock in zip(runs, locks, strict=True):
            _startable(run, lock)
        _submit(runs, [run.recipe() for run in runs], locks, at_once=at_once)


def _submit(
    runs: Sequence[Run],
    recipes: Sequence[Recipe],
    locks: Sequence[RunLock],
    *,
    held: bool = False,
    after: Sequence[Run] = (),
    at_once: int = 0,
) -> None:
    """Submits runs to SLURM, in whose queue they wait from then on; their locks are held."""
    if held or after:
        raise UserError("A run in SLURM waits in SLURM's queue: leave --hold and --after out, and use scontrol hold.")
    for run, recipe in zip(runs, recipes, strict=True):
        freeze(run, recipe)
    jobs = slurm.submit(runs, recipes, at_once=at_once)
    for run, lock, job in zip(runs, locks, jobs, strict=True):
        waits: dict[str, Any] = {"queued_at": time.time(), "queued_for": [slurm.SLURM], "slurm_job": job}
        said = f"SLURM job {job} has been submitted."
        transition(run, STARTABLE, "queued", by="launcher", lock=lock, waits_for=said, **waits)


def launch_queued(
    run: Run, command: Sequence[str] | None = None, claims: Mapping[str, str] = MappingProxyType({})
) -> int | None:
    """Starts the worker of a run that still waits in the queue; None if no GPU is free or it waits no more.

    The GPUs that it may use are those for which it was queued, whatever the environment of the scheduler allows, but
    for those on which other runs have `claims`. Raises UserError as `launch` does.
    """
    with _held(run, patience=0.0) as lock:
        status = read_status(run.folder)
        if not status.is_waiting or status.held:
            return None
        on_cpu = status.queued_for == [CPU]
        if on_cpu:
            gpus = []
        else:
            gpus = gpus_named(status.queued_for) if status.queued_for else gpus_for(run.recipe().train.device)
        left = [gpu for gpu in gpus if gpu.name not in claims]
        if reason := _follows(run, status.after):
            started: int | Busy = Busy(reason)
        elif gpus and not left:
            started = Busy(_waits_behind(run, gpus, claims))
        elif gpus or on_cpu:
            needs = Needs(status.needs_gpus, status.needs_memory)
            started = _start_if_free(run, lock, left, command, _QUEUED, needs)
        else:
            started = Busy(f"The GPUs for which it was queued are not there: {', '.join(status.queued_for) or 'any'}.")
        if not isinstance(started, Busy):
            return started
        if started.reason != status.waits_for:
            transition(run, "queued", "queued", by="launcher", waits_for=started.reason, host=status.host)
        return None


@dataclass(frozen=True)
class Needs:
    """What a run asks of the GPUs: how many, and how many bytes on each (0: no wish)."""

    gpus: int = 1
    memory: int = 0


def gpus_wanted(recipe: Recipe) -> int:
    """How many GPUs a run computes on."""
    return recipe.launch.gpus


def _before_its_turn(
    run: Run, status: Status, gpus: Sequence[Gpu], *, held: bool, after: Sequence[str]
) -> tuple[str, list[Gpu]]:
    """Why a run is queued without a try, else empty; and the GPUs that it may try.

    It is held, or follows others; or others wait before it, for a CPU slot or for several of these GPUs.
    """
    if held:
        return HELD, []
    if reason := _follows(run, after):
        return reason, []
    others = [(other, read_status(other.folder)) for other in Store(run.store_folder).runs() if other.id != run.id]
    if gpus:
        claims = claimed_gpus(others, place_of(run, status))
        left = [gpu for gpu in gpus if gpu.name not in claims]
        return ("" if left else _waits_behind(run, gpus, claims)), left
    first = next((row for row in in_order(others) if waits_here(row[1]) and row[1].queued_for == [CPU]), None)
    return ("" if first is None else f"Run {first[1].name or first[0].id} waits for a CPU slot before it."), []


def _waits_behind(run: Run, gpus: Sequence[Gpu], claims: Mapping[str, str]) -> str:
    first = Run(run.folder.parent / next(claims[gpu.name] for gpu in gpus))
    status = first.status()
    return f"Run {status.name or first.id} waits for {status.needs_gpus} GPUs before it."


def _follows(run: Run, after: Sequence[str]) -> str:
    """Which of the runs that it follows has not finished, as a sentence; empty when all have.

    Raises UserError if one of them has ended otherwise, or is gone: the run can never start.
    """
    for run_id in after:
        other = Run(run.folder.parent / run_id)
        if not other.folder.is_dir():
            raise UserError(f"It was to start after run {run_id}, which has been deleted.")
        state = other.status().state
        if state in ENDED and state != "finished":
            raise UserError(f"It was to start after run {run_id}, which is {state}.")
        if state != "finished":
            return f'Starts after "{other.status().name or run_id}" has finished.'
    return ""


def wait_until_taken(run: Run, pid: int | None, timeout: float = 60.0) -> int | None:
    """Waits until the worker has begun or ended, or `timeout` seconds have passed; not at all for a queued run.

    The lock is held from the start on; the worker's first word of its own is its name in the status. The answer is
    the exit code of a worker that has ended.
    """
    deadline = time.monotonic() + timeout
    while pid is not None and time.monotonic() < deadline:
        if read_status(run.folder).process is not None and is_held(run.folder):
            return None
        if (code := exit_code(pid)) is not None:
            return code
        time.sleep(0.05)
    return None


def exit_code(pid: int, patience: float = 0.0) -> int | None:
    """The exit code of a worker that this process has started; None if it still runs, or somebody else started it.

    A worker that ends gives the run's lock back an instant before it is gone, for which `patience` waits (seconds).

    MENDABLE means that a person can mend what ended it, and that the run's error says how.
    """
    deadline = time.monotonic() + patience
    while True:
        code = detached.exit_code(pid)
        if code is not None or time.monotonic() >= deadline:
            return code
        time.sleep(0.01)


def mark_started(run: Run, lock: RunLock) -> None:
    """Says that the run is running, for a worker that was started by hand and holds `lock`. Raises UserError."""
    _startable(run, lock)
    transition(run, STARTABLE, "running", by="launcher", lock=lock)


@contextmanager
def _held(run: Run, patience: float = _TIME_TO_LEAVE) -> Iterator[RunLock]:
    """Holds the run; a worker that was started inside goes on holding it."""
    lock: RunLock | None = None
    try:
        try:
            lock = RunLock(run.folder)
            _acquire(run, lock, patience)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunGone(f"Run {run.id} has been deleted.") from error
        yield lock
    finally:
        if lock is not None:
            lock.release()


def _acquire(run: Run, lock: RunLock, patience: float) -> None:
    """Takes the run; a worker that has left but not ended yet is waited for. Raises StateChanged if it is running."""
    deadline = time.monotonic() + patience
    while not lock.acquire():
        state = read_status(run.folder).state
        if state != "running" and time.monotonic() < deadline:
            continue
        if lock.is_shared():
            raise UserError(
                f"The lock of run {run.id} is a hard link to that of another run, which is running: delete {lock.file}."
            )
        if state == "running":
            raise StateChanged(f"Run {run.id} is running already.")
        raise RunBusy(f"Run {run.id} is {state}, but another process holds it; try again in a moment.")


def _startable(run: Run, lock: RunLock) -> Status:
    """The status of a run that may be started. Raises UserError if it may not be, or runs elsewhere."""
    status = note_crash(run, lock, by="launcher")
    if status.state not in STARTABLE:
        raise StateChanged(f"Run {run.id} is {status.state} and cannot be started again.")
    return status


def _start_if_free(
    run: Run,
    lock: RunLock,
    gpus: Sequence[Gpu],
    command: Sequence[str] | None,
    expected: Collection[State],
    needs: Needs,
) -> int | Busy:
    """Starts the worker on as many of `gpus` as it needs; without any, in a slot of the CPU."""
    if gpus:
        estimate = known_memory(run.store_folder, run.recipe())
        lease = take(gpus, estimate, count=needs.gpus, asked=needs.memory)
    else:
        lease = take_slot()
    if isinstance(lease, Busy):
        return lease
    try:
        return _start(run, lock, lease, command, expected, needs)
    finally:
        lease.close()


def _start(
    run: Run,
    lock: RunLock,
    lease: Lease,
    command: Sequence[str] | None,
    expected: Collection[State],
    needs: Needs,
) -> int:
    """Says that the run is running, then starts its worker, which inherits the run's lock and the lease.

    An interrupt waits until the worker runs: there is no instant at which the state and the processes differ.
    """
    environment = lease.environment()
    with interrupts_deferred():
        before = read_status(run.folder)  # nobody else can change it: the run's lock is ours
        facts: dict[str, Any] = {"needs_gpus": needs.gpus, "needs_memory": needs.memory}
        transition(run, expected, "running", by="launcher", lock=lock, gpus=list(lease.gpus), **facts)
        try:
            return start_detached(
                command or [sys.executable, "-m", "vitbench.training.worker", str(run.folder)],
                run.folder / "worker.log",
                {**environment, MARK: mark_of(run.folder), INHERITED: str(lock.descriptor)},
                [lock.descriptor, *lease.descriptors],
            )
        except (OSError, UserError):
            facts = {name: value for name, value in before if name != "state"}
            transition(run, "running", before.state, by="launcher", lock=lock, **facts)
            raise
