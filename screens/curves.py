"""From a run's scalars to the curves of charts: which tags belong together, and what the horizontal axis counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from screens.snapshot import Floats, Measured, RunDetail
from screens.widgets.chart import Curve, SpreadBand
from screens.widgets.chart_raster import Band, smooth
from vitbench.comparing.bands import mean_band
from vitbench.listing.judged import common_name, is_accuracy
from vitbench.watching.tags import loss_and_score

AXES = ("step", "epoch", "time")


@dataclass(frozen=True)
class ChartPanel:
    """One chart of a run: its title and the tags that it draws, with their names in the legend."""

    name: str
    title: str
    tags: tuple[tuple[str, str], ...]
    log: bool = False
    is_setting: bool = False
    """Whether it draws what was set and not what was measured."""


LOSS = ChartPanel("loss", "Loss", (("train/loss", "train"), ("validation/loss", "validation")))
ACCURACY = ChartPanel(
    "accuracy",
    "Accuracy",
    (
        ("train/accuracy", "train"),
        ("train/token_accuracy", "train tokens"),
        ("validation/accuracy_top5", "top 5"),
        ("validation/accuracy", "validation"),
        ("validation/exact_match", "exact match"),
        ("validation/bleu4", "BLEU-4"),
        ("test/accuracy", "test"),
        ("validation/mean_average_precision", "mean AP"),
    ),
)
GROUNDING = ChartPanel(
    "grounding",
    "Grounding AUC",
    (
        ("validation/grounding_auc/NOUN", "nouns"),
        ("validation/grounding_auc/COLOUR", "colours"),
        ("validation/grounding_auc/NUMBER", "numbers"),
        ("validation/grounding_auc/SIZE", "sizes"),
    ),
)
LEARNING_RATE = ChartPanel("learning-rate", "Learning rate", (("train/learning_rate", "rate"),), is_setting=True)
THROUGHPUT = ChartPanel("throughput", "Examples a second", (("train/pictures_per_second", "rate"),))
GRADIENT = ChartPanel("gradient", "Gradient norm", (("train/gradient_norm", "norm"),))
LOAD = ChartPanel(
    "load",
    "Load",
    (
        ("system/gpu_utilization", "GPU %"),
        ("system/cpu_percent", "CPU %"),
    ),
)
WAITING = ChartPanel("waiting", "Data wait", (("train/data_wait_share", "share"),))
MEMORY = ChartPanel("memory", "Memory, GiB", (("system/gpu_memory_gib", "GPU"), ("system/memory_gib", "host")))
CURVE_PANELS = (LOSS, ACCURACY, GROUNDING)
"""Grounding is shown for runs that measure it."""
MORE_PANELS = (LEARNING_RATE, THROUGHPUT)
"""Shown beside the curves where a terminal has the room."""
SYSTEM_PANELS = (LEARNING_RATE, THROUGHPUT, GRADIENT, WAITING, LOAD, MEMORY)


def panel_curves(panel: ChartPanel, detail: RunDetail, axis: str = "step") -> list[Curve]:
    """The curves of a panel that the run has measured. A tag keeps its colour whether the others are there or not."""
    return [
        Curve(tag, name, along(detail.scalars[tag], axis, detail), detail.scalars[tag].values, number)
        for number, (tag, name) in enumerate(panel.tags)
        if tag in detail.scalars
    ]


def panel_title(panel: ChartPanel, curves: Sequence[Curve]) -> str:
    """The title of what is drawn: curves of which none is an accuracy are called what they are."""
    tags = [curve.key.rpartition("+")[2].partition("/")[2] if "+" in curve.key else curve.key for curve in curves]
    if panel is not ACCURACY or not tags or any("accuracy" in tag or is_accuracy(tag) for tag in tags):
        return panel.title
    words = common_name(tags).words
    return words[:1].upper() + words[1:]


def mini_curves(panel: ChartPanel, details: Sequence[RunDetail]) -> tuple[list[Curve], list[SpreadBand]]:
    """As `panel_curves`, with bands for a group of seeds; of another tool's log the one scalar that looks most like
    what the panel draws."""
    if not details:
        return [], []
    if len(details) == 1 and not details[0].row.log_folder:
        return panel_curves(panel, details[0]), []
    tags: Sequence[tuple[str, str]] = panel.tags
    if details[0].row.log_folder:
        tag = loss_and_score({tag for detail in details for tag in detail.scalars})[panel is ACCURACY]
        tags = ((tag, tag),)
    curves, spreads = [], []
    for number, (tag, name) in enumerate(tags):
        drawn = group_curve(tag, name, details, "step", number)
        if drawn is not None:
            curves.append(drawn[0])
            spreads.append(drawn[1])
    return curves, spreads if len(details) > 1 else []


def group_curve(
    tag: str, name: str, details: Sequence[RunDetail], axis: str, colour: int, smoothing: float = 0.0
) -> tuple[Curve, SpreadBand] | None:
    """The mean of one scalar of several runs and the band from the least to the greatest; None if none has it.

    The band is that of the curves smoothed with the weight `smoothing`, as the chart smooths the mean.
    """
    measured = [(along(one, axis, detail), one.values) for detail in details if (one := detail.scalars.get(tag))]
    if not measured:
        return None
    mean = mean_band(measured)
    band = mean_band([(x, smooth(y, smoothing)) for x, y in measured]) if smoothing else mean
    key = f"{details[0].row.id}+{len(details)}/{tag}"
    return Curve(key, name, mean.x, mean.mean, colour), SpreadBand(
        Band(band.x, band.low, band.high), colour, key, Band(mean.x, mean.low, mean.high)
    )


def measures(panel: ChartPanel, detail: RunDetail) -> bool:
    """Whether the run has measured anything of a panel."""
    return any(tag in detail.scalars for tag, _ in panel.tags)


def along(measured: Measured, axis: str, detail: RunDetail) -> Floats:
    """The horizontal coordinate of each point: its step, its epoch, or seconds since the run's first point."""
    if axis == "time":
        return np.asarray(measured.wall_times - first_time(detail))
    steps = measured.steps.astype(np.float64)
    if axis == "epoch" and detail.row.total_steps and detail.row.epochs:
        steps *= detail.row.epochs / detail.row.total_steps
    return steps


