"""A terminal's screen as a picture: colours, bold, half blocks and braille as a terminal draws them."""

from functools import cache
from pathlib import Path

import matplotlib
import pyte
from PIL import Image, ImageDraw, ImageFont

_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_NAMED = {
    **{"black": "000000", "red": "cd0000", "green": "00cd00", "brown": "cdcd00", "blue": "0000ee"},
    **{"magenta": "cd00cd", "cyan": "00cdcd", "white": "e5e5e5"},
}
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""(column, row) of each bit of a braille sign."""
_INK, _PAPER = (204, 204, 204), (0, 0, 0)


@cache
def _font(bold: bool, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONTS / f"DejaVuSansMono{'-Bold' if bold else ''}.ttf"), size)


@cache
def _colour(name: str, default: tuple[int, int, int]) -> tuple[int, int, int]:
    code = _NAMED.get(name, name)
    try:
        return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)
    except ValueError:
        return default


def drawn(screen: pyte.Screen, size: int = 14) -> Image.Image:
    """The screen in letters of `size` pixels."""
    width = round(_font(False, size).getlength("M"))
    height = sum(_font(False, size).getmetrics())
    image = Image.new("RGB", (screen.columns * width, screen.lines * height))
    draw = ImageDraw.Draw(image)
    for row in range(screen.lines):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            ink, paper = _colour(cell.fg, _INK), _colour(cell.bg, _PAPER)
            if cell.reverse:
                ink, paper = paper, ink
            _draw_cell(draw, (column * width, row * height, width, height), cell, ink, paper, size)
    return image


def _draw_cell(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int, int, int],
    cell: pyte.screens.Char,
    ink: tuple[int, int, int],
    paper: tuple[int, int, int],
    size: int,
) -> None:
    x, y, width, height = place
    sign = cell.data
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=paper)
    if sign in ("▀", "▄", "█"):
        top = y + height // 2 if sign == "▄" else y
        bottom = y + height // 2 if sign == "▀" else y + height
        draw.rectangle((x, top, x + width - 1, bottom - 1), fill=ink)
    elif sign and 0x2800 <= ord(sign[0]) < 0x2900:
        for bit, (dot_x, dot_y) in enumerate(_DOTS):
            if (ord(sign[0]) - 0x2800) >> bit & 1:
                at_x, at_y = x + width * (1 + 2 * dot_x) // 4, y + height * (1 + 2 * dot_y) // 8
                draw.rectangle((at_x - 1, at_y - 1, at_x, at_y), fill=ink)
    elif sign.strip():
        draw.text((x, y), sign, font=_font(cell.bold, size), fill=ink)
    if cell.underscore:
        draw.line((x, y + height - 2, x + width - 1, y + height - 2), fill=ink)
