"""Curves over a common axis as PNG, PDF or SVG: `python -m vitbench.figures.curves ENDING < description.json`.

It prints the bytes of the file. The app draws its charts through this process, because it never imports matplotlib
itself.
"""

import io
import json
import sys
from typing import Any

import numpy as np

from vitbench.figures.fonts import every_glyph

_DASHES = ("-", "--", "-.", ":")


def curves_bytes(ending: str, description: dict[str, Any]) -> bytes:
    """`description` drawn, as a file with the ending .png, .pdf or .svg.

    `curves` is a list of `name`, `colour`, `dash`, `x`, `y` and `smoothed` (None, or as long as `y`: then the raw
    line is kept faint). `title`, `x_name`, `x_range`, `y_range` (None follows the data), `x_log`, `y_log`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for curve in description["curves"]:
        x, y = np.array(curve["x"], float), np.array(curve["y"], float)
        style = {"color": curve["colour"], "linestyle": _DASHES[curve["dash"] % len(_DASHES)], "linewidth": 1.4}
        if curve["smoothed"] is not None:
            axes.plot(x, y, color=curve["colour"], alpha=0.25, linewidth=0.7)
            y = np.array(curve["smoothed"], float)
        axes.plot(x, y, label=_plain(curve["name"]), marker="o" if np.isfinite(y).sum() == 1 else None, **style)
    axes.set_title(_plain(description["title"]), loc="left")
    axes.set_xlabel(_plain(description["x_name"]))
    if description["x_log"]:
        axes.set_xscale("log")
    if description["y_log"]:
        axes.set_yscale("log")
    if description["x_range"]:
        axes.set_xlim(*description["x_range"])
    if description["y_range"]:
        axes.set_ylim(*description["y_range"])
    axes.grid(alpha=0.3, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if len(description["curves"]) > 0:
        axes.legend(frameon=False)
    content = io.BytesIO()
    with every_glyph(figure):
        figure.savefig(content, format=ending.lstrip(".").lower(), dpi=200)
    return content.getvalue()


def _plain(text: str) -> str:
    """A dollar sign would begin a formula, an underscore at the start hides a curve from the legend."""
    escaped = text.replace("$", r"\$")
    return " " + escaped if escaped.startswith("_") else escaped


if __name__ == "__main__":
    sys.stdout.buffer.write(curves_bytes(sys.argv[1], json.load(sys.stdin)))
