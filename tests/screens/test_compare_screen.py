"""Several runs side by side: the grid of scalars, the table below it, its keys, and 80x24."""

import pytest

from screens.widgets.chart import Chart
from screens.widgets.compare_table import CompareTable
from screens.widgets.picker import Picker
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened


async def test_runs_are_compared_value_by_value(store):
    fakes = [
        FakeRun(store, name, seed=seed).train(steps).status("finished")
        for name, seed, steps in (
            ("a rather long name of a run, longer than there is room", 0, 400),
            ("[b]short[/b]", 3, 800),
        )
    ]
    async with opened(store, (80, 24)) as at:
        await at.show("compare", run_ids=tuple(fake.id for fake in fakes))
        await at.see("Compare  2 runs", "train/loss", "1 of 12 scalars")
        table, chart = at.screen.query_one(CompareTable), at.screen.query_one(Chart)
        assert table.size.height == 3
        assert [row for row in at.rows() if "Lowest   Highest" in row]
        assert any("[b]short[/b]" in row and "finished" in row and " 800 " in row for row in at.rows())
        assert {curve.colour for curve in chart.curves} == {0, 1}

        await at.press("right_square_bracket", "right_square_bracket")
        await at.see("validation/accuracy")
        await at.press("home")
        await at.until(lambda: all(" 100 " in row for row in at.rows() if "finished" in row), "the first point")
        await at.press("escape")
        assert chart.cursor_x is None
        await at.press("left_square_bracket")
        await at.see("validation/loss")
        last = f"{fakes[1].latest['validation/loss']:.3g}"
        assert any(last in row for row in at.rows() if "[b]short" in row)

        await at.press("a")
        await at.until(lambda: chart.x_name == "epoch")
        assert max(curve.x[-1] for curve in chart.curves) == pytest.approx(8.0)
        await at.press("escape")
        await at.see("by age")


async def test_a_run_that_vanishes_leaves_the_comparison(store):
    fakes = [FakeRun(store, name).train(200).status("finished") for name in ("stays", "goes")]
    async with opened(store) as at:
        await at.show("compare", run_ids=tuple(fake.id for fake in fakes))
        await at.see("Compare  2 runs")
        at.app.store.remove(fakes[1].run)
        await at.see("Compare  1 run")
        assert "goes" not in at.text()


async def test_more_runs_than_there_is_room_for_are_scrolled_to(store):
    fakes = [FakeRun(store, f"run {number}", seed=number).train(100).status("finished") for number in range(14)]
    async with opened(store, (80, 24)) as at:
        await at.show("compare", run_ids=tuple(fake.id for fake in fakes))
        await at.see("Compare  14 runs", "run 0 ", "run 7 ")
        table, chart = at.screen.query_one(CompareTable), at.screen.query_one(Chart)
        assert table.size.height == 9
        assert chart.size.height >= 8
        assert "run 8 " not in at.text()
        await at.press("tab")
        assert table.has_focus
        await at.press("end")
        await at.see("Lowest   Highest", "run 6 ", "run 13 ")
        assert "run 5 " not in at.text()
        await at.press("up")
        await at.see("run 5 ", "run 12 ")
        await at.press("question_mark")
        await at.see("The runs and their values")
    async with opened(store, (200, 60)) as at:
        await at.show("compare", run_ids=tuple(fake.id for fake in fakes))
        await at.see("run 0 ", "run 13 ")


def _titles(at):
    return [chart.title for chart in at.screen.query(Chart) if chart.display]


async def test_a_wide_terminal_shows_a_grid_of_chosen_scalars(store):
    fakes = [FakeRun(store, name, seed=seed).train(400).status("finished") for seed, name in enumerate(("a", "b"))]
    ids = tuple(fake.id for fake in fakes)
    usual = ["train/loss", "validation/loss", "validation/accuracy", "train/learning_rate"]
    async with opened(store, (120, 40)) as at:
        await at.show("compare", run_ids=ids)
        await at.see("12 scalars, 4 shown", *usual)
        assert _titles(at) == usual
        charts = [chart for chart in at.screen.query(Chart) if chart.display]
        assert all(len(chart.curves) == 2 and chart.size.height >= 10 for chart in charts)
        assert len({chart.region.x for chart in charts}) == len({chart.region.y for chart in charts}) == 2

        await at.press("tab", "tab")  # the third chart, of the accuracy: the table follows, and so does the cursor
        await at.until(lambda: any("Lowest" in row and "validation/accuracy" in row for row in at.rows()))
        await at.press("home")
        assert len({chart.cursor_x for chart in charts}) == 1
        assert charts[0].cursor_x == 100

        await at.press("right_square_bracket")  # the next that has no chart yet
        await at.until(lambda: _titles(at)[2] == "system/cpu_percent")
        await at.press("t")
        await at.type("top5")
        await at.press("enter")
        await at.until(lambda: _titles(at)[2] == "validation/accuracy_top5")

        await at.press("g")
        await at.see("The scalars of the grid", "validation/accuracy_top5", "system/gpu_utilization")
        await at.type("gradient")
        await at.press("enter", "escape")  # taken in; Escape takes the filter away, then closes
        assert at.screen.query_one(Picker).value == ""
        await at.type("learning")
        await at.press("enter", "escape", "escape")
        shown = ["train/loss", "validation/loss", "validation/accuracy_top5", "train/gradient_norm"]
        await at.until(lambda: _titles(at) == shown, "the chosen scalars")

        await at.press("z")
        await at.until(lambda: len(_titles(at)) == 1, "one chart alone")
        await at.press("z")
        await at.until(lambda: _titles(at) == shown)
    async with opened(store, (200, 60)) as at:
        await at.show("compare", run_ids=ids)
        await at.until(lambda: at.screen.query_one(Chart).curves and _titles(at) == shown, "what was chosen before")
    async with opened(store, (80, 24)) as at:
        await at.show("compare", run_ids=ids)
        await at.see("1 of 12 scalars")
        await at.press("g")
        assert [notice.message for notice in at.app._notifications][-1].startswith("A grid needs 100 columns")


async def test_a_grid_has_one_to_nine_charts_and_scrolls(store):
    fake = FakeRun(store, "a").train(400).status("finished")
    async with opened(store, (100, 30)) as at:
        await at.show("compare", run_ids=(fake.id,))
        await at.see("4 shown")
        await at.press("g")
        await at.press("down", "down")
        for _ in range(5):
            await at.press("down", "enter")
        assert len(at.screen.chosen) == 9
        await at.press("down", "enter")
        await at.see("At most 9:")
        await at.press(*["up"] * 8, *["enter", "down"] * 3)
        await at.press("escape")
        chosen = at.screen.chosen
        await at.until(lambda: _titles(at) == chosen)
        assert chosen[0] == "train/learning_rate"
        assert len(chosen) == 6
        last = [chart for chart in at.screen.query(Chart) if chart.display][-1]
        for _ in chosen[1:]:
            await at.press("tab")
        assert last.has_focus
        await at.until(lambda: last.title in at.text(), "the last chart, scrolled to")
