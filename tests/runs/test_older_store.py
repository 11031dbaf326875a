"""A store that vitbench of 25 November 2026 wrote (before 0.1.0) opens: a folder as it was then, `older_store/`."""

import json
import shutil
from pathlib import Path

import pytest

from screens.runs_screen import RunsScreen
from tests.screens.opened_app import opened
from vitbench.cli import main
from vitbench.paths import sample_images
from vitbench.runs.store import Store

OLDER = Path(__file__).parent / "older_store"


@pytest.fixture
def older(store: Path) -> Path:
    """A copy of it, as the store of this test."""
    shutil.copytree(OLDER, store)
    return store


def test_its_run_is_as_it_was(older):
    (run,) = Store(older).runs()
    status = run.status()
    assert (status.name, status.state, status.step) == ("older", "finished", 6)
    assert run.recipe().train.epochs == 2
    assert [entry.step for entry in run.checkpoints()] == [6]
    assert run.checkpoint("best").step == 6


def test_commands_read_it(older, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for arguments, words in (
        (["runs"], "finished"),
        (["show", "older"], "older"),
        (["log", "older"], "The run is finished."),
        (["metrics", "older", "--tag", "validation/loss"], "validation/loss,6,"),
    ):
        assert main(arguments) == 0
        said = capsys.readouterr()
        assert words in said.out
    assert main(["show", "older", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
    picture = str(sample_images() / "06_ladder.png")
    assert main(["attention", "older", picture, "--method", "raw", "--out", "map.png"]) == 0
    assert (tmp_path / "map.png").stat().st_size > 10_000


def test_a_new_run_takes_its_recipe(older, capsys):
    assert main(["train", "--from", "older@best", "--hold", "--set", "optim.lr=1e-4"]) == 0
    new = Store(older).newest()
    assert new.recipe().optim.lr == 1e-4
    assert new.recipe().model.options == Store(older).find("older").recipe().model.options


async def test_the_app_lists_and_opens_it(older):
    async with opened(older) as at:
        assert isinstance(at.screen, RunsScreen)
        await at.see("older")
        await at.press("enter")
        await at.see("finished")
