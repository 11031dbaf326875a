"""What the attention screen says about a sheet, and small widgets of its own. Requests and sheets are the engine's."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.text import Text
from textual.app import RenderResult
from textual.widget import Widget

from screens import wording
from screens.widgets.picture import Pixels
from vitbench.figures.sheet import Panel, Sheet
from vitbench.methods import METHODS
from vitbench.requests.attention import AttentionRequest
from vitbench.requests.colour_maps import COLOUR_MAPS
from vitbench.text import clean, counted, small_error

STRENGTHS = (0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
GRIDS = (None, "heads", "layers", "methods", "classes")
"""What the key of grids goes through."""
TWO_DIGITS_WITHIN = 0.5
"""Seconds in which a second digit makes a head's number of two."""


def next_colours(request: AttentionRequest) -> AttentionRequest:
    """The same with the next colour map."""
    place = COLOUR_MAPS.index(request.colour_map)
    return request.changed(colour_map=COLOUR_MAPS[(place + 1) % len(COLOUR_MAPS)])


def stronger(request: AttentionRequest, step: int) -> AttentionRequest:
    """The same with a stronger or fainter overlay."""
    nearest = min(range(len(STRENGTHS)), key=lambda place: abs(STRENGTHS[place] - request.strength))
    return request.changed(strength=STRENGTHS[min(max(nearest + step, 0), len(STRENGTHS) - 1)])


class Guess(NamedTuple):
    """One of the likeliest classes; the single output of a network without classes has a value instead."""

    label: str
    probability: float | None
    value: float | None

    @property
    def number(self) -> str:
        """Probability or value, for a column."""
        return f"{self.value:6.4g}" if self.probability is None else f"{self.probability:6.1%}"


class AttentionSheet:
    """A sheet of one picture, as the screen reads it."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.facts = sheet.facts
        self.picture: Panel = sheet.panels[0]
        self.maps: tuple[Panel, ...] = tuple(panel for panel in sheet.panels if panel.facts)
        """The panels with a map of a network, in order; not the picture, nor a difference."""

    @property
    def layers(self) -> int:
        """How many layers one can look at; 0 without attention over the whole picture."""
        return int(self.facts["layers"])

    @property
    def heads(self) -> int:
        """How many heads a layer has."""
        return int(self.facts["heads"])

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of the patches."""
        return int(self.facts["grid"][0]), int(self.facts["grid"][1])

    @property
    def top(self) -> list[Guess]:
        """The likeliest classes by the first network."""
        return guesses(self.facts["pictures"][0])

    @property
    def no_classes(self) -> str:
        """Why the first network has no classes; nothing if it has some."""
        return str(self.facts["pictures"][0].get("no_classes", ""))

    @property
    def target_label(self) -> str:
        """The explained class, or nothing where the maps are of none."""
        return str(self.facts["pictures"][0].get("target_label", ""))

    def panels(self) -> tuple[tuple[str, Pixels], ...]:
        """All panels with their titles."""
        return tuple((panel.title, panel.picture) for panel in self.sheet.panels)

    def sentence(self) -> str:
        """What is shown, in one line."""
        request, first = self.sheet.request, self.maps[0]
        grid = request["grid"]
        if grid == "methods":
            return f"Methods side by side{self._options()}"
        if grid == "heads":
            layer = request["layer"]
            return f"All heads: raw attention, {self._of('layer', layer, self.layers, 'last layer')}"
        if grid == "layers":
            return f"All layers: raw attention, {self._of('head', request['head'], self.heads, 'mean of heads')}"
        if grid == "checkpoints":
            return f"Each checkpoint{self._options()}"
        if grid == "classes":
            return f"{self.sheet.title}: {', '.join(panel.title for panel in self.maps)}"
        if grid == "compare":
            return "   ".join(f"{panel.title}: {_likeliest(panel.facts)}" for panel in self.maps)
        parts = [first.title]
        if (error := first.facts["completeness_error"]) is not None:
            parts.append(f"completeness error {small_error(error)}")
        if first.facts["empty"]:
            against = METHODS[first.facts["method"]].needs_class
            parts.append("all that it finds speaks against the class" if against else "it is 0 everywhere")
        return ", ".join(parts)

    def _options(self) -> str:
        """The options that the maps obey, and the class that they are for."""
        request = self.sheet.request
        words = [
            f"layer {request['layer']}" if request["layer"] else "",
            f"head {request['head']}" if request["head"] else "",
        ]
        if request["query"]:
            words.append(f"from row {request['query'][0]}, column {request['query'][1]}")
        words.append(f"for {self.target_label}" if self.target_label else "")
        return "".join(f", {word}" for word in words if word)

    @staticmethod
    def _of(what: str, number: int | None, count: int, otherwise: str) -> str:
        return otherwise if number is None else f"{what} {number} of {count}"

    def alarm(self) -> str:
        """A warning where outlier tokens hold much of a map; empty if all is well."""
        worst = max(self.maps, key=lambda panel: float(panel.facts["outlier_mass"]), default=None)
        masked = bool(self.sheet.request["mask_outliers"])
        if worst is None or not worst.facts["outliers"]:
            return "no outlier patches to mask" if masked else self._concentrated()
        count, mass = int(worst.facts["outliers"]), float(worst.facts["outlier_mass"])
        patches, them = counted(count, "outlier patch"), "it" if count == 1 else "them"
        if masked:
            return f"{patches} masked; X shows {them}"
        if mass < 3 * count / (self.grid[0] * self.grid[1]):
            return self._concentrated()
        return f"{patches} with {mass:.0%} of the map; X masks {them}, l shows the rest"

    def _concentrated(self) -> str:
        """That a map lies on a few patches, or that a few take all colours, and the key that shows the rest."""
        found = [panel.facts["concentration"] for panel in self.maps if panel.facts.get("concentration")]
        dark = [panel.facts["hidden"] for panel in self.maps if panel.facts.get("hidden")]
        if not (found or dark) or self.sheet.request["scale"] == "robust":
            return ""
        if not found:
            above, reach = min(dark, key=lambda pair: float(pair[1]))
            return f"all but {counted(above, 'patch')} in the lowest {reach:.0%} of the colours; l shows the rest"
        patches, share = max(found, key=lambda pair: float(pair[1]))
        return f"{share:.0%} of the map lies on {counted(patches, 'patch')}; l shows the rest"


