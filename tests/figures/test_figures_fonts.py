"""Text that matplotlib's own font cannot draw, with and without a font on the machine that can."""

import logging
import warnings

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from vitbench.figures import fonts
from vitbench.figures.save import sheet_bytes
from vitbench.figures.sheet import Panel, Sheet
from vitbench.requests.drawing import Drawing

CAT = "猫"


def make_font(file, characters):
    """A font in which each of the characters is a black square."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 800), (800, 800), (800, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    names = [f"u{ord(character):04X}" for character in characters]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names])
    builder.setupCharacterMap({ord(character): name for character, name in zip(characters, names, strict=True)})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph()} | dict.fromkeys(names, square))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names], (900, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": f"Squares {file.stem}", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=900, usWinAscent=900, usWinDescent=100)
    builder.setupPost()
    builder.save(file)


@pytest.fixture
def machine(monkeypatch):
    """Sets the fonts that the machine has."""

    def has(*files):
        monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: [str(file) for file in files])

    monkeypatch.setattr(fonts, "_said", set())
    fonts.fonts_for.cache_clear()
    yield has
    fonts.fonts_for.cache_clear()


def saved(text, ending=".png"):
    sheet = Sheet("k", {}, (Panel(np.full((40, 300, 3), 90, np.uint8), text),), caption=text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return sheet_bytes(sheet, ending, Drawing(caption=True))


def test_a_font_of_the_machine_draws_what_the_own_one_lacks(machine, tmp_path, caplog):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    make_font(tmp_path / "cat.ttf", CAT)
    machine(tmp_path / "broken.ttf", tmp_path / "cat.ttf")
    assert fonts.fonts_for(frozenset(f"a {CAT}")).files[1:] == (tmp_path / "cat.ttf",)
    drawn = saved(f"a {CAT}")
    assert not caplog.records
    machine()
    fonts.fonts_for.cache_clear()
    assert saved(f"a {CAT}") != drawn
    assert b"Squares" not in saved("a", ".pdf")


def test_what_no_font_has_is_said_once_in_one_sentence(machine, tmp_path, caplog):
    machine()
    with caplog.at_level(logging.WARNING):
        saved(CAT * 3 + "犬")
        saved(CAT, ".svg")
    assert len(caplog.records) == 1
    assert "No font on this machine has 犬猫" in caplog.text


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg"])
def test_every_script_can_be_saved(machine, ending):
    machine()
    assert saved("قطة 🐈\u200d⬛ 👍🏽 ไทย עברית \u0301 \ufe0f \U000f0000", ending)
