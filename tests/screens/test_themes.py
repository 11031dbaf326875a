"""Each theme that is offered works on each screen, and nothing remembered keeps the app from starting."""

import errno
import json
import os
from pathlib import Path

import pytest
from textual.color import Color

from screens.remembered import Remembered
from screens.themes import contrast, offered_themes
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened

SCREENS = {
    "runs": {},
    "run": {"run_id": "?"},
    "compare": {"run_ids": ("?",)},
    "new_run": {},
    "attention": {},
    "positions": {},
    "captions": {},
}


@pytest.fixture(autouse=True)
def no_inspector(monkeypatch) -> None:
    """The screens that look inside wait for a picture that never comes: no test here starts torch."""

    async def ask(*_, **__):
        import asyncio

        await asyncio.Event().wait()

    monkeypatch.setattr("vitbench.inspector.client.Inspector.ask", ask)


@pytest.mark.parametrize("name", SCREENS)
async def test_each_theme_works_on_each_screen(store, tmp_path, name):
    run = FakeRun(store, "one").train(300).evaluate(tmp_path / "pictures").status("finished")
    async with opened(store, (100, 30)) as at:
        subject = {key: run.id if value == "?" else (run.id,) for key, value in SCREENS[name].items()}
        if name != "runs":
            await at.show(name, **subject)
        await at.see("one" if name in ("runs", "run", "compare") else {"new_run": "New run"}.get(name, name.title()))
        names = offered_themes(at.app.available_themes)
        share = (
            names if os.environ.get("VITBENCH_STORM") == "full" else names[list(SCREENS).index(name) :: len(SCREENS)]
        )
        for theme in [*share, "vitbench-light", "vitbench-dark"]:
            at.app.theme = theme
            await at.pilot.pause()
            assert at.app.return_code is None
            faint = []
            for strip in at.screen._compositor.render_strips():
                for segment in strip:
                    style = segment.style
                    if style and style.color and style.bgcolor and any(map(str.isalnum, segment.text)):
                        front, back = (Color.from_rich_color(c) for c in (style.color, style.bgcolor))
                        if contrast(front, back) < 3:
                            faint.append(segment.text)
            assert not faint, f"{theme}: {faint} cannot be read"


async def test_the_key_goes_through_all_themes_and_back(store):
    FakeRun(store, "one").train(100).status("finished")
    async with opened(store, (80, 24)) as at:
        names = offered_themes(at.app.available_themes)
        seen = []
        for _ in names:
            await at.press("ctrl+t")
            seen.append(at.app.theme)
        assert sorted(seen) == sorted(names)
        assert not any(at.app.available_themes[name].ansi for name in names)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            '{"theme": "ansi-dark", "sort": "gone", "filter": "accuracy>much", "axis": "moon", "smoothing": "1e9"}',
            [
                'The remembered theme "ansi-dark" is not available',
                'cannot be sorted by "gone"',
                "is on: accuracy>much. Esc takes",
            ],
        ),
        (
            '{"theme": 7, "sort": ["age"], "details": "no", "marked": ["gone"], "seen_crashes": 3}',
            ['"theme" is not a text', '"sort" is not a text', '"seen_crashes" is not a list of texts'],
        ),
        (
            '{"theme": "x\\u001b]0;t\\u0007", "marked": [1, {}]}',
            ["is not available", '"marked" is not a list of texts'],
        ),
        ("[" * 100_000, ["set aside as screens.json.unusable"]),
    ],
    ids=["unknown", "of another type", "hostile", "unusable"],
)
async def test_nothing_remembered_keeps_the_app_from_starting(store, content, said):
    run = FakeRun(store, "one").train(300).status("finished")
    (store / "screens.json").write_text(content, encoding="latin-1")
    async with opened(store, (100, 30)) as at:
        await at.until(lambda: at.app.is_running and at.app.screen.is_mounted)
        notices = [notice.message for notice in at.app._notifications]
        assert [one for one in said if not any(one in notice for notice in notices)] == [], notices
        await at.press("escape")
        await at.see("one")
        await at.show("run", run_id=run.id)
        await at.see("1 Curves")
        await at.press("ctrl+t")
        assert json.loads((store / "screens.json").read_text())["theme"] == at.app.theme


@pytest.mark.parametrize("content", ["[1, 2]", "{", "[" * 100_000, "\x00\xff"], ids=["list", "cut", "deep", "binary"])
def test_a_file_that_cannot_be_read_is_set_aside(tmp_path, content):
    file = tmp_path / "screens.json"
    file.write_text(content, encoding="latin-1")
    remembered = Remembered(tmp_path)
    (problem,) = remembered.problems
    assert "set aside as screens.json.unusable" in problem
    assert (tmp_path / "screens.json.unusable").read_text(encoding="latin-1") == content
    assert remembered.text("theme", "mine") == "mine"


async def test_a_settings_file_that_is_a_folder_is_ignored(store):
    (store / "screens.json").mkdir(parents=True)
    (store / "screens.json.unusable").mkdir()
    (store / "screens.json.unusable" / "full").write_text("")
    FakeRun(store, "one").train(100).status("finished")
    async with opened(store, (100, 30)) as at:
        assert any("is not used" in notice.message for notice in at.app._notifications)


def test_what_cannot_be_written_is_said_once_and_leaves_nothing_behind(tmp_path, monkeypatch):
    remembered, said = Remembered(tmp_path), []
    remembered.tell = said.append

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    remembered.set("theme", "nord")
    remembered.set("sort", "age")
    file = tmp_path / "screens.json"
    assert said == [f"{file} cannot be written (No space left on device): what you choose is not remembered."]
    assert list(tmp_path.iterdir()) == []
    assert remembered.text("theme", "") == "nord", "it holds for this visit"
