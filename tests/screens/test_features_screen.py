"""The features screen on a real tiny network: each key, and what is shown after it."""

import numpy as np
import pytest
from textual.widgets import Input, OptionList

from screens.widgets.picture_sheet import PictureSheet
from tests.inspector.tiny_checkpoint import GRID, LAYERS, tiny_checkpoint, tiny_picture
from tests.screens.test_attention_screen import opened, subject  # noqa: F401
from vitbench.compose import compose, read_request
from vitbench.compose.sources import Sources
from vitbench.figures.provenance import read_provenance
from vitbench.recipe import Recipe
from vitbench.runs.status import read_status, write_status
from vitbench.runs.store import Store


def panels(at):
    return at.screen.query_one(PictureSheet).panels


async def test_views_layers_and_pictures(opened, subject):  # noqa: F811
    async with opened("features", **subject) as at:
        assert f"layer {LAYERS} of {LAYERS}" in at.line("features-facts")
        assert "principal components" in at.line("note")
        before = panels(at)
        assert before[0][0] == "one.png"
        await at.press("up")
        assert at.screen.request.layer == 1
        assert not np.array_equal(panels(at)[1][1], before[1][1])
        await at.press("g")
        assert len(panels(at)) == 4
        assert "one basis for all 2 pictures" in at.line("note")
        await at.press("g", "right")
        assert panels(at)[0][0] == "two.png"
        await at.press("t")
        assert at.screen.request.only_foreground
        await at.press("m")
        assert at.screen.request.view == "similarity"
        assert not at.screen.request.only_foreground
        await at.press("t")
        assert "m goes there" in at.line("note")
        await at.press("m")
        assert at.screen.request.view == "nearest"
        assert len(panels(at)) == 2  # the picture itself is no neighbour
        await at.press("m")
        assert at.screen.request.view == "components"


async def test_arrows_move_the_patch_and_what_is_like_it_follows(opened, subject):  # noqa: F811
    async with opened("features", **subject) as at:
        await at.press("space")
        assert at.screen.request.view == "similarity"
        before = panels(at)[1][1]
        await at.press("right", "right", "right", "right", "up", "up")
        assert at.screen.request.patch == (1, GRID[1])
        assert f"row 1, column {GRID[1]}" in at.line("note")
        assert not np.array_equal(panels(at)[1][1], before)
        await at.press("space", "down")
        assert at.screen.request.layer == LAYERS - 1
        assert at.screen.request.patch == (1, GRID[1])


@pytest.mark.parametrize("name", ["attention", "features", "positions"])
async def test_another_picture_size_is_asked_for_and_taken(name, opened, subject):  # noqa: F811
    if name == "positions":
        subject.pop("path")
    async with opened(name, **subject) as at:
        await at.press("z", *"64x96", "enter")
        facts = (at.screen.seen if name == "features" else at.screen.seen.sheet).facts
        assert facts["grid"] == [4, 6]
        assert at.screen.request.image_size == (64, 96)
        await at.press("z")
        at.pilot.app.screen.query_one(Input).value = "50"
        await at.press("enter")
        assert "--image-size 50x50 is not a multiple" in at.line("note")
        assert at.screen.request.image_size == (64, 96)


async def test_history_shows_checkpoints_and_says_what_there_is_not_before(opened, tmp_path):  # noqa: F811
    store = Store(tmp_path / "store")
    run = store.create(Recipe.model_validate({"model": {"name": "timm:vit_tiny_patch16_224"}, "data": {"path": "p"}}))
    for step in (3, 6):
        tiny_checkpoint(run.folder / "checkpoints" / f"step-{step:08d}", step)
    write_status(run.folder, read_status(run.folder).model_copy(update={"state": "finished", "step": 6}))
    async with opened("features", network=f"{run.id}@last", path=tiny_picture(tmp_path / "p.png")) as at:
        at.pilot.app.show_snapshot()
        await at.settled()
        assert at.pilot.app.snapshot.run(run.id) is not None
        await at.press("h")
        assert [title for title, _ in panels(at)] == ["p.png", "step 3", "step 6"]
        await at.press("h")
        assert "started from random numbers" in at.line("note")
        assert at.screen.beside == "checkpoints"


async def test_what_is_saved_is_what_is_shown(opened, subject, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    async with opened("features", **subject) as at:
        await at.press("space", "right", "e")
        at.pilot.app.screen.query_one("#file", Input).value = str(tmp_path / "f.png")
        await at.press("enter")
        assert "Saved" in at.line("note")
        recorded = read_provenance(tmp_path / "f.png")
        again = compose(read_request(recorded["kind"], recorded["request"]), Sources(tmp_path / "store"))
        for (title, pixels), panel in zip(panels(at), again.panels, strict=True):
            assert title == panel.title
            np.testing.assert_array_equal(pixels, panel.picture)


async def test_from_the_attention_screen_the_same_picture(opened, subject):  # noqa: F811
    async with opened("attention", **subject) as at:
        await at.press("right", "f")
        assert type(at.pilot.app.screen).__name__ == "FeaturesScreen"
        at.screen = at.pilot.app.screen
        await at.settled()
        assert at.screen.files[at.screen.number].endswith("two.png")


async def test_the_nearest_of_labelled_pictures_vote(opened, subject, tmp_path):  # noqa: F811
    for name, seed in (("a", 1), ("a", 2), ("b", 3), ("b", 4)):
        tiny_picture(tmp_path / "labelled" / name / f"{seed}.png", seed=seed)
    async with opened("features", **subject) as at:
        at.pilot.app.copied = []
        at.pilot.app.copy_to_clipboard = at.pilot.app.copied.append
        await at.press("up", "E")
        at.pilot.app.screen.query_one(Input).value = f"{tmp_path}/labelled/"
        await at.press("enter")
        dialog = at.pilot.app.screen
        assert "4 pictures, each by all others (4)" in str(dialog.query_one(".words").content)
        option = dialog.query_one(OptionList).options[0]
        assert "3 neighbours" in str(option.prompt), "no more than there are others"
        await at.press("enter")
        assert at.pilot.app.copied[0].startswith("3 neighbours: ")
        await at.press("E")
        at.pilot.app.screen.query_one(Input).value = str(tmp_path / "nowhere")
        await at.press("enter")
        assert "nowhere" in at.line("note")
