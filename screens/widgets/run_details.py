"""The selected run beside the table: what it is, how it goes, its loss, and why it ended."""

import operator
from collections.abc import Sequence
from datetime import datetime

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult, RenderResult
from textual.containers import VerticalScroll
from textual.widget import Widget

from screens import wording
from screens.curves import ACCURACY, LOSS, mini_curves, panel_title
from screens.look import STATE_COLOURS, glyphs
from screens.snapshot import BROKEN_STATES, RunDetail, RunRow
from screens.widgets.chart import Chart
from screens.widgets.lines import ProgressLine, TextLine
from vitbench.listing.groups import row_spread, seeds, spread_words
from vitbench.listing.judged import score_name
from vitbench.text import clean


class Facts(Widget):
    """Names and values, one a row; long values are wrapped under themselves."""

    DEFAULT_CSS = "Facts { height: auto; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.facts: list[tuple[str, str, str]] = []
        self._least = 1

    def show(self, facts: list[tuple[str, str, str]], more_awaited: bool = False) -> None:
        """Replaces the facts: name, value, and the theme's colour of the value.

        While more of them are awaited (`more_awaited`) the rows stay as many as they were: a change of the height
        lays the whole screen out anew, which takes longer than all that a key does.
        """
        least = max(self._least, len(self._lines(self.facts))) if more_awaited else 1
        if facts != self.facts or least != self._least:
            before = max(self._least, len(self._lines(self.facts)))
            self.facts, self._least = facts, least
            self.refresh(layout=max(least, len(self._lines(facts))) != before)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many rows as the facts take in this width."""
        return max(self._least, len(self._lines(self.facts, width)))

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


class RunDetails(VerticalScroll, can_focus=True):
    """Details of one run, or nothing; they scroll where they are longer than the room for them.

    `brief` leaves the charts away and says the rest in a few rows.
    """

    DEFAULT_CSS = """
    RunDetails { width: 44; padding: 0 1; background: $surface; scrollbar-size-vertical: 1; }
    RunDetails:focus { background: $panel; }
    RunDetails Chart { height: 1fr; min-height: 7; max-height: 16; margin-top: 1; }
    RunDetails #words, RunDetails #last-words { margin-top: 1; }
    RunDetails.-brief Chart { display: none; }
    RunDetails.-empty > * { display: none; }
    RunDetails.-brief #words, RunDetails.-brief #last-words { margin-top: 0; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.brief = False
        self._shown: tuple[object, ...] = ()
        """What is shown, and in which colours, as the very objects: the same ones need not be drawn again."""

    def compose(self) -> ComposeResult:
        yield TextLine(id="name")
        yield ProgressLine(id="bar")
        yield Facts(id="words")
        for panel in (LOSS, ACCURACY):
            chart = Chart(panel.title, id=f"mini-{panel.name}")
            chart.can_focus = False
            yield chart
        yield Facts(id="last-words")

    def show(self, run: RunRow | None, details: Sequence[RunDetail]) -> None:
        """Shows a run, or a group; `details` of it, or of its members, may come later than `run`."""
        self.set_class(self.brief, "-brief")
        self.set_class(run is None, "-empty")
        shown = (run, self.brief, self.app.theme_variables, *details)
        if len(shown) == len(self._shown) and all(map(operator.is_, shown, self._shown)):
            return
        self._shown = shown
        if run is None:
            return
        colour = STATE_COLOURS[run.state]
        sign = glyphs().states[run.state]
        state = (f"{sign} {run.state_word}  ", self.app.theme_variables[colour])
        self.query_one("#name", TextLine).show(Text.assemble(state, (clean(run.title), "bold")))
        eta = f"{wording.short_time(run.eta_seconds)} left" if run.state == "running" and run.eta_seconds else ""
        self.query_one(ProgressLine).show(run.progress, eta or wording.percent(run.progress, 0), colour)
        self.query_one("#words", Facts).show(_brief_facts(run) if self.brief else _facts(run))
        detail = details[0] if details and not run.members else None
        awaited = detail is None and not run.members
        self.query_one("#last-words", Facts).show(_last_words(run, detail, 1 if self.brief else 4), awaited)
        if not self.brief:
            for panel in (LOSS, ACCURACY):
                curves, spreads = mini_curves(panel, details)
                chart = self.query_one(f"#mini-{panel.name}", Chart)
                chart.title = panel_title(panel, curves)
                chart.show(curves, spreads=spreads, growing=run.state in ("running", "live"))


def _facts(run: RunRow) -> list[tuple[str, str, str]]:
    started = datetime.fromtimestamp(run.created_at).strftime("%d %b %H:%M") if run.created_at else ""
    rows = [
        ("seeds", seeds(run)),
        *(("", f"{member.title}: {member.best or member.state}") for member in run.members[:6]),
        ("tags", " ".join(run.tags)),
        ("queue", run.waiting),
        ("epoch", wording.epochs(run.epoch, run.epochs)),
        ("step", _steps(run)),
        ("loss", wording.loss(run.loss)),
        (score_name(run.score_metric).within(9), run.score_words),
        ("best", _best(run)),
        ("rate", _rate(run)),
        ("model", run.model),
        ("data", run.data),
        ("preset", run.preset),
        ("device", f"GPU {run.gpus}, {run.device}" if run.gpus else run.device),
        ("made", started),
        ("id", run.id if run.name and run.is_own else ""),
        ("folder", run.log_folder),
    ]
    return [(name, value, "foreground") for name, value in rows if value]


def _best(run: RunRow) -> str:
    """The best value; of a group the mean of them, with the least and the greatest."""
    found = row_spread(run.members, lambda row: row.best_value) if run.members else None
    return f"{run.best_metric} {spread_words(run.best_metric, found)}" if found is not None else run.best


def _brief_facts(run: RunRow) -> list[tuple[str, str, str]]:
    device = wording.device(run.device, run.gpus)
    rows = [
        ("model", "  ".join(part for part in (wording.model(run.model), wording.data(run.data), device) if part)),
        ("step", ", ".join(part for part in (_steps(run), _rate(run)) if part)),
        ("best", _best(run)),
        ("queue", run.waiting),
    ]
    return [(name, value, "foreground") for name, value in rows if value]


def _steps(run: RunRow) -> str:
    return f"{run.step:,} of {run.total_steps:,}" if run.total_steps else ""


def _rate(run: RunRow) -> str:
    return f"{wording.rate(run.rate).removesuffix('/s')} {run.rate_of} a second" if run.rate else ""


def _last_words(run: RunRow, detail: RunDetail | None, lines: int) -> list[tuple[str, str, str]]:
    """Why the run ended, if it broke, and the last lines of its log."""
    facts = [("why", run.error, "error")] if run.error and run.state in BROKEN_STATES else []
    log = detail.log[-lines:] if detail else ()
    return facts + [("log" if index == 0 else "", line.text, "secondary") for index, line in enumerate(log)]
