"""Terminals without Unicode or without colour: every sign that the app itself writes has an ASCII twin."""

import pytest
from textual.scrollbar import ScrollBar

from screens.look import key_sign
from screens.watcher import Watcher
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened
from vitbench.runs.store import Store


@pytest.fixture
def ascii_only(monkeypatch):
    monkeypatch.setenv("VITBENCH_ASCII", "1")
    monkeypatch.setattr(ScrollBar, "renderer", ScrollBar.renderer)  # the app changes it


@pytest.mark.slow
@pytest.mark.usefixtures("ascii_only")
async def test_without_unicode_everything_is_ascii(store, tmp_path):
    for number in range(30):
        FakeRun(store, f"run {number}").train(10).status("queued", queued_at=1000.0 + number)
    FakeRun(store, "newest", epochs=40, seed=1).train(4000).evaluate(tmp_path / "pictures").status("finished")
    async with opened(store, (80, 24)) as at:
        await at.see("queue 1", "newest")
        await at.press("home", "enter")
        for key, expected in (
            ("1", "Loss"),
            ("2", "Memory"),
            ("3", "epoch"),
            ("4", "task"),
            ("5", "predicted as"),
            ("6", "Conf"),
        ):
            await at.press(key)
            await at.see(expected)
            assert at.text().isascii(), at.text()
        await at.press("question_mark")
        assert at.text().isascii(), at.text()
        assert "shift+right" not in at.text()  # the list of mistakes has the focus
        await at.press("escape", "ctrl+p")
        await at.see("Evaluate")
        assert at.text().isascii(), at.text()
        await at.press("escape", "escape")
        await at.press("down", "pagedown")
        assert at.text().isascii(), at.text()
        assert "enter open" in at.rows()[-1]


@pytest.mark.usefixtures("ascii_only")
def test_keys_are_written_in_words():
    assert [key_sign(sign) for sign in ("⏎", "↑↓", "shift+→", "[ ]")] == ["enter", "up/down", "shift+right", "[ ]"]


def test_keys_keep_their_signs_where_there_is_unicode():
    assert key_sign("↑↓") == "↑↓"


async def test_without_colour_the_cursor_and_the_states_can_still_be_read(store, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    FakeRun(store, "one").train(100).status("finished")
    FakeRun(store, "two").train(100).status("paused")
    async with opened(store, (80, 24)) as at:
        await at.see("✓ finished", "‖ paused")
        strips = at.app.screen._compositor.render_strips()
        rows = [strip for strip in strips if "finished" in strip.text[:14] or "paused" in strip.text[:14]][:2]
        backgrounds = {
            tuple(segment.style.bgcolor.triplet) for strip in rows for segment in strip if segment.text.strip()
        }
        assert len(backgrounds) == 2
        assert all(red == green == blue for red, green, blue in backgrounds)


def test_gpus_are_named_by_the_number_that_a_recipe_uses(store, monkeypatch):
    monkeypatch.setenv("VITBENCH_GPUS", "GPU-aaaa-1,GPU-bbbb-2")
    fake = FakeRun(store, "one").status("finished", device="cuda:0 (NVIDIA H100)", gpus=["GPU-bbbb-2"])
    other = FakeRun(store, "two").status("finished", device="cuda:0 (NVIDIA H100)", gpus=["GPU-cccc-3"])
    rows = {row.id: row.gpus for row in Watcher(Store(store), lambda _: None).poll().runs}
    assert rows == {fake.id: "1", other.id: "cccc"}
