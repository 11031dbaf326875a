"""What a picture shows, before it is put on a screen or on paper: panels of pixels, their scales, facts and a caption.

A Sheet is plain data without torch and matplotlib. The preview in the terminal shows its panels, `figures.draw` puts
them on paper with axes and colour bars, and a saved figure records the request that makes the same Sheet again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.figures.plots import Plot
from vitbench.figures.raster import Box, Picture

MOST_COLUMNS = 5


@dataclass(frozen=True)
class Scale:
    """What a panel's colours mean: `low` has the first colour of the colour map, `high` the last."""

    colour_map: str
    low: float
    high: float
    title: str = ""


@dataclass(frozen=True)
class Cells:
    """A panel of rows x columns cells, numbered from 1 along axes with titles, or named by `names` (rows, columns)."""

    rows: int
    columns: int
    row_title: str = ""
    column_title: str = ""
    row_names: tuple[str, ...] = ()
    column_names: tuple[str, ...] = ()
    numbers: tuple[tuple[str, ...], ...] = ()
    """A text for each cell, drawn where there is room."""


@dataclass(frozen=True, eq=False)
class Profile:
    """The values [rows, columns] behind a panel, and the cell (row, column), from 0, whose row and column are drawn
    as curves beside it."""

    values: NDArray[np.float64]
    cell: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Panel:
    """Pixels uint8 [height, width, 3] with a title and a place (row, column), from 0, in the grid of the sheet."""

    picture: Picture
    title: str = ""
    place: tuple[int, int] = (0, 0)
    scale: Scale | None = None
    box: Box | None = None
    """What the network saw of the picture: (left, top, right, bottom) in the panel's pixels."""
    cells: Cells | None = None
    profile: Profile | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Plain values that are told beside this panel, such as its network and that network's likeliest classes."""


class Computed(Mapping[str, NDArray[Any]]):
    """Arrays that are computed when they are asked for: few who look at a picture want all the numbers behind it."""

    def __init__(self, make: Mapping[str, Callable[[], NDArray[Any]]]) -> None:
        self._make = make

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._make[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)


@dataclass(frozen=True, eq=False)
class Sheet:
    """All that a request asks to see. `request` makes it again, `inputs` are the hashes of what it was made from."""

    kind: str
    request: Mapping[str, Any]
    panels: tuple[Panel, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    caption: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    plots: tuple[Plot, ...] = ()
    title: str = ""
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """The numbers behind the panels, by name."""
    two_columns: bool = False
    """Whether it is put on paper in the width of two columns where none is asked for."""

    def values(self) -> dict[str, Any]:
        """What JSON can carry of it: all but pixels, plots and numbers."""
        return {
            "kind": self.kind,
            "request": dict(self.request),
            "facts": dict(self.facts),
            "caption": self.caption,
            "title": self.title,
            "panels": [
                {
                    "title": panel.title,
                    "place": list(panel.place),
                    "scale": None if panel.scale is None else vars(panel.scale),
                    "box": None if panel.box is None else [float(edge) for edge in panel.box],
                    "facts": dict(panel.facts),
                }
                for panel in self.panels
            ],
        }

    def pixels(self) -> dict[str, Picture]:
        """The pixels of each panel, by name."""
        return {f"panel {number}": panel.picture for number, panel in enumerate(self.panels)}


def sheet_from(values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Sheet:
    """The sheet that `Sheet.values` and `Sheet.pixels` described; other arrays are the numbers behind it."""
    panels = []
    for number, entry in enumerate(values["panels"]):
        panels.append(
            Panel(
                arrays[f"panel {number}"],
                str(entry["title"]),
                (int(entry["place"][0]), int(entry["place"][1])),
                None if entry["scale"] is None else Scale(**entry["scale"]),
                None if entry["box"] is None else tuple(entry["box"]),
                facts=entry["facts"],
            )
        )
    return Sheet(
        kind=str(values["kind"]),
        request=values["request"],
        panels=tuple(panels),
        facts=values["facts"],
        caption=str(values["caption"]),
        title=str(values["title"]),
        arrays={name: array for name, array in arrays.items() if not name.startswith("panel ")},
    )


def in_rows(panels: Sequence[Panel], columns: int | None = None, first_row: int = 0) -> tuple[Panel, ...]:
    """Panels placed in reading order. Up to five stand in one row; more in rows of three to five, as many as leave
    the fewest places empty."""
    count = len(panels)
    if columns is None:
        columns = count if count <= MOST_COLUMNS else min((5, 4, 3), key=lambda wide: -count % wide)
    return tuple(
        replace(panel, place=(first_row + number // columns, number % columns)) for number, panel in enumerate(panels)
    )


def next_row(panels: Sequence[Panel]) -> int:
    """The first row of the grid without a panel."""
    return max((panel.place[0] + 1 for panel in panels), default=0)
