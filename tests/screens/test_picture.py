"""The preview shows exactly the pixels that Pillow's scaling gives."""

import numpy as np
import pytest
from PIL import Image
from textual.app import App, ComposeResult

from screens.widgets.picture import Picture, fitted_size, half_blocks

RANDOM = np.random.default_rng(0).integers(0, 256, size=(37, 53, 3), dtype=np.uint8)


class PictureApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Picture(RANDOM)


def decoded(strips) -> np.ndarray:
    """Pixels [2 * rows, columns, 3] from half blocks; -1 where a cell is none."""
    rows = []
    for strip in strips:
        upper, lower = [], []
        for segment in strip:
            for character in segment.text:
                if character == "▀":
                    upper.append(segment.style.color.triplet)
                    lower.append(segment.style.bgcolor.triplet if segment.style.bgcolor else (-1, -1, -1))
                else:
                    upper.append((-1, -1, -1))
                    lower.append((-1, -1, -1))
        rows += [upper, lower]
    return np.array(rows, int)


@pytest.mark.parametrize("height", [6, 7])
def test_half_blocks_hold_every_pixel(height: int) -> None:
    pixels = RANDOM[:height, :9]
    found = decoded(half_blocks(pixels))
    assert np.array_equal(found[:height], pixels)
    assert (found[height:] == -1).all()


@pytest.mark.parametrize(("width", "height"), [(40, 10), (20, 30), (33, 17)])
async def test_the_widget_shows_what_pillow_scales(width: int, height: int) -> None:
    app = PictureApp()
    async with app.run_test(size=(width, height)):
        picture = app.query_one(Picture)
        strips = [picture.render_line(y) for y in range(height)]
    columns, rows = fitted_size(53, 37, width, height)
    wanted = np.asarray(Image.fromarray(RANDOM).resize((columns, rows), Image.Resampling.BICUBIC))
    found = decoded(strips)
    left, top = (width - columns) // 2, 2 * ((height - (rows + 1) // 2) // 2)
    assert np.array_equal(found[top : top + rows, left : left + columns], wanted)
    assert (found[:, :left] == -1).all()
    assert columns == width or rows >= 2 * height - 1


def test_the_shape_is_kept() -> None:
    for width, height in ((1000, 10), (10, 1000), (384, 384), (1, 1)):
        columns, rows = fitted_size(width, height, 60, 30)
        assert 1 <= columns <= 60
        assert 1 <= rows <= 60
        if min(columns, rows) > 3:
            assert columns / rows == pytest.approx(width / height, rel=0.2)


async def test_it_is_scaled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    painted = []
    paint = Picture._paint
    monkeypatch.setattr(Picture, "_paint", lambda self, *size: painted.append(size) or paint(self, *size))
    app = PictureApp()
    async with app.run_test(size=(40, 12)) as pilot:
        app.query_one(Picture).refresh()
        await pilot.pause()
        app.query_one(Picture).show(RANDOM)
        await pilot.pause()
    assert painted == [(40, 12)]


async def test_ascii_where_there_is_no_unicode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITBENCH_ASCII", "1")
    app = PictureApp()
    async with app.run_test(size=(40, 12)):
        text = "".join(app.query_one(Picture).render_line(y).text for y in range(12))
    assert text.isascii()
    assert len(set(text)) > 5
