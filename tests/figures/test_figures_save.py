"""Where panels stand in a figure."""

import numpy as np
import pytest

from vitbench.figures.draw import draw
from vitbench.figures.sheet import Cells, Panel, Profile, Scale, Sheet, in_rows
from vitbench.requests.drawing import TWO_COLUMNS, Drawing


def solid(height: int, width: int) -> Panel:
    return Panel(np.full((height, width, 3), 90, np.uint8), "title")


@pytest.mark.parametrize(
    ("count", "lengths"),
    [(2, [2]), (5, [5]), (6, [3, 3]), (7, [4, 3]), (9, [3, 3, 3]), (13, [5, 5, 3]), (14, [5, 5, 4])],
)
def test_many_panels_stand_in_rows_of_at_most_five(count, lengths):
    placed = in_rows([solid(4, 4) for _ in range(count)])
    assert [sum(panel.place[0] == row for panel in placed) for row in range(len(lengths))] == lengths
    assert sorted(placed, key=lambda panel: panel.place) == list(placed)


def test_a_row_is_as_high_as_its_own_panels():
    low, tall = solid(100, 200), solid(300, 200)
    figure = draw(Sheet("k", {}, (*in_rows([low, low]), *in_rows([tall], first_row=1))))
    boxes = [image.get_window_extent() for axes in figure.axes for image in axes.images]
    assert boxes[2].height == pytest.approx(3 * boxes[0].height, rel=1e-6)
    assert min(box.y0 for box in boxes[:2]) > boxes[2].y1


def test_the_curves_beside_a_tile_are_its_row_and_its_column_and_lie_along_them():
    values = np.arange(8.0).reshape(2, 4) / 8
    picture = np.zeros((100, 200, 3), np.uint8)
    cells, scale = Cells(2, 4, row_title="Patch row"), Scale("viridis", -1, 1, "Cosine similarity")
    tile = Panel(picture, "tile", scale=scale, cells=cells, profile=Profile(values, (1, 2)))
    figure = draw(Sheet("k", {}, in_rows([tile, tile])), Drawing(width=TWO_COLUMNS))
    raster, below, beside = figure.axes[:3]
    np.testing.assert_array_equal(below.lines[0].get_ydata(), values[1])
    np.testing.assert_array_equal(beside.lines[0].get_xdata(), values[:, 2])
    assert below.get_xlim() == raster.get_xlim()
    assert beside.get_ylim() == raster.get_ylim(), "row 1 is at the top of both"
    assert [label.get_text() for label in below.get_xticklabels()] == ["1", "2", "3", "4"]
