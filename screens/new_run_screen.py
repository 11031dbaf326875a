"""A new run: preset, data and model from lists that filter as you type; every key explained; the curve and the cost."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from screens import recipe_choices, wording
from screens.actions import SEARCH, Action, bindings
from screens.ask_dialog import choose
from screens.base import WorkbenchScreen
from screens.navigation import Opening, ScreenDeclaration, make_screen
from screens.recipe_draft import RecipeDraft, full_path
from screens.snapshot import Snapshot
from screens.typed_work import leave_after_asking
from screens.widgets.chart import Chart, Curve
from screens.widgets.lines import Line
from screens.widgets.picker import Choice, Picker
from screens.widgets.recipe_fields import RecipeFields
from vitbench.errors import UserError
from vitbench.inspector.client import InspectorError, Superseded
from vitbench.progress import duration, progress_words
from vitbench.recipe import preset_names
from vitbench.rough_time import rough_seconds
from vitbench.text import clean

_LONG = 3600.0
"""Seconds from which a run's time is said before it starts."""
_SMALL_NETWORK = "timm:vit_tiny_patch16_224, or demo"
_TYPING_PAUSE = 0.4
"""Seconds without a change before the data are looked at: not every letter of a path is a path."""


@dataclass(frozen=True)
class Checked:
    """What is known of a recipe (TOML) as a whole: what its data are, and why it cannot be trained."""

    recipe: str = ""
    doing: str = ""
    recognised: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    pictures: int = 0
    readings: tuple[tuple[str, str], ...] = ()
    """Ways to read the data, where their meaning is open: what --as takes, and words."""


ACTIONS = (
    SEARCH,
    Action("escape", "back", "back", "Back without starting anything.", True, shown="esc"),
    Action("ctrl+s,f5", "start", "start", "Start the run.", True, shown="^s"),
    Action("ctrl+l", "reading", "data read as", "Choose how the data are read: column, level, layout.", shown="^l"),
    Action("ctrl+r", "estimate", "estimate", "Memory and time, measured on a few steps.", True, shown="^r"),
)
"""What its keys do."""


