"""The leaderboard of a sweep as rows one can walk through, and below it a bar for each value of each key."""

from collections.abc import Mapping
from types import MappingProxyType

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from screens.look import glyphs, series_colour
from screens.wording import fit
from vitbench.sweeps.effects import Effect
from vitbench.sweeps.history import History, Trial
from vitbench.text import clean, shortened

_LEAST_BAR, _MOST_BAR = 6, 24
_WORDS = 60
"""Cells for the title of a level and its numbers, beside its bar."""
_MOST_ROWS = 500
_BEFORE = 9
"""Cells of a row before its score: cursor, rank, the sign of its curve."""
_LEAST_VALUES = 16
"""Cells that values have in a terminal however narrow."""


class SweepView(VerticalScroll, can_focus=True):
    """`selected` is the trial under the cursor: the best one until somebody moves it or opens a run."""

    DEFAULT_CSS = """
    SweepView { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    SweepView Static { height: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._board: list[Trial] = []
        self._history: History | None = None
        self._effects: list[Effect] = []
        self._number: int | None = None
        self._colours: Mapping[int, int] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="sweep-text")

    def on_resize(self) -> None:
        """Values have as much room as there is."""
        self.query_one("#sweep-text", Static).update(self._text())

    @property
    def selected(self) -> Trial | None:
        """The trial under the cursor."""
        return self._board[self._row()] if self._board else None

    def show(
        self, history: History | None, effects: list[Effect], colours: Mapping[int, int] = MappingProxyType({})
    ) -> None:
        """Replaces what is shown; the cursor stays on its trial. `colours`: of the trials that have a curve."""
        self._colours = colours
        self._history, self._effects = history, effects
        self._board = _rows(history)[:_MOST_ROWS] if history is not None else []
        self.query_one("#sweep-text", Static).update(self._text())

    def hold(self) -> None:
        """Keeps the cursor on its trial from here on, though another one becomes the best."""
        if (trial := self.selected) is not None:
            self._number = trial.number

    def move(self, by: int) -> None:
        """Moves the cursor, and keeps it in sight."""
        if not self._board:
            return
        row = min(max(self._row() + by, 0), len(self._board) - 1)
        self._number = self._board[row].number
        self.query_one("#sweep-text", Static).update(self._text())
        if not self.scroll_offset.y <= row + 1 < self.scroll_offset.y + self.size.height:
            self.scroll_to(y=max(0, row + 1 - self.size.height // 2), animate=False)

    def _row(self) -> int:
        return next((row for row, trial in enumerate(self._board) if trial.number == self._number), 0)

    def _text(self) -> Text:
        history = self._history
        if history is None:
            return Text()
        colours = self.app.theme_variables
        scores = [_score(trial, history) for trial in self._board]
        states = [_state(trial, history) for trial in self._board]
        metric = clean(history.metric)
        wide = max(map(len, [metric, *scores]))
        state = max(map(len, ["", *states])) + 2 if any(states) else 0
        left = _BEFORE + wide + 2 + state
        room = max(self.scrollable_content_region.width - left, _LEAST_VALUES)
        text = Text(
            f"{'':{_BEFORE}}{metric:<{wide}}  {'state' if state else '':<{state}}values\n", colours["secondary"]
        )
        for row, trial in enumerate(self._board):
            chosen = row == self._row()
            style = Style(color=colours["block-cursor-foreground"], bgcolor=colours["block-cursor-background"])
            pointer = glyphs().pointer if chosen else " "
            style = style if chosen else Style(color=colours["foreground"])
            text.append(f"{pointer} {row + 1:>4} ", style)
            colour = self._colours.get(trial.number)
            sign = " " if colour is None else glyphs().legend
            dark = self.app.current_theme.dark
            text.append(f"{sign} ", style if colour is None else style + Style(color=series_colour(colour, dark)))
            words = fit(clean(trial.words), room)  # a row is one line, or the cursor cannot be kept
            text.append(f"{scores[row]:<{wide}}  {states[row]:<{state}}{words}\n", style)
        if (selected := self.selected) is not None and len(words := clean(selected.words)) > room:
            text.append(f"\nThe selected trial: {words}\n", colours["foreground"])
        if self._effects:
            text.append("\nMean by value, with 95% intervals; per cent: share of the variance\n", colours["secondary"])
        bar = min(_MOST_BAR, max(_LEAST_BAR, self.size.width - _WORDS))
        values = [level.score.value for effect in self._effects for level in effect.levels]
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        for effect in self._effects:
            text.append(f"{clean(effect.key)}  {100 * effect.share:.0f}%\n", Style(color=colours["accent"]))
            for level in effect.levels:
                share = (level.score.value - low) / (high - low) if high > low else 1.0
                full = max(1, round(share * bar))
                text.append(f"  {clean(shortened(level.title, 24)):<24} ", Style(color=colours["secondary"]))
                text.append(glyphs().full * full, Style(color=colours["primary"]))
                text.append(glyphs().empty * (bar - full), Style(color=colours["border"]))
                words = f" {level.score.value:.4g} ({level.score.low:.4g} to {level.score.high:.4g}, {level.trials})\n"
                text.append(words, Style(color=colours["foreground"]))
        return text


def _rows(history: History) -> list[Trial]:
    """The leaderboard, then the trials without a score yet, in their order."""
    board = history.leaderboard()
    scored = {trial.number for trial in board}
    return [*board, *(trial for trial in history.settings() if trial.number not in scored)]


def _score(trial: Trial, history: History) -> str:
    scores, mean = trial.scores(history.goal), trial.score(history.goal)
    if mean is None:
        return "nothing measured yet"
    return f"{mean:.4g}" + (f" ({min(scores):.4g} to {max(scores):.4g})" if len(scores) > 1 else "")


def _state(trial: Trial, history: History) -> str:
    """Of a trial whose runs did not all go to their end; else empty."""
    if any(attempt.stopped_at is not None for attempt in trial.attempts.values()):
        return "stopped early"
    if trial.is_complete(history.plan.repeats):
        return ""
    return ", ".join(sorted({attempt.state for attempt in trial.attempts.values()}))
