"""Pictures in few colours, against error diffusion written pixel by pixel, and against what they should look like."""

import numpy as np
import pytest
from PIL import Image

from screens.widgets.dithering import GREY_CELLS, to_grey_cells, to_palette
from screens.widgets.oklab import PALETTE, nearest, oklab
from vitbench.paths import sample_images

RANDOM = np.random.default_rng(1).integers(0, 256, size=(11, 7, 3), dtype=np.uint8)


def by_hand(pixels: np.ndarray, chroma: float = 1.25, passed_on: float = 0.9) -> np.ndarray:
    """Floyd and Steinberg's algorithm as they wrote it, one pixel after the other, with the penalty on lightness."""
    weights = np.array([1, chroma, chroma])
    wanted = oklab(pixels).astype(float) * weights
    own = wanted.copy()
    colours = oklab(PALETTE) * weights
    height, width, _ = wanted.shape
    result = np.zeros_like(pixels)
    for y in range(height):
        for x in range(width):
            nearest = ((colours - own[y, x]) ** 2).sum(1).min()
            penalty = (0.25 + 2 * (nearest / 0.08**2) ** 2) * (colours[:, 0] - own[y, x, 0]) ** 2
            number = (((colours - wanted[y, x]) ** 2).sum(1) + penalty).argmin()
            result[y, x] = PALETTE[number]
            error = (wanted[y, x] - colours[number]) * passed_on
            for right, down, share in ((1, 0, 7), (-1, 1, 3), (0, 1, 5), (1, 1, 1)):
                if 0 <= x + right < width and y + down < height:
                    wanted[y + down, x + right] += error * share / 16
    return result


@pytest.mark.parametrize("shape", [(11, 7), (1, 7), (11, 1), (1, 1), (4, 7), (11, 2)])
def test_it_is_floyd_and_steinbergs(shape: tuple[int, int]) -> None:
    pixels = RANDOM[: shape[0], : shape[1]]
    assert np.array_equal(to_palette(pixels), by_hand(pixels))


def test_oklab_of_known_colours() -> None:
    """The values of Ottosson's page, for sRGB's white and red."""
    assert oklab(np.array([255, 255, 255])) == pytest.approx([1, 0, 0], abs=1e-3)
    assert oklab(np.array([255, 0, 0])) == pytest.approx([0.628, 0.2249, 0.1258], abs=1e-3)
    assert oklab(np.array([0, 0, 0])) == pytest.approx([0, 0, 0], abs=1e-6)


def test_the_palette_is_xterms() -> None:
    assert len(PALETTE) == 240
    assert PALETTE[208 - 16].tolist() == [255, 135, 0]
    assert PALETTE[232 - 16].tolist() == [8, 8, 8]
    assert PALETTE[255 - 16].tolist() == [238, 238, 238]


def test_colours_of_the_palette_stay() -> None:
    pixels = np.repeat(PALETTE[None], 3, axis=0)
    for row in range(0, 240, 40):
        block = np.broadcast_to(PALETTE[row], (5, 5, 3)).astype(np.uint8)
        assert np.array_equal(to_palette(block), block)
    assert pixels.shape == (3, 240, 3)


@pytest.mark.parametrize("colour", [(118, 106, 141), (200, 140, 110), (30, 34, 60), (240, 200, 190)])
def test_the_eye_sees_the_colour_that_is_not_there(colour: tuple[int, int, int]) -> None:
    flat = np.broadcast_to(np.array(colour, np.uint8), (40, 40, 3))
    mixed = oklab(to_palette(flat))[8:, 8:].mean((0, 1))
    nearest = np.linalg.norm(oklab(PALETTE) - oklab(np.array(colour)), axis=1).min()
    assert np.linalg.norm(mixed - oklab(np.array(colour))) < nearest / 2


def test_grey_cells_keep_the_brightness() -> None:
    file = sorted(sample_images().glob("*.png"))[0]
    pixels = np.asarray(Image.open(file).convert("RGB").resize((60, 60)))
    cells = to_grey_cells(pixels)
    assert cells.shape == (30, 60)
    coverage = {" ": 0.0, "░": 0.25, "▒": 0.5, "▓": 0.75, "█": 1.0, "▀": 0.5, "▄": 0.5}
    light = {0: 0.0, 7: 0.53, 15: 1.0}
    shown = [coverage[sign] * light[ink] + (1 - coverage[sign]) * light[paper] for sign, ink, paper in GREY_CELLS]
    blocks = np.array(shown)[cells].reshape(6, 5, 6, 10).mean((1, 3)).ravel()
    wanted = (oklab(pixels)[..., 0] ** 3).reshape(6, 10, 6, 10).mean((1, 3)).ravel()
    assert np.corrcoef(blocks, wanted)[0, 1] > 0.95
    assert np.abs(blocks - wanted).mean() < 0.05


@pytest.mark.parametrize(("upper", "lower", "sign"), [(255, 0, "▀"), (0, 255, "▄"), (0, 0, " "), (255, 255, "█")])
def test_grey_cells_keep_edges_and_the_odd_row(upper: int, lower: int, sign: str) -> None:
    pixels = np.zeros((2, 1, 3), np.uint8)
    pixels[0], pixels[1] = upper, lower
    assert GREY_CELLS[to_grey_cells(pixels)[0, 0]][0] == sign
    assert to_grey_cells(np.zeros((5, 3, 3), np.uint8)).shape == (3, 3)


def test_an_even_ground_in_a_colour_of_the_palette_has_no_grain():
    for ground in ((80, 73, 69), (30, 34, 40), (60, 56, 54)):
        even = np.full((40, 60, 3), nearest(ground), np.uint8)
        even[10:20, 10:20] = (255, 80, 80)
        changed = to_palette(even)
        assert (changed[30:, 40:] == even[30:, 40:]).all()
