"""Fonts with the glyphs that a text needs: matplotlib's DejaVu has no Chinese, Japanese or Korean.

What DejaVu lacks is drawn in the fonts of this machine that have it; what none has is said in one sentence.
"""

import logging
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure
    from matplotlib.text import Text

_log = logging.getLogger(__name__)
_SHOWN = 12
_said: set[str] = set()


@dataclass(frozen=True)
class Fonts:
    """Font files in the order in which a character is looked up, and the characters that none of them has."""

    files: tuple[Path, ...]
    missing: str


@cache
def fonts_for(characters: frozenset[str]) -> Fonts:
    """DejaVu, and for what it lacks as few fonts of this machine as have it."""
    own = _own_font()
    missing = {character for character in characters if _is_drawn(character)} - _characters(own)
    files = [own]
    if missing:
        files += _of_machine(missing)
    return Fonts(tuple(files), "".join(sorted(missing.difference(*map(_characters, files)))))


@contextmanager
def every_glyph(figure: "Figure") -> Iterator[None]:
    """Within it a figure is drawn with fonts for all its characters; says once which ones no font here has."""
    from matplotlib.font_manager import FontProperties, fontManager

    texts = list(_texts(figure))
    fonts = fonts_for(frozenset("".join(text.get_text() for text in texts)))
    if len(fonts.files) > 1:
        for file in fonts.files[1:]:
            fontManager.addfont(file)
        families = [FontProperties(fname=file).get_name() for file in fonts.files]
        for text in texts:
            text.set_fontfamily(families)
    _say(fonts.missing)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        yield


def _texts(artist: "Artist") -> "Iterator[Text]":
    """All texts that are drawn. An axis that is off is passed over: it would make its ticks only to be asked."""
    from matplotlib.axis import Axis
    from matplotlib.text import Text

    if isinstance(artist, Text):
        yield artist
    for child in artist.get_children():
        if not isinstance(child, Axis) or child.axes.axison:
            yield from _texts(child)


def _say(missing: str) -> None:
    new = "".join(character for character in missing if character not in _said)
    _said.update(new)
    if new:
        shown = new[:_SHOWN] + (f" and {len(new) - _SHOWN} more" if len(new) > _SHOWN else "")
        _log.warning("No font on this machine has %s: boxes are drawn; a font such as Noto Sans CJK has most.", shown)


def _own_font() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def _of_machine(wanted: set[str]) -> list[Path]:
    """Fonts that together have as many of `wanted` as can be had; the one with most of them first."""
    from matplotlib.font_manager import findSystemFonts

    found = []
    # Upright fonts of regular weight have the shortest names.
    files = sorted((Path(file) for file in findSystemFonts()), key=lambda file: (len(file.stem), file.stem))
    while wanted and (best := max(files, key=lambda file: len(_characters(file) & wanted), default=None)):
        if not (drawn := _characters(best) & wanted):
            break
        found.append(best)
        wanted = wanted - drawn
    return found


@cache
def _characters(file: Path) -> frozenset[str]:
    """What a font can draw at any size; nothing where it cannot be read or is made of bitmaps, as colour emoji are."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(str(file))
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()


def _is_drawn(character: str) -> bool:
    """Whether it has a shape: not a space, a control or a mark that chooses a form, such as emoji's."""
    return unicodedata.category(character)[0] not in "CZ" and not unicodedata.category(character).startswith("M")
