"""The picture size that a request asks a network to take: a side, or height and width."""

from typing import Annotated

from pydantic import BeforeValidator

from vitbench.errors import UserError

LEAST, MOST = 8, 4096


def _size(value: object) -> tuple[int, int] | None:
    """A number or `HEIGHTxWIDTH` as (height, width). Raises ValueError with one sentence."""
    if value is None:
        return None
    given = value
    if isinstance(value, str):
        value = value.lower().replace("×", "x").split("x")
        value = value[0] if len(value) == 1 else value
    sides = [value, value] if isinstance(value, int | str) else value
    try:
        height, width = (int(side) for side in sides)  # type: ignore[attr-defined]  # what is no sequence raises TypeError, which is caught
    except (TypeError, ValueError):
        raise ValueError(f"--image-size is a side in pixels, or HEIGHTxWIDTH, not {given!r}.") from None
    if not (LEAST <= height <= MOST and LEAST <= width <= MOST):
        raise ValueError(f"--image-size is from {LEAST} to {MOST} pixels, not {height}x{width}.")
    return height, width


def read_image_size(given: str | None) -> tuple[int, int] | None:
    """(height, width) of what a person wrote for --image-size. Raises UserError with one sentence."""
    try:
        return _size(given)
    except ValueError as error:
        raise UserError(str(error)) from None


ImageSize = Annotated[tuple[int, int] | None, BeforeValidator(_size)]
"""(height, width) in pixels; None is the network's own."""
