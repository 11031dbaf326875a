"""One run: its views and keys, the log line under the cursor, evaluations, export, and how it tells what went wrong."""

import time
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import Input, OptionList

from screens.dialogs import CrashNotice
from screens.evaluation import preferred, read_evaluation
from screens.look import glyphs
from screens.widgets.chart import Chart
from screens.widgets.confusion_view import ConfusionMatrix
from screens.widgets.log_view import LogView
from screens.widgets.picture import Picture
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened
from vitbench.runs.process import this_process


@pytest.fixture
def finished(store: Path, tmp_path: Path) -> FakeRun:
    """A finished run with an evaluation."""
    return FakeRun(store, "pets", seed=1).train(1000).evaluate(tmp_path / "pictures").status("finished")


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_every_view_fits_and_shows_what_it_is_for(finished, store, size):
    async with opened(store, size) as at:
        await at.press("enter")
        await at.see("✓ finished pets", "Loss", "Accuracy", "epoch 10: validation")
        for key, expected in (
            ("2", "Gradient norm"),
            ("3", "epoch 10: validation"),
            ("4", "the preset that it started from"),
            ("5", "predicted as"),
            ("6", "mistakes in 480 pictures"),
        ):
            await at.press(key)
            await at.see(expected)
            assert max(map(len, at.rows())) <= size[0]
            assert "esc back" in at.rows()[-1]
        await at.press("1", "escape")
        await at.see("by age")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_a_captioner_shows_when_its_words_become_grounded(store, size):
    FakeRun(store, "captions", seed=1).train(1000).ground(range(100, 1001, 100)).status("finished")
    async with opened(store, size) as at:
        await at.press("enter")
        await at.see("Grounding AUC", "nouns", "colours", "numbers")
        chart = at.screen.query_one("#grounding", Chart)
        assert [curve.name for curve in chart.curves] == ["nouns", "colours", "numbers"]
        await at.press("tab", "tab")
        assert chart.has_focus
        await at.press("z")
        assert not at.screen.query_one("#loss", Chart).display
        await at.press("z")


async def test_a_classifier_has_no_chart_of_grounding(finished, store):
    async with opened(store, (120, 40)) as at:
        await at.press("enter")
        await at.see("Loss", "Accuracy")
        assert not at.screen.query_one("#grounding", Chart).display


async def test_the_cursor_shows_the_log_line_of_its_moment(finished, store):
    async with opened(store, (80, 24)) as at:
        await at.press("enter")
        await at.see("Accuracy")
        await at.until(lambda: at.screen.query_one("#loss", Chart).curves, "the curves")
        await at.press("home", "right")
        log = at.screen.query_one("#beside-log", LogView)
        cursor = at.screen.query_one("#loss", Chart).cursor_x
        assert at.screen.query_one("#accuracy", Chart).cursor_x == cursor
        await at.press("end")
        assert log.lines[log.pointed].step == 1000
        await at.press("2")
        await at.see("Gradient norm")
        await at.press("end")
        await at.see("1,000  epoch 10: validation")
        await at.press("1", "z", "home", "end")
        await at.see("1,000  epoch 10: validation")
        assert not log.display
        chart = at.screen.query_one("#loss", Chart)
        assert chart.size.height > 15
        await at.press("escape")
        assert chart.cursor_x is None
        assert at.screen.run_id == finished.id


async def test_axis_and_smoothing_are_for_all_charts_and_remembered(finished, store):
    async with opened(store) as at:
        await at.press("enter")
        await at.until(lambda: at.screen.query_one("#loss", Chart).curves, "the curves")
        before = at.screen.query_one("#loss", Chart).smoothing
        await at.press("a", "x")
        await at.until(lambda: at.screen.query_one("#loss", Chart).x_name == "epoch")
        smoothings = {chart.smoothing for chart in at.screen.query(Chart)}
        assert len(smoothings) == 1
        assert smoothings != {before}
        loss = at.screen.query_one("#loss", Chart).curves[0]
        assert loss.x[-1] == pytest.approx(10.0)
    async with opened(store) as at:
        await at.press("enter")
        await at.until(lambda: at.screen.query_one("#loss", Chart).x_name == "epoch")


