"""How a figure is put on paper: its width, resolution, and whether its caption stands below it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator

from vitbench.requests.base import Request

FIGURE_ENDINGS = (".png", ".pdf", ".svg")
ARRAYS_ENDING = ".npz"
"""Of the numbers behind a figure."""
ONE_COLUMN, TWO_COLUMNS = 85.0, 174.0
"""Millimetres: a column of a two-column page, and the page's text."""
WIDTHS = {"one": ONE_COLUMN, "two": TWO_COLUMNS}


class Drawing(Request):
    """`width` in millimetres, or `one` or `two` columns; None is the narrower of these that holds the panels well.

    `dpi` is the least resolution of a PNG: none of a panel's pixels is lost, so it may be higher.
    """

    kind: ClassVar[str] = "drawing"

    width: float | None = Field(None, ge=20, le=1000)
    dpi: int = Field(300, ge=30, le=1200)
    caption: bool = False

    @classmethod
    def of_style(cls, style: Mapping[str, Any]) -> "Drawing":
        """From `width_cm`, `dpi` and `caption` as the app's export dialog gives them; None is the default."""
        width = style.get("width_cm")
        given = {
            "width": None if width is None else 10 * width,
            "dpi": style.get("dpi"),
            "caption": style.get("caption"),
        }
        return cls.read({name: value for name, value in given.items() if value is not None})

    @field_validator("width", mode="before")
    @classmethod
    def _named_width(cls, width: object) -> object:
        if isinstance(width, str) and width in WIDTHS:
            return WIDTHS[width]
        if isinstance(width, str):
            try:
                return float(width)
            except ValueError:
                raise ValueError(f"--width is `one` or `two` columns, or millimetres, not {width!r}.") from None
        return width
