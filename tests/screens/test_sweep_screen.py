"""The Sweep screen: leaderboard, curves of the survivors, slices, more trials, and the winner once more."""

import pytest

from screens.export import chart_csv, chart_figure
from screens.look import glyphs
from screens.new_sweep_screen import NewSweepScreen
from screens.sweep_screen import SweepScreen
from screens.widgets.chart import Chart
from screens.widgets.sweep_view import SweepView
from tests.screens.opened_app import opened
from tests.screens.test_new_run_screen import checking  # noqa: F401 - a fixture: no test here starts torch
from tests.sweeps.test_sweeps_manager import whole_grid  # noqa: F401 - a fixture
from vitbench.figures.curves import compose_curves
from vitbench.requests.plots import CurvesRequest
from vitbench.sweeps.history import Trial
from vitbench.sweeps.manager import stop_sweep


@pytest.fixture(autouse=True)
def unmanaged(monkeypatch, tmp_path):
    monkeypatch.setattr("screens.sweep_screen.ensure_managers", lambda store: None)
    monkeypatch.chdir(tmp_path)


async def test_curves_and_slices_stand_beside_the_leaderboard(whole_grid):  # noqa: F811
    async with opened(whole_grid.store.folder, (140, 40)) as at:
        await at.press("S")
        await at.see("validation/accuracy of the best 6", "accuracy over optim.name")
        axis = next(row for row in reversed(at.rows()) if "sgd" in row and "adamw" in row)
        assert axis.split()[-3:] == ["optim", "sgd", "adamw"], "names below the axis, and no numbers between them"
        curves, cut = (at.screen.query_one(f"#sweep-{name}", Chart) for name in ("curves", "slice"))
        assert len(curves.curves) == 6
        assert curves.curves[0].name == "optim.name=adamw optim.lr=0.001", "the best first"
        assert curves.curves[0].x[-1] == 20
        assert [curve.linked for curve in cut.curves] == [False, False], "no line from a name to another"
        assert len(cut.curves[0].x) == 6
        table = chart_csv(cut.curves, cut.x_name, (), cut.places).splitlines()
        assert [row.split(",")[0] for row in table] == ["optim.name", *["sgd"] * 3, *["adamw"] * 3], "each trial a row"
        drawn = compose_curves(CurvesRequest.read(chart_figure(cut)))
        assert drawn.plots[0].x_names == ("sgd", "adamw")
        cut.focus()
        await at.press("L", "right")
        await at.see("optim.name adamw")
        assert not cut.x_log, "names have no logarithm"
        await at.press("t")
        await at.type("optim.lr")
        await at.press("enter")
        await at.see("accuracy over optim.lr", "optim.name  ")
        assert cut.x_log
        assert cut.has_focus
        await at.press("z")
        assert not at.screen.query_one(SweepView).display
        await at.press("z")
        assert at.screen.query_one(SweepView).display


async def test_a_narrow_terminal_shows_one_panel(whole_grid):  # noqa: F811
    async with opened(whole_grid.store.folder, (80, 24)) as at:
        await at.press("S")
        await at.see("Mean by value")
        assert "of the best 6" not in at.text()
        await at.press("t")
        await at.type("curves")
        await at.press("enter")
        await at.see("of the best 6")
        assert "Mean by value" not in at.text()


async def test_a_trial_is_one_row_however_narrow_and_the_selected_one_is_told_whole(whole_grid):  # noqa: F811
    async with opened(whole_grid.store.folder, (60, 24)) as at:
        await at.press("S")
        await at.see("The selected trial: optim.name=adamw optim.lr=0.001")
        rows = [line.replace(glyphs().pointer, " ").split() for line in at.rows() if "optim.na" in line]
        assert [row[0] for row in rows if row[0].isdigit()] == ["1", "2", "3", "4", "5", "6"]


async def test_the_winner_is_written_and_offered_with_three_seeds(whole_grid, tmp_path, checking):  # noqa: F811
    async with opened(whole_grid.store.folder, (120, 40)) as at:
        await at.press("S")
        await at.see("Sweep  a sweep")
        await at.press("C")
        await at.until(lambda: isinstance(at.screen, NewSweepScreen), "a new sweep")
        await at.see("3 trials")
        plan = at.screen.plan
        assert [plan.recipe_of({"train.seed": seed}, 0).optim.lr for seed in (1, 2)] == [1e-3, 1e-3]
        assert len(list(tmp_path.glob("trial-*.toml"))) == 1
        await at.press("escape")
        await at.until(lambda: isinstance(at.screen, SweepScreen), "nothing typed is lost without a question")


async def test_a_sweep_is_stopped_resumed_and_made_longer(whole_grid):  # noqa: F811
    plan = whole_grid.plan()
    whole_grid.change(plan.model_copy(update={"method": "random", "trials": 6}))
    try:
        async with opened(whole_grid.store.folder, (120, 40)) as at:
            await at.press("S")
            await at.see("6 of 6 trials ended")
            stop_sweep(whole_grid, runs=False)
            await at.press("r")  # no key of this screen
            await at.until(lambda: at.screen.state[0] == "stopped", "its state")
            await at.press("p")
            await at.until(lambda: whole_grid.state()[0] == "running", "the sweep")
            await at.press("plus")
            await at.see("How many trials in all?")
            await at.press("ctrl+u")
            await at.type("4")
            await at.press("enter")
            await at.until(lambda: any("only be added" in one.message for one in at.app._notifications), "why not")
            await at.press("plus")
            await at.see("How many trials in all?")
            await at.press("enter")
            await at.see("6 of 11 trials ended")
    finally:
        whole_grid.change(plan)
        whole_grid.set_state("finished")


def test_the_cursor_stays_on_the_trial_whose_run_was_opened():
    worse, better = (Trial(number, {"optim.lr": number}) for number in (0, 1))
    view = SweepView()
    view._board = [worse]
    view.hold()
    view._board = [better, worse]
    assert view.selected is worse
