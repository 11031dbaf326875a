"""Curves over a common axis."""

import re

import numpy as np

from vitbench.figures.plots import Curves, Series
from vitbench.figures.sheet import Sheet
from vitbench.progress import Progress, silent
from vitbench.requests.plots import CurvesRequest

_WORDS = {
    "optim/lr": ("Learning rate", "Learning rate"),
    "loss": ("Loss", "Loss"),
    "accuracy": ("Accuracy", "Accuracy"),
}
_PARTS = {
    "train": "Training",
    "validation": "Validation",
    "val": "Validation",
    "valid": "Validation",
    "eval": "Evaluation",
    "test": "Test",
    "optim": "Optimizer",
    "system": "System",
}
"""The first words of tags: our own, and those of other tools."""
_SHORT = re.compile(r"\b(cpu|gpu|lr)\b")
_TOP = re.compile(r"_top[_-]?(\d+)$")


def spoken(tag: str) -> tuple[str, str]:
    """A scalar as a person says it, and what its axis measures: `validation/loss` is (Validation loss, Loss)."""
    if known := _WORDS.get(tag.lower()):
        return known
    part, slash, name = tag.partition("/")
    if not slash:
        return tag, tag
    words, measured = _words(_TOP.sub(r", top \1", name)), _words(_TOP.sub("", name))
    return f"{_PARTS.get(part.lower(), part)} {words}", measured[:1].upper() + measured[1:]


def _words(name: str) -> str:
    return _SHORT.sub(lambda found: found[0].upper(), name.replace("_", " ").replace("percent", "(%)"))


def compose_curves(request: CurvesRequest, sources: object = None, progress: Progress = silent) -> Sheet:
    """The chart that a request holds."""
    title, measured = spoken(request.title)
    if request.smoothing and any(curve.smoothed is not None for curve in request.curves):
        title += f" (smoothed with weight {request.smoothing:g}, raw values faint)"
    elif request.note:
        title += f", {request.note}"
    series = tuple(
        Series(
            curve.name,
            np.array(curve.x, float),
            _floats(curve.y),
            curve.colour,
            curve.dash,
            None if curve.smoothed is None else _floats(curve.smoothed),
            curve.linked,
            *(None if values is None else _floats(values) for values in (curve.low, curve.high)),
        )
        for curve in request.curves
    )
    is_key = "." in request.x_name  # of a recipe, which is written as it is
    x_title = request.x_name if is_key else request.x_name[:1].upper() + request.x_name[1:]
    plot = Curves(
        title,
        x_title,
        spoken(request.y_name)[1] if request.y_name else measured,
        series,
        request.x_range,
        request.y_range,
        request.x_log,
        request.y_log,
        x_names=request.x_names,
    )
    names = ", ".join(curve.name for curve in request.curves)
    return Sheet("curves", request.record(), (), {"title": title}, f"{title}: {names}.", plots=(plot,))


def _floats(values: tuple[float | None, ...]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)
