"""The figure of a caption in the homework's layout: five columns, the picture first, then a panel a word."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFont, PngImagePlugin

from vitbench.captions.captioner import OpenedCaptioner
from vitbench.captions.describing import Described
from vitbench.captions.tokenizer import START
from vitbench.captions.word_maps import WordMaps
from vitbench.figures.lettering import label
from vitbench.figures.raster import Box, OverlayStyle, Picture, mosaic, overlay
from vitbench.files.names import distinct_names

COLUMNS = 5
PANEL = 224
"""The longest side of a panel in pixels."""
NOTE_SIZE = 12


def word_panels(
    picture: Picture,
    maps: WordMaps,
    *,
    box: Box | None = None,
    style: OverlayStyle | None = None,
    one_scale: bool = False,
) -> list[Picture]:
    """The picture without heat, then the picture under the map of each word; `picture` is the original, any shape.

    With `one_scale` all words share one colour scale, from 0 to the largest value of the sentence; else each has its
    own, which makes a diffuse word look as focused as any other.
    """
    style = style or OverlayStyle()
    panel = _shrunk(picture)
    factor = panel.shape[1] / picture.shape[1], panel.shape[0] / picture.shape[0]
    scaled = None if box is None else (box[0] * factor[0], box[1] * factor[1], box[2] * factor[0], box[3] * factor[1])
    if one_scale:
        style = replace(style, low=0.0, high=float(maps.maps.max()))
    return [panel, *(overlay(panel, values, style, scaled) for values in maps.maps)]


def caption_figure(
    picture: Picture, described: Described, *, style: OverlayStyle | None = None, one_scale: bool = False
) -> Picture:
    """The whole figure: panels with their words above, `<start>` first, and below them how the maps were made."""
    panels = word_panels(picture, described.maps, box=described.box, style=style, one_scale=one_scale)
    titles = [START, *described.maps.words]
    titled = [label(panel, title, size=16) for panel, title in zip(panels, titles, strict=True)]
    return noted(mosaic(titled, min(COLUMNS, len(titled))), described.maps.settings.describe(), one_scale=one_scale)


def noted(figure: Picture, how: str, *, one_scale: bool) -> Picture:
    """The figure with a note below it, on as many lines as it takes: how its maps were made, and on which scale."""
    scale = "one colour scale for all words" if one_scale else "a colour scale for each word"
    font, room = ImageFont.load_default(NOTE_SIZE), figure.shape[1] - 8
    lines = [""]
    for word in f"{how}; {scale}".split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    empty = np.zeros((0, figure.shape[1], 3), np.uint8)
    return np.concatenate([figure, *(label(empty, line, size=NOTE_SIZE) for line in lines)])


def caption_figure_bytes(figure: Picture, described: Described, captioner: OpenedCaptioner, source: str) -> bytes:
    """The figure as PNG; its text chunks say how it was made."""
    notes = PngImagePlugin.PngInfo()
    facts = {
        "figure": "caption",
        "captioner": captioner.name,
        "tag": captioner.tag,
        "weights": captioner.weights_hash,
        "picture": source,
        "sentence": described.sentence,
        "maps": described.maps.settings.describe(),
    }
    notes.add_itxt("vitbench", json.dumps(facts, ensure_ascii=False))
    content = io.BytesIO()
    Image.fromarray(figure).save(content, format="PNG", pnginfo=notes)
    return content.getvalue()


def figure_files(folder: Path, pictures: Sequence[Path]) -> dict[Path, Path]:
    """Where each picture's figure goes: `folder/STEM.png`, or with the picture's whole name if a stem comes twice."""
    different = list(dict.fromkeys(pictures))
    names = distinct_names(different, ".png")
    return {picture: folder / name for picture, name in zip(different, names, strict=True)}


def _shrunk(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    scale = PANEL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
