"""Pixels against matplotlib, torch and arithmetic by hand."""

import matplotlib
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vitbench.errors import UserError
from vitbench.figures import raster
from vitbench.figures.colours import MISSING, colour_table, colourise
from vitbench.requests.colour_maps import COLOUR_MAPS


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_colours_equal_matplotlibs(name):
    values = np.concatenate([np.linspace(0, 1, 5001), np.arange(257) / 256])
    expected = matplotlib.colormaps[name](values, bytes=True)[:, :3]
    assert np.array_equal(colourise(values, name, 0, 1), expected)


def test_colours_scale_ends_and_missing_values():
    colours = colourise(np.array([-9.0, -1.0, 1.0, 9.0, np.nan]), "viridis", -1, 1)
    table = colour_table("viridis")
    assert np.array_equal(colours[0], table[0])
    assert np.array_equal(colours[1], table[0])
    assert np.array_equal(colours[2], table[255])
    assert np.array_equal(colours[3], table[255])
    assert tuple(colours[4]) == MISSING
    assert np.array_equal(colourise(np.full(3, 7.0)), np.repeat(table[:1], 3, axis=0))


def test_unknown_colour_map_is_named():
    with pytest.raises(UserError, match="rainbow"):
        colour_table("rainbow")


@pytest.mark.parametrize("size", [(14, 14), (56, 80), (45, 31)])
def test_smooth_upsampling_is_torchs_bilinear(size):
    values = np.random.default_rng(0).normal(size=(7, 10)).astype(np.float32)
    expected = F.interpolate(torch.from_numpy(values)[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    assert np.allclose(raster.upsample(values, *size), expected.numpy(), atol=1e-5)


def test_nearest_upsampling_makes_blocks():
    values = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert np.array_equal(raster.upsample(values, 6, 9, smooth=False), np.kron(values, np.ones((3, 3))))


def test_map_lands_in_the_box_and_nowhere_else():
    placed = raster.place(np.array([[0.0, 1.0]]), 10, 20, box=(5, 2, 15, 8), smooth=False)
    assert np.isnan(placed[:2]).all()
    assert np.isnan(placed[8:]).all()
    assert np.isnan(placed[:, :5]).all()
    assert np.isnan(placed[:, 15:]).all()
    assert (placed[2:8, 5:10] == 0).all()
    assert (placed[2:8, 10:15] == 1).all()


def test_box_may_reach_beyond_the_picture():
    placed = raster.place(np.arange(4.0).reshape(2, 2), 4, 4, box=(-4, -4, 4, 4), smooth=False)
    assert (placed == 3).all()


def test_overlay_is_the_mix_that_it_says_it_is():
    picture = np.full((4, 6, 3), 100, dtype=np.uint8)
    values = np.array([[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]])
    style = raster.OverlayStyle("viridis", strength=0.25, smooth=False)
    result = raster.overlay(picture, values, style)
    heat = np.kron(np.arange(6).reshape(2, 3), np.ones((2, 2), int))
    expected = 75 + 0.25 * colourise(values, "viridis").reshape(-1, 3)[heat]
    assert np.array_equal(result, expected.round().astype(np.uint8))
    assert np.array_equal(raster.overlay(picture, values, raster.OverlayStyle(strength=0.0)), picture)


def test_unseen_part_of_a_picture_is_dimmed():
    picture = np.full((4, 8, 3), 200, dtype=np.uint8)
    result = raster.overlay(picture, np.ones((2, 2)), box=(2, 0, 6, 4))
    assert (result[:, :2] == 70).all()
    assert (result[:, 6:] == 70).all()


def test_mosaic_keeps_reading_order():
    pictures = [np.full((2, 3, 3), number, dtype=np.uint8) for number in range(5)]
    sheet = raster.mosaic(pictures, columns=3, gap=1)
    assert sheet.shape == (5, 11, 3)
    assert [sheet[0, 0, 0], sheet[0, 4, 0], sheet[0, 8, 0], sheet[3, 0, 0], sheet[3, 4, 0]] == [0, 1, 2, 3, 4]
    assert (sheet[2] == 255).all()
    assert (sheet[3:, 8:] == 255).all()


def test_tile_grid_puts_each_row_of_the_matrix_in_its_tile():
    rows, columns = 2, 3
    matrix = np.arange(36.0).reshape(6, 6)
    grid = raster.tile_grid(matrix, rows, columns)
    assert grid.shape == (2 * 3 + 1, 3 * 4 + 1)
    assert np.array_equal(grid[4:6, 5:8], matrix[4].reshape(2, 3))
    assert np.isnan(grid[3]).all()
    with pytest.raises(ValueError, match="grid"):
        raster.tile_grid(matrix, 3, 3)


def test_fit_keeps_proportions():
    picture = np.zeros((10, 20, 3), dtype=np.uint8)
    fitted = raster.fit(picture, 40, 40)
    assert (fitted[:10] == 255).all()
    assert (fitted[10:30] == 0).all()
    assert (fitted[30:] == 255).all()


def test_marked_patch_is_outlined_where_it_lies():
    picture = np.zeros((300, 400, 3), dtype=np.uint8)
    marked = raster.mark_patch(picture, (3, 4), (1, 2))
    changed = np.argwhere(marked.any(axis=2))
    assert changed.min(axis=0).tolist() >= [100, 200]
    assert changed.max(axis=0).tolist() <= [200, 300]
