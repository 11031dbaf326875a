"""Evaluating from the app: aside, told in a line, cancelled by the same key, and shown when it is done."""

import asyncio

import pytest
from textual.widgets import Input

from tests.inspector.evaluated_run import tiny_pictures, tiny_run
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened
from vitbench.errors import UserError
from vitbench.inspector.client import Answer, InspectorError

SENTENCE = "Test set: Average loss: 0.0551, Accuracy: 430/480 (89.6%)"


class Evaluating:
    """An inspector that evaluates when it is told to."""

    def __init__(self, *_: object) -> None:
        self.asked: dict = {}
        self.go_on = asyncio.Event()
        self.outcome: Answer | Exception = Answer({"sentence": SENTENCE, "left_out": 2, "name": "test-1000.json"}, {})
        self.cancelled = 0

    async def ask(self, request, *, progress, **arguments):
        self.asked = {"request": request, **arguments}
        progress(120, 480, "evaluating")
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def close(self):
        pass


@pytest.fixture
def inspector(monkeypatch) -> Evaluating:
    one = Evaluating()
    monkeypatch.setattr("screens.app.Inspector", lambda store: one)
    return one


async def test_a_run_is_evaluated_aside_and_its_confusions_come(store, tmp_path, inspector):
    fake = FakeRun(store, "pets", seed=1).train(1000).status("finished")
    async with opened(store, (80, 24)) as at:
        await at.press("enter", "5")
        await at.see("No evaluation yet", "E evaluate")
        await at.press("E")
        await at.see('Evaluate "pets" on', "its own test split, else validation; or a folder")
        await at.press("enter")
        await at.see("evaluating: 120 of 480 (25%)", "E cancels")
        assert inspector.asked == {"request": "evaluate", "network": fake.id, "data": ""}
        await at.press("escape")  # it goes on, and the table tells it too
        await at.see("by age", "evaluating: 120 of 480 (25%)")
        fake.evaluate(tmp_path / "pictures")
        inspector.go_on.set()
        await at.see(SENTENCE + ", 2 files left out")
        await at.press("enter", "5")
        await at.see("predicted as", SENTENCE)
        await at.press("escape")
        await at.until(lambda: SENTENCE not in at.text(), "the line to go")


async def test_another_folder_is_typed_in_and_the_same_key_cancels(store, tmp_path, inspector):
    fake = FakeRun(store, "pets", seed=1).train(100).status("finished")
    other = FakeRun(store, "other", seed=2).train(100).status("finished")
    (tmp_path / "shelter [b]").mkdir()
    async with opened(store, (80, 24)) as at:
        await at.until(lambda: at.screen.current_run().id == other.id)
        await at.press("down", "E")
        at.screen.query_one(Input).value = f"{tmp_path}/shelter [b]"
        await at.see("shelter [b]/")
        await at.press("enter", "enter")
        await at.see("evaluating: 120 of 480")
        assert inspector.asked["network"] == fake.id
        assert inspector.asked["data"] == f"{tmp_path}/shelter [b]"
        await at.press("up", "E")
        await at.until(lambda: any("Another run" in notice.message for notice in at.app._notifications), "the notice")
        await at.see("pets: evaluating: 120 of 480")
        await at.press("down", "E")
        await at.see("The evaluation was cancelled.")
        assert inspector.cancelled


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UserError("Run pets has no checkpoint 'best'; it has: none yet."), "no checkpoint 'best'; it has: none yet."),
        (InspectorError("the inspector ended (exit code -9)"), "The evaluation failed: the inspector ended"),
    ],
)
async def test_a_failure_is_one_sentence_wherever_one_is(store, inspector, error, sentence):
    FakeRun(store, "pets", seed=1).train(100).status("finished")
    inspector.outcome = error
    async with opened(store, (80, 24)) as at:
        await at.press("enter", "E", "enter")
        await at.see("evaluating: 120 of 480")
        await at.press("escape", "n")
        inspector.go_on.set()
        await at.until(lambda: any(sentence in notice.message for notice in at.app._notifications), "the notice")
        await at.press("escape", "escape")
        await at.see(sentence)


async def test_a_captioner_has_no_confusions(store, inspector):
    FakeRun(store, "words", preset="caption-demo").train(100).status("finished", task="caption")
    async with opened(store, (200, 60)) as at:
        assert "evaluate" not in at.rows()[-1]
        await at.press("E")
        assert len(at.app.screen_stack) == 2


async def test_a_real_network_is_evaluated(store, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.screens.opened_app.PATIENCE", 280.0)  # to import torch on a machine that does more
    tiny_run(store, tiny_pictures(tmp_path / "pictures"))
    async with opened(store, (120, 40)) as at:
        await at.press("enter", "E", "enter")
        await at.see("Test set: Average loss: ", "/21 (")
        await at.press("5")
        await at.see("test split, step 40")
        await at.press("6")
        await at.see("in 21 pictures")
