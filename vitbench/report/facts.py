"""What a report knows, before it is said: one dataclass a section. Plain values, so that sentences can be tested."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vitbench.recipe import Recipe
from vitbench.report.document import FigureBlock, Missing
from vitbench.runs.evaluations import Scored, ScoredLabels
from vitbench.statistics import Estimate


@dataclass(frozen=True)
class Course:
    """A scalar over a training: its first, last and best value, with their steps."""

    tag: str
    first: float
    last: float
    best: float
    best_step: int
    last_step: int
    points: int = 2
    turn: tuple[int, float, float] | None = None
    """Where the whole network began to learn, after its head alone: the step before, the value there, the next one."""


@dataclass(frozen=True)
class ResultFacts:
    """How good the run is. `scores` are all evaluations of the checkpoint, the one to report first."""

    run_id: str
    step: int
    task: str
    scores: tuple[Scored, ...]
    courses: tuple[Course, ...] = ()
    mistakes_shown: int = 0
    figures: tuple[FigureBlock, ...] = ()
    missing: tuple[Missing, ...] = ()
    captioned: Mapping[str, float] = field(default_factory=dict)
    """Of a captioner: its scores at that checkpoint, by name, on `captioned_split`: `test`, else `validation`."""
    captioned_split: str = ""
    probed: tuple[tuple[float, float], ...] = ()
    """Of a linear probe: (learning rate, score on the validation split) of each head at that checkpoint."""
    probe_rate: float | None = None
    """The learning rate of the head that was chosen."""
    probe_metric: str = "accuracy"
    labels: tuple[ScoredLabels, ...] = ()
    """The evaluations of a run whose pictures have several labels, in place of `scores`."""


@dataclass(frozen=True)
class SettingFacts:
    """What was trained: the frozen recipe, and what status, log, split and checkpoint say of how it went."""

    recipe: Recipe
    state: str
    step: int
    total_steps: int
    parameters: int | None = None
    """Of the whole network, its head too."""
    image_size: tuple[int, int] | None = None
    """(height, width) in pixels."""
    architecture: str = ""
    """What is built, with its options; empty where the recipe's name says it."""
    pictures: Mapping[str, int] = field(default_factory=dict)
    """How many each split has, as they were written down when the run began."""
    classes: int | None = None
    chosen: str = ""
    """Which checkpoint is reported, in words; empty where none is."""
    warnings: tuple[str, ...] = ()
    """Of the run's log."""


@dataclass(frozen=True)
class TriedRow:
    """Runs that differ by their seed alone: what they have that others have not, and their accuracies."""

    names: tuple[str, ...]
    differs: Mapping[str, object]
    accuracies: tuple[float, ...]
    pictures: int
    split: str


@dataclass(frozen=True)
class SweptRow:
    """A trial of a sweep by its number, from 1, with the score of each seed; `own` marks that of the report's run."""

    number: int
    values: Mapping[str, Any]
    scores: tuple[float, ...]
    own: bool = False
    stopped: bool = False
    complete: bool = True


@dataclass(frozen=True)
class KeyFacts:
    """What a key contributed: its share of the variance (0 to 1), and its best value with the mean score there."""

    key: str
    share: float
    best: str
    score: Estimate
    trials: int


@dataclass(frozen=True)
class SweepFacts:
    """A sweep: its trials, the best first, judged by `metric`, whose `goal` is `max` or `min`."""

    name: str
    method: str
    metric: str
    goal: str
    rows: tuple[SweptRow, ...]
    planned: int
    ended: int
    repeats: int
    state: str
    keys: tuple[KeyFacts, ...] = ()


@dataclass(frozen=True)
class TriedFacts:
    """What else was tried: rows by mean accuracy, best first, and the test of the best against the next; sweeps.

    `measure` is what the accuracies are: of several labels a picture, the mean average precision.
    """

    rows: tuple[TriedRow, ...]
    test: str = ""
    not_tested: str = ""
    sweeps: tuple[SweepFacts, ...] = ()
    missing: tuple[Missing, ...] = ()
    measure: str = "accuracy"


@dataclass(frozen=True)
class PositionScore:
    """A measure of positions with the share of shuffles that reach it; `before` is its value before the training."""

    name: str
    value: float
    p_value: float
    before: float | None = None
    before_p_value: float | None = None


@dataclass(frozen=True)
class PositionFacts:
    """What the position embedding knows about place. `change` is the mean absolute difference of similarities."""

    kind: str
    grid: tuple[int, int]
    scores: tuple[PositionScore, ...]
    shuffles: int
    change: float | None = None
    figures: tuple[FigureBlock, ...] = ()
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True)
class Relation:
    """A rank correlation, over pictures, of how an object looks with how well its map finds it (IoU)."""

    look: str
    correlation: Estimate


@dataclass(frozen=True)
class AttentionFacts:
    """Where the network looks. `hits` and `random_hits`: shares of maps whose highest point lies on the object."""

    model: str
    method: str
    pictures: tuple[Mapping[str, Any], ...] = ()
    measured: int = 0
    hits: Estimate | None = None
    random_hits: Estimate | None = None
    area: Estimate | None = None
    relations: tuple[Relation, ...] = ()
    taught: bool = False
    """Whether the network is the package's, whose attention was taught to find the object."""
    remarks: int = 0
    """What was said of pictures and masks that could not be used, or not as they are; `remark` is the first."""
    remark: str = ""
    pointing_ties: bool = False
    """Whether a highest point is a plateau that lies on the object in part, and counts by that share."""
    chosen_right: bool = False
    """Whether the pictures were chosen among those that the run names rightly."""
    figures: tuple[FigureBlock, ...] = ()
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True)
class RoleFacts:
    """The words of one role: see `captions.grounding.WordRecord`; None where the role has no such number."""

    role: str
    words: int
    auc: Estimate | None = None
    pointing: Estimate | None = None
    chance: Estimate | None = None
    entropy: Estimate | None = None
    drop: Estimate | None = None


@dataclass(frozen=True)
class CaptionFacts:
    """The picture behind each word."""

    captioner: str
    how: str = ""
    pictures: int = 0
    roles: tuple[RoleFacts, ...] = ()
    captions: tuple[tuple[str, str], ...] = ()
    """(picture, its caption)."""
    figures: tuple[FigureBlock, ...] = ()
    missing: tuple[Missing, ...] = ()
    heads_said: str = ""
    """Which layer and head show each kind of word, and why."""
    contrasted: tuple[RoleFacts, ...] = ()
    """The roles by the mean over layers and heads, where other heads show each: with these they are compared."""


@dataclass(frozen=True)
class MadeFacts:
    """How it was made. `seconds` from start to end; `energy` in watt-hours, None where NVML did not tell."""

    run_id: str
    starts: tuple[Mapping[str, Any], ...] = ()
    seconds: float | None = None
    energy: float | None = None
    gpu_seconds: float = 0.0
    commands: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[Missing, ...] = ()
