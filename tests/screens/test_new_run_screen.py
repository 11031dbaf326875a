"""A new run: lists that filter, keys explained and checked at once, the estimate, and what is started."""

import asyncio

import pytest
from textual.widgets import Input

from screens.recipe_questions import estimate_words
from screens.widgets.chart import Chart
from screens.widgets.picker import Choice, Picker, matching
from screens.widgets.recipe_fields import FieldList
from tests.screens.opened_app import opened
from vitbench.errors import UserError
from vitbench.inspector.client import Answer, InspectorError
from vitbench.recipe import load_recipe
from vitbench.rough_time import faster_ways, rough_seconds


@pytest.fixture
def launched(monkeypatch) -> list:
    """The runs that would have been started."""
    runs: list = []
    monkeypatch.setattr("vitbench.runs.launcher.launch", lambda run: runs.append(run))
    return runs


class Checking:
    """An inspector that answers `check_recipe` with what a test wants, and remembers what it was asked."""

    is_running = False

    def __init__(self, recognised: tuple[str, ...] = (), problems: tuple[str, ...] = ()) -> None:
        self.answer = Answer({"recognised": list(recognised), "problems": list(problems)}, {})
        self.asked: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def ask(self, request, *, recipe, progress, replaces):
        assert request == "check_recipe"
        self.asked.append(recipe)
        progress(120, 480, "looking at the pictures")
        await self.go_on.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self):
        pass


@pytest.fixture(autouse=True)
def checking(monkeypatch) -> Checking:
    """No test here starts torch."""
    one = Checking()
    monkeypatch.setattr("screens.app.Inspector", lambda store: one)
    return one


async def test_what_is_recognised_in_the_data_is_said_without_blocking(store, tmp_path, checking, launched):
    (tmp_path / "pets [b]" / "cats").mkdir(parents=True)
    checking.answer.values["recognised"] = ["A folder [b] of class folders: 480 pictures.", "12 classes; train 480."]
    checking.go_on.clear()
    async with opened(store, (80, 24)) as at:
        await at.press("n")
        at.screen.query_one("#data-line", Input).value = f"{tmp_path}/pets [b]"
        await at.see("Checking: looking at the pictures: 120 of 480 (25%)")
        assert "Ready to start" not in at.text()
        assert f'path = "{tmp_path}/pets [b]"' in checking.asked[-1]
        asked = len(checking.asked)
        await at.press("tab")  # the screen goes on meanwhile
        checking.go_on.set()
        await at.see("A folder [b] of class folders: 480 pictures.", "12 classes; train 480.", "^r measures")
        await at.press("shift+tab")
        assert len(checking.asked) == asked, "what was checked is not checked again"
        at.screen.query_one("#data-line", Input).value = f"{tmp_path}/nothing"
        await at.see("There is no")
        assert "class folders" not in at.text()


async def test_what_does_not_fit_is_said_at_once_and_not_started(store, tmp_path, checking, launched):
    problem = "model.num_classes = 12, but the data have 37 classes; leave it out, or set it to 37."
    checking.answer.values["problems"] = [problem]
    async with opened(store, (120, 40)) as at:
        await at.show("new_run", preset="scratch", data=str(tmp_path))
        await at.see("num_classes = 12, but the data have 37")
        assert "Ready to start" not in at.text()
        await at.press("ctrl+s")
        await at.until(lambda: any(notice.message == problem for notice in at.app._notifications), "the notice")
        assert not launched
        checking.answer = Answer({"recognised": [], "problems": []}, {})
        at.screen.query_one("#preset-line", Input).value = "report"
        await at.see("Ready to start")


@pytest.mark.parametrize("error", [UserError("The folder is empty."), InspectorError("the inspector ended")])
async def test_a_check_that_fails_is_one_sentence(store, tmp_path, checking, error):
    checking.answer = error
    async with opened(store, (120, 40)) as at:
        await at.show("new_run", preset="scratch", data=str(tmp_path))
        await at.see("The folder is empty." if isinstance(error, UserError) else "Recipe and data were not checked")


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
        await at.press("D")
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
            if request == "check_recipe":
                return Answer({"recognised": [], "problems": []}, {})
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
        await at.press("escape")
        await at.see("Go back? The run is not started. This is lost: preset.")
        await at.press("y")
        await at.see("No runs yet")


def test_estimates_read_as_a_sentence():
    assert estimate_words({"memory_bytes": 2**30, "epoch_seconds": 5.0, "device": "cpu"}).endswith("on cpu.")
    assert estimate_words({"sentence": "Refused.\x1b[31m"}) == "Refused."


def test_what_begins_with_the_typed_word_comes_first():
    choices = [Choice("timm:hiera_abswin"), Choice("timm:swin_tiny"), Choice("other", "a swin too")]
    assert [choice.value for choice in matching(choices, "swin")] == ["timm:swin_tiny", "timm:hiera_abswin", "other"]
    assert matching(choices, "swin nothing") == []


