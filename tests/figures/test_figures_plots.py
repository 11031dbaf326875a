"""Curves, learning rates, faithfulness and grounding on paper: what they say, and that they can be made again."""

import json
import math

import numpy as np
import pytest

from vitbench.cli import main
from vitbench.figures.curves import compose_curves, spoken
from vitbench.figures.draw import draw
from vitbench.figures.plots import Forest, Interval
from vitbench.figures.provenance import read_provenance
from vitbench.figures.save import sheet_bytes
from vitbench.figures.sheet import Sheet
from vitbench.requests.drawing import Drawing
from vitbench.requests.plots import MOST_POINTS, CurvesRequest, SeriesRequest

COLOURS = ("#0072b2", "#d55e00", "#0a9c53")


def chart(count=3, points=20, title="val/accuracy", **more):
    random = np.random.default_rng(0)
    curves = [
        {
            "name": f"run {number} $x$",
            "colour": COLOURS[number % 3],
            "dash": 0,
            "x": list(range(points)),
            "y": [float(np.float32(value)) for value in random.random(points)],
            "smoothed": random.random(points).tolist(),
        }
        for number in range(count)
    ]
    return {"title": title, "x_name": "step", "curves": curves, "smoothing": 0.6, **more}


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg"])
@pytest.mark.parametrize("more", [{}, {"y_log": True, "x_range": [1, 9]}, {"count": 9}])
def test_a_chart_is_made_again_from_itself(tmp_path, ending, more):
    file, again = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    file.write_bytes(sheet_bytes(compose_curves(CurvesRequest.read(chart(**more))), ending))
    assert main(["figure", "again", str(file), "--out", str(again)]) == 0
    assert again.read_bytes() == file.read_bytes()


def test_a_chart_says_what_it_shows_and_survives_grey_print():
    figure = draw(compose_curves(CurvesRequest.read(chart())))
    axes = figure.axes[0]
    assert axes.get_title(loc="left").startswith("Validation accuracy (smoothed with weight 0.6")
    assert axes.get_ylabel() == "Accuracy"
    assert axes.get_xlabel() == "Step"
    named = [line for line in axes.lines if not line.get_label().startswith("_")]
    assert len({line.get_linestyle() for line in named}) == 3
    assert spoken("validation/loss") == spoken("val/loss") == ("Validation loss", "Loss")
    assert spoken("validation/accuracy_top5") == ("Validation accuracy, top 5", "Accuracy")
    assert spoken("system/cpu_percent") == ("System CPU (%)", "CPU (%)")


def test_numbers_have_no_noise_and_gaps_stay_gaps():
    series = SeriesRequest(name="a", colour="#000000", x=(0, 1, 2), y=(float(np.float32(0.1)), math.nan, math.inf))
    assert series.y == (0.100000001, None, None)
    file = compose_curves(CurvesRequest(title="loss", curves=(series,)))
    assert json.dumps(file.request)
    assert np.isnan(file.plots[0].series[0].y[1:]).all()


def test_a_long_series_keeps_its_extremes_and_gaps():
    values = np.sin(np.arange(50_000) / 3000)
    values[12_345], values[40_000] = 9.0, -9.0
    values[20_000:20_100] = np.nan
    series = SeriesRequest(name="a", colour="#000000", x=tuple(range(50_000)), y=tuple(values.tolist())).thinned()
    assert len(series.y) <= 2 * MOST_POINTS
    assert (max(v for v in series.y if v is not None), min(v for v in series.y if v is not None)) == (9.0, -9.0)
    assert None in series.y


def test_a_learning_rate_is_made_again_without_its_recipe_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for ending in ("png", "pdf", "svg"):
        assert main(["recipe", "report", "--set", "data.path=pictures", "--curve", f"a.{ending}"]) == 0
        assert main(["figure", "again", f"a.{ending}", "--out", f"b.{ending}"]) == 0
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_a_contact_sheet_is_made_again_and_says_when_the_data_are_gone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    address = "scenes:base?count=60&size=32&seed=5"
    assert main(["data", address, "--preview", "a.png", "--image-size", "64"]) == 0
    assert main(["figure", "again", "a.png", "--out", "b.png"]) == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    recorded = read_provenance(tmp_path / "a.png")
    assert recorded["request"]["epoch"] == 0
    assert len(recorded["facts"]["panels"]) == 24


def test_forests_have_names_intervals_and_room():
    names = ("raw", "random")
    plots = tuple(
        Forest(f"measure {n}", names, (Interval(0.5, 0.4, 0.6), None if n else Interval(0.1, 0, 0.2)), ("random",), 0.5)
        for n in range(6)
    )
    figure = draw(Sheet("k", {}, (), caption="How it was measured. " * 9, plots=plots), Drawing(caption=True))
    figure.canvas.draw()
    wide = figure.canvas.get_width_height()[0]
    for text in figure.texts:
        box = text.get_window_extent()
        assert box.x0 > 0
        assert box.x1 < wide
        assert box.y0 > 0
    assert [axes.get_title() for axes in figure.axes[:6]] == [f"measure {n}" for n in range(6)]
