"""Known lines give known dots; everything else is compared with a slow drawing of the same polyline."""

from itertools import pairwise

import numpy as np
import pytest

from screens.widgets.chart_raster import Band, Line, Mark, Viewport, column_of, draw, nearest, smooth

UNIT = Viewport(0.0, 1.0, 0.0, 1.0)


def line(x: list[float], y: list[float], **options) -> Line:
    return Line(np.array(x, float), np.array(y, float), **options)


def dot_grid(raster) -> np.ndarray:
    """The raster's single dots [height, width], unpacked by Unicode's numbering of the braille dots."""
    numbers = {(0, 0): 1, (1, 0): 2, (2, 0): 3, (0, 1): 4, (1, 1): 5, (2, 1): 6, (3, 0): 7, (3, 1): 8}
    rows, columns = raster.dots.shape
    grid = np.zeros((rows * 4, columns * 2), bool)
    for row in range(rows):
        for column in range(columns):
            for (down, across), number in numbers.items():
                grid[row * 4 + down, column * 2 + across] = bool(raster.dots[row, column] >> (number - 1) & 1)
    return grid


def polyline_by_hand(x, y, viewport: Viewport, width: int, height: int) -> np.ndarray:
    """For each dot column, every row between the least and the greatest y of the piece of the polyline inside it."""

    def share(value, low, high, log):
        return (np.log(value / low) / np.log(high / low)) if log else (value - low) / (high - low)

    grid = np.zeros((height, width), bool)
    across = [share(value, viewport.x_low, viewport.x_high, viewport.x_log) * (width - 1) for value in x]
    down = [(1 - share(value, viewport.y_low, viewport.y_high, viewport.y_log)) * (height - 1) for value in y]
    points = list(zip(across, down, strict=True))
    for column in range(width):
        found = []
        for (x0, y0), (x1, y1) in pairwise(points):
            left, right = max(x0, column - 0.5, 0), min(x1, column + 0.5, width - 1)
            if left <= right:
                found += [y0 + (y1 - y0) * ((at - x0) / (x1 - x0) if x1 > x0 else 0) for at in (left, right)]
        if found:
            first, last = np.floor(min(found) + 0.5), np.ceil(max(found) - 0.5)
            rows = np.arange(height)
            grid[(rows >= first) & (rows <= last), column] = True
    return grid


def test_horizontal_line() -> None:
    top = draw([line([0, 1], [1, 1])], UNIT, 3, 2)
    assert top.text() == ["⠉⠉⠉", "⠀⠀⠀"]
    bottom = draw([line([0, 1], [0, 0])], UNIT, 3, 2)
    assert bottom.text() == ["⠀⠀⠀", "⣀⣀⣀"]


def test_diagonal_line() -> None:
    grid = dot_grid(draw([line([0, 1], [0, 1])], UNIT, 4, 2))
    assert np.array_equal(grid, np.fliplr(np.eye(8, dtype=bool)))


def test_vertical_jump_is_drawn_whole() -> None:
    grid = dot_grid(draw([line([0, 0.5, 0.5, 1], [0, 0, 1, 1])], UNIT, 4, 2))
    assert grid[:, 4].all()
    assert grid[:, :4].sum() == 4
    assert grid[:, 5:].sum() == 3


def test_a_spike_of_one_point_survives_a_thousand_to_one() -> None:
    y = np.zeros(100_000)
    y[54_321] = 1.0
    x = np.linspace(0, 1, y.size)
    grid = dot_grid(draw([Line(x, y)], UNIT, 50, 4))
    assert grid[:, round(x[54_321] * 99)].all()
    assert grid[0].sum() == 1


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("log", [False, True])
def test_equals_the_slow_drawing(seed: int, log: bool) -> None:
    random = np.random.default_rng(seed)
    points = int(random.integers(2, 60))
    x = np.sort(random.uniform(0.01, 1.0, points))
    y = random.uniform(0.01, 1.0, points)
    viewport = Viewport(0.05, 0.9, 0.1, 0.8, x_log=log, y_log=log)
    grid = dot_grid(draw([Line(x, y)], viewport, 17, 6))
    wanted = polyline_by_hand(x, y, viewport, 34, 24)
    # A line through the border between two dots may fall to either side by rounding: not more than a dot in 300.
    assert np.count_nonzero(grid != wanted) <= 2
    assert wanted.sum() > 20


def test_unsorted_points_are_drawn_in_order_of_x() -> None:
    there = draw([line([0, 0.25, 0.5, 1], [0, 1, 0.5, 1])], UNIT, 8, 3)
    shuffled = draw([line([0.5, 0, 1, 0.25], [0.5, 0, 1, 1])], UNIT, 8, 3)
    assert np.array_equal(there.dots, shuffled.dots)


