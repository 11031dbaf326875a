"""Facts from a run's folder: result, how it was made. No network is opened."""

import math
import re
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from vitbench.comparing.scores import read_scalars
from vitbench.errors import UserError
from vitbench.figures.confusion import confusion_request
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import RECORD
from vitbench.report.document import FigureBlock, Missing
from vitbench.report.facts import Course, MadeFacts, ResultFacts
from vitbench.requests.base import Request
from vitbench.requests.plots import CurvesRequest
from vitbench.requests.report import ReportRequest
from vitbench.runs.evaluations import Scored, evaluations, label_evaluations
from vitbench.runs.events import Series
from vitbench.runs.store import Run

Draw = Callable[[str, Request, str], FigureBlock]
"""`draw(name, request, caption)` composes and draws a figure; `caption` empty is the sheet's own."""

_COURSES = (
    "train/loss",
    "validation/loss",
    "validation/accuracy",
    "validation/mean_average_precision",
    "validation/exact_match",
    "validation/cider",
)
_PROBED = re.compile(r"validation/probe_(?P<metric>\w+)/lr (?P<rate>[0-9.e+-]+)")
_COLOURS = {"train": "#1f77b4", "validation": "#d95f02"}
_LONGEST_GAP = 60.0
"""Seconds between two readings of power; a longer one was a pause."""


def gather_result(run: Run, step: int | None, draw: Draw) -> ResultFacts:
    """The evaluations of a checkpoint, the course of the training, and their figures."""
    recipe = run.recipe()
    series = read_scalars(run)
    turn = _head_steps(run)
    courses = tuple(course for tag in _COURSES if (course := _course(tag, series.get(tag), turn)) is not None)
    best = run.status().best
    figures = list(_curves(series, draw, best.metric if best is not None else ""))
    missing = [] if series else [Missing("The run has logged no scalars, so there are no curves.")]
    if step is None:
        missing.insert(0, Missing("The run has no checkpoint yet.", f"vitbench resume {run.id}"))
        return ResultFacts(run.id, 0, recipe.task, (), courses, 0, tuple(figures), tuple(missing))
    if recipe.task == "multilabel":
        labels, problems = label_evaluations(run, step)
        missing += [Missing(problem) for problem in problems]
        if not labels:
            words = f"The checkpoint of step {step:,} has no evaluation, so there is no result."
            missing.insert(0, Missing(words, f"vitbench evaluate {run.id}@{step}"))
        return ResultFacts(
            run.id, step, recipe.task, (), courses, 0, tuple(figures), tuple(missing), labels=tuple(labels)
        )
    if recipe.task != "classify":
        split, captioned = _captioned(series, step)
        if not captioned:
            words = f"The run has logged no scores of its captions at step {step:,}."
            missing.insert(0, Missing(words))
        return ResultFacts(
            run.id,
            step,
            recipe.task,
            (),
            courses,
            0,
            tuple(figures),
            tuple(missing),
            captioned=captioned,
            captioned_split=split,
        )
    scores, problems = evaluations(run, step)
    missing += [Missing(problem) for problem in problems]
    if not scores:
        words = f"The checkpoint of step {step:,} has no evaluation, so there is no result."
        missing.insert(0, Missing(words, f"vitbench evaluate {run.id}@{step}"))
    else:
        confusion = confusion_request(scores[0].document, recipe.name or run.id, scores[0].file)
        words = f"Confusions on {scores[0].pictures:,} pictures: a row a true class, a column what it was taken for."
        figures.append(draw("confusion", confusion, words))
    metric, probed, rate = _probed(series, step)
    return ResultFacts(
        run.id,
        step,
        recipe.task,
        tuple(scores),
        courses,
        0,
        tuple(figures),
        tuple(missing),
        probed=probed,
        probe_rate=rate,
        probe_metric=metric,
    )


def gather_made(run: Run, request: ReportRequest, out: str) -> MadeFacts:
    """Versions, machine, time, energy where NVML told it, and the commands."""
    missing = []
    try:
        document = read_json_object(run.folder / "environment.json", RECORD)
        starts = tuple(start for start in document.get("starts", []) if isinstance(start, dict))
    except UserError as error:
        starts = ()
        missing.append(Missing(f"Machine and versions are not known: {error}"))
    status = run.status()
    began = float(starts[0].get("time") or 0) if starts else status.started_at
    ended = status.ended_at or status.heartbeat
    seconds = ended - began if began and ended and ended >= began else None
    energy, measured = energy_of(read_scalars(run).get("system/gpu_power_watts"))
    if energy is None:
        missing.append(Missing("The energy is not known: NVML told no power of a GPU while the run trained."))
    packages = {str(name): str(version) for name, version in starts[-1].get("packages", {}).items()} if starts else {}
    commands = (
        "vitbench train recipe.toml  # the recipe as it was frozen, beside this report",
        f"vitbench evaluate {run.id}",
        f"vitbench report {run.id}{_options(request)} --out {out}",
        "vitbench figure again figures/NAME.png  # any figure",
    )
    return MadeFacts(run.id, starts, seconds, energy, measured, commands, packages, tuple(missing))


