"""Figures as files: PNG, PDF or SVG, with what makes them again in their metadata."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vitbench.errors import UserError
from vitbench.figures.draw import draw
from vitbench.figures.fonts import every_glyph
from vitbench.figures.provenance import KEY, provenance
from vitbench.figures.sheet import Sheet
from vitbench.figures.type import SETTINGS
from vitbench.requests.drawing import ARRAYS_ENDING, FIGURE_ENDINGS, Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COMPRESSION = 3
"""Of a PNG, 0 to 9: 6, which libraries take, makes figures smaller by a fifth in nearly twice the time."""


def check_figure_ending(path: Path, endings: Sequence[str] = FIGURE_ENDINGS) -> None:
    """Raises UserError for a name with none of the endings; before the work."""
    if path.suffix.lower() not in endings:
        raise UserError(f"A figure is saved as {', '.join(endings)}; {path.name} ends otherwise.")


def sheet_bytes(sheet: Sheet, ending: str, drawing: Drawing | None = None) -> bytes:
    """The sheet on paper as a file with the ending .png, .pdf or .svg, with what makes it again inside."""
    return sheet_files(sheet, (ending,), drawing)[0]


def sheet_files(sheet: Sheet, endings: Sequence[str], drawing: Drawing | None = None) -> tuple[bytes, ...]:
    """The sheet as a file of each ending; it is drawn once, which takes as long as writing it."""
    drawing = drawing or Drawing()
    facts = {**sheet.facts, "caption": sheet.caption, "panels": [panel.title for panel in sheet.panels]}
    recorded = provenance(sheet.kind, sheet.request, sheet.inputs, facts, drawing.record())
    figure = draw(sheet, drawing)
    return tuple(figure_bytes(figure, ending, recorded) for ending in endings)


def saved_bytes(sheet: Sheet, ending: str, drawing: Drawing | None = None) -> bytes:
    """The sheet as a file of any of FIGURE_ENDINGS, or the numbers behind it. Raises UserError where it has none."""
    if ending.lower() != ARRAYS_ENDING:
        return sheet_bytes(sheet, ending, drawing)
    if not sheet.arrays:
        raise UserError(f"There are no arrays behind this figure, so it cannot be saved as {ARRAYS_ENDING}.")
    return array_bytes(sheet.arrays)


def array_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays of any shapes, by name, as an .npz file."""
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def figure_bytes(figure: "Figure", ending: str, facts: Mapping[str, Any]) -> bytes:
    """The figure as a file with the ending .png, .pdf or .svg, with the facts inside."""
    import matplotlib

    ending = ending.lower()
    text = json.dumps(facts, ensure_ascii=True, allow_nan=False)
    if ending == ".png":
        with matplotlib.rc_context(SETTINGS), every_glyph(figure):
            return _png(figure, {KEY: text, "Software": "vitbench"})
    metadata = {
        ".pdf": {"Subject": text, "Creator": "vitbench", "CreationDate": None},
        ".svg": {"Description": text, "Creator": "vitbench", "Date": None},
    }[ending]
    buffer = io.BytesIO()
    with matplotlib.rc_context(SETTINGS), every_glyph(figure):
        figure.savefig(buffer, format=ending[1:], dpi="figure", metadata=metadata)
    return buffer.getvalue()


def _png(figure: "Figure", texts: Mapping[str, str]) -> bytes:
    """As matplotlib writes it, but without transparency, which a figure on white has none of: in half the time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = canvas.buffer_rgba()
    height, width, _ = pixels.shape
    picture = Image.frombuffer("RGBA", (width, height), pixels, "raw", "RGBA", 0, 1).convert("RGB")
    information = PngInfo()
    for name, text in texts.items():
        information.add_text(name, text)
    buffer = io.BytesIO()
    picture.save(buffer, format="png", pnginfo=information, dpi=(figure.dpi, figure.dpi), compress_level=_COMPRESSION)
    return buffer.getvalue()
