"""Runs as jobs of a SLURM cluster, through submitit: submitted, watched, cancelled, and refused where they cannot run.

A run that waits in SLURM is `queued` like any other, for "slurm"; SLURM's own reason says why it waits. Its job starts
the same worker as everywhere (`vitbench.runs.slurm_job`), in the run folder that all nodes share.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.errors import UserError
from vitbench.recipe import Recipe
from vitbench.runs.slurm_job import MARGIN, TrainRun
from vitbench.runs.status import Status
from vitbench.text import clean

if TYPE_CHECKING:
    from vitbench.runs.store import Run

SLURM = "slurm"
"""What a run that waits in SLURM is queued for."""
FOLDER = "slurm"
"""Where a run folder keeps what submitit writes: the script, and what the job prints."""
_ACTIVE = ("RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT")
_PATIENCE = 20.0
_BETWEEN_LOOKS = 5.0
"""Seconds for which an answer of squeue counts: it loads the cluster's one controller."""
_REQUEUES = 1000

_last_look: dict[frozenset[str], tuple[float, "dict[str, Job] | None"]] = {}


@dataclass(frozen=True)
class Job:
    """What SLURM says of a job: its state (PENDING, RUNNING ...), and why it waits."""

    state: str
    reason: str

    @property
    def is_active(self) -> bool:
        """Whether it has nodes."""
        return self.state in _ACTIVE


def waits_in_slurm(status: Status) -> bool:
    """Whether a run waits for SLURM, and for nobody here."""
    return status.is_waiting and status.queued_for == [SLURM]


def submit(runs: "Sequence[Run]", recipes: Sequence[Recipe], *, at_once: int = 0) -> list[str]:
    """Submits runs with one and the same [launch] as one job each, several as an array of which `at_once` run at a
    time (0: as many as there is room for); their job ids. Raises UserError if SLURM refuses them."""
    if find_spec("submitit") is None:
        raise UserError('launch.engine = "slurm" needs submitit: pip install "vitbench[slurm]".')
    if shutil.which("sbatch") is None:
        raise UserError('launch.engine = "slurm", but this machine has no sbatch: use vitbench on a login node.')
    import submitit

    folder = runs[0].folder / FOLDER
    executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=_REQUEUES)
    name = clean(runs[0].status().name or runs[0].id)
    executor.update_parameters(job_name=f"vitbench {name}"[:80], **_parameters(recipes[0]))
    if at_once:
        executor.update_parameters(array_parallelism=at_once)
    try:
        with executor.batch():
            jobs = [executor.submit(TrainRun(str(run.folder))) for run in runs]
    except (subprocess.CalledProcessError, submitit.core.utils.FailedJobError) as error:
        raise UserError(f"SLURM refuses the job: {_words(error)}") from error
    except OSError as error:
        raise UserError(f"The job cannot be submitted: {error.strerror or error}.") from error
    return [str(job.job_id) for job in jobs]


def check(recipe: Recipe) -> None:
    """Raises UserError where no node of the partition can ever run the recipe: GPUs a node, nodes, or time.

    What SLURM does not say is left to SLURM.
    """
    launch = recipe.launch
    gpus = 0 if recipe.train.device == "cpu" else launch.gpus
    asked = ["sinfo", "--noheader", "--format=%R|%D|%l|%G|%c"]
    answer = _ask([*asked, f"--partition={launch.partition}"] if launch.partition else asked)
    if answer is None:
        return
    rows = [row.split("|") for row in answer.splitlines() if row.count("|") == 4]
    if not rows:
        known = sorted({row.split("|")[0] for row in (_ask(asked) or "").splitlines()})
        some = f"; it has {', '.join(map(clean, known))}" if known else ""
        raise UserError(f"The cluster has no partition {clean(launch.partition)}{some}.")
    where = f"partition {clean(launch.partition)}" if launch.partition else "the cluster"
    most = max(gpus_of(row[3]) for row in rows)
    if gpus > most:
        offer = f"at most {most}" if most else "none"
        raise UserError(f"The recipe asks for {gpus} GPUs per node, and {where} offers {offer}; change launch.gpus.")
    fitting = sum(_count(row[1]) for row in rows if gpus_of(row[3]) >= gpus)
    if launch.nodes > fitting:
        raise UserError(f"The recipe asks for {launch.nodes} nodes, and {where} has {fitting}; change launch.nodes.")
    limits = [minutes for row in rows if (minutes := minutes_of(row[2])) is not None]
    if len(limits) == len(rows) and (minutes_of(launch.time) or 0) > max(limits):
        raise UserError(
            f"launch.time = {launch.time} is more than the {max(limits)} minutes that {where} allows: ask for less; "
            "the run is requeued before its time is over, and goes on."
        )


