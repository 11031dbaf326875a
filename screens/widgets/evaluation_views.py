"""What an evaluation says picture by picture: confusions, and the worst mistakes."""

from textual.widget import Widget


class ConfusionView(Widget, can_focus=True):
    def show(self, run_id: str, evaluations: tuple[str, ...]) -> None: ...


class MistakesView(Widget, can_focus=True):
    def show(self, run_id: str, evaluations: tuple[str, ...]) -> None: ...
