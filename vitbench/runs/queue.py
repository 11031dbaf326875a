"""The runs of a store that wait for a GPU or a CPU slot, and what whoever sees the store does for it."""

import os
import stat
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.locks import is_locked
from vitbench.files.reading import RECORD, read_text
from vitbench.progress import duration
from vitbench.runs.detached import reap, start_detached
from vitbench.runs.lease import outer_environment
from vitbench.runs.liveness import is_elsewhere
from vitbench.runs.lock import FileLock, RunLock
from vitbench.runs.process import MARK, start_ticks, this_host
from vitbench.runs.slurm import waits_in_slurm
from vitbench.runs.slurm_watch import watch_slurm
from vitbench.runs.status import Status, read_status
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import change_queue, note_crash
from vitbench.text import clean

HELD = "Held: `vitbench queue RUN --release`, or H in the app, lets it start."
"""Why a held run waits."""
_BETWEEN_STARTS = 10.0
"""Seconds between two schedulers that one process starts: the first takes a moment to be seen."""

_HANGS_AFTER = 180.0
"""Seconds after which a scheduler that has not looked is said to hang; a look at 10,000 runs takes some."""

_last_start: dict[Path, float] = {}


def waiting_runs(store: Store) -> list[Run]:
    """The runs that wait for a GPU or a slot of this machine, in the order in which they are served."""
    waiting = []
    for run in store.runs():
        status = read_status(run.folder)
        if waits_here(status):
            waiting.append((status.queued_at, run))
    return [run for _, run in sorted(waiting, key=lambda pair: (pair[0], pair[1].id))]


def in_order(seen: Iterable[tuple[Run, Status]]) -> list[tuple[Run, Status]]:
    """Those that wait, held ones too, in the order in which they are served."""
    waiting = [(run, status) for run, status in seen if status.is_waiting]
    return sorted(waiting, key=lambda row: (row[1].queued_at or 0.0, row[0].id))


def claimed_gpus(seen: Iterable[tuple[Run, Status]], behind: tuple[float, str]) -> dict[str, str]:
    """The GPUs that runs which wait for several together have a claim on, by name, each with the id of the run.

    Else such a run would wait for ever: of two GPUs that become free one after the other, the first goes to the next
    in the queue. Only runs before the place `behind` (`queued_at` and id) count, that could start if the GPUs were
    free: not those that are held, or follow others.
    """
    claims: dict[str, str] = {}
    for run, status in seen:
        if not waits_here(status) or status.needs_gpus <= 1 or place_of(run, status) >= behind:
            continue
        if all(read_status(run.folder.parent / other).state == "finished" for other in status.after):
            claims |= {gpu: run.id for gpu in status.queued_for if gpu not in claims}
    return claims


def place_of(run: Run, status: Status) -> tuple[float, str]:
    """What the queue is ordered by; a run that does not wait comes last."""
    return (float("inf") if status.queued_at is None else status.queued_at, run.id)


def hold(run: Run) -> None:
    """A waiting run is not started until it is released. Raises UserError if it does not wait, or waits in SLURM."""
    _refuse_in_slurm(run)
    change_queue(run, held=True, waits_for=HELD)


def release(run: Run) -> None:
    """A held run may start. Raises UserError as `hold` does."""
    _refuse_in_slurm(run)
    change_queue(run, held=False, waits_for=None)
    ensure_scheduler(run.store_folder)


def move(run: Run, *, first: bool) -> None:
    """Puts a waiting run before or behind all others of its store. Raises UserError as `hold` does."""
    _refuse_in_slurm(run)
    others = [status.queued_at or 0.0 for _, status in in_order(_seen(run)) if status.queued_at]
    change_queue(run, queued_at=min([*others, time.time()]) - 1 if first else max([*others, time.time()]) + 1)


def start_after(run: Run, others: Sequence[Run]) -> None:
    """A waiting run starts when all of `others` have finished.

    Raises UserError if one of them is the run itself, or waits for it, and as `hold` does.
    """
    _refuse_in_slurm(run)
    for other in others:
        if run.id in _all_before(other):
            name = other.status().name or other.id
            raise UserError(
                f"{run.id} cannot start after {name}, which starts after it."
                if other.id != run.id
                else f"{run.id} cannot start after itself."
            )
    change_queue(run, after=[other.id for other in others], waits_for=None)
    ensure_scheduler(run.store_folder)


def _refuse_in_slurm(run: Run) -> None:
    status = read_status(run.folder)
    if waits_in_slurm(status):
        raise UserError(
            f"Run {run.id} waits in SLURM, which alone decides when it starts: use scontrol hold, release or top with "
            f"job {clean(status.slurm_job)}."
        )


def _all_before(run: Run) -> set[str]:
    """The run and all that it follows, and so on."""
    found: set[str] = set()
    ahead = [run.id]
    while ahead:
        run_id = ahead.pop()
        if run_id not in found:
            found.add(run_id)
            ahead += read_status(run.folder.parent / run_id).after
    return found


def _seen(run: Run) -> list[tuple[Run, Status]]:
    return [(other, read_status(other.folder)) for other in Store(run.store_folder).runs()]


