"""How a figure is put on paper: its width, resolution, and whether its caption stands below it."""

from typing import ClassVar

from pydantic import Field, field_validator

from vitbench.requests.base import Request

ONE_COLUMN, TWO_COLUMNS = 85.0, 174.0
"""Millimetres: a column of a two-column page, and the page's text."""
WIDTHS = {"one": ONE_COLUMN, "two": TWO_COLUMNS}


class Drawing(Request):
    """`width` in millimetres, or `one` or `two` columns; None is the narrower of these that holds the panels well.

    `dpi` is the least resolution of a PNG: none of a panel's pixels is lost, so it may be higher.
    """

    kind: ClassVar[str] = "drawing"

    width: float | None = Field(None, ge=30, le=1000)
    dpi: int = Field(300, ge=50, le=1200)
    caption: bool = False

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
