"""Facts from a run's folder: result, setting, what else was tried, how it was made. No network is opened."""

import math
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from vitbench.comparing.recipes import differing, groups_by_seed
from vitbench.comparing.report import compare
from vitbench.comparing.scores import read_scalars
from vitbench.errors import UserError
from vitbench.figures.confusion import confusion_request
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import DESCRIPTION, RECORD
from vitbench.report.document import Figure, Missing
from vitbench.report.facts import Course, MadeFacts, ResultFacts, SettingFacts, TriedFacts, TriedRow
from vitbench.requests.base import Request
from vitbench.requests.plots import CurvesRequest
from vitbench.requests.report import ReportRequest
from vitbench.runs.evaluations import Scored, evaluations
from vitbench.runs.events import Series
from vitbench.runs.store import Run, Store

Draw = Callable[[str, Request, str], Figure]
"""`draw(name, request, caption)` composes and draws a figure; `caption` empty is the sheet's own."""

_COURSES = ("train/loss", "validation/loss", "validation/accuracy")
_COLOURS = {"train": "#1f77b4", "validation": "#d95f02"}
_LONGEST_GAP = 60.0
"""Seconds between two readings of power; a longer one was a pause."""


def gather_result(run: Run, step: int | None, draw: Draw) -> ResultFacts:
    """The evaluations of a checkpoint, the course of the training, and their figures."""
    recipe = run.recipe()
    series = read_scalars(run)
    courses = tuple(course for tag in _COURSES if (course := _course(tag, series.get(tag))) is not None)
    figures = list(_curves(series, draw))
    missing = [] if series else [Missing("The run has logged no scalars, so there are no curves.")]
    if step is None:
        missing.insert(0, Missing("The run has no checkpoint yet.", f"vitbench resume {run.id}"))
        return ResultFacts(run.id, 0, recipe.task, (), courses, 0, tuple(figures), tuple(missing))
    if recipe.task != "classify":
        words = "The run trains a captioner, which has no accuracy: the section on captions says how good it is."
        missing.insert(0, Missing(words))
        return ResultFacts(run.id, step, recipe.task, (), courses, 0, tuple(figures), tuple(missing))
    scores, problems = evaluations(run, step)
    missing += [Missing(problem) for problem in problems]
    if not scores:
        words = f"The checkpoint of step {step:,} has no evaluation, so there is no result."
        missing.insert(0, Missing(words, f"vitbench evaluate {run.id}@{step}"))
    else:
        confusion = confusion_request(scores[0].document, recipe.name or run.id, scores[0].file)
        words = f"Confusions on {scores[0].pictures:,} pictures: a row a true class, a column what it was taken for."
        figures.append(draw("confusion", confusion, words))
    return ResultFacts(run.id, step, recipe.task, tuple(scores), courses, 0, tuple(figures), tuple(missing))


def gather_setting(run: Run, step: int | None) -> SettingFacts:
    """The recipe, where the run stands, and what the checkpoint of `step` says of its network."""
    status = run.status()
    size = None
    if step is not None:
        with suppress(UserError, KeyError, TypeError, ValueError):
            described = read_json_object(run.checkpoint(step).folder / "network.json", DESCRIPTION)
            height, width = described["image_size"]
            size = int(height), int(width)
    return SettingFacts(run.recipe(), status.state, status.step, status.total_steps, image_size=size)


def gather_tried(run: Run, others: Sequence[str], store: Store) -> TriedFacts:
    """The run beside others, those that differ by their seed in one row. Raises UserError for a run that is none."""
    if not others:
        words = "No other run was named, so nothing is compared."
        return TriedFacts((), missing=(Missing(words, f"vitbench report {run.id} --compare RUN RUN"),))
    runs = {found.id: found for found in (run, *(store.find(text) for text in others))}
    recipes = {name: one.recipe() for name, one in runs.items()}
    scores = {name: next(iter(evaluations(one)[0]), None) for name, one in runs.items()}
    unscored = [name for name, found in scores.items() if found is None]
    missing = [Missing(f"{name} has no evaluation.", f"vitbench evaluate {name}") for name in unscored]
    differences = differing(list(recipes.values()))
    names = {name: recipes[name].name or name for name in runs}
    names = {name: name if list(names.values()).count(said) > 1 else said for name, said in names.items()}
    rows = []
    for group in groups_by_seed({name: recipe for name, recipe in recipes.items() if scores[name] is not None}):
        own = [found for name in group if (found := scores[name]) is not None]
        place = list(runs).index(group[0])
        differs = {key: values[place] for key, values in differences.items() if key != "train.seed"}
        accuracies = tuple(one.accuracy for one in own)
        rows.append(TriedRow(tuple(names[name] for name in group), differs, accuracies, own[0].pictures, own[0].split))
    rows.sort(key=lambda row: -sum(row.accuracies) / len(row.accuracies))
    test, not_tested = _tested([runs[name] for name in runs if scores[name] is not None])
    return TriedFacts(tuple(rows), test, not_tested, tuple(missing))


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


def _tested(runs: Sequence[Run]) -> tuple[str, str]:
    """The paired test of the best run against the next best on the same pictures, or why there is none."""
    if len(runs) < 2:
        return "", ""
    found = compare(runs)
    if found.shared is None:
        return "", found.not_tested
    correct = [int(answers.correct.sum()) for answers in found.shared.answers]
    order = sorted(range(len(runs)), key=lambda number: -correct[number])
    best, other = order[0], order[1]
    test = next(one for one in found.tests if {one.first, one.second} == {best, other})
    corrected = f" Corrected for {len(found.tests)} pairs: p = {test.corrected:.3g}." if len(found.tests) > 1 else ""
    return test.paired.sentence(found.names[test.first], found.names[test.second]) + corrected, ""


def _course(tag: str, series: Series | None) -> Course | None:
    if series is None:
        return None
    finite = np.flatnonzero(np.isfinite(series.values))
    if not len(finite):
        return None
    values, steps = series.values[finite], series.steps[finite]
    best = int(values.argmin() if tag.endswith("loss") else values.argmax())
    return Course(
        tag, float(values[0]), float(values[-1]), float(values[best]), int(steps[best]), int(steps[-1]), len(values)
    )


def _curves(series: dict[str, Series], draw: Draw) -> list[Figure]:
    figures = []
    for measure in ("loss", "accuracy"):
        lines, splits = [], []
        for split, colour in _COLOURS.items():
            found = series.get(f"{split}/{measure}")
            if found is not None and len(found) > 1 and np.isfinite(found.values).any():
                values = [float(value) if math.isfinite(value) else None for value in found.values]
                line = {"name": f"{split}/{measure}", "colour": colour, "dash": int(split == "validation")}
                splits.append(split)
                lines.append(line | {"x": found.steps.tolist(), "y": values})
        if lines:
            request = CurvesRequest.read({"title": measure, "y_name": measure, "curves": lines})
            words = " and ".join({"train": "training"}.get(split, split) for split in splits)
            figures.append(draw(f"curves-{measure}", request, f"{measure.capitalize()} over the steps: {words}."))
    return figures
