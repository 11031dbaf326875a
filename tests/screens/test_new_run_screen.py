"""A new run: lists that filter, keys explained and checked at once, the estimate, and what is started."""

import pytest
from textual.widgets import Input

from screens.new_run_screen import estimate_words
from screens.widgets.chart import Chart
from screens.widgets.picker import Choice, Picker, matching
from screens.widgets.recipe_fields import FieldList
from tests.screens.opened_app import opened
from vitbench.inspector.client import Answer


@pytest.fixture
def launched(monkeypatch) -> list:
    """The runs that would have been started."""
    runs: list = []
    monkeypatch.setattr("vitbench.runs.launcher.launch", lambda run: runs.append(run))
    return runs


async def test_a_run_is_put_together_checked_and_started(store, tmp_path, launched):
    (tmp_path / "pictures [red]" / "cats").mkdir(parents=True)
    async with opened(store, (80, 24)) as at:
        await at.press("n")
        await at.see("New run", "Choose the data", "Learning rate", "model.pretrained")
        await at.press("ctrl+s")
        assert not launched
        at.screen.query_one("#data-line", Input).value = f"{tmp_path}/pict"
        await at.see("pictures [red]/", "There is no")
        await at.press("enter")
        await at.see("cats/")  # choosing a folder goes on in it
        await at.press("escape")
        await at.see("Ready to start.")

        await at.press("tab")
        at.screen.query_one("#model-line", Input).value = "vit_tiny_patch16_224"
        await at.see("timm:vit_tiny_patch16_224")
        await at.press("enter")
        assert at.screen.query_one("#model", Picker).value.startswith("timm:vit_tiny_patch16_224")

        await at.press("tab")  # Enter went on to the name
        fields = at.screen.query_one(FieldList)
        assert at.screen.focused is fields
        while fields.current.path != "train.epochs":
            await at.press("down")
        await at.press("enter")
        line = at.screen.query_one("#edit", Input)
        line.value = "-3"
        await at.see("train.epochs = -3")
        await at.press("enter")
        assert line.display, "a wrong value is not taken"
        line.value = "40"
        await at.see("Enter takes it")
        await at.press("enter")
        assert not line.display
        assert at.screen.draft.recipe.train.epochs == 40
        assert at.screen.query_one("#rates", Chart).curves[0].x[-1] > 39
        await at.press("u")
        assert at.screen.draft.recipe.train.epochs != 40

        await at.press("ctrl+s")
        await at.until(lambda: launched, "the start")
        recipe = launched[0].recipe()
        assert recipe.model.name.startswith("timm:vit_tiny_patch16_224")
        assert recipe.data.path.startswith(f"{tmp_path}/pictures [red]")
        await at.until(lambda: getattr(at.screen, "run_id", "") == launched[0].id, "its screen")


async def test_the_estimate_is_asked_and_told(store):
    class Estimating:
        asked = ""

        async def ask(self, request, *, recipe, progress, replaces):
            self.asked = recipe
            progress(0, 0, "measuring a few steps")
            return Answer({"memory_bytes": 3 * 2**30, "epoch_seconds": 90.0, "device": "cpu"}, {})

        async def close(self):
            pass

    async with opened(store) as at:
        at.app.inspector = Estimating()
        screen = await at.show("new_run", preset="scratch", data="scenes:new?count=370&size=96&seed=0")
        await at.see("Ready to start.")
        await at.press("ctrl+r")
        await at.see("about 3.0 GiB at the peak")
        assert "scenes:new" in at.app.inspector.asked
        screen.query_one("#preset-line", Input).value = "report"
        await at.see("^r measures memory and time")  # an estimate of another recipe is no longer shown
        await at.press("escape", "escape")
        await at.see("No runs yet")


def test_estimates_read_as_a_sentence():
    assert estimate_words({"memory_bytes": 2**30, "epoch_seconds": 5.0, "device": "cpu"}).endswith("on cpu.")
    assert estimate_words({"sentence": "Refused.\x1b[31m"}) == "Refused."


def test_what_begins_with_the_typed_word_comes_first():
    choices = [Choice("timm:hiera_abswin"), Choice("timm:swin_tiny"), Choice("other", "a swin too")]
    assert [choice.value for choice in matching(choices, "swin")] == ["timm:swin_tiny", "timm:hiera_abswin", "other"]
    assert matching(choices, "swin nothing") == []
