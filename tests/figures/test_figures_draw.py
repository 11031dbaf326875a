"""A sheet on paper: each panel's pixels are found again in the saved picture, and text stays off the edges."""

import io
import itertools

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from vitbench.figures.curves import compose_curves
from vitbench.figures.draw import draw
from vitbench.figures.plots import Forest, Interval
from vitbench.figures.sheet import Cells, Panel, Profile, Scale, Sheet, in_rows
from vitbench.figures.type import SETTINGS, ends, text_width, wrapped
from vitbench.requests.drawing import ONE_COLUMN, TWO_COLUMNS, Drawing
from vitbench.requests.plots import CurvesRequest

SCALE = Scale("viridis", -1, 1, "Cosine similarity")


def noise(seed, height=37, width=53):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


def saved(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi="figure")
    return np.asarray(Image.open(buffer).convert("RGB"))


def sheets():
    plain = in_rows([Panel(noise(n, 37 + n, 53), f"panel {n}", scale=SCALE if n else None) for n in range(4)])
    scales = [Scale("jet", 0, n + 1.0, "Attention") for n in range(7)]
    many = in_rows(
        [Panel(noise(n), "a title that is much too long for its panel " * 3, scale=scales[n]) for n in range(7)]
    )
    cells = Cells(4, 4, "Input patch row", "Input patch column")
    profile = Profile(np.random.default_rng(0).random((4, 4)), (1, 2))
    return {
        "one scale": Sheet("k", {}, plain),
        "own scales": Sheet("k", {}, many, caption="Words below. " * 40, title="A heading"),
        "cells": Sheet("k", {}, (Panel(noise(1, 64, 64), "grid", scale=SCALE, cells=cells),)),
        "profile": Sheet("k", {}, (Panel(noise(1, 64, 64), "tile", scale=SCALE, cells=cells, profile=profile),)),
        "picture alone": Sheet("k", {}, (Panel(noise(3, 200, 20)),)),
    }


@pytest.mark.parametrize("name", sheets())
@pytest.mark.parametrize("drawing", [Drawing(), Drawing(width=ONE_COLUMN, dpi=72), Drawing(width=TWO_COLUMNS)])
def test_a_drawn_panel_sampled_at_pixel_centres_gives_its_raster_back(name, drawing):
    sheet = sheets()[name]
    figure = draw(sheet, drawing)
    picture = saved(figure)
    height = picture.shape[0]
    assert sheet.panels
    for panel in sheet.panels:
        images = [image for axes in figure.axes for image in axes.images]
        box = next(one for one in images if np.array_equal(one.get_array(), panel.picture)).get_window_extent()
        rows, columns = panel.picture.shape[:2]
        across, down = box.width / columns, box.height / rows
        assert across == pytest.approx(round(across), abs=1e-6)
        assert round(across) >= 1
        x = (box.x0 + (np.arange(columns) + 0.5) * across).astype(int)
        y = (height - box.y1 + (np.arange(rows) + 0.5) * down).astype(int)
        np.testing.assert_array_equal(picture[y[:, None], x[None, :]], panel.picture)


def test_panels_without_ticks_share_one_pair_of_axes():
    """Axes of its own for each panel and bar took longer than all else of a figure."""
    assert len(draw(sheets()["own scales"]).axes) == 1


@pytest.mark.parametrize("name", sheets())
@pytest.mark.parametrize("width", [None, "one", "two"])
def test_text_touches_no_edge_and_no_other_text(name, width):
    import matplotlib

    drawing = Drawing(width=width, caption=True)
    with matplotlib.rc_context(SETTINGS):
        figure = draw(sheets()[name], drawing)
        figure.canvas.draw()
        from matplotlib.text import Text

        wide, high = figure.canvas.get_width_height()
        boxes = [
            (text.get_text(), text.get_window_extent())
            for text in figure.findobj(Text)
            if text.get_text().strip() and text.get_visible()
        ]
    point = figure.dpi / 72
    assert bool(boxes) == (name != "picture alone")
    for words, box in boxes:
        assert box.x0 >= point, words
        assert box.y0 >= point, words
        assert box.x1 <= wide - point, words
        assert box.y1 <= high - point, words
    for number, (words, box) in enumerate(boxes):
        for others, other in boxes[number + 1 :]:
            over = min(box.x1, other.x1) - max(box.x0, other.x0), min(box.y1, other.y1) - max(box.y0, other.y0)
            assert min(over) <= 1.5 * point, (words, others)


def test_the_width_on_paper_is_that_of_one_or_two_columns_and_letters_have_seven_points():
    for width, millimetres in (("one", 85.0), ("two", 174.0), (120, 120.0)):
        figure = draw(sheets()["own scales"], Drawing(width=width))
        assert figure.get_size_inches()[0] * 25.4 == pytest.approx(millimetres, abs=0.2)
        assert {text.get_fontsize() for text in figure.texts} <= {6.0, 7.0}
        assert figure.dpi >= 300


