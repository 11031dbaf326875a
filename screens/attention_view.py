"""What the attention screen knows, as values that do not change: how one looks at a picture, and what came back."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.text import Text
from textual.app import RenderResult
from textual.widget import Widget

from screens import wording
from screens.widgets.picture import Pixels
from vitbench.figures.colours import COLOUR_MAPS
from vitbench.inspector.client import Answer
from vitbench.text import clean, small_error

STRENGTHS = (0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
SHEETS = ("", "heads", "layers", "methods")
TWO_DIGITS_WITHIN = 0.5
"""Seconds in which a second digit makes a head's number of two."""


@dataclass(frozen=True)
class Looking:
    """How a picture is looked at; `layer` and `head` count from 0. None: the last layer, the mean of all heads."""

    method: str = "libra"
    layer: int | None = None
    head: int | None = None
    target: str | None = None
    query: tuple[int, int] | None = None
    strength: float = 0.55
    colour_map: str = "jet"
    smooth: bool = True
    mask_outliers: bool = False
    preprocess: str = "own"

    def arguments(self) -> dict[str, Any]:
        """As the inspector's requests want it."""
        values = dict(self.__dict__)
        values["query"] = list(self.query) if self.query else None
        return values

    def next_colours(self) -> "Looking":
        """The same with the next colour map."""
        return replace(self, colour_map=COLOUR_MAPS[(COLOUR_MAPS.index(self.colour_map) + 1) % len(COLOUR_MAPS)])

    def stronger(self, step: int) -> "Looking":
        """The same with a stronger or fainter overlay."""
        nearest = min(range(len(STRENGTHS)), key=lambda place: abs(STRENGTHS[place] - self.strength))
        return replace(self, strength=STRENGTHS[min(max(nearest + step, 0), len(STRENGTHS) - 1)])


@dataclass(frozen=True, eq=False)
class Explained:
    """One map of one picture, as the inspector answered."""

    network: str
    name: str
    source: str
    preprocessing: str
    title: str
    top: tuple[tuple[str, float], ...]
    target_label: str
    methods: Mapping[str, str]
    with_layers: tuple[str, ...]
    with_heads: tuple[str, ...]
    with_query: tuple[str, ...]
    layers: int
    heads: int
    grid: tuple[int, int]
    completeness_error: float | None
    outliers: int
    outlier_mass: float
    picture: Pixels
    overlay: Pixels

    @staticmethod
    def of(answer: Answer) -> "Explained":
        """From the answer to `explain`."""
        values = answer.values
        return Explained(
            network=str(values["network"]),
            name=str(values["name"]),
            source=str(values["source"]),
            preprocessing=str(values["preprocessing"]),
            title=str(values["title"]),
            top=tuple((str(guess["label"]), float(guess["probability"])) for guess in values["top"]),
            target_label=str(values["target_label"]),
            methods=dict(values["methods"]),
            with_layers=tuple(values["with_layers"]),
            with_heads=tuple(values["with_heads"]),
            with_query=tuple(values["with_query"]),
            layers=int(values["layers"]),
            heads=int(values["heads"]),
            grid=(int(values["grid"][0]), int(values["grid"][1])),
            completeness_error=values["completeness_error"],
            outliers=int(values["outliers"]),
            outlier_mass=float(values["outlier_mass"]),
            picture=answer.arrays["picture"],
            overlay=answer.arrays["overlay"],
        )

    def sentence(self, looking: Looking) -> str:
        """What the map is, in one line."""
        parts = [self.title]
        if looking.method in self.with_layers:
            parts.append("last layer" if looking.layer is None else f"layer {looking.layer + 1} of {self.layers}")
        if looking.method in self.with_heads:
            parts.append("mean of heads" if looking.head is None else f"head {looking.head + 1} of {self.heads}")
        if looking.query is not None and looking.method in self.with_query:
            parts.append(f"from row {looking.query[0] + 1}, column {looking.query[1] + 1}")
        if self.target_label:
            parts.append(f"for {self.target_label}")
        if self.completeness_error is not None:
            parts.append(f"completeness error {small_error(self.completeness_error)}")
        return ", ".join(parts)

    def sheet_sentence(self, looking: Looking, sheet: str) -> str:
        """What a sheet of several maps is, in one line."""
        if sheet == "methods":
            return "Methods side by side" + (f", for {looking.target}" if looking.target else "")
        if sheet in ("heads", "layers"):
            of = "raw attention"
            if sheet == "heads":
                of += ", last layer" if looking.layer is None else f", layer {looking.layer + 1} of {self.layers}"
            else:
                of += ", mean of heads" if looking.head is None else f", head {looking.head + 1} of {self.heads}"
            return f"All {sheet}: {of}"
        return f"{self.sentence(looking)}, {'two networks' if sheet == 'compare' else 'each checkpoint'}"

    def alarm(self, looking: Looking) -> str:
        """A warning where outlier tokens hold much of the map; empty if all is well."""
        if not self.outliers:
            return ""
        if looking.mask_outliers:
            return f"{self.outliers} outlier patches are masked; d shows them"
        share = self.outliers / (self.grid[0] * self.grid[1])
        if self.outlier_mass < 3 * share:
            return ""
        return f"{self.outliers} outlier patches hold {self.outlier_mass:.0%} of the map; d masks them"


def panels_of(answer: Answer) -> tuple[tuple[str, Pixels], ...]:
    """Titles and pictures of the answer to `attention_sheet`."""
    return tuple((str(title), answer.arrays[f"panel {n}"]) for n, title in enumerate(answer.values["panels"]))


class HeadNumber:
    """Digits that name a head: two within half a second make one number, where there are so many heads."""

    def __init__(self) -> None:
        self._last, self._when = 0, -math.inf

    def typed(self, digit: int, heads: int, now: float | None = None) -> int:
        """The number that `digit` names now, from 0 to `heads`; the digit itself may be too large."""
        now = time.monotonic() if now is None else now
        both = 10 * self._last + digit
        number = both if self._last and now - self._when <= TWO_DIGITS_WITHIN and both <= heads else digit
        self._last, self._when = number, now
        return number


class TopClasses(Widget):
    """The likeliest classes with bars; the explained one is marked."""

    DEFAULT_CSS = "TopClasses { height: 5; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._top: Sequence[tuple[str, float]] = ()
        self._marked = ""

    def show(self, top: Sequence[tuple[str, float]], marked: str) -> None:
        """Replaces labels, probabilities, and the label of the explained class."""
        if (top, marked) != (self._top, self._marked):
            self._top, self._marked = top, marked
            self.refresh()

    def render(self) -> RenderResult:
        """A row a class."""
        colours = self.app.theme_variables
        room = min(24, max(8, self.size.width // 3))
        lines = []
        for label, probability in self._top:
            full, empty = wording.bar(probability, max(4, min(60, self.size.width - room - 10)))
            marked = label == self._marked
            lines.append(
                Text.assemble(
                    (f" {wording.fit(clean(label), room):<{room}} ", colours["accent" if marked else "foreground"]),
                    (f"{probability:6.1%} ", colours["secondary"]),
                    (full, colours["primary"]),
                    (empty, colours["secondary"]),
                )
            )
        return Text("\n", end="").join(lines)