def test_nan_is_a_gap_with_a_mark() -> None:
    x = np.linspace(0, 1, 21)
    y = np.full(21, 0.5)
    y[8:13] = np.nan
    raster = draw([Line(x, y)], UNIT, 10, 1)
    grid = dot_grid(raster)
    assert grid[:, :7].any(axis=0).all()
    assert grid[:, 14:].any(axis=0).all()
    assert not grid[:, 9:11].any()
    assert raster.marks == (Mark(0, 4, 0, "nan"),)


def test_infinity_is_a_gap_too() -> None:
    raster = draw([line([0, 0.5, 1], [0.5, np.inf, 0.5])], UNIT, 10, 1)
    assert [mark.kind for mark in raster.marks] == ["nan"]


def test_nothing_drawable() -> None:
    assert not draw([line([], [])], UNIT, 4, 2).dots.any()
    nothing = draw([line([0, 1], [np.nan, np.nan])], UNIT, 4, 2)
    assert not nothing.dots.any()
    assert [mark.kind for mark in nothing.marks] == ["nan"]
    assert not draw([line([0, 1], [-1, 0])], Viewport(0.0, 1.0, 0.1, 1.0, y_log=True), 4, 2).dots.any()


def test_a_single_point_is_marked() -> None:
    raster = draw([line([0.5], [0.0])], UNIT, 5, 2)
    assert raster.marks == (Mark(1, 2, 0, "point"),)


def test_later_lines_own_shared_cells_and_faint_ones_give_way() -> None:
    flat = line([0, 1], [1, 1])
    low = line([0, 1], [0.6, 0.6])
    both = draw([flat, low], UNIT, 4, 1)
    assert (both.owner == 1).all()
    assert both.text() == ["⠛⠛⠛⠛"]
    faint = draw([line([0, 1], [1, 1], faint=True), low], UNIT, 4, 1)
    assert faint.text() == ["⠒⠒⠒⠒"]
    assert (faint.owner == 1).all()


def test_dashes_leave_dots_out() -> None:
    solid = dot_grid(draw([line([0, 1], [0, 0])], UNIT, 10, 1))
    dashed = dot_grid(draw([line([0, 1], [0, 0], dash=1)], UNIT, 10, 1))
    assert solid[3].all()
    assert dashed[3].tolist() == [True, True, True, False, False] * 4


def test_band_covers_the_cells_between_its_edges() -> None:
    edge = np.array([0.25, 0.75])
    band = Band(edge, np.array([0.25, 0.25]), np.array([0.5, 0.5]))
    raster = draw([], UNIT, 8, 8, [band])
    assert {tuple(cell) for cell in np.argwhere(raster.band == 0)} == {(r, c) for r in (4, 5) for c in range(2, 6)}


def test_cursor_column_and_nearest_point() -> None:
    assert [column_of(x, UNIT, 10) for x in (0.0, 0.5, 1.0)] == [0, 5, 9]
    assert column_of(1.5, UNIT, 10) is None
    assert nearest(np.array([1.0, 5.0, 9.0]), 6.5) == 1
    assert nearest(np.array([1.0, 5.0, 5.0]), 6.5) == 2
    assert nearest(np.array([]), 1.0) is None


@pytest.mark.parametrize("weight", [0.0, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000])
def test_smoothing_equals_the_recursion(weight: float, count: int) -> None:
    values = np.random.default_rng(count).standard_normal(count) + 3
    average, wanted = 0.0, []
    for index, value in enumerate(values):
        average = weight * average + (1 - weight) * value
        wanted.append(average / (1 - weight ** (index + 1)))
    assert np.allclose(smooth(values, weight), wanted, rtol=1e-10, atol=0)


def test_smoothing_passes_over_what_is_no_number() -> None:
    values = np.array([1.0, np.nan, 2.0, np.inf, 4.0])
    smoothed = smooth(values, 0.5)
    assert np.isnan(smoothed[1])
    assert np.isinf(smoothed[3])
    assert np.allclose(smoothed[[0, 2, 4]], smooth(np.array([1.0, 2.0, 4.0]), 0.5))


def test_smoothing_refuses_a_weight_of_one() -> None:
    with pytest.raises(ValueError, match="weight"):
        smooth(np.ones(3), 1.0)


def test_points_that_are_not_linked_are_marks_without_a_line():
    x, y = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 0.0])
    viewport = Viewport(0, 2, 0, 1)
    linked, alone = (draw([Line(x, y, linked=linked)], viewport, 20, 5) for linked in (True, False))
    assert [mark.kind for mark in alone.marks] == ["point"] * 3
    assert not linked.marks
    assert np.count_nonzero(alone.dots) == 3 < np.count_nonzero(linked.dots)