class NewRunScreen(WorkbenchScreen):
    """Puts a recipe together and starts it."""

    BINDINGS = bindings(ACTIONS)

    def __init__(self, preset: str = "", data: str = "", model: str = "") -> None:
        super().__init__()
        self.draft = RecipeDraft(preset=preset, data=data, model=model)
        self._estimate = ""
        self._estimating = False
        self._measured: tuple[str, float] = ("", 0.0)
        """The recipe that was measured, and the seconds that the whole run would take."""
        self._checked = Checked()

    def body(self) -> ComposeResult:
        settings = self.workbench.settings
        self.draft.preset = self.draft.preset or settings.text("preset", "fast")
        if self.draft.preset not in preset_names():
            self.draft.preset = "fast"
        self.draft.data = self.draft.data or settings.text("data", "")
        self._at_first = (self.draft.preset, self.draft.data, self.draft.model)
        yield Line(id="title")
        with Vertical(id="choices"):
            yield Picker("Preset", recipe_choices.presets, self.draft.preset, id="preset")
            yield Picker("Data", self._data, self.draft.data, "a folder, a CSV file, or scenes:", id="data")
            yield Picker("Model", recipe_choices.models, self.draft.model, "the preset's own", id="model")
            yield Picker("Name", lambda _: [], "", "optional", id="name")
        with Horizontal(id="columns"):
            yield RecipeFields(lambda path, value: self.draft.try_change(path, value), id="recipe-fields")
            with Vertical(id="outlook"):
                yield Static(id="verdict")
                yield Chart("Learning rate", x_name="epoch", id="rates")

    def on_mount(self) -> None:
        self.query_one("#rates", Chart).show_legend = False
        self._check()
        self.query_one("#data-line").focus()

    def apply(self, snapshot: Snapshot) -> None:
        left = Text.assemble((" New run ", f"bold {self.app.theme_variables['accent']}"))
        self.query_one("#title", Line).show(left, Text("^s starts it ", self.app.theme_variables["secondary"]))

    def recolour(self, snapshot: Snapshot) -> None:
        super().recolour(snapshot)
        self._show_verdict(self.draft.problem)

    def _data(self, typed: str) -> Sequence[Choice]:
        return recipe_choices.data(typed, [run.data for run in reversed(self.workbench.snapshot.runs)])

    # Checking

    @on(Picker.Changed)
    def _chosen(self, message: Picker.Changed) -> None:
        match message.picker.id:
            case "preset":
                if message.value not in preset_names():
                    self._show_verdict(f"There is no preset {message.value or '(empty)'}.")
                    return
                self.draft.preset = message.value
            case "data":
                if message.value != self.draft.data:
                    self.draft.changes.pop("data.layout", None)  # it was said of other data
                self.draft.data = message.value
            case "model":
                self.draft.model = message.value
            case _:
                return
        self._estimate = ""
        self._check()

    @on(RecipeFields.Changed)
    def _changed(self, message: RecipeFields.Changed) -> None:
        if message.value is None:
            self.draft.changes.pop(message.path, None)
        else:
            self.draft.changes[message.path] = message.value
        self._estimate = ""
        self._check()

    def _check(self) -> None:
        """Checks what needs no network at once, and the recipe as a whole with its data when typing pauses."""
        self.draft.check()
        recipe = "" if self.draft.problem or self.draft.recipe is None else self.draft.recipe.to_toml()
        if recipe != self._checked.recipe:
            self._checked = Checked(recipe, "Looking at the data ..." if recipe else "")
            self.workers.cancel_group(self, "check")
            if recipe:
                self._check_whole(recipe)
        self.query_one(RecipeFields).show(self.draft.fields())
        epochs, rates = self.draft.learning_rates()
        chart = self.query_one("#rates", Chart)
        chart.show([Curve("rate", "rate", epochs, rates, 0)] if rates.size else [], x_name="epoch", growing=False)
        self._show_verdict(self.draft.problem)

    @work(exclusive=True, group="check")
    async def _check_whole(self, recipe: str) -> None:
        """Asks the inspector what the data are and whether they fit recipe and network."""
        await asyncio.sleep(_TYPING_PAUSE)
        began = time.monotonic()

        def progress(done: int, total: int, what: str) -> None:
            self._show_checked(Checked(recipe, progress_words(done, total, what, time.monotonic() - began)))

        try:
            inspector = self.workbench.inspector
            answer = await inspector.ask("check_recipe", recipe=recipe, progress=progress, replaces="check")
        except Superseded:
            return
        except UserError as error:
            self._show_checked(Checked(recipe, problems=(str(error),)))
        except InspectorError as error:
            self._show_checked(Checked(recipe, f"Recipe and data were not checked: {error}."))
        else:
            recognised, problems = map(tuple, (answer.values["recognised"], answer.values["problems"]))
            pictures = int(answer.values.get("pictures", 0))
            ways = tuple((str(layout), str(words)) for layout, words in answer.values.get("readings", ()))
            self._show_checked(Checked(recipe, "", recognised, problems, pictures, ways))

    def _show_checked(self, checked: Checked) -> None:
        if checked.recipe == self._checked.recipe:
            self._checked = checked
            self._show_verdict(self.draft.problem)

    def _show_verdict(self, problem: str) -> None:
        colours = self.app.theme_variables
        text = Text()
        if problem or self._checked.problems:
            text.append("\n".join(map(clean, [problem] if problem else self._checked.problems)), colours["error"])
        else:
            text.append("Ready to start.", colours["success"])
        if not problem:
            for sentence in self._checked.recognised:
                text.append("\n" + clean(sentence), colours["foreground"])
            if self._checked.doing:
                text.append("\n" + clean(self._checked.doing), colours["secondary"])
        if not problem and len(self._checked.readings) > 1:
            count = len(self._checked.readings)
            text.append(f"\nThe data can be read in {count} ways: ^l chooses one.", colours["warning"])
        if not problem and (long := self._long_words()):
            text.append("\n" + clean(long.removesuffix(" Start it?")), colours["warning"])
        for warning in self.draft.warnings:
            text.append("\n" + clean(warning).rstrip(".") + ".", colours["warning"])
        text.append(
            "\n" + (clean(self._estimate) or "^r measures memory and time on a few steps."), colours["secondary"]
        )
        self.query_one("#verdict", Static).update(text)

    @work(exclusive=True, group="estimate")
    async def action_estimate(self) -> None:
        """Asks the inspector, which may load the network for it."""
        self.draft.check()
        if self.draft.problem or self.draft.recipe is None:
            self._show_verdict(self.draft.problem)
            return

        began = time.monotonic()

        def progress(done: int, total: int, what: str) -> None:
            self._estimate = f"{progress_words(done, total, what, time.monotonic() - began)}   esc cancels"
            self._show_verdict(self.draft.problem)

        self._estimate, self._estimating = "Measuring ...   esc cancels", True
        self._show_verdict("")
        try:
            inspector = self.workbench.inspector
            answer = await inspector.ask(
                "estimate", recipe=self.draft.recipe.to_toml(), progress=progress, replaces="estimate"
            )
            self._estimate = estimate_words(answer.values)
            epoch = answer.values.get("epoch_seconds")
            if isinstance(epoch, int | float) and self.draft.recipe is not None:
                self._measured = (self.draft.recipe.to_toml(), epoch * self.draft.recipe.train.epochs)
        except Superseded:
            return
        except UserError as error:
            self._estimate = str(error)
        except InspectorError as error:
            self._estimate = f"No estimate: {error}."
        finally:
            self._estimating = False
        self._show_verdict(self.draft.problem)

    # What the data mean

    def action_reading(self) -> None:
        """Asks how the data are read, among the ways that fit them."""
        if self._checked.readings:
            self._ask_reading(self._checked.readings)
        elif self.draft.data and self.draft.recipe is not None:
            self._find_readings(self.draft.data, self.draft.recipe.task)
        else:
            self.workbench.tell("Choose the data first.", "warning")

    @work(exclusive=True, group="readings")
    async def _find_readings(self, data: str, task: str) -> None:
        asked: dict[str, str] = {"data": full_path(data), "task": task}
        try:
            inspector = self.workbench.inspector
            answer = await inspector.ask("readings", progress=lambda *_: None, replaces="readings", **asked)
        except Superseded:
            return
        except (UserError, InspectorError) as error:
            self.workbench.tell(str(error), "warning")
            return
        ways = tuple((str(layout), str(words)) for layout, words in answer.values["readings"])
        if ways:
            self._ask_reading(ways)
        else:
            self.workbench.tell("There is no way that is known to read these data.", "warning")

    def _ask_reading(self, ways: Sequence[tuple[str, str]]) -> None:
        """A list of readings; the chosen one becomes `data.layout`."""

        def answered(layout: str | None) -> None:
            if layout is not None:
                self.draft.changes["data.layout"] = json.dumps(layout)
                self._check()

        question = "What the data mean is open. How are they read? The first is what was recognised."
        self.app.push_screen(choose(question, [Choice(layout, words) for layout, words in ways]), answered)

    # Starting

    def action_start(self) -> None:
        """Freezes the recipe, starts the worker, and opens the run. What a worker would refuse is not started.

        Where the meaning of the data is open, it is asked first.
        """
        self._check()
        if not self.draft.problem and len(self._checked.readings) > 1:
            self._ask_reading(self._checked.readings)
            return
        problem = self.draft.problem or "".join(self._checked.problems[:1])
        if problem or self.draft.recipe is None:
            self.workbench.tell(problem or "The recipe is not whole.", "warning")
            return
        settings = self.workbench.settings
        settings.remember("preset", self.draft.preset)
        settings.remember("data", self.draft.data)
        name = self.query_one("#name", Picker).value
        if long := self._long_words():
            self.ask(long, "Start it all the same", partial(self._start, name))
        else:
            self._start(name)

    def _long_words(self) -> str:
        """A question where the run would take over an hour here, as measured, or on a CPU as computed roughly."""
        recipe = self.draft.recipe
        seconds, how = None, "as measured"
        if recipe is not None and self._measured[0] == recipe.to_toml():
            seconds = self._measured[1]
        elif recipe is not None and self._checked.pictures and not _has_gpu(recipe.train.device):
            seconds, how = rough_seconds(recipe, self._checked.pictures), "roughly, on this machine without a GPU"
        if recipe is None or seconds is None or seconds < _LONG:
            return ""
        size = recipe.model.image_size
        return (
            f"This run takes about {duration(seconds)} here ({how}). It is faster with a smaller network "
            f"(Model: {_SMALL_NETWORK}), smaller pictures (model.image_size{f' = {size}' if size else ''}), or fewer "
            f"than {recipe.train.epochs} epochs (train.epochs). Start it?"
        )

    @work(thread=True, exclusive=True, group="start")
    def _start(self, name: str) -> None:
        from vitbench.runs.launcher import launch

        assert self.draft.recipe is not None
        try:
            run = self.workbench.store.create(self.draft.recipe, name, preset=self.draft.preset)
            launch(run)
        except (UserError, OSError) as error:
            self.app.call_from_thread(self.workbench.tell, str(error), "error")
            return
        self.app.call_from_thread(self._started, run.id)

    def _started(self, run_id: str) -> None:
        self.workbench.tell(f"Started {run_id}. It goes on when you leave.")
        self.workbench.select_run(run_id)
        self.workbench.watcher.wake()
        self.app.switch_screen(make_screen("run", run_id=run_id))

    def unsaved(self) -> str:
        """What was chosen and typed here, by name."""
        draft = self.draft
        now = (draft.preset, draft.data, draft.model)
        names = [
            name for name, old, new in zip(("preset", "data", "model"), self._at_first, now, strict=True) if old != new
        ]
        names += ["name"] * bool(self.query_one("#name", Picker).value) + list(draft.changes)
        editing = self.query_one(RecipeFields).unsaved()
        return ", ".join([*names, editing] if editing else names)

    def action_back(self) -> None:
        """Ends an estimate that goes on; else back without starting, after a question where something was chosen."""
        if self._estimating:
            self._estimating = False
            self.workers.cancel_group(self, "estimate")
            self._estimate = "The estimate was cancelled."
            self._show_verdict(self.draft.problem)
            return
        leave_after_asking(self.app, [self], "Go back", self.dismiss, " The run is not started.")


@cache
def _has_gpu(device: str) -> bool:
    """Whether a run on this device would find a GPU."""
    from vitbench.runs.lease import allowed_gpus

    return device != "cpu" and bool(allowed_gpus())


def estimate_words(values: dict[str, object]) -> str:
    """The inspector's estimate in a sentence or two."""
    parts = []
    memory, seconds = values.get("memory_bytes"), values.get("epoch_seconds")
    if isinstance(memory, int | float):
        parts.append(f"about {memory / 2**30:.1f} GiB at the peak")
    if isinstance(seconds, int | float):
        parts.append(f"about {duration(seconds)} an epoch")
    device = values.get("device")
    told = wording.fit(str(values.get("sentence", "")), 300).strip()
    return told or (", ".join(parts) + (f" on {device}" if device else "") + ".")


SCREEN = ScreenDeclaration(
    name="new_run",
    title="New run",
    help="A recipe from a preset and a folder of pictures, checked before it starts.",
    screen=NewRunScreen,
    actions=ACTIONS,
    opened=Opening("runs", "n"),
    place=20,
)
