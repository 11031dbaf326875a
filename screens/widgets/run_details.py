"""The selected run beside the table: what it is, how it goes, its loss, and why it ended."""

from datetime import datetime

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult, RenderResult
from textual.containers import Vertical
from textual.widget import Widget

from screens import wording
from screens.curves import loss_curves
from screens.look import STATE_COLOURS, glyphs
from screens.snapshot import BROKEN_STATES, RunDetail, RunRow
from screens.widgets.chart import Chart
from screens.widgets.lines import Line, ProgressLine
from vitbench.text import clean


class Facts(Widget):
    """Names and values, one a row; long values are wrapped under themselves."""

    DEFAULT_CSS = "Facts { height: auto; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.facts: list[tuple[str, str, str]] = []

    def show(self, facts: list[tuple[str, str, str]]) -> None:
        """Replaces the facts: name, value, and the theme's colour of the value."""
        if facts != self.facts:
            taller = len(self._lines(facts)) != len(self._lines(self.facts))
            self.facts = facts
            self.refresh(layout=taller)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many rows as the facts take in this width."""
        return max(1, len(self._lines(self.facts, width)))

    def render(self) -> RenderResult:
        """The rows."""
        return Text("\n", end="").join(self._lines(self.facts))

    def _lines(self, facts: list[tuple[str, str, str]], width: int = 0) -> list[Text]:
        colours = self.app.theme_variables
        room = max(8, (width or self.size.width) - 10)
        lines: list[Text] = []
        for name, value, colour in facts:
            words = Text(clean(value), Style(color=colours[colour]))
            for index, part in enumerate(words.wrap(self.app.console, room)):
                head = Text(f"{name if index == 0 else '':<10}", Style(color=colours["secondary"]))
                lines.append(Text.assemble(head, part))
        return lines


class RunDetails(Vertical):
    """Details of one run, or nothing."""

    DEFAULT_CSS = """
    RunDetails { width: 44; padding: 0 1; background: $surface; }
    RunDetails Chart { height: 12; min-height: 8; margin-top: 1; }
    RunDetails #words { margin-top: 1; }
    """

    def compose(self) -> ComposeResult:
        yield Line(id="name")
        yield ProgressLine(id="bar")
        yield Facts(id="words")
        chart = Chart("Loss", id="mini")
        chart.can_focus = False
        yield chart
        yield Facts(id="last-words")

    def show(self, run: RunRow | None, detail: RunDetail | None) -> None:
        """Shows a run; `detail` may come later than `run`."""
        for child in self.children:
            child.display = run is not None
        if run is None:
            return
        colour = STATE_COLOURS[run.state]
        sign = glyphs().states[run.state]
        head = Text.assemble((f"{sign} {run.state}  ", self.app.theme_variables[colour]), (clean(run.title), "bold"))
        self.query_one("#name", Line).show(head)
        eta = f"{wording.short_time(run.eta_seconds)} left" if run.state == "running" and run.eta_seconds else ""
        self.query_one(ProgressLine).show(run.progress, eta or wording.percent(run.progress, 0), colour)
        self.query_one("#words", Facts).show(_facts(run))
        chart = self.query_one(Chart)
        chart.show(loss_curves(detail), growing=run.state == "running") if detail else chart.show([])
        self.query_one("#last-words", Facts).show(_last_words(run, detail))


def _facts(run: RunRow) -> list[tuple[str, str, str]]:
    started = datetime.fromtimestamp(run.created_at).strftime("%d %b %H:%M") if run.created_at else ""
    rows = [
        ("epoch", wording.epochs(run.epoch, run.epochs)),
        ("step", f"{run.step:,} of {run.total_steps:,}" if run.total_steps else ""),
        ("loss", wording.loss(run.loss)),
        ("accuracy", wording.percent(run.accuracy)),
        ("best", run.best),
        ("rate", f"{wording.rate(run.rate)} pictures" if run.rate else ""),
        ("model", run.model),
        ("data", run.data),
        ("preset", run.preset),
        ("device", f"{run.device} {run.gpus}".strip()),
        ("made", started),
        ("id", run.id if run.name else ""),
    ]
    return [(name, value, "foreground") for name, value in rows if value]


def _last_words(run: RunRow, detail: RunDetail | None) -> list[tuple[str, str, str]]:
    if run.state not in BROKEN_STATES:
        return []
    facts = [("why", run.error, "error")] if run.error else []
    lines = detail.log[-4:] if detail else ()
    return facts + [("log" if index == 0 else "", line.text, "secondary") for index, line in enumerate(lines)]
