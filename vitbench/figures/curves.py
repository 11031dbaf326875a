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
    line is kept faint). `title`, `x_name`, `y_name`, `x_range`, `y_range` (None follows the data), `x_log`, `y_log`.
    `width_cm` (None: 16), `dpi`, `caption` (whether the title and the `note` below it are written).
    """
    from matplotlib.figure import Figure

    width = (description.get("width_cm") or 16.0) / 2.54
    figure = Figure(figsize=(width, width / 1.6), layout="constrained")
    axes = figure.subplots()
    for curve in description["curves"]:
        x, y = np.array(curve["x"], float), np.array(curve["y"], float)
        style = {"color": curve["colour"], "linestyle": _DASHES[curve["dash"] % len(_DASHES)], "linewidth": 1.4}
        if curve["smoothed"] is not None:
            axes.plot(x, y, color=curve["colour"], alpha=0.25, linewidth=0.7)
            y = np.array(curve["smoothed"], float)
        axes.plot(x, y, label=_plain(curve["name"]), marker="o" if np.isfinite(y).sum() == 1 else None, **style)
    if description.get("caption", True):
        parts = [description["title"], description.get("note", "")]
        axes.set_title(_plain(", ".join(part for part in parts if part)), loc="left")
    axes.set_ylabel(_plain(description.get("y_name", "")))
    axes.set_xlabel(_plain(description["x_name"]))
    if description["x_log"]:
        axes.set_xscale("log")
    if description["y_log"]:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(_number)
        axes.yaxis.set_minor_formatter(_number)
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
        figure.savefig(content, format=ending.lstrip(".").lower(), dpi=description.get("dpi") or 200)
    return content.getvalue()


def _number(value: float, _: object = None) -> str:
    """A tick of a logarithmic axis as people write it; minor ones only at 2 and 5 times a power of ten."""
    if not value > 0:
        return ""
    mantissa = round(value / 10.0 ** np.floor(np.log10(value) + 1e-9), 6)
    return f"{value:g}" if mantissa in (1, 2, 5) else ""


def _plain(text: str) -> str:
    """A dollar sign would begin a formula, an underscore at the start hides a curve from the legend."""
    escaped = text.replace("$", r"\$")
    return " " + escaped if escaped.startswith("_") else escaped


if __name__ == "__main__":
    sys.stdout.buffer.write(curves_bytes(sys.argv[1], json.load(sys.stdin)))
