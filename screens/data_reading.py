"""How data are read whose meaning is open: the ways there are, asked for and offered as a list."""

import json
from collections.abc import Callable, Sequence

from screens.ask_dialog import choose
from screens.base import WorkbenchScreen
from screens.paths import full_path
from screens.recipe_draft import RecipeDraft
from screens.widgets.picker import Choice
from vitbench.errors import UserError
from vitbench.inspector.client import InspectorError, Superseded

Ways = Sequence[tuple[str, str]]
"""What `--as` takes, and in words what the labels then are."""


class DataReading:
    """Asks a person how the data of a draft are read; the answer becomes its `data.layout`."""

    def __init__(self, screen: WorkbenchScreen, draft: RecipeDraft, changed: Callable[[], object]) -> None:
        """`changed` is called when the draft has another reading."""
        self._screen, self._draft, self._changed = screen, draft, changed

    def choose(self, known: Ways) -> None:
        """A list of `known` ways, or of those that the inspector finds."""
        recipe = self._draft.recipe
        if known:
            self.ask(known)
        elif self._draft.data and recipe is not None:
            find = self._find(self._draft.data, recipe.task)
            self._screen.run_worker(find, group="readings", exclusive=True)
        else:
            self._screen.workbench.tell("Choose the data first.", "warning")

    def ask(self, ways: Ways) -> None:
        """The list itself."""

        def answered(layout: str | None) -> None:
            if layout is not None:
                self.take(layout)
                self._changed()

        question = "These data can be read in several ways. Choose one; the first is what was recognised."
        choices = [Choice(layout, words) for layout, words in ways]
        self._screen.app.push_screen(choose(question, choices), answered)

    def take(self, layout: str) -> None:
        """Puts a reading into the draft; one of several labels per picture brings the task that learns them."""
        from vitbench.data.layouts.registry import parse_choice
        from vitbench.data.layouts.several import SEVERAL

        changes = self._draft.changes
        changes["data.layout"] = json.dumps(layout)
        if SEVERAL in parse_choice(layout)[1]:
            changes["task"] = json.dumps("multilabel")
        elif changes.get("task") == json.dumps("multilabel"):
            del changes["task"]

    def forget(self) -> None:
        """What was said of other data."""
        if "data.layout" in self._draft.changes:
            self.take("")
            del self._draft.changes["data.layout"]

    async def _find(self, data: str, task: str) -> None:
        asked: dict[str, str] = {"data": full_path(data), "task": task}
        workbench = self._screen.workbench
        try:
            answer = await workbench.inspector.ask("readings", progress=lambda *_: None, replaces="readings", **asked)
        except Superseded:
            return
        except (UserError, InspectorError) as error:
            workbench.tell(str(error), "warning")
            return
        ways = tuple((str(layout), str(words)) for layout, words in answer.values["readings"])
        if ways:
            self.ask(ways)
        else:
            workbench.tell("No known layout fits these data.", "warning")
