"""Curves over a common axis: `python -m vitbench.figures.curves ENDING < description.json` prints such a figure.

The app draws its charts through this process, because it never imports matplotlib itself.
"""

import json
import sys
from typing import Any

import numpy as np

from vitbench.figures.plots import Curves, Series
from vitbench.figures.sheet import Sheet
from vitbench.progress import Progress, silent
from vitbench.requests.drawing import Drawing
from vitbench.requests.plots import CurvesRequest

STYLE = ("width_cm", "dpi", "caption")

_WORDS = {
    "train/loss": ("Training loss", "Loss"),
    "val/loss": ("Validation loss", "Loss"),
    "train/accuracy": ("Training accuracy", "Accuracy"),
    "val/accuracy": ("Validation accuracy", "Accuracy"),
    "val/accuracy_top5": ("Validation accuracy, top 5", "Accuracy"),
    "optim/lr": ("Learning rate", "Learning rate"),
    "loss": ("Loss", "Loss"),
    "accuracy": ("Accuracy", "Accuracy"),
}
_PARTS = {"train": "Training", "val": "Validation", "test": "Test", "optim": "Optimizer", "system": "System"}


def spoken(tag: str) -> tuple[str, str]:
    """A scalar as a person says it, and what its axis measures: `val/loss` is (Validation loss, Loss)."""
    if known := _WORDS.get(tag.lower()):
        return known
    part, slash, name = tag.partition("/")
    words = (name if slash else part).replace("_", " ").replace("percent", "(%)")
    if not slash:
        return tag, tag
    said = _PARTS.get(part, part)
    return f"{said} {words}", words[:1].upper() + words[1:]


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
        )
        for curve in request.curves
    )
    x_title = request.x_name[:1].upper() + request.x_name[1:]
    plot = Curves(
        title,
        x_title,
        spoken(request.y_name)[1] if request.y_name else measured,
        series,
        request.x_range,
        request.y_range,
        request.x_log,
        request.y_log,
    )
    return Sheet("curves", request.record(), (), {"title": title}, title, plots=(plot,))


def curves_bytes(ending: str, description: dict[str, Any]) -> bytes:
    """The values of a `CurvesRequest` drawn, as a file with the ending .png, .pdf or .svg.

    Among them may be a style: `width_cm`, `dpi` and `caption`, as the app's export dialog gives them.
    """
    from vitbench.figures.save import sheet_bytes

    style = {name: description[name] for name in STYLE if name in description}
    request = CurvesRequest.read({name: value for name, value in description.items() if name not in STYLE})
    return sheet_bytes(compose_curves(request), ending, Drawing.of_style(style))


def _floats(values: tuple[float | None, ...]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)


if __name__ == "__main__":
    sys.stdout.buffer.write(curves_bytes(sys.argv[1], json.load(sys.stdin)))