def energy_of(power: Series | None) -> tuple[float | None, float]:
    """(watt-hours, seconds) from the power in watts: the trapezoid between readings at most a minute apart."""
    if power is None or len(power) < 2:
        return None, 0.0
    gaps, values = np.diff(power.wall_times), power.values
    middle = (values[1:] + values[:-1]) / 2
    known = (gaps > 0) & (gaps <= _LONGEST_GAP) & np.isfinite(middle)
    if not known.any():
        return None, 0.0
    return float((gaps * middle)[known].sum() / 3600), float(gaps[known].sum())


def shown_mistakes(scored: Scored, most: int = 4) -> list[tuple[str, str, str]]:
    """(file, right, wrong) of the mistakes with the highest loss whose pictures are there."""
    found = []
    for one in scored.document.get("worst", []):
        file = Path(str(one["file"]))
        if file.is_file():
            found.append((str(file), str(one["label"]), str(one["predicted"])))
        if len(found) == most:
            break
    return found


def _options(request: ReportRequest) -> str:
    words = []
    for name, value in request.given().items():
        if name == "run":
            continue
        values = value if isinstance(value, list) else [value]
        words.append(f"--{name.replace('_', '-')} {' '.join(shlex.quote(str(one)) for one in values)}")
    return "".join(f" {word}" for word in words)


def _captioned(series: Mapping[str, Series], step: int) -> tuple[str, dict[str, float]]:
    """(split, scores by name) of a captioner at a step: of the test split, else of the validation split."""
    for split in ("test", "validation"):
        known = {tag: _at(values, step) for tag, values in series.items() if tag.startswith(f"{split}/")}
        found = {tag.partition("/")[2]: value for tag, value in known.items() if value is not None}
        if found:
            return split, found
    return "", {}


def _probed(series: Mapping[str, Series], step: int) -> tuple[str, tuple[tuple[float, float], ...], float | None]:
    """(metric, (learning rate, score) of each head, the rate that was chosen) of a linear probe at a step."""
    metric, found = "accuracy", []
    for tag, values in series.items():
        if (match := _PROBED.fullmatch(tag)) and (value := _at(values, step)) is not None:
            with suppress(ValueError):
                found.append((float(match["rate"]), value))
                metric = match["metric"]
    rates = series.get("validation/probe_lr")
    chosen = None if rates is None else _at(rates, step)  # event files hold single precision
    own = next((rate for rate, _ in found if chosen is not None and math.isclose(rate, chosen, rel_tol=1e-5)), None)
    return metric, tuple(sorted(found)), own


def _at(series: Series, step: int) -> float | None:
    """The value that was logged at a step, None where there is none that is finite."""
    places = np.flatnonzero((series.steps == step) & np.isfinite(series.values))
    return float(series.values[places[-1]]) if len(places) else None


def _head_steps(run: Run) -> int:
    """The steps of a training that teach the head alone before the rest; 0 where there are none such."""
    train, total = run.recipe().train, run.status().total_steps
    return train.head_epochs * total // train.epochs if train.head_epochs < train.epochs else 0


def _course(tag: str, series: Series | None, turn: int) -> Course | None:
    """A scalar over the training, whose first `turn` steps teach the head alone."""
    if series is None:
        return None
    finite = np.flatnonzero(np.isfinite(series.values))
    if not len(finite):
        return None
    values, steps = series.values[finite], series.steps[finite]
    best = int(values.argmin() if tag.endswith("loss") else values.argmax())
    course = Course(
        tag, float(values[0]), float(values[-1]), float(values[best]), int(steps[best]), int(steps[-1]), len(values)
    )
    after = int(np.searchsorted(steps, turn, side="right"))
    if not tag.startswith("train/") or not 0 < after < len(steps):
        return course
    return replace(course, turn=(int(steps[after - 1]), float(values[after - 1]), float(values[after])))


def _curves(series: dict[str, Series], draw: Draw, monitored: str) -> list[FigureBlock]:
    figures = []
    for measure in dict.fromkeys(("loss", "accuracy", monitored.rpartition("/")[2])):
        lines, splits = [], []
        for split, colour in _COLOURS.items():
            found = series.get(f"{split}/{measure}")
            if found is not None and len(found) > 1 and np.isfinite(found.values).any():
                values = [float(value) if math.isfinite(value) else None for value in found.values]
                name = {"train": "training"}.get(split, split)
                line = {"name": name, "colour": colour, "dash": int(split == "validation")}
                splits.append(name)
                lines.append(line | {"x": found.steps.tolist(), "y": values})
        if lines:
            title = measure.replace("_", " ")
            request = CurvesRequest.read({"title": title, "y_name": title, "curves": lines})
            words = " and ".join(splits)
            figures.append(draw(f"curves-{measure}", request, f"{title.capitalize()} over the steps: {words}."))
    return figures
