"""The captions screen: which picture is open, what is saved where, and a run that goes on training."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList

from screens.export_dialog import ExportDialog
from screens.paths import pictures_below
from tests.screens.fake_runs import FakeRun
from tests.screens.known_captioner import KnownInspector, open_captions


@pytest.fixture
def opened(store):
    """Opens the screen: `async with opened() as app`."""
    return partial(open_captions, store)


async def test_pictures_and_folders(opened):
    async with opened() as app:
        await app.press("pagedown")
        assert app.inspector.asked[-1][1]["request"]["picture"] == "/p/1.png"
        await app.press("pageup", "pageup")
        assert app.inspector.asked[-1][1]["request"]["picture"] == "/p/2.png"
        await app.press("enter")
        app.pilot.app.screen.query_one(Input).value = "/nowhere"
        await app.press("enter")
        assert "There is no picture" in app.note()
        assert app.screen.files[0] == "/p/0.png"


async def test_saving_says_where(opened, tmp_path, monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    async with opened() as app:
        await app.press("right", "ctrl+e")
        dialog = app.pilot.app.screen
        assert isinstance(dialog, ExportDialog)
        assert dialog.query_one("#file", Input).value.endswith("captions/0-02-red.png")
        dialog.query_one("#file", Input).value = f"{tmp_path}/red.svg"
        dialog.query_one("#width", Input).value = "8.5"
        tick = dialog.query_one("#caption")
        assert tick.render().plain.startswith("[x] Caption")
        tick.toggle()
        assert tick.render().plain.startswith("[ ] Caption"), "seen without colours too"
        tick.toggle()
        await app.press("enter")
        request, arguments = app.inspector.asked[-1]
        assert (request, arguments["kind"], arguments["request"]["word"]) == ("save_sheet", "caption", 2)
        assert arguments["request"]["ids"] == [1, 4]
        assert arguments["drawing"] == {"width": 85.0, "dpi": 300, "caption": True}
        assert f"{tmp_path}/red.svg" in app.note()
        assert "scp" in app.note()


async def test_all_words_or_the_arrays_behind_them_are_saved_by_one_dialog(opened, tmp_path):
    async with opened() as app:
        await app.press("right", "e")
        dialog = app.pilot.app.screen
        dialog.query_one("#file", Input).value = f"{tmp_path}/all.png"
        dialog.query_one(OptionList).focus()
        await app.press("end", "enter")
        arguments = app.inspector.asked[-1][1]
        assert arguments["file"] == f"{tmp_path}/all.npz"
        assert arguments["request"]["word"] is None


async def test_a_run_that_trains_gives_its_newest_checkpoint(opened, store):
    run = FakeRun(store, "words", preset="scratch").train(20).status("running")
    for step in (10, 20):
        folder = run.run.folder / "checkpoints" / f"step-{step:08d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").touch()
    inspector = KnownInspector()
    inspector.steps[f"{run.id}@last"] = f"{run.id}@10"
    async with opened(f"{run.id}@last", inspector=inspector) as app:
        inspector.steps[f"{run.id}@last"] = f"{run.id}@20"
        run.train(10).status("running")
        app.pilot.app.watcher.wake()
        for _ in range(100):
            await app.settled()
            if app.screen.request.captioner == f"{run.id}@20":
                break
            await asyncio.sleep(0.05)
        assert app.screen.request.captioner == f"{run.id}@20"
        title = app.screen.query_one("#title")._right.plain
        assert "newest checkpoint, step 20" in title


def test_folders_offer_their_pictures(tmp_path):
    (tmp_path / "cat.png").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "more").mkdir()
    found = [choice.value for choice in pictures_below(f"{tmp_path}/")]
    assert found == [str(tmp_path), f"{tmp_path}/more/", f"{tmp_path}/cat.png"]
    assert [choice.value for choice in pictures_below(f"{tmp_path}/ca")] == [f"{tmp_path}/cat.png"]
    assert Path(found[2]).name == "cat.png"