async def test_confusions_are_gone_through_by_key(finished, store):
    evaluation = read_evaluation(finished.run.folder / "evaluations" / "test-1000.json")
    pairs = evaluation.pairs()
    async with opened(store, (80, 24)) as at:
        await at.press("enter", "5")
        await at.see("predicted as")
        matrix = at.screen.query_one(ConfusionMatrix)
        assert (matrix.row, matrix.column) == pairs[0][:2]
        await at.press("right_square_bracket", "right_square_bracket")
        assert (matrix.row, matrix.column) == pairs[2][:2]
        count, names = pairs[2][2], evaluation.classes
        await at.see(f"{names[matrix.row]}: {count} of", f"predicted as {names[matrix.column]}")
        await at.press("left_square_bracket", "up", "right")
        assert (matrix.row, matrix.column) == (max(0, pairs[1][0] - 1), min(11, pairs[1][1] + 1))
        heads = [row[matrix._label_width() + 2 :] for row in at.rows()[5 : 5 + matrix._heads]]
        cell = matrix._cell_width
        assert "".join(head[cell - 1 : cell] or " " for head in heads).strip() == "kind a"[: matrix._heads]


async def test_mistakes_come_with_their_pictures(finished, store):
    evaluation = read_evaluation(finished.run.folder / "evaluations" / "test-1000.json")
    async with opened(store, (80, 24)) as at:
        await at.press("enter", "6")
        picture = at.screen.query_one(Picture)
        await at.until(lambda: picture.pixels is not None, "the picture")
        first = picture.pixels
        await at.press("down")
        await at.until(lambda: not np.array_equal(picture.pixels, first), "another picture")
        await at.see(evaluation.worst[1].file.name, glyphs().ellipsis)
        evaluation.worst[2].file.unlink()
        await at.press("down")
        await at.see("cannot be shown: it")
        assert picture.pixels is None


def test_the_test_part_itself_is_shown_first():
    assert preferred(("validation-10.json", "test-20.json", "test_heldout-20.json")) == "test-20.json"
    assert preferred(("validation-10.json",)) == "validation-10.json"
    assert preferred(()) is None


async def test_without_an_evaluation_a_whole_sentence_says_so(store):
    FakeRun(store, "young").train(100).status("running", process=this_process())
    async with opened(store, (80, 24)) as at:
        await at.press("enter", "5")
        await at.see("No evaluation yet", "now with E.")
        await at.press("6")
        await at.see("No evaluation yet", "now with E.")
        assert "export" not in at.rows()[-1]


@pytest.mark.parametrize("ending", ["csv", "svg"])
async def test_a_chart_is_saved(finished, store, tmp_path, ending):
    file = tmp_path / f"chart.{ending}"
    async with opened(store, (80, 24)) as at:
        await at.press("enter")
        await at.until(lambda: at.screen.query_one("#loss", Chart).curves, "the curves")
        await at.press("e")
        at.screen.query_one(Input).value = str(file)
        await at.press("enter")
        await at.until(lambda: any("Saved" in notice.message for notice in at.app._notifications), "the notice")
    text = file.read_text()
    if ending == "csv":
        rows = text.splitlines()
        assert rows[0] == "step,train,validation"
        assert len(rows) == 101
        assert float(rows[-1].split(",")[2]) == pytest.approx(finished.latest["validation/loss"], rel=1e-6)
    else:
        assert "<svg" in text


@pytest.mark.parametrize("ending", ["csv", "png"])
async def test_the_confusion_matrix_is_saved(finished, store, tmp_path, ending):
    file = tmp_path / f"confusion.{ending}"
    async with opened(store, (80, 24)) as at:
        await at.press("enter", "5")
        await at.see("predicted as")
        await at.press("e")
        await at.see("Save the confusion matrix as", "confusion-test-1000.png")
        at.screen.query_one(Input).value = str(file)
        await at.press("enter")
        await at.until(lambda: any("Saved" in notice.message for notice in at.app._notifications), "the notice")
        await at.press("3")
        assert "e export" not in at.rows()[-1]
    evaluation = read_evaluation(finished.run.folder / "evaluations" / "test-1000.json")
    if ending == "csv":
        rows = [row.split(",")[1:] for row in file.read_text().splitlines()]
        assert tuple(rows[0]) == evaluation.classes
        assert np.array_equal(np.array(rows[1:], int), evaluation.confusion)
    else:
        assert file.read_bytes().startswith(b"\x89PNG")