async def test_leaving_ends_the_screen_s_work_before_its_widgets_go(store):
    looks = 0

    async def look(screen) -> None:
        nonlocal looks
        while True:
            screen.query_one("#verdict")
            looks += 1
            await asyncio.sleep(0)

    async with opened(store) as at:
        await at.press("n")
        await at.see("New run")
        worker = at.screen.run_worker(look(at.screen))
        await at.until(lambda: looks > 10)
        await at.press("escape", "escape")
        await at.until(lambda: worker.is_finished, "the end of the work")
        assert worker.is_cancelled


async def test_hours_on_this_machine_are_said_before_the_start(store, tmp_path, checking, launched, monkeypatch):
    """ViT-S at 224 on 1,437 small pictures: days on two cores, which nothing said."""
    monkeypatch.setattr("screens.verdict.has_gpu", lambda device="": False)
    monkeypatch.setattr("screens.new_run_screen.has_gpu", lambda: False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    checking.answer.values["pictures"] = 1437
    async with opened(store, (120, 40)) as at:
        screen = await at.show("new_run", preset="scratch", data=str(tmp_path))
        await at.see("Ready to start", "This run takes about", "without a GPU", "^s offers")
        await at.press("ctrl+s")
        await at.see("min with timm:vit_tiny_patch16_224, pictures of 64 px, 150 epochs", "Start it all the same")
        await at.press("escape")
        await at.see("^s offers")
        assert not launched
        await at.press("ctrl+s")
        await at.see("Start it all the same")
        await at.press("enter")  # what is shorter is put in place, and nothing starts
        await at.until(lambda: screen.draft.model == "timm:vit_tiny_patch16_224", "the smaller network")
        await at.see("Ready to start")
        assert not launched
        assert screen.draft.recipe.model.image_size < 224
        assert screen.query_one("#model", Picker).value == "timm:vit_tiny_patch16_224"
        assert "^s offers" not in at.text()
        await at.press("ctrl+s")
        await at.until(lambda: launched, "the start")


async def test_what_takes_long_can_be_started_all_the_same(store, tmp_path, checking, launched, monkeypatch):
    monkeypatch.setattr("screens.verdict.has_gpu", lambda device="": False)
    checking.answer.values["pictures"] = 100_000
    async with opened(store, (80, 24)) as at:
        await at.show("new_run", preset="scratch", data=str(tmp_path))
        await at.see("Ready to start")
        await at.press("ctrl+s")
        await at.see("Start it all the same")
        await at.type("all the")
        await at.press("enter")
        await at.until(lambda: launched, "the start")


async def test_presets_know_the_machine(store, tmp_path, checking, monkeypatch):
    """Without a GPU, how long each takes on these data, and those of under an hour first."""
    monkeypatch.setattr("screens.verdict.has_gpu", lambda device="": False)
    monkeypatch.setattr("screens.new_run_screen.has_gpu", lambda: False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    checking.answer.values["pictures"] = 1437
    async with opened(store, (120, 40)) as at:
        screen = await at.show("new_run", data=str(tmp_path))
        await at.see("Ready to start")
        assert screen.draft.preset == "probe", "all of a network would train for hours"
        names = [choice.value for choice in screen._presets("")]
        notes = {choice.value: choice.note for choice in screen._presets("")}
        assert names.index("probe") < names.index("fast")
        assert notes["probe"].startswith("about 10 min")
        assert notes["fast"].startswith("about 5 h 36 min; the head first")


async def test_a_start_waits_for_the_check_of_the_data(store, tmp_path, checking, launched):
    """^S was pressed before anybody knew that the meaning of the data is open."""
    checking.answer.values["readings"] = [["table", "2 classes"], ["table:label=b", "4 classes"]]
    checking.go_on.clear()
    async with opened(store, (120, 40)) as at:
        await at.show("new_run", preset="scratch", data=str(tmp_path))
        await at.see("Checking: ")
        await at.press("ctrl+s")
        await at.see("Will start when this is done")
        await at.press("escape")
        await at.see("Checking: ")
        await at.press("ctrl+s")
        await at.see("Will start when this is done")
        checking.go_on.set()
        await at.see("These data can be read in several ways", "4 classes")
        assert not launched
        await at.press("escape")
        checking.answer.values.update(readings=[], problems=["There are no labels."])
        checking.go_on.clear()
        at.screen.query_one("#preset-line", Input).value = "report"
        await at.see("Checking: ")
        await at.press("ctrl+s")
        checking.go_on.set()
        await at.see("There are no labels.")
        assert not launched
        checking.go_on.clear()
        at.screen.query_one("#preset-line", Input).value = "scratch"
        await at.see("Checking: ")
        await at.press("ctrl+s")
        await at.see("Will start when this is done")
        await at.press("ctrl+s")  # a second time: without the check
        await at.until(lambda: launched, "the start")


def test_what_makes_a_run_shorter_is_the_least_that_is_enough():
    recipe = load_recipe("fast", ["data.path=/data/pets"])
    seconds = rough_seconds(recipe, 1437, cores=2)
    ways = faster_ways(recipe, seconds, 3600.0)
    assert [way.changes[0][0] for way in ways] == ["model.name", "model.image_size"]
    assert all(way.seconds < 3600 for way in ways)
    for way in faster_ways(recipe, 5000.0, 3600.0):
        changed = recipe.with_changes([f"{key}={value}" for key, value in way.changes])
        share = rough_seconds(changed, 1437) / rough_seconds(recipe, 1437)
        assert way.seconds == pytest.approx(5000 * share)
    (together,) = faster_ways(load_recipe("report", ["data.path=/data/pets"]), 66 * 3600.0, 3600.0)
    assert [key for key, _ in together.changes] == ["model.name", "model.image_size"]
    own = load_recipe("fast", ["data.path=/data/pets", "model.name=timm:resnet18"])
    assert {key for way in faster_ways(own, 5000.0, 3600.0) for key, _ in way.changes} <= {
        "train.epochs",
        "model.name",
        "schedule.warmup_epochs",
    }


def test_a_rough_time_is_that_of_the_machine():
    recipe = load_recipe("scratch", ["data.path=/data/pets", "model.name=timm:vit_small_patch16_224"])
    seconds = rough_seconds(recipe, 1437, cores=2)
    assert 1437 * recipe.train.epochs / 3 < seconds < 1437 * recipe.train.epochs / 0.7, "about 1.5 pictures a second"
    assert rough_seconds(recipe, 1437, cores=8) == pytest.approx(seconds / 4)
    smaller = load_recipe(
        "scratch", ["data.path=/data/pets", "model.name=timm:vit_small_patch16_224", "model.image_size=112"]
    )
    assert rough_seconds(smaller, 1437, cores=2) == pytest.approx(seconds / 4)
    unknown = recipe.model_copy(update={"model": recipe.model.model_copy(update={"name": "timm:nothing"})})
    assert rough_seconds(unknown, 1437) is None


async def test_data_whose_meaning_is_open_are_asked_about_before_a_run(store, tmp_path, checking, launched):
    ways = [
        ["table", "2 classes (0 and 1), 8 pictures"],
        ["table:name=train.csv,label=diagnosis", "4 classes (nevus, ...), 8 pictures"],
    ]
    checking.answer.values["readings"] = ways
    async with opened(store, (120, 40)) as at:
        await at.show("new_run", preset="scratch", data=str(tmp_path))
        await at.see("The data can be read in 2 ways")
        await at.press("ctrl+s")
        await at.see("These data can be read in several ways", "label=diagnosis", "4 classes (nevus, ...)")
        assert not launched
        checking.answer = Answer({"recognised": ["4 classes."], "problems": []}, {})
        await at.press("down", "enter")
        await at.see("4 classes.")
        assert 'layout = "table:name=train.csv,label=diagnosis"' in checking.asked[-1]
        await at.press("ctrl+s")
        await at.until(lambda: launched, "the start")
        assert launched[0].recipe().data.layout == "table:name=train.csv,label=diagnosis"


async def test_what_was_said_of_other_data_is_not_kept(store, tmp_path, checking):
    checking.answer.values["readings"] = [["table", "2 classes"], ["table:label=b", "4 classes"]]
    (tmp_path / "other").mkdir()
    async with opened(store, (120, 40)) as at:
        await at.show("new_run", preset="scratch", data=str(tmp_path))
        await at.see("can be read in 2 ways")
        await at.press("ctrl+l")
        await at.see("These data can be read in several ways")
        await at.press("down", "enter")
        await at.until(lambda: 'layout = "table:label=b"' in checking.asked[-1], "the choice")
        at.screen.query_one("#data-line", Input).value = str(tmp_path / "other")
        await at.until(lambda: 'layout = ""' in checking.asked[-1], "the other data")


async def test_a_reading_of_several_labels_brings_its_task(store, tmp_path, checking):
    checking.answer.values["readings"] = [["table", "3 classes"], ["table:several=space", "several labels per picture"]]
    async with opened(store, (120, 40)) as at:
        await at.show("new_run", preset="fast", data=str(tmp_path))
        for choice, task in ((("down",), "multilabel"), ((), "classify")):
            await at.see("can be read in 2 ways" if choice else "Ready to start")
            await at.press("ctrl+l")
            await at.see("These data can be read in several ways")
            await at.press(*choice, "enter")
            await at.until(lambda said=task: f'task = "{said}"' in checking.asked[-1], task)
