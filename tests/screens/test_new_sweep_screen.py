"""A new sweep from the app: values are checked as they are typed, trials and time are told, and file and sweep made."""

import tomllib

import pytest
from textual.widgets import Input, Static

from screens.new_sweep_screen import NewSweepScreen
from screens.sweep_screen import SweepScreen
from screens.widgets.recipe_fields import FieldList
from tests.screens.opened_app import opened
from tests.screens.test_new_run_screen import checking  # noqa: F401 - a fixture: no test here starts torch
from vitbench.runs.store import Store
from vitbench.sweeps.plan import load_plan
from vitbench.sweeps.store import all_sweeps


@pytest.fixture(autouse=True)
def managed(monkeypatch, tmp_path):
    """The sweeps whose managers would have been started."""
    sweeps: list = []
    monkeypatch.setattr("vitbench.sweeps.manager.start_manager", lambda sweep: sweeps.append(sweep) or 1)
    monkeypatch.setattr("screens.sweep_screen.ensure_managers", lambda store: None)
    monkeypatch.chdir(tmp_path)
    return sweeps


async def said(at, *words):
    """Waits for words beside the keys, wherever their lines break."""
    verdict = at.screen.query_one("#verdict", Static)
    await at.until(lambda: all(one in str(verdict.content) for one in words), f"{words} in {verdict.content}")


async def tried(at, key, text):
    """Gives the key of the list these values."""
    fields = at.screen.query_one(FieldList)
    fields.focus()
    fields.move(next(row for row, field in enumerate(fields.fields) if field.path == key) - fields.row)
    await at.press("enter")
    at.screen.query_one("#edit", Input).value = text


async def test_a_sweep_is_put_together_checked_and_started(store, tmp_path, checking, managed):  # noqa: F811
    (tmp_path / "pets [b]" / "cats").mkdir(parents=True)
    checking.answer.values.update({"recognised": ["A folder of class folders: 480 pictures."], "pictures": 480})
    async with opened(store, (120, 40)) as at:
        await at.press("ctrl+n")
        await at.see("New sweep", "Nothing is tried yet")
        assert isinstance(at.screen, NewSweepScreen)
        at.screen.query_one("#base-line", Input).value = "report"
        at.screen.query_one("#data-line", Input).value = f"{tmp_path}/pets [b]"
        await tried(at, "optim.lr", "1e-2 to 1e-5 log")
        await at.see("must be below high")
        await at.press("enter")
        assert at.screen.query_one("#edit").display, "a wrong range is not taken"
        at.screen.query_one("#edit", Input).value = "1e-5 to 1e-2 log"
        await at.see("Enter takes it")
        await at.press("enter")
        await tried(at, "optim.name", "sgd, adamw")
        await at.press("enter")
        await tried(at, "train.epochs", "5")
        await at.press("enter")
        await said(at, "6 trials, one at a time", "about", "roughly, on the", "480 pictures", "optim.lr=1e-05")
        at.screen.query_one("#method-line", Input).value = "random"
        await said(at, "trials must be given")
        await at.press("ctrl+s")
        assert not managed
        at.screen.query_one("#trials-line", Input).value = "4"
        at.screen.query_one("#repeats-line", Input).value = "3"
        at.screen.query_one("#parallel-line", Input).value = "2"
        at.screen.query_one("#stopping-line", Input).value = "median"
        at.screen.query_one("#name-line", Input).value = "my search"
        await said(at, "Ready to start.", "4 trials, 3 seeds each: 12 runs, 2 at a time; at most about")
        await at.press("ctrl+s")
        await at.until(lambda: isinstance(at.screen, SweepScreen), "the sweep's screen")
        await at.see("my search", "0 of 4 trials ended")
    (sweep,) = managed
    plan = sweep.plan()
    assert (plan.method, plan.trial_count, plan.repeats, plan.parallel) == ("random", 4, 3, 2)
    assert (plan.stopping.rule, set(plan.space)) == ("median", {"optim.lr", "optim.name"})
    assert plan.recipe_of({}, 0).train.epochs == 5
    written = tmp_path / "my-search.toml"
    assert tomllib.loads(written.read_text())["space"]["optim.name"] == ["sgd", "adamw"]
    assert load_plan(written).anchored() == plan, "the file starts the same sweep"


async def test_a_recipe_file_is_trained_with_three_seeds(store, tmp_path, checking, managed):  # noqa: F811
    (tmp_path / "pets").mkdir()
    (tmp_path / "best.toml").write_text('[data]\npath = "pets"\n[optim]\nlr = 0.25\n')
    async with opened(store, (80, 24)) as at:
        screen = await at.show("new_sweep", base="best.toml", keys={"train.seed": "0, 1, 2"})
        await said(at, "Ready to start.", "3 trials")
        await at.press("escape")
        await at.until(lambda: not isinstance(at.screen, NewSweepScreen), "no question where nothing was typed")
        await at.show("new_sweep", base="best.toml", keys={"train.seed": "0, 1, 2"})
        assert at.screen is not screen
        await said(at, "Ready to start.")
        at.screen.query_one("#trials-line", Input).value = "2"
        await at.press("escape")
        await at.see("The sweep is not started. This is lost: 2.")
        await at.press("n")
        await at.press("ctrl+s")
        await at.until(lambda: managed, "the start")
    plan = all_sweeps(Store(store))[0].plan()
    assert plan.recipe_of({}, 0).optim.lr == 0.25
    assert plan.recipe_of({}, 0).data.path == str(tmp_path / "pets"), "it holds from any folder"


async def test_what_cannot_be_trained_is_not_started(store, tmp_path, checking, managed):  # noqa: F811
    checking.answer.values["problems"] = ["model.num_classes = 12, but the data have 37 classes."]
    async with opened(store, (120, 40)) as at:
        await at.show("new_sweep", base="scratch", data=str(tmp_path), keys={"optim.lr": "0.1, 0.2"})
        await said(at, "but the data have 37 classes")
        await at.press("ctrl+s")
        assert not managed
        assert not all_sweeps(Store(store))


async def test_the_search_of_the_report_is_there_to_use(store, tmp_path, checking, managed):  # noqa: F811
    (tmp_path / "pets").mkdir()
    async with opened(store, (80, 24)) as at:
        await at.show("new_sweep", data=str(tmp_path / "pets"))
        await tried(at, "train.epochs", "5")
        await at.press("enter")
        at.screen.query_one("#ready-line").focus()
        await at.press("down", "down", "enter")
        await said(at, "Ready to start.", "9 trials", "Tried: optim.name = momentum, adam, adamw")
        assert at.screen.query_one("#base-line", Input).value == "report"
        await at.press("ctrl+s")
        await at.until(lambda: managed, "the start")
    plan = managed[0].plan()
    assert plan.space == load_plan("report").space
    assert plan.recipe_of({}, 0).train.epochs == 5, "what was chosen before stays"
