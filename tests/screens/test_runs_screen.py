"""The table of runs: what it says of each, its keys, its filter, hostile names, and 80x24."""

import time
from pathlib import Path

import pytest
from textual.widgets import Input

from screens.remembered import Remembered
from screens.snapshot import RunRow
from screens.widgets.run_details import RunDetails
from screens.widgets.run_table import RunTable, fitting_columns
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened
from vitbench.cli import main
from vitbench.runs.process import this_process
from vitbench.runs.status import Best
from vitbench.runs.store import Store

HOSTILE = "[red]name[/red] \x1b[31m\u202elong 日本語 " + "x" * 200


@pytest.fixture
def runs(store: Path) -> dict[str, FakeRun]:
    """Four runs, the oldest first: finished, paused, running, waiting."""
    now = time.time()
    return {
        "good": FakeRun(store, "good", seed=3).train(1000).status("finished", created_at=now - 9000),
        "slow": FakeRun(store, "slow", seed=0).train(300).status("paused", created_at=now - 6000, data="/data/birds"),
        "live": FakeRun(store, "live", seed=1)
        .train(500)
        .status("running", created_at=now - 3000, process=this_process()),
        "late": FakeRun(store, "late").status("queued", created_at=now - 60, queued_at=now - 60),
    }


def titles(at) -> list[str]:
    return [run.title for run in at.screen.query_one(RunTable).rows]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_each_run_is_told_in_a_row(runs, store, size):
    async with opened(store, size) as at:
        await at.see("finished", "paused", "running", "queue 1", "4 runs, 1 running")
        assert titles(at) == ["late", "live", "slow", "good"]
        row = next(row for row in at.rows() if "● running   live" in row)
        assert "5/10" in row
        accuracy = f"{runs['live'].latest['validation/accuracy'] * 100:.1f}%"
        assert accuracy in row
        await at.until(lambda: "█" in next(row for row in at.rows() if "✓ finished" in row), "the sparkline")
        assert max(map(len, at.rows())) <= size[0]


def judged_by(run, name, value):
    """Gives a played run the scores of a task without an accuracy."""
    run.latest = {"train/loss": 0.3, f"validation/{name}": value, "validation/loss": 0.2}
    run.best = Best(metric=f"validation/{name}", value=value, step=90)
    return run


async def test_a_task_without_an_accuracy_shows_what_it_is_judged_by(store, capsys, monkeypatch):
    monkeypatch.setenv("VITBENCH_HOME", str(store))
    judged_by(FakeRun(store, "several"), "mean_average_precision", 0.8125).status("finished")
    async with opened(store) as at:
        await at.see("mAP", "81.2%")
        await at.press("enter")
        await at.see("mean average precision 81.2%")
    assert main(["runs"]) == 0
    assert "MAP" in capsys.readouterr().out.splitlines()[0]
    judged_by(FakeRun(store, "sentences"), "cider", 0.71234).status("finished")
    FakeRun(store, "pets", seed=3).train(1000).status("finished")
    assert main(["runs"]) == 0
    text = capsys.readouterr().out
    assert [word for word in ("SCORE", "mAP 81.2%", "CIDEr 0.7123", "Acc 9") if word not in text] == []
    async with opened(store, (100, 30)) as at:
        await at.see("Score", "mAP 81.2%", "CIDEr 0.712", "Acc 9")
        await at.press("slash")
        await at.type("accuracy>0.1")
        await at.until(lambda: titles(at) == ["pets"], "a mean average precision is no accuracy")
        await at.press("ctrl+u")
        await at.type("score>0.75")
        await at.until(lambda: sorted(titles(at)) == ["pets", "several"], "but a score")


async def test_the_cursor_stays_at_the_top_while_the_store_is_read(runs, store):
    async with opened(store, (80, 24)) as at:
        await at.see("4 runs")
        late, *_, good = at.screen.query_one(RunTable).rows
    for moved, expected in ((False, late), (True, good)):
        table = RunTable()
        table.show([good], reading=True)
        if moved:
            table.move_to(0)
        table.show([good, late], reading=True)
        table.show([good, late])
        assert table.current is expected
        table.show([good])
        table.show([good, late])
        assert table.current is good, "what comes later leaves the cursor where it is"


