"""A new sweep: a recipe, what is tried of its keys, the kind of search, seeds; its trials and time before it starts."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from screens import recipe_choices
from screens.actions import SEARCH, Action, bindings
from screens.base import WorkbenchScreen
from screens.navigation import Opening, ScreenDeclaration, make_screen
from screens.paths import files_below, full_path
from screens.recipe_draft import Field, RecipeDraft
from screens.recipe_questions import Checked, check_recipe, estimate
from screens.snapshot import Snapshot
from screens.typed_work import leave_after_asking
from screens.verdict import DOUBTFUL, doubts_first
from screens.widgets.lines import TextLine
from screens.widgets.picker import Choice, Picker, matching, nothing
from screens.widgets.recipe_fields import RecipeFields
from vitbench.errors import UserError
from vitbench.files.outputs import Outputs
from vitbench.nearest import perhaps_path
from vitbench.progress import progress_words
from vitbench.recipe import preset_names
from vitbench.sweeps.draft import SweepDraft, base_at
from vitbench.sweeps.outlook import outlook
from vitbench.sweeps.plan import Plan, describe, plan_names, plan_note
from vitbench.sweeps.suggest import suggestion
from vitbench.sweeps.typed import FORMS
from vitbench.text import clean

_TYPING_PAUSE = 0.4
"""Seconds without a change before data and network are looked at."""
_SHOWN = 3
"""Trials that are shown before the sweep starts."""
_METHODS = (
    Choice("grid", "every combination; of a range 3 values, or as many as `in N` says"),
    Choice("random", "seeded draws; needs a number of trials"),
    Choice("tpe", "each trial chosen by the results before it (Optuna); needs a number of trials"),
)
_STOPPING = (
    Choice("none", "every run goes to its end"),
    Choice("median", "a run worse than the median of those before it is stopped after a quarter"),
    Choice("halving", "one run in three goes on at a quarter, and again later"),
)
_OF_READY = ("base", "method", "trials", "repeats", "parallel", "stopping", "name")
"""Lines that a ready search fills."""


ACTIONS = (
    SEARCH,
    Action("escape", "back", "back", "Back without starting anything.", True, shown="esc"),
    Action("ctrl+s,f5", "start", "start", "Write the sweep file and start it.", True, shown="^s"),
    Action("ctrl+r", "estimate", "estimate", "The time, measured on a few steps of one run.", True, shown="^r"),
)
"""What its keys do."""


class NewSweepScreen(WorkbenchScreen):
    """Puts a sweep together, writes its file, and starts it."""

    BINDINGS = bindings(ACTIONS)

    def __init__(self, base: str = "", data: str = "", keys: dict[str, str] | None = None) -> None:
        """`base` is a preset or a recipe file; `keys` what is tried at first."""
        super().__init__()
        self.draft = SweepDraft(base=base, data=data, keys=dict(keys or {}))
        self.plan: Plan | None = None
        self.problem = ""
        self._checked = Checked()
        """The recipe of the first trial, as far as it was looked at."""
        self._measured: tuple[str, float, str] = ("", 0.0, "")
        """The recipe that was measured, the seconds of a whole run of it, and the device."""
        self._estimate, self._estimating = "", False
        self._starting = False

    def body(self) -> ComposeResult:
        remembered, draft = self.workbench.remembered, self.draft
        draft.base = draft.base or remembered.text("preset", "fast")
        if draft.base not in preset_names() and not Path(draft.base).is_file():
            draft.base = "fast"
        is_file = draft.base not in preset_names()
        if not draft.data and not is_file:
            draft.data = remembered.text("data", "")
        self._at_first = self._typed()
        yield TextLine(id="title")
        with Vertical(id="choices"):
            ready = f"your own search; ready to use: {', '.join(plan_names())}"
            yield Picker("Search", self._ready, "", ready, id="ready", free=False)
            yield Picker("Recipe", self._bases, draft.base, "a preset, or a recipe file", id="base")
            own = "the recipe's own" if is_file else "a folder, a CSV file, or scenes:"
            yield Picker("Data", self._data, draft.data, own, id="data")
            yield Picker("Model", recipe_choices.models, "", "the recipe's own", id="model")
            yield Picker("Method", lambda _: _METHODS, draft.method, id="method", free=False)
            yield Picker("Trials", nothing, "", "how many; empty: the whole grid", id="trials")
            yield Picker("Seeds", nothing, "", "runs per trial, with different seeds; empty: 1", id="repeats")
            yield Picker("At a time", nothing, "", "runs in the queue at once; empty: 1", id="parallel")
            yield Picker("Stopping", lambda _: _STOPPING, draft.stopping, id="stopping", free=False)
            yield Picker("Name", nothing, "", "optional; also of the file", id="name")
        with Horizontal(id="columns"):
            yield RecipeFields(self._check_values, id="recipe-fields")
            with Vertical(id="outlook"), VerticalScroll(id="verdict-box"):
                yield Static(id="verdict")

    def on_mount(self) -> None:
        self.check()
        self.query_one("#data-line").focus()

    def apply(self, snapshot: Snapshot) -> None:
        left = Text.assemble((" New sweep ", f"bold {self.app.theme_variables['accent']}"))
        self.query_one("#title", TextLine).show(left)

    def recolour(self, snapshot: Snapshot) -> None:
        super().recolour(snapshot)
        self._show_verdict()

    def _ready(self, typed: str) -> Sequence[Choice]:
        """The sweeps that come along."""
        return matching([Choice(name, plan_note(name)) for name in plan_names()], typed)

    def _bases(self, typed: str) -> Sequence[Choice]:
        """Presets, and recipe files that continue what is typed."""
        if typed.startswith(("/", "~", ".")):
            return files_below(typed, (".toml",))
        return [*recipe_choices.presets(typed), *(files_below("", (".toml",)) if not typed else [])]

    def _data(self, typed: str) -> Sequence[Choice]:
        return recipe_choices.data(typed, [run.data for run in reversed(self.workbench.snapshot.runs)])

    def _check_values(self, path: str, text: str) -> str:
        return self._whole_draft().problem_of(path, text)

    # Checking

    @on(Picker.Changed)
    def _chosen(self, message: Picker.Changed) -> None:
        if message.picker.id in ("data", "model", *_OF_READY):
            setattr(self.draft, message.picker.id, message.value)
            self.check()
        elif message.picker.id == "ready" and message.value in plan_names():
            self._take(SweepDraft.ready(message.value))

    def _take(self, ready: SweepDraft) -> None:
        """Puts a ready search into the lines, where it can be changed; data, model and other keys stay."""
        for name in _OF_READY:
            self.query_one(f"#{name}", Picker).put(getattr(ready, name))
            setattr(self.draft, name, getattr(ready, name))
        self.draft.keys |= ready.keys
        self.check()

    @on(RecipeFields.Changed)
    def _changed(self, message: RecipeFields.Changed) -> None:
        if message.value is None:
            self.draft.keys.pop(message.path, None)
        else:
            self.draft.keys[message.path] = message.value
        self.check()

    def _whole_draft(self) -> SweepDraft:
        """The draft with paths that hold wherever its file will be read."""
        draft = self.draft
        return SweepDraft(
            base=base_at(str(Path(draft.base).expanduser()) if draft.base.startswith("~") else draft.base, Path.cwd()),
            data=full_path(draft.data) if draft.data else "",
            model=draft.model,
            name=draft.name,
            method=draft.method,
            trials=draft.trials,
            repeats=draft.repeats,
            parallel=draft.parallel,
            stopping=draft.stopping,
            keys=draft.keys,
        )

    def check(self) -> None:
        """Checks the plan at once, and its recipe with data and network when typing pauses."""
        try:
            self.plan, self.problem = self._whole_draft().plan(), ""
        except UserError as error:
            self.plan, self.problem = None, str(error)
        if self.plan is not None and (missing := self._missing(self.plan)):
            self.problem = missing
        recipe = "" if self.problem or self.plan is None else self.plan.recipe_of({}, 0).to_toml()
        if recipe != self._checked.recipe:
            self._checked, self._estimate = Checked(recipe, "Checking: looking at the data ..." if recipe else ""), ""
            self.workers.cancel_group(self, "check")
            if recipe:
                self._check_data(recipe)
        self.query_one(RecipeFields).show(self._fields())
        self._show_verdict()

    def _missing(self, plan: Plan) -> str:
        path = plan.recipe_of({}, 0).data.path
        if not path:
            return "Choose the data: a folder of pictures, a CSV file, or scenes."
        if ":" not in path.split("/")[0] and not Path(path).exists():
            return f"There is no {path}{perhaps_path(path)}."
        try:
            plan.anchored()
        except UserError as error:
            return str(error)
        return ""

    def _fields(self) -> list[Field]:
        """Every key of the recipe; what is tried of one stands in the place of its value."""
        recipe = RecipeDraft(
            base_at(self.draft.base, Path.cwd()), full_path(self.draft.data) if self.draft.data else ""
        )
        recipe.model = self.draft.model
        recipe.check()
        return [
            Field(one.path, keys[one.path], one.explanation, True) if one.path in keys else one
            for keys in [self.draft.keys]
            for one in recipe.fields()
        ]

    @work(exclusive=True, group="check")
    async def _check_data(self, recipe: str) -> None:
        await asyncio.sleep(_TYPING_PAUSE)
        began = time.monotonic()

        def progress(done: int, total: int, what: str) -> None:
            self._found(Checked(recipe, f"Checking: {progress_words(done, total, what, time.monotonic() - began)}"))

        if (checked := await check_recipe(self.workbench.inspector, recipe, progress)) is not None:
            self._found(checked)

    def _found(self, checked: Checked) -> None:
        if checked.recipe == self._checked.recipe:
            self._checked = checked
            self._show_verdict()

    def _show_verdict(self) -> None:
        colours = self.app.theme_variables
        text = Text()
        problems = [self.problem] if self.problem else list(self._checked.problems)
        if problems:
            text.append("\n".join(map(clean, problems)), colours["error"])
        elif self._checked.unchecked:
            text.append(clean(self._checked.unchecked), colours["warning"])
        else:
            text.append(clean(self._checked.doing) or "Ready to start.", colours["success"])
        for key, tried in self.draft.tried().items():
            text.append(f"\nTried: {clean(key)} = {clean(tried)}", colours["accent"])
        if self.plan is not None and not self.problem:
            text.append(f"\n{self._outlook(self.plan)}", colours["foreground"])
            if self._estimate:
                text.append("\n" + clean(self._estimate), colours["accent"])
            for note in self.plan.notes():
                text.append("\n" + clean(note), colours["warning"])
            said = doubts_first(self._checked.recognised)
            doubts = [sentence for sentence in said if sentence.startswith(DOUBTFUL)]
            for sentence in doubts:
                text.append("\n" + clean(sentence), colours["warning"])
            if self.plan.method != "tpe":
                for number in range(min(_SHOWN, self.plan.trial_count)):
                    words = describe(suggestion(self.plan, number, [], "max"))
                    text.append(f"\n  {number + 1}  {clean(words)}", colours["secondary"])
            for sentence in said[len(doubts) :]:
                text.append("\n" + clean(sentence), colours["secondary"])
        text.append(f"\nA key of the list: {FORMS}. One value holds for all trials.", colours["secondary"])
        self.query_one("#verdict", Static).update(text)

    def _outlook(self, plan: Plan) -> str:
        recipe, seconds, device = self._measured
        if recipe and recipe == self._checked.recipe:
            return outlook(plan, self._checked.pictures, seconds, device).sentence
        return outlook(plan, self._checked.pictures).sentence

    @work(exclusive=True, group="estimate")
    async def action_estimate(self) -> None:
        """Measures a run of the recipe for a few steps."""
        recipe, plan = self._checked.recipe, self.plan
        if not recipe or plan is None:
            self._show_verdict()
            return
        began = time.monotonic()

        def progress(done: int, total: int, what: str) -> None:
            words = progress_words(done, total, what, time.monotonic() - began)
            self._estimate = f"{words}   esc cancels"
            self._show_verdict()

        self._estimate, self._estimating = "Measuring a run ...   esc cancels", True
        self._show_verdict()
        try:
            found = await estimate(self.workbench.inspector, recipe, progress)
        finally:
            self._estimating = False
        if found is None:
            return
        if recipe != self._checked.recipe:
            self._estimate = ""  # it was of another recipe
            self._show_verdict()
            return
        if found.epoch_seconds is not None:
            self._measured = (recipe, found.epoch_seconds * plan.recipe_of({}, 0).train.epochs, found.device)
        self._estimate = found.words if found.epoch_seconds is None else ""
        self._show_verdict()

    # Starting

    def action_start(self) -> None:
        """Writes the sweep file into the working folder, starts the sweep, and opens it."""
        self.check()
        problem = self.problem or "".join(self._checked.problems[:1])
        if problem or self.plan is None:
            self.workbench.tell(problem or "The sweep is incomplete.", "warning")
        elif not self._starting:
            self._starting = True
            remembered = self.workbench.remembered
            remembered.set("data", self.draft.data)
            if self.draft.base in preset_names():
                remembered.set("preset", self.draft.base)
            self._start(self.plan, self._whole_draft().to_toml(), self.draft.name or "sweep")

    @work(thread=True, exclusive=True, group="start")
    def _start(self, plan: Plan, toml: str, name: str) -> None:
        from vitbench.sweeps.manager import start_manager
        from vitbench.sweeps.store import create_sweep

        readable = "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in name)[:40].strip("-") or "sweep"
        try:
            sweep = create_sweep(self.workbench.store, plan.anchored())
        except (UserError, OSError) as error:
            self.app.call_from_thread(self._not_started, str(error))
            return
        try:
            written = Outputs(self.workbench.store_folder).write_new(Path.cwd() / f"{readable}.toml", toml)
            said = f"The sweep is started; its file: {written}"
        except (UserError, OSError) as error:
            said = f"The sweep is started; its file was not written: {error}"
        if start_manager(sweep) is None:
            said = f"The sweep's manager cannot be started; see {sweep.folder / 'manager.log'}."
        self.app.call_from_thread(self._started, sweep.id, said)

    def _not_started(self, problem: str) -> None:
        self._starting = False
        self.workbench.tell(problem, "error")

    def _started(self, sweep: str, said: str) -> None:
        self.workbench.tell(said)
        self.app.switch_screen(make_screen("sweep", sweep=sweep))

    def _typed(self) -> tuple[str, ...]:
        draft = self.draft
        chosen = (draft.base, draft.data, draft.model, draft.name, draft.method, draft.trials, draft.repeats)
        return (*chosen, draft.parallel, draft.stopping, *(f"{key}={text}" for key, text in draft.keys.items()))

    def unsaved(self) -> str:
        """What was chosen here and is not started."""
        editing = self.query_one(RecipeFields).unsaved()
        changed = [text for text in self._typed() if text and text not in self._at_first]
        return ", ".join([*changed, editing] if editing else changed)

    def action_back(self) -> None:
        """Ends a measurement that goes on; else back without starting, after a question where something was chosen."""
        if self._estimating:
            self.workers.cancel_group(self, "estimate")
            self._estimate = "The measurement was cancelled."
            self._show_verdict()
            return
        leave_after_asking(self.app, [self], "Go back", self.dismiss, " The sweep is not started.")


SCREEN = ScreenDeclaration(
    name="new_sweep",
    title="New sweep",
    help="Many runs from one plan: what is tried of a recipe's keys, checked before it starts.",
    screen=NewSweepScreen,
    actions=ACTIONS,
    opened=Opening("runs", "ctrl+n"),
    order=95,
)
