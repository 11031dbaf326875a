"""Which evaluation of a run is shown, and how it is read: what the views Confusion and Mistakes have in common."""

from textual import work

from screens.ask_dialog import choose
from screens.evaluating import Evaluating
from screens.evaluation import ShownEvaluation, preferred, read_evaluation
from screens.run_controls import RunControls
from screens.snapshot import RunDetail
from screens.widgets.confusion_view import ConfusionView
from screens.widgets.mistakes_view import MistakesView
from screens.widgets.picker import Choice
from vitbench.errors import UserError


class RunEvaluations(RunControls):
    """Subclasses show one of their views at a time, among them a ConfusionView and a MistakesView."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id
        self._shown: tuple[str, int, str] | None = None
        self._detail: RunDetail | None = None
        self._evaluation = ""
        """The evaluation that was chosen; empty for the newest."""
        self._evaluated: dict[str, str] = {}
        """Of each view the evaluation that it shows."""
        self._outcome: Evaluating | None = None

    @property
    def view(self) -> str:
        """The id of the view that is shown."""
        raise NotImplementedError  # the screen has it

    def focus_view(self, name: str) -> None:
        """Gives a view the keys."""
        raise NotImplementedError  # the screen has it

    def notice_outcome(self) -> None:
        """A new evaluation of this run is shown instead of what was there, also where it has the name of an old one."""
        now = self.workbench.evaluator.now
        if now is not None and now is not self._outcome and now.name and now.run_id == self.run_id:
            self._outcome, self._evaluation, self._shown = now, now.name, None
            self._evaluated.clear()

    def show_evaluation(self, names: tuple[str, ...]) -> None:
        """The chosen evaluation, else the newest of the test split, else the newest."""
        name = self._evaluation if self._evaluation in names else preferred(names)
        view = self.query_one(f"#{self.view}")
        assert isinstance(view, ConfusionView | MistakesView)
        if name is None:
            view.say("No evaluation yet: it comes at the end of the run, or now with E.")
        elif self._evaluated.get(self.view) != name:
            self._evaluated[self.view] = name
            self._read_evaluation(self.view, name)

    @work(thread=True, exclusive=True, group="evaluation")
    def _read_evaluation(self, view: str, name: str) -> None:
        folder = self.workbench.store.find(self.run_id).folder
        try:
            evaluation = read_evaluation(folder / "evaluations" / name)
        except UserError as error:
            self.app.call_from_thread(self._say, view, str(error))
            return
        self.app.call_from_thread(self._evaluation_read, view, evaluation)

    def _say(self, view: str, sentence: str) -> None:
        widget = self.query_one(f"#{view}")
        assert isinstance(widget, ConfusionView | MistakesView)
        widget.say(sentence)

    def _evaluation_read(self, view: str, evaluation: ShownEvaluation) -> None:
        widget = self.query_one(f"#{view}")
        assert isinstance(widget, ConfusionView | MistakesView)
        widget.show(evaluation)
        self.refresh_bindings()
        self.focus_view(view)

    def action_choose_evaluation(self) -> None:
        """Another evaluation of this run, such as an earlier one, from a list."""
        names = self._detail.evaluations if self._detail is not None else ()
        if not names or self.view not in ("confusion", "mistakes"):
            return
        now = self._evaluated.get(self.view)

        def answered(name: str | None) -> None:
            if name:
                self._evaluation = name
                self.show_evaluation(names)

        choices = [Choice(name, "shown now" if name == now else "", shown=_evaluation_words(name)) for name in names]
        self.app.push_screen(choose("The evaluation to show", choices[::-1]), answered)


def _evaluation_words(name: str) -> str:
    """An evaluation's file as people call it: `test, step 1,200`."""
    split, _, step = name.removesuffix(".json").rpartition("-")
    return f"{split}, step {int(step):,}" if step.isdigit() else name