def cancel(job: str, *, at_once: bool = False) -> None:
    """Takes a job out of SLURM; `at_once` kills its processes before they could save.

    Nothing happens where SLURM cannot be asked or no longer has it.
    """
    if at_once:
        _ask(["scancel", "--signal=KILL", job])
    _ask(["scancel", job])
    _last_look.clear()


def jobs_of(ids: Iterable[str]) -> dict[str, Job] | None:
    """What SLURM says of these jobs, without those that it no longer has; None where it cannot be asked."""
    wanted = frozenset(filter(None, ids))
    known = _last_look.get(wanted)
    now = time.monotonic()
    if known is not None and now - known[0] < _BETWEEN_LOOKS:
        return known[1]
    found: dict[str, Job] | None = None
    answer = _ask(["squeue", "--noheader", "--array", "--me", "--format=%i|%T|%r"]) if wanted else ""
    if answer is not None:
        rows = [row.split("|", 2) for row in answer.splitlines() if row.count("|") >= 2]
        found = {row[0]: Job(row[1], clean(row[2])) for row in rows if row[0] in wanted}
    _last_look.clear()
    _last_look[wanted] = now, found
    return found


def has_nodes(job: str) -> bool | None:
    """Whether SLURM says that a job has nodes, so that its worker lives; None where it cannot be asked.

    Whoever runs in the job itself is its newest start: the one before is gone.
    """
    if job == own_job():
        return False
    found = jobs_of([job])
    return None if found is None else job in found and found[job].is_active


def reason(job: str, known: Job) -> str:
    """Why a job waits, as a sentence."""
    if known.is_active:
        return f"SLURM is starting job {job}."
    said = {"None": "SLURM has not looked at it yet", "Priority": "others come first (Priority)"}.get(known.reason)
    return f"SLURM job {job} waits: {said or known.reason}."


def gpus_of(gres: str) -> int:
    """GPUs of a node, from `gpu:a100:4(S:0-1),shard:8`."""
    counts = []
    for part in gres.split(","):
        words = part.partition("(")[0].split(":")
        if words[0] == "gpu":
            counts.append(int(words[-1]) if words[-1].isdigit() else 1)
    return sum(counts)


def minutes_of(text: str) -> int | None:
    """Minutes of a time as SLURM writes it, days-hours:minutes:seconds, rounded up; None for no limit."""
    days, _, rest = text.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in parts) or not (days or "0").isdigit():
        return None
    numbers = [int(part) for part in parts]
    numbers = [*numbers, 0, 0][:3] if days else [0] * (3 - len(numbers)) + numbers
    seconds = int(days or 0) * 86400 + numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
    return -(-seconds // 60)


def _parameters(recipe: Recipe) -> dict[str, object]:
    launch, gpus = recipe.launch, recipe.train.device != "cpu"
    minutes = minutes_of(launch.time) or 1
    parameters: dict[str, Any] = {
        "time": minutes,
        "nodes": launch.nodes,
        "ntasks_per_node": 1,
        "cpus_per_task": launch.on_node * (recipe.data.workers + (recipe.train.threads or 1)),
        "signal_delay_s": min(MARGIN, minutes * 60 // 3),
        "stderr_to_stdout": True,
        "additional_parameters": {"requeue": True},
    }
    if gpus:
        parameters["gpus_per_node"] = launch.gpus
    if launch.partition:
        parameters["partition"] = launch.partition
    if launch.account:
        parameters["account"] = launch.account
    return parameters


def _count(text: str) -> int:
    return int(text) if text.isdigit() else 1


def _ask(command: list[str]) -> str | None:
    """What a command of SLURM prints; None if there is none, or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def _words(error: Exception) -> str:
    told = getattr(error, "stderr", None) or getattr(error, "output", None) or str(error)
    text = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
    lines = [line for line in text.splitlines() if line.strip()] or [type(error).__name__]
    return clean(next((line for line in lines if "error" in line), lines[-1]))[:300]


def marker(run: "Run") -> Path:
    """The file that asks whoever looks from a login node to submit the run again, if its job is gone by then."""
    return run.folder / FOLDER / "submit-again"


def own_job() -> str:
    """The id of the job in which this process runs; empty outside of SLURM."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
