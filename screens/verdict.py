"""What is found about a recipe that is being put together: what its data are, what does not fit, what it costs."""

import asyncio
import time
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual import work
from textual.message import Message
from textual.widgets import Static

from screens.recipe_draft import RecipeDraft
from screens.recipe_questions import Checked, check_recipe, estimate
from vitbench.errors import UserError
from vitbench.progress import progress_words, rough_duration
from vitbench.rough_time import LONG, rough_seconds
from vitbench.runs.lease import allowed_gpus
from vitbench.text import clean

if TYPE_CHECKING:
    from screens.app import Workbench

_TYPING_PAUSE = 0.4
"""Seconds without a change before the data are looked at: not every letter of a path is a path."""


DOUBTFUL = "Doubtful:"
"""How a sentence begins that says what looks wrong in data."""


class Verdict(Static):
    """Says whether the draft can be trained; the inspector checks it with its data when typing pauses."""

    class Ended(Message):
        """The newest recipe has been checked."""

    def __init__(self, draft: RecipeDraft, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.draft, self.checked = draft, Checked()
        self.waits = False
        """Whether the run starts as soon as the check has ended."""
        self._estimate, self._estimating = "", False
        self._measured: tuple[str, float] = ("", 0.0)
        """The recipe that was measured, and the seconds that the whole run would take."""

    @property
    def _workbench(self) -> "Workbench":
        return cast("Workbench", self.app)

    def check(self) -> None:
        """Checks what needs no network at once, and the recipe as a whole with its data when typing pauses."""
        self.draft.check()
        recipe = self._recipe()
        if recipe != self.checked.recipe:
            self.waits, self._estimate = False, "" if not self._estimating else self._estimate
            self.checked = Checked(recipe, "looking at the data ..." if recipe else "")
            self.workers.cancel_group(self, "check")
            if recipe:
                self._check_whole(recipe)
        self.show()

    def _recipe(self) -> str:
        return "" if self.draft.problem or self.draft.recipe is None else self.draft.recipe.to_toml()

    @work(exclusive=True, group="check")
    async def _check_whole(self, recipe: str) -> None:
        """Asks the inspector what the data are and whether they fit recipe and network."""
        await asyncio.sleep(_TYPING_PAUSE)
        began = time.monotonic()

        def progress(done: int, total: int, what: str) -> None:
            self._found(Checked(recipe, progress_words(done, total, what, time.monotonic() - began)))

        if (checked := await check_recipe(self._workbench.inspector, recipe, progress)) is not None:
            self._found(checked)

    def _found(self, checked: Checked) -> None:
        if checked.recipe != self.checked.recipe:
            return
        self.checked = checked
        self.show()
        if not checked.doing:
            self.post_message(self.Ended())

    # What a run would take

    @work(exclusive=True, group="estimate")
    async def measure(self) -> None:
        """Asks the inspector for memory and time, measured on a few steps; it may load the network for it."""
        self.draft.check()
        if self.draft.problem or self.draft.recipe is None:
            self.show()
            return
        recipe, epochs, began = self.draft.recipe.to_toml(), self.draft.recipe.train.epochs, time.monotonic()

        def progress(done: int, total: int, what: str) -> None:
            self._estimate = f"{progress_words(done, total, what, time.monotonic() - began)}   esc cancels"
            self.show()

        self._estimate, self._estimating = "Measuring ...   esc cancels", True
        self.show()
        try:
            found = await estimate(self._workbench.inspector, recipe, progress)
        finally:
            self._estimating = False
        if found is None:
            return
        self._estimate = found.words
        if found.epoch_seconds is not None:
            self._measured = (recipe, found.epoch_seconds * epochs)
        if recipe != self._recipe():
            self._estimate = ""  # it was of another recipe
        self.show()

    def cancel(self) -> bool:
        """Ends what goes on, a measurement or the wait for the check; False if there is nothing."""
        if self._estimating:
            self._estimating = False
            self.workers.cancel_group(self, "estimate")
            self._estimate = "The estimate was cancelled."
        elif self.waits:
            self.waits = False
        else:
            return False
        self.show()
        return True

    def long_time(self) -> tuple[float, str] | None:
        """The seconds that the run takes if these are over an hour, and how they were found; else None."""
        recipe = self.draft.recipe
        if recipe is None or self.draft.problem:
            return None
        if self._measured[0] == recipe.to_toml():
            seconds: float | None = self._measured[1]
            how = "as measured"
        elif self.checked.pictures and not has_gpu(recipe.train.device):
            seconds, how = rough_seconds(recipe, self.checked.pictures), "roughly, on this machine without a GPU"
        else:
            return None
        return (seconds, how) if seconds is not None and seconds >= LONG else None

    # Words

    def refuse(self, problem: str) -> None:
        """Says what is wrong with something that is not part of the draft."""
        self.update(Text(clean(problem), self.app.theme_variables["error"]))

    def show(self) -> None:
        """All of it, anew."""
        colours, problem = self.app.theme_variables, self.draft.problem
        checked = self.checked if not problem else Checked()
        text = Text()
        if len(checked.readings) > 1:
            words = f"The data can be read in {len(checked.readings)} ways: ^l chooses one.\n"
            text.append(words, colours["warning"])
        elif checked.readings and checked.problems:
            text.append("The data can be read in another way: ^l shows it.\n", colours["warning"])
        if problem or checked.problems:
            text.append("\n".join(map(clean, [problem] if problem else checked.problems)), colours["error"])
        elif checked.doing:
            begin = "Will start when this is done (^s: start now, esc: do not start): " if self.waits else "Checking: "
            text.append(begin + clean(checked.doing), colours["accent" if self.waits else "secondary"])
        elif checked.unchecked:
            text.append(f"{clean(checked.unchecked)} ^s starts the run all the same.", colours["warning"])
        else:
            text.append("Ready to start.", colours["success"])
        if self._estimate:
            text.append("\n" + clean(self._estimate), colours["accent"])
        if not problem and (long := self.long_time()) is not None:
            words = f"\nThis run takes about {rough_duration(long[0])} here ({long[1]}); ^s offers shorter ones."
            text.append(words, colours["warning"])
        for warning in self.draft.warnings:
            text.append("\n" + clean(warning).rstrip(".") + ".", colours["warning"])
        for sentence in doubts_first(checked.recognised):
            doubtful = sentence.startswith(DOUBTFUL)
            text.append("\n" + clean(sentence), colours["warning" if doubtful else "foreground"])
        if not self._estimate:
            text.append("\n^r measures memory and time on a few steps.", colours["secondary"])
        self.update(text)


def doubts_first(recognised: Iterable[str]) -> list[str]:
    """What was recognised in the data, in the order of what a person has to know."""
    return sorted(recognised, key=lambda sentence: not sentence.startswith(DOUBTFUL))


@cache
def has_gpu(device: str = "") -> bool:
    """Whether a run on this device would find a GPU."""
    try:
        return device != "cpu" and bool(allowed_gpus())
    except UserError:
        return True  # VITBENCH_GPUS names none of this machine: the check of the recipe says so