async def test_the_details_tell_what_the_row_has_no_room_for(runs, store):
    for size in ((80, 24), (120, 40)):
        async with opened(store, size) as at:
            await at.see("waits, the first")
            await at.press("down", "down")
            await at.see("300 of 1,000", "birds")
            await at.press("d")
            await at.until(lambda: not at.screen.query_one(RunDetails).display)
            await at.press("d")
            await at.see("birds")


async def test_the_queue_is_in_the_order_in_which_runs_came(runs, store):
    FakeRun(store, "first").status("queued", created_at=time.time(), queued_at=time.time() - 500)
    FakeRun(store, "made").status("queued", created_at=time.time())
    async with opened(store) as at:
        await at.see("queue 2")
        places = {run.title: run.place for run in at.app.snapshot.runs}
        assert places == {"good": 0, "slow": 0, "live": 0, "first": 1, "late": 2, "made": 0}
        assert any("queued" in row and "made" in row for row in at.rows())


async def test_words_and_numbers_filter(runs, store):
    async with opened(store, (80, 24)) as at:
        await at.press("slash")
        await at.type("state:running")
        await at.see("1 shown")
        assert titles(at) == ["live"]
        await at.press("enter")
        assert at.screen.focused is at.screen.query_one(RunTable)
        assert at.screen.query_one("#filter").display
        await at.press("escape")
        assert not at.screen.query_one("#filter").display
        assert len(titles(at)) == 4
        await at.press("slash")
        await at.type("acc>0.9")
        await at.see("1 shown")
        assert titles(at) == ["good"]
        at.screen.query_one(Input).value = "colour>3"
        await at.see("no number named colour")
        assert titles(at) == ["good"]


async def test_the_footer_tells_only_keys_that_work(runs, store):
    async with opened(store, (80, 24)) as at:
        assert "n new run" in at.rows()[-1]
        assert "? help" in at.rows()[-1]
        await at.press("slash")
        await at.see("esc all runs")
        assert "new run" not in at.rows()[-1]
        assert "? help" not in at.rows()[-1]
        assert "f1 help" in at.rows()[-1]
        await at.type("?")
        assert at.screen.query_one(Input).value == "?"


async def test_order_is_chosen_turned_and_remembered(runs, store):
    async with opened(store) as at:
        table = at.screen.query_one(RunTable)
        await at.press("o")
        await at.see("Sort the runs by", "score")
        await at.type("lo")
        await at.press("enter")
        assert table.sort_column == "loss"
        losses = [run.loss for run in table.rows if run.loss is not None]
        assert losses == sorted(losses)
        await at.press("O")
        turned = [run.loss for run in table.rows if run.loss is not None]
        assert turned == sorted(losses, reverse=True)
    async with opened(store) as at:
        await at.see("by loss ▼")


async def test_marked_runs_are_compared(runs, store):
    async with opened(store) as at:
        await at.press("down", "space", "space")
        await at.see("2 marked")
        assert at.screen.query_one(RunTable).marked == {runs["live"].id, runs["slow"].id}
        await at.press("c")
        await at.see("Compare  2 runs", "live", "slow")


async def test_controls_reach_the_run(runs, store):
    async with opened(store) as at:
        await at.press("p")  # the waiting one
        await at.until(lambda: at.app.snapshot.run(runs["late"].id).state == "paused")
        await at.press("down", "s")
        await at.see('Stop "live" at step 500?', "can be resumed")
        await at.press("n")
        assert not runs["live"].run.requests()
        await at.press("s", "y")
        await at.until(lambda: runs["live"].run.requests() == {"stop"})
        await at.press("K")
        await at.see('Kill "live" at step 500?', "checkpoint is lost")
        await at.press("n")
        assert at.app.snapshot.run(runs["live"].id).state == "running"


async def test_a_run_is_deleted_only_after_a_yes(runs, store):
    async with opened(store) as at:
        await at.press("down", "D")
        await at.until(lambda: at.app._notifications, "the refusal")
        assert "stop it before deleting" in next(iter(at.app._notifications)).message
        await at.press("end", "D")
        await at.see('Delete "good"?', "lost for good")
        await at.press("enter")  # "no" is the first answer
        assert runs["good"].run.folder.exists()
        await at.press("D", "y")
        await at.until(lambda: "good" not in titles(at))
        assert not runs["good"].run.folder.exists()


