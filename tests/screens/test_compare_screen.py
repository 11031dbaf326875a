"""Several runs in one chart: the table below it, its keys, and 80x24."""

import pytest

from screens.widgets.chart import Chart
from screens.widgets.compare_table import CompareTable
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
