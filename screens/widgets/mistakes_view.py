"""The worst mistakes, the most confident first, each with its picture."""

from pathlib import Path

from rich.cells import cell_len
from rich.text import Text

from screens import wording
from screens.actions import bindings
from screens.evaluation import Mistake, ShownEvaluation, split_words
from screens.widgets.picture_list import PictureList
from vitbench.text import clean, counted


class MistakesView(PictureList):
    """A list and the picture of the selected entry."""

    BINDINGS = bindings("mistakes")

    class Opened(PictureList.Opened):
        """A mistake is to be looked into."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.evaluation: ShownEvaluation | None = None
        self._width = 0
        """The width for which the list was filled."""

    @property
    def current(self) -> Mistake | None:
        """The selected mistake."""
        return self._mistake(self.highlighted)

    def _mistake(self, index: int | None) -> Mistake | None:
        worst = self.evaluation.worst if self.evaluation is not None else ()
        return worst[index] if index is not None and index < len(worst) else None

    def file_of(self, index: int) -> Path | None:
        mistake = self._mistake(index)
        return mistake.file if mistake is not None else None

    def action_open_mistake(self) -> None:
        self.post_message(self.Opened())

    def show(self, evaluation: ShownEvaluation) -> None:
        """Shows an evaluation."""
        self.evaluation = evaluation
        wrong = evaluation.pictures - evaluation.correct
        words = f"{split_words(evaluation.split)}, step {evaluation.step:,}: {counted(wrong, 'mistake')}"
        words += f" in {counted(evaluation.pictures, 'picture')}"
        if 0 < len(evaluation.worst) < wrong:
            words += f", the worst {len(evaluation.worst):,} below"
        self.put_words(words)
        self._fill(0)

    def on_resize(self) -> None:
        """The columns are as wide as there is room for them, which is known only now."""
        if self.evaluation is not None and self._width != self.size.width:
            self._fill(self.highlighted or 0)

    def _fill(self, selected: int) -> None:
        evaluation, colours = self.evaluation, self.app.theme_variables
        if evaluation is None:
            return
        self._width = self.size.width
        names = [name for mistake in evaluation.worst for name in (mistake.label, mistake.predicted)]
        longest = max((cell_len(clean(name)) for name in names), default=0)
        least = len("Predicted")
        room = min(max(longest, least), max(least, (self.size.width // 2 - 22) // 2))
        self.query_one("#listed-left").styles.width = 2 * room + 20
        head = f"{'Loss':>6}  {'True':<{room}}    {'Predicted':<{room}} Conf"
        rows = [
            Text.assemble(
                (f"{mistake.loss:>6.2f}  ", colours["secondary"]),
                wording.fit(mistake.label, room),
                (" as ", colours["secondary"]),
                (wording.fit(mistake.predicted, room), colours["error"]),
                (f" {wording.percent(mistake.probability, 0):>4}", colours["secondary"]),
                no_wrap=True,
            )
            for mistake in evaluation.worst
        ]
        self.put_rows(Text(head, colours["secondary"]), rows, selected)
