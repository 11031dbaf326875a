"""The chart as a widget: what it sends, how it is moved about in, and what its legend says."""

import numpy as np
from textual.app import App, ComposeResult
from textual.geometry import Region

from screens.export import chart_csv
from screens.widgets.chart import Chart, Curve
from screens.widgets.chart_axis import AxisRange


def curve(points: int, key: str = "a", colour: int = 0) -> Curve:
    x = np.arange(points, dtype=float)
    return Curve(key, key, x, 1 / (1 + x), colour)


class ChartApp(App[None]):
    """One chart, and a note of everything that it refreshed."""

    def compose(self) -> ComposeResult:
        yield Chart("Loss", id="chart")

    def on_mount(self) -> None:
        self.chart = self.query_one(Chart)
        self.sent: list[Region | None] = []
        refresh = self.chart.refresh

        def noted(*regions: Region, **options: bool) -> Chart:
            self.sent += list(regions) or [None]
            return refresh(*regions, **options)

        self.chart.refresh = noted  # type: ignore[method-assign]
        self.chart.focus()


def lines(chart: Chart) -> list[str]:
    return [chart.render_line(y).text for y in range(chart.size.height)]


async def test_only_changed_cells_are_sent() -> None:
    app = ChartApp()
    async with app.run_test(size=(80, 20)) as pilot:
        app.chart.show([curve(510)])
        await pilot.pause()
        app.sent.clear()
        app.chart.show([curve(510)])
        assert app.sent == []
        app.chart.show([curve(520)])
        areas = [region.area for region in app.sent if region is not None]
        assert None not in app.sent
        # Ten points more on an axis that has room for them, and the newest value in the legend.
        assert 0 < sum(areas) < 30


async def test_the_legend_tells_the_newest_value_or_the_one_under_the_cursor() -> None:
    app = ChartApp()
    async with app.run_test(size=(80, 20)) as pilot:
        app.chart.show([curve(101)], growing=False)
        await pilot.pause()
        assert "0.0099" in lines(app.chart)[0]
        await pilot.press("home", "right")
        assert app.chart.cursor_x is not None
        value = 1 / (1 + app.chart.cursor_x)
        assert 0 < app.chart.cursor_x < 4
        assert f"step {app.chart.cursor_x:.0f}" in lines(app.chart)[0]
        assert f"{value:.3g}".rstrip("0") in lines(app.chart)[0]
        await pilot.press("escape")
        assert app.chart.cursor_x is None


async def test_every_point_is_reached_by_the_cursor_when_zoomed_in() -> None:
    app = ChartApp()
    async with app.run_test(size=(80, 20)) as pilot:
        app.chart.show([curve(1000)], growing=False)
        await pilot.pause()
        app.chart.window = AxisRange(10, 20)
        app.chart.cursor_x = 12.0
        await pilot.press("right", "right", "right")
        assert app.chart.cursor_x == 15.0


async def test_zoom_and_pan_stay_on_the_data() -> None:
    app = ChartApp()
    async with app.run_test(size=(80, 20)) as pilot:
        app.chart.show([curve(1001)], growing=False)
        await pilot.pause()
        await pilot.press("plus", "plus")
        assert app.chart.window == AxisRange(750, 1000)
        await pilot.press("greater_than_sign")
        assert app.chart.window == AxisRange(750, 1000)
        await pilot.press("less_than_sign")
        assert app.chart.window == AxisRange(687.5, 937.5)
        await pilot.press("minus", "minus", "minus")
        assert app.chart.window is None


async def test_log_axes_and_vertical_zoom() -> None:
    app = ChartApp()
    async with app.run_test(size=(80, 20)) as pilot:
        app.chart.show([curve(1001)], growing=False)
        await pilot.pause()
        await pilot.press("l")
        assert app.chart.viewport.y_log
        assert 0 < app.chart.viewport.y_low <= 1e-3
        # 1 / (1 + x) over log axes is nearly straight: the dots of the last row lie at the right.
        await pilot.press("L")
        assert app.chart.viewport.x_low > 0
        await pilot.press("l", "L")
        before = app.chart.viewport
        await pilot.press("shift+up")
        assert (app.chart.viewport.y_high - app.chart.viewport.y_low) * 2 == before.y_high - before.y_low
        await pilot.press("up")
        assert app.chart.viewport.y_low > before.y_low
        await pilot.press("0")
        assert app.chart.viewport.y_high == before.y_high


async def test_names_from_outside_are_words() -> None:
    app = ChartApp()
    async with app.run_test(size=(80, 20)) as pilot:
        app.chart.show([Curve("k", "[bold]\x1b[31mred\x07\nrun[/bold]", np.arange(3.0), np.arange(3.0), 0)])
        await pilot.pause()
        head = lines(app.chart)[0]
        assert "[bold]red  run[/bold]" in head
        assert "\x1b" not in head


async def test_sizes_from_nothing_to_large() -> None:
    app = ChartApp()
    async with app.run_test(size=(80, 20)) as pilot:
        app.chart.show([curve(100)])
        for size in ((1, 1), (5, 3), (13, 4), (200, 60), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert all(len(line) == app.chart.size.width for line in lines(app.chart))


def test_csv_has_no_noise_of_single_precision() -> None:
    y = np.array([0.1, 1e-5, 123456.7], np.float32).astype(float)
    rows = chart_csv((Curve("a", "a", np.array([1.0, 2.0, 3.0]), y, 0),), "step").splitlines()
    assert rows[1:] == ["1,0.1", "2,1e-05", "3,123456.7"]
    assert [float(np.float32(row.split(",")[1])) for row in rows[1:]] == y.tolist(), "and nothing is lost"
    mean = np.array([0.1, 0.2, 1 / 3])
    assert chart_csv((Curve("a", "a", np.arange(3.0), mean, 0),), "step").endswith("0.333333333\n")


def test_csv_has_a_row_for_each_x_and_gaps_where_a_curve_has_none() -> None:
    a = Curve("a", "train", np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.25, 0.125]), 0)
    b = Curve("b", "validation, all", np.array([2.0, 4.0]), np.array([0.3, np.nan]), 1)
    assert chart_csv((a, b), "step").splitlines() == [
        'step,train,"validation, all"',
        "1,0.5,",
        "2,0.25,0.3",
        "3,0.125,",
        "4,,nan",
    ]
