"""What is read off a chart or a table is true: smoothing, the cursor, the narrow curve, and the recipe's name."""

import math

import numpy as np
import pytest

from screens import wording
from screens.curves import is_setting
from screens.widgets.chart import Chart
from screens.widgets.chart_raster import at_or_before, smooth
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened


async def test_all_curves_of_a_comparison_are_smoothed_alike(store):
    """96 points beside 160 were drawn raw beside smoothed, under one label."""
    runs = [
        FakeRun(store, name, epochs=20, steps_per_epoch=steps // 20).train(steps, every=10).status("finished")
        for name, steps in (("long", 1600), ("short", 960), ("tiny", 40))
    ]
    async with opened(store, (120, 40)) as at:
        await at.show("compare", run_ids=tuple(run.id for run in runs))
        chart = at.screen.query_one(Chart)
        await at.until(lambda: len(chart.curves) == 3, "the curves")
        chart.smoothing = 0.0
        at.screen.group.smoothing = 0.0
        await at.press("x")
        assert [notice.message for notice in at.app._notifications][-1].startswith("Smoothing: 0.6")
        await at.press("x", "x")  # each says what is set now, and takes the place of what was said before
        (said,) = [notice.message for notice in at.app._notifications if notice.message.startswith("Smoothing")]
        assert said.startswith("Smoothing: 0.97")
        at.app.tell("settings: a first problem", "warning")
        at.app.tell("settings: a second problem", "warning")
        warned = "settings: a first problem", "settings: a second problem"
        await at.until(lambda: {*warned} <= {notice.message for notice in at.app._notifications}, "both warnings")
        chart.smoothing = at.screen.group.smoothing = 0.6
        assert sorted(curve.x.size for curve in chart.curves) == [4, 96, 160]
        for curve in chart.curves:
            assert chart.is_smoothed(curve)
            np.testing.assert_allclose(chart.smoothed(curve), smooth(curve.y, 0.6))
        at.screen.tag = "train/learning_rate"
        at.app.show_snapshot()
        await at.see("train/learning_rate")
        chart = at.screen.chart
        assert chart.title == "train/learning_rate"
        assert not any(chart.is_smoothed(curve) for curve in chart.curves)
        head = at.rows()[chart.region.y][chart.region.x : chart.region.right]
        assert "learning_rate" in head
        assert "smooth" not in head


@pytest.mark.parametrize(
    ("tag", "setting"),
    [
        ("train/learning_rate", True),
        ("lr-Adam/pg1", False),
        ("lr-Adam", True),
        ("optim/weight_decay", True),
        ("train/loss", False),
        ("validation/learning_score", False),
        ("epoch", True),
    ],
)
def test_settings_are_told_from_what_is_measured(tag, setting):
    assert is_setting(tag) is setting


async def test_a_cursor_reads_nothing_from_the_future(store):
    fake = FakeRun(store, "one", epochs=10, steps_per_epoch=80).train(320, every=1).status("finished")
    async with opened(store, (120, 40)) as at:
        await at.show("run", run_id=fake.id)
        await at.until(lambda: at.screen.query_one("#loss", Chart).curves, "the curves")
        await at.press("home")
        head = next(row for row in at.rows() if row.lstrip().startswith("Loss"))
        assert "validation  " in head.split("Accuracy")[0] + "  ", head
        chart = at.screen.query_one("#loss", Chart)
        chart.cursor_x = 100.0
        await at.see("at 80", "step 100")
        assert np.isclose(chart.cursor_x, 100.0)


def test_the_last_point_at_or_before():
    x = np.array([10.0, 20.0, 20.0, 30.0])
    assert at_or_before(x, 5.0) is None
    assert at_or_before(x, 10.0) == 0
    assert at_or_before(x, 29.9) == 2
    assert at_or_before(x, 99.0) == 3
    assert at_or_before(x[::-1], 25.0) == 2
    assert at_or_before(np.zeros(0), 1.0) is None


def test_a_narrow_curve_is_the_whole_run():
    whole = (2.0, 1.8, 1.5, 1.2, 0.9, 0.6, 0.7, 1.1, 0.9, 0.8, 0.7, 0.67)
    bars = wording.sparkline(whole, 6)
    assert len(bars) == 6
    assert bars[0] == "█", "the beginning is its highest"
    assert bars.index("▁") in (2, 3, 5)
    assert wording.sparkline((1.0, math.nan, math.nan, 2.0), 2)[1] != "×"
    assert wording.sparkline((1.0, 1.0, math.nan, math.nan), 2)[1] == "×"
    assert wording.sparkline((1.0,), 4).strip() == "▁"


async def test_a_named_run_has_its_name_in_its_recipe(store):
    fake = FakeRun(store, "named [b]run[/b]").train(10).status("finished")
    async with opened(store, (120, 40)) as at:
        await at.show("run", run_id=fake.id)
        await at.press("4")
        await at.see('name = "named [b]run[/b]"')


async def test_a_run_that_was_just_made_opens_although_no_snapshot_knows_it(store):
    """With a run in the store, the screen of a new one said that its folder was gone."""
    FakeRun(store, "old").train(100).status("finished")
    async with opened(store, (80, 24)) as at:
        at.app.watcher.stop()
        fake = FakeRun(store, "new one")
        assert at.app.snapshot.run(fake.id) is None
        await at.show("run", run_id=fake.id)
        await at.see("new one", "1 Curves")
        at.app.show_snapshot()
        await at.see("new one")
        assert not any("gone" in notice.message for notice in at.app._notifications)
        await at.show("run", run_id="nothing")
        await at.until(lambda: any("gone" in notice.message for notice in at.app._notifications), "the notice")


async def test_the_table_puts_its_cursor_on_the_run_that_was_started(store):
    for number in range(3):
        FakeRun(store, f"old {number}").train(10).status("finished")
    async with opened(store, (80, 24)) as at:
        await at.press("end")
        fake = FakeRun(store, "newest")
        at.app.select_run(fake.id)
        at.app.watcher.wake()
        await at.until(lambda: at.screen.current_run().id == fake.id, "the cursor on the new run")


@pytest.mark.parametrize("key", ["n", "D", "K", "s", "E", "question_mark", "ctrl+p", "slash"])
async def test_keys_do_nothing_where_nothing_can_be_seen(store, key):
    FakeRun(store, "one").train(100).status("finished")
    async with opened(store, (40, 10)) as at:
        await at.see("needs 50x12")
        await at.press(key)
        assert len(at.app.screen_stack) == 2


async def test_q_leaves_where_nothing_can_be_seen(store):
    FakeRun(store, "one").train(100).status("finished")
    async with opened(store, (40, 10)) as at:
        await at.see("needs 50x12")
        await at.press("q")
        await at.until(lambda: at.app.return_value is not None, "the end")