def guesses(facts: Mapping[str, Any]) -> list[Guess]:
    """The likeliest classes that facts name; none for a network without classes."""
    return [Guess(str(guess["label"]), guess.get("probability"), guess.get("value")) for guess in facts["top"]]


def _likeliest(facts: Mapping[str, Any]) -> str:
    found = guesses(facts)
    if not found:
        return "no classes"
    first = found[0]
    return f"says {first.label} {first.number.strip() if first.probability is None else f'{first.probability:.0%}'}"


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
        self._top: Sequence[Guess] = ()
        self._marked = self._no_classes = ""

    def show(self, top: Sequence[Guess], marked: str, no_classes: str = "") -> None:
        """Replaces the classes and the label of the explained one; `no_classes` says why there are none."""
        if (top, marked, no_classes) != (self._top, self._marked, self._no_classes):
            self._top, self._marked, self._no_classes = top, marked, no_classes
            self.refresh()

    def render(self) -> RenderResult:
        """A row a class."""
        colours = self.app.theme_variables
        room = min(24, max(8, self.size.width // 3))
        if self._no_classes:
            return Text(clean(self._no_classes), colours["secondary"])
        lines = []
        for guess in self._top:
            label, number = guess.label, guess.number
            wide = max(4, min(60, self.size.width - room - 10))
            full, empty = ("", "") if guess.probability is None else wording.bar(guess.probability, wide)
            marked = label == self._marked
            lines.append(
                Text.assemble(
                    (f" {wording.fit(clean(label), room):<{room}} ", colours["accent" if marked else "foreground"]),
                    (f"{number} ", colours["secondary"]),
                    (full, colours["primary"]),
                    (empty, colours["secondary"]),
                )
            )
        return Text("\n", end="").join(lines)