async def test_a_crash_is_told_with_the_last_lines_and_resumed_by_key(store, monkeypatch):
    fake = FakeRun(store, "night").train(130)
    fake.log.write(130, "error", "[bold]out of tune[/bold]")
    fake.status("running", process=this_process().model_copy(update={"start_ticks": 1}))
    resumed = []
    monkeypatch.setattr("vitbench.runs.control.resume", lambda run: resumed.append(run.id))
    async with opened(store, (80, 24)) as at:
        await at.see("night has crashed", "step 130 of 1,000", "[bold]out of tune[/bold]", "Resume from the last")
        await at.press("p")
        await at.until(lambda: resumed == [fake.id])
    async with opened(store, (80, 24)) as at:
        await at.see("✗ crashed")
        assert not isinstance(at.screen, CrashNotice)


async def test_the_app_is_left_from_the_notice_of_a_crash_too(store):
    FakeRun(store, "night").train(130).status("running", process=this_process().model_copy(update={"start_ticks": 1}))
    FakeRun(store, "day").train(10).status("running", process=this_process())
    async with opened(store, (80, 24)) as at:
        await at.see("night has crashed", "Leave the app (q)")
        await at.press("q")
        await at.until(lambda: not at.app.is_running or at.app.return_value is not None, "the end")
    assert "1 run goes on: day" in (at.app.return_value or "")


async def test_keys_that_can_do_nothing_for_a_run_are_not_offered(store):
    for state in ("finished", "paused", "diverged"):
        FakeRun(store, state, seed=1).train(100).status(state)
    async with opened(store, (200, 24)) as at:
        await at.until(lambda: at.screen.current_run().name == "diverged")
        for offered in (("p pause/resume",), ("p pause/resume", "s stop"), ()):
            await at.until(lambda offered=offered: all(key in at.rows()[-1] for key in offered))
            hidden = {"p pause/resume", "s stop"} - set(offered)
            await at.until(lambda hidden=hidden: not any(key in at.rows()[-1] for key in hidden), f"{hidden} gone")
            await at.press("down")
        await at.press("enter")
        await at.see("finished finished", "E evaluate")
        assert "p pause" not in at.rows()[-1]
        await at.press("p", "s", "K")
        assert len(at.app.screen_stack) == 3


async def test_a_run_that_diverged_is_not_offered_again(store, monkeypatch):
    fake = FakeRun(store, "steep").train(300, nan_from=200)
    fake.status("running", process=this_process())
    monkeypatch.setattr("vitbench.runs.control.resume", lambda run: pytest.fail("it was resumed"))
    async with opened(store, (80, 24)) as at:
        await at.see("● running")
        fake.status("diverged", error="The loss is nan at step 200.", ended_at=time.time())
        await at.see("steep has diverged", "The loss is nan at step 200.", "smaller learning rate")
        options = at.screen.query_one(OptionList)
        assert [options.get_option_at_index(index).id for index in range(options.option_count)] == [
            "open",
            "later",
            "leave",
        ]
        await at.press("p")
        assert isinstance(at.screen, CrashNotice)
        await at.press("enter")
        await at.see("∞ diverged", "1 Curves")


async def test_a_long_name_leaves_no_room_to_what_the_recipe_says_too(store):
    FakeRun(store, "a name of " + "many words " * 5).train(100).status("finished", model="timm:" + "m" * 40)
    async with opened(store, (80, 24)) as at:
        await at.press("enter")
        await at.see("a name of many words many words many words")


async def test_a_folder_that_vanishes_takes_the_screen_with_it(finished, store):
    async with opened(store) as at:
        await at.press("enter")
        await at.see("1 Curves")
        at.app.store.remove(finished.run)
        await at.see("No runs yet")
