"""Words on pictures of pixels."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vitbench.figures.fonts import font_file
from vitbench.figures.raster import Picture
from vitbench.text import clean


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, or for text beyond ASCII, which that one draws as boxes, the font that has most of it."""
    return ImageFont.load_default(size) if text.isascii() else ImageFont.truetype(font_file(text), size)


def label(
    picture: Picture,
    text: str,
    size: int = 14,
    ink: tuple[int, int, int] = (20, 20, 20),
    paper: tuple[int, int, int] = (255, 255, 255),
) -> Picture:
    """The picture with a strip above it that says `text`, on one line, shortened to fit."""
    text = clean(text)
    font = font_for(text, size)
    while len(text) > 1 and font.getlength(text) > picture.shape[1] - 4:
        text = text[:-2].rstrip() + "…"
    strip = Image.new("RGB", (picture.shape[1], size + 8), paper)
    ImageDraw.Draw(strip).text((strip.width / 2, strip.height / 2), text, ink, font, anchor="mm")
    return np.concatenate([np.asarray(strip), picture])