@pytest.mark.parametrize(
    ("low", "high", "width", "wanted"),
    [
        (1.3e-06, 0.0827, 1.0, ("0", "0.0827")),
        (0.0023, 0.0321, 1.0, ("0.0023", "0.0321")),
        (0.0023, 0.0321, 0.55, ("0", "0.03")),
        (-1.0, 1.0, 0.6, ("−1", "1")),
        (3.2e-09, 4.8e-08, 2.0, ("3.20e−09", "4.80e−08")),
        (0.5, 0.5, 1.0, ("0.5", "0.5")),
        (-57.8, 157.3, 0.1, ("", "200")),
    ],
)
def test_the_ends_of_a_scale_have_the_digits_that_there_is_room_for(low, high, width, wanted):
    assert ends(low, high, width) == wanted


def test_a_long_name_is_broken_between_its_parts():
    width = text_width("04_heart_squ")
    assert wrapped("04_heart_square.png", width) == ["04_heart_", "square.png"]
    assert "".join(wrapped("x" * 60, width)) == "x" * 60


@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
@pytest.mark.parametrize("caption", [False, True])
@pytest.mark.parametrize("name", ["run", "a run with a name that is longer than any column of a page could be"])
def test_names_of_many_curves_leave_the_chart_its_width_and_touch_nothing(width, caption, name):
    curves = [
        {"name": f"{number} {name}", "colour": "#0072b2", "x": [0, 1, 2], "y": [1, number, 2]} for number in range(9)
    ]
    sheet = compose_curves(CurvesRequest.read({"title": "val/loss", "curves": curves}))
    figure = draw(sheet, Drawing(width=width, caption=caption))
    figure.canvas.draw()
    axes, legend = figure.axes[0], figure.legends[0]
    page = figure.bbox
    assert axes.get_window_extent().width > 0.7 * page.width
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= page.width
    assert box.y1 <= axes.xaxis.get_tightbbox().y0
    below = [text.get_window_extent().y1 for text in figure.texts]
    assert box.y0 >= max(below, default=0) - 2


def test_no_letter_is_smaller_than_seven_points():
    names = tuple(f"class {number}" for number in range(12))
    cells = Cells(12, 12, "True", "Predicted", names, names, tuple(("7",) * 12 for _ in range(12)))
    panel = Panel(np.zeros((240, 240, 3), np.uint8), "matrix", scale=Scale("Blues", 0, 1, "Share"), cells=cells)
    for width in (ONE_COLUMN, TWO_COLUMNS):
        figure = draw(Sheet("any", {}, (panel,)), Drawing(width=width))
        figure.canvas.draw()
        texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
        assert texts
        assert min(text.get_fontsize() for text in texts) >= 7


@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
def test_titles_of_forests_never_touch(width):
    names = ("raw", "integrated_gradients")
    titles = ("Energy inside the mask", "Pointing game", "Deletion (lower is better)", "Correlation, randomised")
    values = (Interval(0.5, 0.4, 0.6), Interval(0.2, 0.1, 0.3))
    plots = tuple(Forest(title, names, values) for title in titles)
    figure = draw(Sheet("any", {}, (), plots=plots), Drawing(width=width))
    figure.canvas.draw()
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_a_point_on_the_limit_of_its_axis_is_drawn_whole():
    values = (Interval(0.0, 0.0, 0.1), Interval(1.0, 0.9, 1.0))
    plot = Forest("Pointing hits", ("noun", "colour"), values, limits=(0.0, 1.0))
    figure = draw(Sheet("any", {}, (), plots=(plot,)), Drawing(width=ONE_COLUMN))
    figure.canvas.draw()
    axes = figure.axes[0]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    places = [axes.transData.transform((line.get_xdata()[0], 0))[0] for line in points]
    radius = max(line.get_markersize() for line in points) / 2 * figure.dpi / 72
    assert len(places) == 2
    assert axes.bbox.x0 <= min(places) - radius
    assert max(places) + radius <= axes.bbox.x1


@pytest.mark.parametrize(("x_name", "most"), [("epoch", 20), ("step", 3), ("epoch", 7)])
def test_epochs_and_steps_are_counted_in_whole_numbers(x_name, most):
    curve = {"name": "a", "colour": "#000000", "x": list(range(most + 1)), "y": list(range(most + 1))}
    figure = draw(compose_curves(CurvesRequest.read({"title": "val/loss", "x_name": x_name, "curves": [curve]})))
    ticks = figure.axes[0].get_xticks()
    assert len(ticks) > 2
    assert all(float(tick).is_integer() for tick in ticks)