def furthest(detail: RunDetail, axis: str) -> float:
    """How far any scalar of the run reaches along the axis."""
    ends = [float(along(m, axis, detail)[-1]) for m in detail.scalars.values() if m.steps.size]
    return max(ends, default=0.0)


def first_time(detail: RunDetail) -> float:
    """When the run wrote its first scalar."""
    return min((float(m.wall_times[0]) for m in detail.scalars.values() if m.wall_times.size), default=0.0)


def step_at(x: float, axis: str, detail: RunDetail) -> float:
    """The step at a place of the horizontal axis."""
    if axis == "epoch" and detail.row.total_steps and detail.row.epochs:
        return x * detail.row.total_steps / detail.row.epochs
    if axis == "time":
        measured = detail.scalars.get("train/loss")
        if measured is None or not measured.steps.size:
            return 0.0
        times = measured.wall_times - first_time(detail)
        order = np.argsort(times, kind="stable")
        return float(np.interp(x, times[order], measured.steps[order]))
    return x


FIRST_SCALARS = (
    *("train/loss", "validation/loss", "validation/accuracy", "validation/mean_average_precision"),
    *("validation/exact_match", "validation/cider", "train/token_accuracy", "validation/bleu4"),
)
"""What is offered first to be compared: losses, then what tasks are judged by."""
_SETTINGS = ("learning_rate", "lr", "weight_decay", "momentum", "epoch", "batch_size")


def is_setting(tag: str) -> bool:
    """Whether a scalar is what was set, such as a learning rate: smoothing would show what never was."""
    name = tag.rpartition("/")[2].lower()
    return any(name == setting or name.startswith((f"{setting}_", f"{setting}-")) for setting in _SETTINGS)


def comparable_tags(details: Sequence[RunDetail]) -> list[str]:
    """Every scalar that one of these runs has; losses and accuracies first."""
    tags = {tag for detail in details for tag in detail.scalars}
    return [tag for tag in FIRST_SCALARS if tag in tags] + sorted(tags - set(FIRST_SCALARS))
