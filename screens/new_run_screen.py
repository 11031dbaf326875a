"""A new run: preset, data and model from lists that filter as you type; every key explained; the curve and the cost."""

import json
from collections.abc import Callable, Sequence
from functools import partial

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll

from screens import recipe_choices
from screens.actions import SEARCH, Action, bindings
from screens.ask_dialog import choose
from screens.base import WorkbenchScreen
from screens.data_reading import DataReading
from screens.navigation import Opening, ScreenDeclaration, make_screen
from screens.recipe_draft import RecipeDraft
from screens.snapshot import Snapshot
from screens.typed_work import leave_after_asking
from screens.verdict import Verdict, has_gpu
from screens.widgets.chart import Chart, Curve
from screens.widgets.lines import TextLine
from screens.widgets.picker import Choice, Picker, nothing
from screens.widgets.recipe_fields import RecipeFields
from vitbench.errors import UserError
from vitbench.nearest import perhaps
from vitbench.progress import rough_duration
from vitbench.recipe import load_recipe, preset_names
from vitbench.rough_time import LONG, Faster, faster_ways, rough_seconds

_USUAL, _USUAL_ON_CPU = "fast", "probe"
"""What is proposed at first: with a GPU, and where all of a network would train for hours."""
_SMALLER = {
    "model.name": "{}",
    "model.image_size": "pictures of {} px",
    "train.epochs": "{} epochs",
    "schedule.warmup_epochs": "{} of warm-up",
}


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
        self._reading = DataReading(self, self.draft, self._check)

    def body(self) -> ComposeResult:
        remembered = self.workbench.remembered
        self.draft.preset = self.draft.preset or remembered.text("preset", "")
        if self.draft.preset not in preset_names():
            self.draft.preset = _USUAL if has_gpu() else _USUAL_ON_CPU
        self.draft.data = self.draft.data or remembered.text("data", "")
        self._at_first = (self.draft.preset, self.draft.data, self.draft.model)
        yield TextLine(id="title")
        with Vertical(id="choices"):
            yield Picker("Preset", self._presets, self.draft.preset, id="preset")
            yield Picker("Data", self._data, self.draft.data, "a folder, a CSV file, or scenes:", id="data")
            yield Picker("Model", recipe_choices.models, self.draft.model, "the preset's own", id="model")
            yield Picker("Name", nothing, "", "optional", id="name")
        with Horizontal(id="columns"):
            yield RecipeFields(lambda path, value: self.draft.try_change(path, value), id="recipe-fields")
            with Vertical(id="outlook"):
                with VerticalScroll(id="verdict-box"):
                    yield Verdict(self.draft, id="verdict")
                yield Chart("Learning rate", x_name="epoch", id="rates")

    def on_mount(self) -> None:
        self.query_one("#rates", Chart).show_legend = False
        self._check()
        self.query_one("#data-line").focus()

    def apply(self, snapshot: Snapshot) -> None:
        self._show_title()

    def _show_title(self) -> None:
        """What the preset is for, which its name alone does not tell."""
        colours = self.app.theme_variables
        left = Text.assemble((" New run ", f"bold {colours['accent']}"))
        if note := recipe_choices.PRESET_NOTES.get(self.draft.preset, ""):
            left.append(f" {self.draft.preset}: {note}", colours["secondary"])
        self.query_one("#title", TextLine).show(left)

    def recolour(self, snapshot: Snapshot) -> None:
        super().recolour(snapshot)
        self.query_one(Verdict).show()

    # The lists

    def _presets(self, typed: str) -> Sequence[Choice]:
        return recipe_choices.presets(typed, self._time_of)

    def _time_of(self, preset: str) -> float | None:
        """Seconds that a preset would take here on the data that are chosen; None where that is not known."""
        pictures = self.query_one(Verdict).checked.pictures
        if not pictures or has_gpu():
            return None
        draft = RecipeDraft(preset, self.draft.data, self.draft.model)
        try:
            return rough_seconds(load_recipe(preset, draft.overrides()), pictures)
        except UserError:
            return None

    def _data(self, typed: str) -> Sequence[Choice]:
        return recipe_choices.data(typed, [run.data for run in reversed(self.workbench.snapshot.runs)])

    # Checking

    @on(Picker.Changed)
    def _chosen(self, message: Picker.Changed) -> None:
        match message.picker.id:
            case "preset":
                if message.value not in preset_names():
                    self.query_one(Verdict).refuse(
                        f"There is no preset {message.value or '(empty)'}{perhaps(message.value, preset_names())}."
                    )
                    return
                self.draft.preset = message.value
            case "data":
                if message.value != self.draft.data:
                    self._reading.forget()
                self.draft.data = message.value
            case "model":
                self.draft.model = message.value
            case _:
                return
        self._check()

    @on(RecipeFields.Changed)
    def _changed(self, message: RecipeFields.Changed) -> None:
        if message.value is None:
            self.draft.changes.pop(message.path, None)
        else:
            self.draft.changes[message.path] = message.value
        self._check()

    def _check(self) -> None:
        """Checks the draft, and shows its keys and its learning rate."""
        self.query_one(Verdict).check()
        self._show_title()
        self.query_one(RecipeFields).show(self.draft.fields())
        epochs, rates = self.draft.learning_rates()
        chart = self.query_one("#rates", Chart)
        chart.show([Curve("rate", "rate", epochs, rates, 0)] if rates.size else [], x_name="epoch", growing=False)

    def action_estimate(self) -> None:
        """Measures memory and time."""
        self.query_one(Verdict).measure()

    def action_reading(self) -> None:
        """Asks how the data are read, among the ways that fit them."""
        self._reading.choose(self.query_one(Verdict).checked.readings)

    # Starting

    def action_start(self) -> None:
        """Freezes the recipe, starts the worker, and opens the run. What a worker would refuse is not started.

        It waits for the check of the data; a second time it does not. What is open or takes long is asked first.
        """
        self._check()
        verdict = self.query_one(Verdict)
        checked = verdict.checked
        problem = self.draft.problem or "".join(checked.problems[:1])
        if problem or self.draft.recipe is None:
            self.workbench.tell(problem or "The recipe is incomplete.", "warning")
        elif checked.doing and not verdict.waits:
            verdict.waits = True
            verdict.show()
        elif len(checked.readings) > 1:
            self._reading.ask(checked.readings)
        else:
            verdict.waits = False
            start = partial(self._start, self.query_one("#name", Picker).value)
            long = verdict.long_time()
            if long is None:
                start()
            else:
                self._ask_about_time(*long, start)

    @on(Verdict.Ended)
    def _checked(self) -> None:
        """The check has ended for which the start has waited."""
        verdict = self.query_one(Verdict)
        if verdict.waits:
            verdict.waits = False
            verdict.show()
            self.action_start()

    def _ask_about_time(self, seconds: float, how: str, start: Callable[[], object]) -> None:
        """Offers what makes the run shorter, and to start it as it is."""
        assert self.draft.recipe is not None
        ways = faster_ways(self.draft.recipe, seconds, LONG)
        choices = [
            Choice(str(number), shown=f"about {rough_duration(way.seconds)} with {_in_words(way)}")
            for number, way in enumerate(ways)
        ]
        choices.append(Choice("start", shown="Start it all the same"))

        def answered(value: str | None) -> None:
            if value == "start":
                start()
            elif value:
                self._change(ways[int(value)])

        question = (
            f"This run takes about {rough_duration(seconds)} here ({how}). Make it shorter first, or start it as it is?"
        )
        self.app.push_screen(choose(question, choices), answered)

    def _change(self, way: Faster) -> None:
        """Puts the changes into the draft, where they can be seen and undone; nothing starts."""
        for key, value in way.changes:
            if key == "model.name":
                self.draft.model = json.loads(value)
                self.query_one("#model", Picker).put(self.draft.model)
            else:
                self.draft.changes[key] = value
        self._check()
        self.workbench.tell(f"The run is now with {_in_words(way)}. ^s starts the run.")

    @work(thread=True, exclusive=True, group="start")
    def _start(self, name: str) -> None:
        from vitbench.runs.launcher import launch

        assert self.draft.recipe is not None
        self.workbench.remembered.set("preset", self.draft.preset)
        self.workbench.remembered.set("data", self.draft.data)
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
        """Ends an estimate or a wait that goes on; else back, after a question where something was chosen."""
        if not self.query_one(Verdict).cancel():
            leave_after_asking(self.app, [self], "Go back", self.dismiss, " The run is not started.")


def _in_words(way: Faster) -> str:
    """The changes as a person says them."""
    return ", ".join(_SMALLER[key].format(value.strip('"')) for key, value in way.changes)


SCREEN = ScreenDeclaration(
    name="new_run",
    title="New run",
    help="A recipe from a preset and a folder of pictures, checked before it starts.",
    screen=NewRunScreen,
    actions=ACTIONS,
    opened=Opening("runs", "n"),
    order=20,
)
