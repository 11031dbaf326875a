"""One run as a row: what is known of it without opening its curves."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from vitbench.comparing.scores import Score
from vitbench.listing.judged import is_accuracy, judged, score_name
from vitbench.listing.recipe_keys import NO_KEYS, RecipeKeys
from vitbench.runs.queue import reason_to_wait
from vitbench.runs.slurm import waits_in_slurm
from vitbench.runs.status import Status
from vitbench.runs.store import Run

LIVE_STATES = ("queued", "running", "paused")
BROKEN_STATES = ("failed", "diverged", "crashed")
LIVE_LOG, LOG = "live", "log"
"""States of another tool's log: written to a moment ago, or not."""
GROWING_STATES = (*LIVE_STATES, LIVE_LOG)
"""States in which there may be new points."""

_SHARES = ("accuracy", "acc", "accuracy_top5", "average_precision", "exact_match")
NO_SCORES: Mapping[str, Score] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as the table shows it. Times are seconds since the epoch; None is not known (yet)."""

    id: str
    name: str = ""
    state: str = "queued"
    task: str = ""
    model: str = ""
    data: str = ""
    preset: str = ""
    step: int = 0
    total_steps: int = 0
    epoch: float = 0.0
    epochs: float = 0.0
    loss: float | None = None
    score: float | None = None
    score_metric: str = ""
    """The scalar that `score` is the last value of: the accuracy, or what the task has in the place of one."""
    rate: float | None = None
    rate_of: str = "pictures"
    eta_seconds: float | None = None
    device: str = ""
    gpus: str = ""
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    queued_at: float | None = None
    held: bool = False
    in_slurm: bool = False
    """Whether it waits in SLURM, and in no queue here."""
    waits_for: str = ""
    place: int = 0
    """Its place among the runs that wait for a GPU here, from 1; 0 for a run that does not wait here."""
    unattended: str = ""
    """Why nobody serves the queue in which it waits, if nobody does."""
    error: str = ""
    doing: str = ""
    """Long work that holds up its steps, and how far it is."""
    best_metric: str = ""
    """The scalar by which its best checkpoint is judged; of a log the one that looks most like it."""
    best_value: float | None = None
    best_step: int = 0
    tags: tuple[str, ...] = ()
    archived: bool = False
    sparkline: tuple[float, ...] = ()
    keys: RecipeKeys = NO_KEYS
    """Its recipe, where somebody has asked for a key of it."""
    scores: Mapping[str, Score] = field(default_factory=lambda: NO_SCORES)
    """Best and last value of the scalars that somebody has asked for."""
    log_folder: str = ""
    """Of another tool's log: its folder. Such a row is only read."""
    members: "tuple[RunRow, ...]" = ()
    """Of a group: the runs that differ by their seed alone."""

    @property
    def title(self) -> str:
        """The name that a person gave, else the id."""
        return self.name or self.id

    @property
    def is_own(self) -> bool:
        """Whether it is one run of the store, which can be paused, evaluated, looked into."""
        return not self.log_folder and not self.members

    @property
    def state_word(self) -> str:
        """The state in a word or two; of a run that waits also its place in the queue, that it is held, or in SLURM."""
        if self.in_slurm:
            return "in SLURM"
        return "held" if self.held else f"queue {self.place}" if self.place else self.state

    @property
    def waiting(self) -> str:
        """What a queued run waits for, as a sentence; empty for every other run."""
        if self.state != "queued":
            return ""
        if self.held or self.in_slurm:
            return self.waits_for
        if not self.place:
            return "not started yet"
        if self.unattended:
            return self.unattended
        place = "the first" if self.place == 1 else f"number {self.place}"
        return f"waits, {place} in the queue" + (f": {self.waits_for}" if self.waits_for else "")

    @property
    def progress(self) -> float:
        """The share that is done, 0 to 1."""
        return min(1.0, self.step / self.total_steps) if self.total_steps else 0.0

    @property
    def accuracy(self) -> float | None:
        """The score where it is an accuracy."""
        return self.score if is_accuracy(self.score_metric) else None

    @property
    def score_words(self) -> str:
        """The score alone; its name is that of `score_name(score_metric)`."""
        return "" if self.score is None else value_words(self.score_metric, self.score)

    @property
    def spoken_score(self) -> str:
        """The score with its name in words, `mean average precision 81.2%`."""
        return "" if self.score is None else f"{score_name(self.score_metric).words} {self.score_words}"

    @property
    def named_score(self) -> str:
        """The score with its short name, `mAP 81.2%`."""
        return "" if self.score is None else f"{score_name(self.score_metric).short} {self.score_words}"

    @property
    def best(self) -> str:
        """The best value in words, with its step; empty where there is none."""
        if self.best_value is None:
            return ""
        return f"{self.best_metric.removeprefix('validation/')} {self.best_words} at step {self.best_step:,}"

    @property
    def best_words(self) -> str:
        """The best value alone."""
        return "" if self.best_value is None else value_words(self.best_metric, self.best_value)

    def age(self, now: float | None = None) -> float:
        """Seconds since the run was made."""
        return max(0.0, (time.time() if now is None else now) - self.created_at)


def is_share(name: str) -> bool:
    """Whether a scalar is a share, which is read in per cent."""
    return name.rpartition("/")[2].lower().endswith(_SHARES)


def value_words(name: str, value: float) -> str:
    """A value of a scalar as people read it: a share in per cent, anything else with four digits that count."""
    if is_share(name) and -0.001 <= value <= 1.001:
        return f"{value * 100:.1f}%"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 10 else f"{value:.4g}"


def row_of(run: Run, status: Status, gpu_names: Callable[[Sequence[str]], str] = ",".join) -> RunRow:
    """What the table shows of a run, from its status. `gpu_names` writes the UUIDs of its GPUs."""
    latest, best = status.latest, status.best
    score_metric, score = judged(latest, best.metric if best is not None else "")
    return RunRow(
        id=run.id,
        name=status.name,
        state=status.state,
        task=status.task,
        model=status.model,
        data=status.data,
        preset=status.preset,
        step=status.step,
        total_steps=status.total_steps,
        epoch=status.epoch,
        epochs=status.epochs,
        loss=latest.get("train/loss"),
        score=score,
        score_metric=score_metric,
        rate=status.pictures_per_second,
        rate_of=status.rate_of,
        eta_seconds=status.eta_seconds,
        device=status.device or "",
        gpus=gpu_names(status.gpus),
        created_at=status.created_at,
        started_at=status.started_at,
        ended_at=status.ended_at,
        queued_at=status.queued_at if status.is_waiting else None,
        held=status.held and status.is_waiting,
        in_slurm=waits_in_slurm(status),
        waits_for=reason_to_wait(run.id, status),
        error=status.error or "",
        doing=status.doing.sentence(status.heartbeat) if status.doing and status.state == "running" else "",
        best_metric=best.metric if best is not None else "",
        best_value=best.value if best is not None else None,
        best_step=best.step if best is not None else 0,
    )