async def test_hostile_names_are_only_text(store):
    fake = FakeRun(store, HOSTILE).train(100).status("stopped", data="/data/[bold]x[/bold]\x1b[2J")
    FakeRun(store, "日本語" * 30).train(50).status("finished")
    for size in ((80, 24), (200, 60)):
        async with opened(store, size) as at:
            await at.see("[red]name[/red]")
            for row in at.app.screen._compositor.render_strips():
                assert row.cell_length == size[0]
                assert "\x1b" not in row.text
                assert "\u202e" not in row.text
            await at.press("end", "enter")
            await at.see("[red]name[/red]")
            assert at.screen.run_id == fake.id


async def test_an_empty_store_says_what_to_do(store):
    async with opened(store, (80, 24)) as at:
        await at.see("No runs yet. Press a key to:", "1  train the demo", "4  see what this machine has")
        await at.press("enter", "space", "c", "p", "s", "D", "d")
        await at.see("No runs yet.")
        await at.press("4")
        await at.see("This machine", "Disk")
        await at.press("2")
        await at.see("New run", "Choose the data")
        await at.press("escape")
        await at.see("No runs yet.")
        await at.press("1")
        await at.until(lambda: at.screen.draft.preset == "demo", "the demo's recipe")


async def test_a_table_without_rows_tells_only_once_that_nothing_is_selected(runs, store, monkeypatch):
    async with opened(store, (80, 24)) as at:
        await at.see("4 runs")
        table, told = at.screen.query_one(RunTable), []
        with monkeypatch.context() as listening:
            listening.setattr(table, "post_message", lambda message: told.append(type(message)) or True)
            for _ in range(3):  # each look at an empty store or a filter that nothing passes
                table.show([])
        assert told.count(RunTable.Selected) == 1


async def test_a_run_deleted_elsewhere_leaves_the_table(runs, store):
    async with opened(store) as at:
        Store(store).remove(runs["late"].run)
        await at.until(lambda: titles(at) == ["live", "slow", "good"])
        assert at.screen.query_one(RunTable).current is not None


async def test_keys_move_through_many_runs(store):
    for number in range(30):
        FakeRun(store, f"run {number}").status("finished", created_at=1000.0 + number)
    async with opened(store, (80, 24)) as at:
        await at.press("end")
        await at.see("run 0 ")
        table = at.screen.query_one(RunTable)
        assert table.cursor_row == 29
        await at.press("k", "up")
        assert table.cursor_row == 27
        await at.press("pageup")
        assert table.cursor_row < 27
        await at.press("home")
        await at.see("run 29")


def test_columns_give_way_to_names():
    for width in range(20, 240, 7):
        columns = fitting_columns(width)
        assert sum(room + 2 for _, room in columns) + 2 <= max(width, 24)
    at_80 = {column.name for column, _ in fitting_columns(80)}
    assert at_80 == {"state", "name", "epoch", "loss", "score", "eta", "curve"}
    assert "best" in {column.name for column, _ in fitting_columns(100)}
    assert len(fitting_columns(170)) == 13
    with_names = {column.name: width for column, width in fitting_columns(147, longest=31)}
    assert with_names["name"] == 31, "a name is cut while other columns have more than they need"
    assert with_names.keys() == {column.name for column, _ in fitting_columns(147)}


async def test_the_theme_is_remembered(store):
    async with opened(store) as at:
        before = at.app.theme
        await at.press("ctrl+t")
        assert at.app.theme != before
        chosen = at.app.theme
    assert Remembered(store).text("theme", "") == chosen
    async with opened(store) as at:
        assert at.app.theme == chosen


def test_a_place_in_a_long_queue_is_not_cut():
    state, width = next((column, width) for column, width in fitting_columns(80) if column.name == "state")
    for place, words in ((7, "◌ queue 7"), (99, "◌ queue 99"), (100, "◌ q 100"), (123456, "◌ q 123456")):
        assert state.text(RunRow("run", state="queued", place=place), 0.0, width) == words
        assert len(words) <= width


@pytest.mark.parametrize("key", ["s", "K"])
async def test_a_run_that_waits_is_taken_out_of_the_queue_and_has_no_step_to_finish(store, key):
    FakeRun(store, "waiting").status("queued", queued_at=time.time())
    async with opened(store, (80, 24)) as at:
        await at.see("waiting")
        await at.press(key)
        words = " ".join(at.text().split())
        assert 'Take "waiting" out of the queue? It has not started; p queues it again, behind' in words
        assert "saves" not in words
        await at.press("n")