def waits_here(status: Status) -> bool:
    """Whether a run waits for a GPU or a slot of this machine, and is not held: a store may be shared by several."""
    return status.is_waiting and not status.held and not waits_in_slurm(status) and status.host in ("", this_host())


def reason_to_wait(run_id: str, status: Status) -> str:
    """What a waiting run waits for, as a sentence; of one in the queue of another machine also that. Empty if unknown.

    A machine that was given another name is another machine: nobody starts what was queued under the old one.
    """
    said = status.waits_for or ""
    if not status.is_waiting or status.held or waits_in_slurm(status) or not is_elsewhere(status):
        return said
    where = f"It was queued on {status.host}, which starts it; `vitbench resume {run_id}` queues it on {this_host()}."
    return f"{where} {said}".rstrip()


def scheduler_lock(store: Path) -> Path:
    """The file that the scheduler of a store on this machine locks while it is at work."""
    return store / f"scheduler.{this_host()}.lock"


def start_scheduler(store: Path) -> int:
    """Starts a scheduler that outlives this process, and returns its pid; one too many leaves at once."""
    command = [sys.executable, "-m", "vitbench.runs.scheduler", str(store)]
    environment = {name: value for name, value in outer_environment().items() if name != MARK}
    return start_detached(command, store / "scheduler.log", environment)


def ensure_scheduler(store: Path) -> str:
    """Starts a scheduler unless one is at work; a sentence if none is and none can be started, or if it hangs."""
    file = scheduler_lock(store)
    locked = is_locked(file)
    if locked:
        return _hangs(file)
    if locked is None or not _may_be_lock(file):
        return f"No scheduler can work here: {file} cannot be opened as a lock; delete it."
    last = _last_start.get(store)
    if last is not None and time.monotonic() - last < _BETWEEN_STARTS:
        return ""
    try:
        start_scheduler(store)
    except (OSError, UserError) as error:
        return f"No scheduler can be started: {str(error).removesuffix('.')}."
    _last_start[store] = time.monotonic()
    return ""


def say_at_work(lock: FileLock) -> None:
    """Writes into the scheduler's lock, which this process holds, that it has just looked."""
    with suppress(OSError):  # a full disk, or a lock that may be locked only
        os.ftruncate(lock.descriptor, 0)
        os.pwrite(lock.descriptor, f"{os.getpid()} {time.monotonic():.0f}\n".encode(), 0)


def _hangs(file: Path) -> str:
    """A sentence if the scheduler that holds this lock has not looked for long; empty where it has, or is new.

    The time is that since boot, which is one for all processes of a machine and follows no clock.
    """
    try:
        pid, looked = (int(word) for word in read_text(file, RECORD).split())
    except (UserError, ValueError):
        return ""
    silent = time.monotonic() - looked
    if silent < _HANGS_AFTER or start_ticks(pid) is None:
        return ""
    return (
        f"The scheduler (process {pid}) has not looked at the queue for {duration(silent)}: it is stopped, or hangs. "
        f"`kill -CONT {pid}` lets a stopped one go on; after `kill -9 {pid}` the next `vitbench runs` starts another."
    )


def _may_be_lock(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.stat(follow_symlinks=False).st_mode)
    except OSError:
        return True  # it is made


def attend(store: Store, seen: Iterable[tuple[Run, Status]]) -> str:
    """What whoever has looked at the runs of a store does for it, as far as they may write there.

    Runs that wait and have no scheduler get one, runs that wait in SLURM are told why, and runs whose process is gone
    are written down as crashed. The
    answer is a sentence if runs wait and nothing can be done about it here, else empty.
    """
    reap()
    waiting, unattended = False, 0
    in_slurm = list[tuple[Run, Status]]()
    for run, status in seen:
        if waits_in_slurm(status) and may_serve(run):
            in_slurm.append((run, status))
        elif waits_here(status):
            if may_serve(run):
                waiting = True
            else:
                unattended += 1
        elif status.state == "crashed" and may_serve(run):
            write_down_crash(run)
    watch_slurm(in_slurm)
    if waiting:
        return ensure_scheduler(store.folder)
    if unattended and is_locked(scheduler_lock(store.folder)) is False:
        return (
            "Runs wait for a GPU or a CPU slot, and no scheduler is at work: their owner starts one with "
            f"`vitbench runs` on {this_host()}."
        )
    return ""


def write_down_crash(run: Run) -> None:
    """Writes down that a run has crashed, if its status still says that it runs and nobody holds it."""
    if read_status(run.folder).state != "running":
        return
    try:
        lock = RunLock(run.folder)
    except OSError:
        return
    try:
        if lock.acquire(patience=0.0):
            note_crash(run, lock, by="scheduler")
    except (UserError, OSError):
        return  # it goes on elsewhere, or nothing can be written: it reads as crashed all the same
    finally:
        lock.release()


def may_serve(run: Run) -> bool:
    """Whether this user may start the run and write into its folder: root may, but it is not root's to do."""
    try:
        owner = run.folder.stat().st_uid
    except OSError:
        return False
    return owner == os.geteuid() or (os.geteuid() != 0 and os.access(run.folder, os.W_OK))
