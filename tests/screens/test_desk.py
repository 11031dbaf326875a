"""Many runs from the app: copies, tags, holding, the machine, and a sweep. Nothing is trained."""

import pytest

from screens.sweep_screen import SweepScreen
from screens.widgets.sweep_view import SweepView
from tests.runs.gpu_names import FalseNvml
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened
from tests.sweeps.test_sweeps_manager import whole_grid  # noqa: F401 - a fixture
from vitbench.runs.about import change_tags, read_about, write_about
from vitbench.runs.slots import take_slot
from vitbench.runs.status import read_status, write_status
from vitbench.runs.store import Store


async def told(at, words):
    """Waits for a notice with these words."""
    await at.until(lambda: any(words in notice.message for notice in at.app._notifications), words)


@pytest.fixture
def one_slot(monkeypatch):
    """A machine whose only slot is taken, where nobody starts a scheduler."""
    monkeypatch.setenv("VITBENCH_SLOTS", "1")
    monkeypatch.setattr("vitbench.runs.queue.start_scheduler", lambda store: None)
    slot = take_slot()
    yield slot
    slot.close()


async def test_a_copy_with_one_key_changed_waits_for_a_slot(store, tmp_path, one_slot):
    (tmp_path / "pets").mkdir()
    fake = FakeRun(store, "pets").train(50).status("finished")
    recipe = fake.run.folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("/data/pets", str(tmp_path / "pets")))
    async with opened(store) as at:
        await at.see("pets")
        await at.press("C")
        await at.see('A new run like "pets"')
        await at.type("optim.lr")
        await at.see("optim.lr=")
        await at.press(*"=0")
        await at.type(".5")
        await at.press("enter")
        await at.until(lambda: len(Store(store).runs()) == 2, "the copy")
        copy = next(run for run in Store(store).runs() if run.id != fake.id)
        await at.until(lambda: copy.status().is_waiting, "the queue")
        assert copy.recipe().optim.lr == 0.5
        assert copy.recipe().train == fake.run.recipe().train
        assert copy.status().name == "pets 2"
        await at.see("pets 2")


async def test_a_copy_that_cannot_be_says_why(store):
    FakeRun(store, "pets").train(50).status("finished")
    async with opened(store) as at:
        await at.press("C")
        await at.type("optim.lr")
        await at.press("equals_sign")
        await at.type("fast")
        await at.press("enter")
        await told(at, "optim.lr")
        assert len(Store(store).runs()) == 1


async def test_a_waiting_run_is_held_and_let_go(store, monkeypatch):
    monkeypatch.setattr("vitbench.runs.queue.start_scheduler", lambda store: None)
    fake = FakeRun(store, "pets")
    status = read_status(fake.run.folder)
    write_status(fake.run.folder, status.model_copy(update={"queued_at": 1.0, "queued_for": ["cpu"]}))
    async with opened(store) as at:
        await at.press("H")
        await told(at, '"pets" is held')
        assert fake.run.status().held
        await at.press("H")
        await told(at, '"pets" may start')
        assert not fake.run.status().held


async def test_a_run_that_does_not_wait_cannot_be_held(store):
    FakeRun(store, "pets").train(50).status("finished")
    async with opened(store) as at:
        await at.press("H")
        await told(at, "does not wait in the queue")


async def test_tags_are_typed_as_words_and_found_by_the_filter(store):
    one = FakeRun(store, "one").train(50).status("finished")
    two = FakeRun(store, "two").train(50).status("finished")
    change_tags(two.run, ("paper", "pets"))
    async with opened(store, (160, 40)) as at:
        await at.see("one", "two")
        table_first = at.screen.current_run().id
        run = one if table_first == one.id else two
        await at.press("T")
        await at.see("Tags of")
        await at.press("ctrl+u")
        await at.type("final pets")
        await at.press("enter")
        await at.until(lambda: set(read_about(run.run).tags) == {"final", "pets"}, "the tags")
        await at.press("slash")
        await at.type("tag:final")
        await at.press("enter")
        await at.see("1 shown")
        assert ("one" in at.text()) == (run is one)


async def test_what_was_put_away_is_hidden_until_the_filter_speaks_of_it(store):
    fakes = [FakeRun(store, name).train(50).status("finished") for name in ("kept", "old")]
    write_about(fakes[1].run, read_about(fakes[1].run).model_copy(update={"archived": True}))
    async with opened(store) as at:
        await at.see("kept")
        assert "1 shown" in at.text()
        await at.press("slash")
        await at.type("archived:yes")
        await at.press("enter")
        await at.until(lambda: "old" in at.text() and " kept" not in at.text(), "the old one alone")


async def test_the_machine_shows_gpus_and_who_holds_them(store, tmp_path, monkeypatch):
    import os

    nvml = FalseNvml(tmp_path / "nvml.json", monkeypatch)
    h100 = {"uuid": "GPU-aa1", "name": "NVIDIA H100 [b]", "total": 80, "free": 50, "power": 301.0, "temperature": 61}
    nvml.gpus({**h100, "processes": {os.getpid(): 20}}, {"uuid": "GPU-bb2", "name": "A100"})
    FakeRun(store, "pets").train(50).status("finished")
    async with opened(store, (80, 24)) as at:
        await at.press("M")
        await at.see("Machine", "GPU 0  NVIDIA H100 [b]", "in use, 301 W of 700, 61", "30.0 of 80.0 GB", "20.0 GB")
        await at.see("GPU 1  A100", "free")
        nvml.gpus({**h100, "free": 79})
        await at.see("1.0 of 80.0 GB")  # it looks again by itself
        await at.press("escape")
        await at.see("pets")


async def test_the_machine_without_a_gpu(store):
    FakeRun(store, "pets").train(50).status("finished")
    async with opened(store) as at:
        await at.press("M")
        await at.see("No GPU", "CPU", "memory", "disk", "0 running, 0 waiting")


async def test_a_sweep_has_a_leaderboard_to_walk_through(whole_grid, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("screens.sweep_screen.ensure_managers", lambda store: None)
    async with opened(whole_grid.store.folder) as at:
        await at.press("S")
        await at.see("Sweep  a sweep", "finished; 6 of 6 trials ended", "validation/accuracy", "optim.name")
        assert isinstance(at.screen, SweepScreen)
        view = at.screen.query_one(SweepView)
        assert view.selected.values == {"optim.name": "adamw", "optim.lr": 1e-3}
        await at.press("e")
        await told(at, "The recipe of")
        assert list(tmp_path.glob("trial-*.toml"))
        await at.press("down", "down")
        assert view.selected.values != {"optim.name": "adamw", "optim.lr": 1e-3}
        await at.press("enter")
        await at.until(lambda: not isinstance(at.screen, SweepScreen), "the run")


async def test_without_a_sweep_it_says_how_to_start_one(store):
    FakeRun(store, "pets").train(50).status("finished")
    async with opened(store) as at:
        await at.press("S")
        await at.see("vitbench sweep FILE.toml")
