"""Many runs in the app: seeds as one line with a band, columns, completions, other tools' logs, disagreements."""

import csv
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from screens.compare_screen import CompareScreen
from screens.remembered import Remembered
from screens.widgets.chart import Chart
from screens.widgets.disagreements import Disagreements
from screens.widgets.run_table import RunTable
from tests.listing.test_watching import line, name, write
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened
from vitbench.runs.process import this_process
from vitbench.runs.slots import take_slot
from vitbench.runs.status import read_status, write_status
from vitbench.runs.store import Store


@pytest.fixture
def seeds(store):
    """Three seeds of one recipe, and one run with another learning rate."""
    fakes = []
    for number in range(4):
        fake = FakeRun(store, "pets" if number < 3 else "other", seed=4 * number).train(400).status("finished")
        file = fake.run.folder / "recipe.toml"
        text = file.read_text().replace("seed = 0", f"seed = {number}", 1)
        file.write_text(text if number < 3 else text.replace("\nlr = ", "\nlr = 2", 1))
        fakes.append(fake)
    return fakes


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_seeds_are_one_line_with_a_band_in_list_charts_and_export(seeds, store, size, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with opened(store, size) as at:
        await at.see("4 runs", "pets")
        await at.press("U")
        await at.see("pets (3 seeds)", "seeds grouped", "other")
        table = at.screen.query_one(RunTable)
        assert len(table.rows) == 2
        group = next(row for row in table.rows if row.members)
        await at.press("end") if table.current is not group else None
        await at.press("home") if table.current is not group else None
        assert table.current is group
        await at.press("s", "D")  # nothing that ends or deletes works on a group
        assert type(at.screen).__name__ == "RunsScreen"
        await at.press("space")
        assert table.marked == {fake.id for fake in seeds[:3]}
        table.cursor_id = next(row.id for row in table.rows if not row.members)
        await at.press("space", "c")
        await at.see("Compare")
        screen = at.screen
        assert isinstance(screen, CompareScreen)
        chart = screen.query_one(Chart)
        await at.until(
            lambda: len(chart.curves) == 2 and len(chart.spreads) == 1, "a line for the seeds, one beside it"
        )
        spread = chart.spreads[0]
        mean = next(curve for curve in chart.curves if curve.key == spread.key)
        assert np.all(spread.band.low <= spread.band.high)
        assert mean.y.size == 40
        assert np.all((spread.values.low <= mean.y) & (mean.y <= spread.values.high))
        await at.see("pets (3 seeds)")
        low, high = (f"{float(edge[-1]):.3g}" for edge in (spread.values.low, spread.values.high))
        assert any("pets (3 seeds)" in row and row.rstrip().endswith(high) and low in row for row in at.rows())
        await at.press("e")
        await at.see("CSV")
        await at.press("ctrl+u")
        await at.type("band.csv")
        await at.press("enter")
        await at.until(lambda: (tmp_path / "band.csv").exists(), "the table")
        first = next(csv.DictReader((tmp_path / "band.csv").open()))
        assert set(first) == {"step", "other", *(f"pets (3 seeds) {what}" for what in ("mean", "lowest", "highest"))}
        low, mean_, high = (float(first[f"pets (3 seeds) {what}"]) for what in ("lowest", "mean", "highest"))
        assert low <= mean_ <= high
        await at.press("U")
        await at.until(lambda: len(chart.curves) == 4 and not chart.spreads, "each run for itself")
    assert not Remembered(store).flag("grouped", True)


async def test_columns_are_chosen_remembered_and_sorted_by(seeds, store):
    async with opened(store, (160, 40)) as at:
        await at.press("t")
        await at.see("The columns")
        for typed in ("optim.lr", "best:validation/loss"):
            await at.type(typed)
            await at.press("enter", "escape")
        await at.press("escape")
        await at.see("optim.lr", "best loss")
        best = read_status(seeds[3].run.folder)
        assert best.state == "finished"
        await at.until(lambda: at.screen.query_one(RunTable).rows[0].scores, "the scores")
        await at.see("@400")
        await at.press("o")
        await at.type("optim.lr")
        await at.press("enter")
        await at.until(lambda: at.screen.query_one(RunTable).rows[-1].name == "other", "sorted by the learning rate")
        await at.press("O")
        await at.until(lambda: at.screen.query_one(RunTable).rows[0].name == "other", "turned round")
    remembered = Remembered(store)
    assert remembered.texts("columns") == ["usual", "optim.lr", "best:validation/loss"]
    assert remembered.text("sort", "") == "optim.lr"
    file = store / "screens.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "columns": ["usual", "no-such", "optim.lr"]}))
    async with opened(store, (160, 40)) as at:
        await at.see("optim.lr")
        await at.until(lambda: any("no-such" in notice.message for notice in at.app._notifications), "what is left out")


async def test_the_filter_completes_keys_and_values(seeds, store):
    async with opened(store, (120, 40)) as at:
        await at.see("pets")
        await at.press("slash")
        await at.type("train.se")
        await at.see("Tab:", "train.seed=")
        await at.press("tab")
        line_ = at.screen.query_one("#filter")
        assert line_.value == "train.seed="
        await at.until(lambda: at.app.snapshot.runs[0].keys, "the recipes")
        await at.type("2")
        await at.press("enter")
        await at.until(lambda: [row.id for row in at.screen.query_one(RunTable).rows] == [seeds[2].id], "seed 2 alone")
        await at.press("escape")
        await at.until(lambda: len(at.screen.query_one(RunTable).rows) == 4)


@pytest.mark.parametrize("size", [pytest.param((80, 24), marks=pytest.mark.slow), (120, 40)])
async def test_logs_of_another_tool_live_in_the_list_and_in_charts(store, tmp_path, size):
    fake = FakeRun(store, "own").train(200).status("finished")
    logs = tmp_path / "logs"
    file = write(logs / "lightning_logs" / "version_0" / name(), line("train/loss", 0, 50) + line("val_acc", 0, 5))
    async with opened(store, size) as at:
        await at.see("own")
        await at.press("J")
        await at.press("ctrl+u")
        await at.type(str(logs))
        await at.press("enter")
        await at.see("lightning_logs/", "1 run, 1 log")
        table = at.screen.query_one(RunTable)
        log = next(row for row in table.rows if row.log_folder)
        table.move_to(table.rows.index(log))
        await at.press("K", "s", "D", "p", "E", "i")
        assert type(at.screen).__name__ == "RunsScreen"
        await at.press("enter")
        await at.see("Compare  1 run", "val_acc" if size[0] > 80 else "train/loss")
        chart = at.screen.query_one(Chart)
        await at.until(lambda: chart.curves and chart.curves[0].x.size == 50, "its curve")
        write(file, line("train/loss", 50, 80), mode="ab")
        await at.until(lambda: chart.curves[0].x.size == 80, "what is new")
        await at.press("2")
        await at.see("another tool's log")
        await at.press("1", "escape")
        table.marked = {fake.id, log.id}
        await at.press("c")
        await at.see("Compare  2 runs", "own")
        await at.until(lambda: len(at.screen.query_one(Chart).curves) == 2, "both in one chart")
    assert Remembered(store).texts("logs") == [str(logs)]
    async with opened(store, size) as at:
        await at.see("lightning_logs/")
        await at.press("J")
        await at.press("ctrl+u")
        await at.type(str(logs))
        await at.press("enter")
        await at.until(lambda: "lightning_logs" not in at.text(), "taken away again")


def _evaluated(fake, pictures, wrong):
    """An evaluation as a worker writes it, in which the pictures with these numbers are wrong."""
    classes = np.array(["cat", "dog"])
    files = np.array([f"{number}.png" for number in range(20)])
    label = np.arange(20) % 2
    taken = np.where(np.isin(np.arange(20), wrong), 1 - label, label)
    folder = fake.run.folder / "evaluations"
    rows = {
        "classes": classes,
        "file": files,
        "label": label,
        "top5": np.stack([taken, 1 - taken], 1),
        "probability": np.full((20, 2), 0.75),
    }
    with (folder / f"test-{fake.step}.npz").open("wb") as stream, zipfile.ZipFile(stream, "w") as packed:
        for column, values in rows.items():
            with packed.open(f"{column}.npy", "w") as entry:
                np.lib.format.write_array(entry, values)
    correct = 20 - len(wrong)
    document = {
        "split": "test",
        "step": fake.step,
        "root": str(pictures),
        "classes": classes.tolist(),
        "pictures": 20,
        "correct": correct,
        "accuracy": correct / 20,
        "accuracy_interval_95": [0.5, 1.0],
        "mean_loss": 0.1,
        "accuracy_top5": 1.0,
    }
    (folder / f"test-{fake.step}.json").write_text(json.dumps(document))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_pictures_that_one_gets_right_and_the_other_wrong(store, tmp_path, size, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(20):
        Image.new("RGB", (32, 32), (10 * number, 80, 200)).save(pictures / f"{number}.png")
    one, two = (FakeRun(store, title).train(200).status("finished") for title in ("one", "two"))
    _evaluated(one, pictures, wrong=[3])
    _evaluated(two, pictures, wrong=[4, 6])
    asked = {}
    async with opened(store, size) as at:
        await at.show("compare", run_ids=(one.id, two.id))
        await at.see("Compare  2 runs")
        screen = at.screen
        await at.press("3")
        await at.see("3 pictures of 20", "cat", "dog", "75%" if size[0] > 80 else "dog")
        view = screen.query_one(Disagreements)
        assert view.file(view.current) == pictures / "4.png"  # what only the first gets right comes first
        await at.until(lambda: screen.query_one("Disagreements Picture").pixels is not None, "the picture")
        await at.press("down", "down")
        assert view.file(view.current) == pictures / "3.png"
        monkeypatch.setattr(screen, "open_screen", lambda which, **about: asked.update(which=which, **about))
        await at.press("i")
        assert asked["which"] == "attention"
        assert (asked["network"], asked["other"]) == (f"{one.id}@last", f"{two.id}@last")
        assert asked["path"] == str(pictures / "3.png")
        await at.press("e")
        await at.until(lambda: (tmp_path / "disagreements.csv").exists(), "the table")
        assert len((tmp_path / "disagreements.csv").read_text().splitlines()) == 4
        await at.press("d")
        await at.see("On the same 20 pictures")
        await at.press("e")
        await at.until(lambda: (tmp_path / "comparison.json").exists(), "the comparison")
        await at.press("1")
        await at.until(lambda: screen.query_one(Chart).has_focus, "the charts again")


@pytest.mark.slow
async def test_a_day_at_the_desk(store, tmp_path, monkeypatch):
    """Six runs in the queue, one held, one copied with three seeds and shown as a band, compared with the rest, tested,
    exported; another tool's logs beside them; and the word when the last one ends. Nothing is trained: the workers are
    played."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VITBENCH_SLOTS", "2")
    monkeypatch.setattr("vitbench.runs.queue.start_scheduler", lambda store: None)
    taken = [take_slot(), take_slot()]
    pictures = tmp_path / "pets"
    pictures.mkdir()
    queued = []
    for number in range(6):
        fake = FakeRun(store, f"lr {number}", seed=number)
        recipe = fake.run.folder / "recipe.toml"
        text = recipe.read_text().replace("/data/pets", str(pictures)).replace("\nlr = ", f"\nlr = {number + 1}", 1)
        recipe.write_text(text)
        status = read_status(fake.run.folder)
        waiting = {"queued_at": float(number + 1), "queued_for": ["cpu"], "created_at": status.created_at + number}
        write_status(fake.run.folder, status.model_copy(update=waiting))
        queued.append(fake)
    logs = tmp_path / "logs"
    write(logs / "lightning_logs" / "version_0" / name(), line("train/loss", 0, 400))
    async with opened(store, (120, 40)) as at:
        await at.see("6 runs", "queue 1", "queue 6")
        table = at.screen.query_one(RunTable)
        table.move_to(next(place for place, row in enumerate(table.rows) if row.id == queued[3].id))
        await at.press("H")
        await at.see("held")
        table.move_to(next(place for place, row in enumerate(table.rows) if row.id == queued[0].id))
        await at.press("C")
        await at.see("one run per seed")
        await at.type("train.seed")
        await at.press("equals_sign", "7", "comma", "8", "comma", "9", "enter")
        await at.until(lambda: len(Store(store).runs()) == 9, "the three copies")
        ids = {fake.id for fake in queued}
        copies = [run.id for run in Store(store).runs() if run.id not in ids]
        await at.until(lambda: all(Store(store).find(copy).status().is_waiting for copy in copies), "the queue")
        for slot in taken:
            slot.close()
        played = [FakeRun(store, "", seed=4 * number, of=copy) for number, copy in enumerate(copies)]
        for number, fake in enumerate([*(one for one in queued if one is not queued[3]), *played]):
            _evaluated(fake.train(400), pictures, wrong=list(range(number, number + 3)))
            fake.status("running", process=this_process())
        await at.see("8 running")
        await at.press("J")
        await at.press("ctrl+u")
        await at.type(str(logs))
        await at.press("enter")
        await at.see("9 runs, 1 log")
        await at.press("U")
        await at.see("(4 seeds)")
        await at.press("asterisk", "c")
        await at.see("Compare  10 runs", "(4 seeds)", "lightning_logs")
        chart = at.screen.query_one(Chart)
        await at.until(lambda: len(chart.spreads) == 1 and len(chart.curves) == 6, "a band and the rest")
        for fake in [*queued, *played]:
            if fake is not queued[3]:
                fake.status("finished")
        rung = []
        monkeypatch.setattr(at.app, "ring", rung.append)
        await at.until(lambda: all(row.state != "running" for row in at.app.snapshot.runs), "the end")
        await at.press("e")
        await at.see("CSV")
        await at.press("ctrl+u")
        await at.type("all.csv")
        await at.press("enter")
        await at.until(lambda: (tmp_path / "all.csv").exists(), "the table")
        assert "(4 seeds) lowest" in (tmp_path / "all.csv").read_text().splitlines()[0]
        await at.press("escape")
        await at.see("by age")
        table.marked = {queued[0].id, *copies}
        await at.press("c")
        await at.see("Compare  4 runs")
        await at.press("2")
        await at.see("4 seeds", "On the same 20 pictures")
        await at.press("3")
        await at.see("some get right and others wrong")
        # Told of the last one, which was held meanwhile.
        last = queued[3].train(400)
        last.status("running", process=this_process())
        await at.until(lambda: at.app.snapshot.run(last.id).state == "running", "it runs")
        last.status("finished")
        await at.until(lambda: any("lr 3 is finished" in words for words in rung), "the word that it has ended")
