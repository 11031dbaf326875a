"""What a network knows about place: all tiles, one of them large under a cursor, and numbers with p-values."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal

from screens.actions import bindings
from screens.ask_dialog import AskDialog
from screens.asking import AskingScreen
from screens.networks import classifiers
from screens.snapshot import Snapshot
from screens.widgets.lines import Line
from screens.widgets.note import Note
from screens.widgets.picture import Picture, Pixels
from screens.widgets.run_details import Facts
from vitbench.figures.colours import colourise
from vitbench.figures.raster import enlarge, mark_patch
from vitbench.inspector.client import Answer
from vitbench.text import clean

_COLOURS = "viridis"
_BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, eq=False)
class Placed:
    """The positions of one network. `similarity` [T, T] in reading order of the `grid` (rows, columns)."""

    network: str
    name: str
    source: str
    kind: str
    kinds: int
    sentence: str
    grid: tuple[int, int]
    scores: tuple[dict[str, Any], ...]
    picture: Pixels
    similarity: NDArray[np.float32]

    @staticmethod
    def of(answer: Answer) -> "Placed":
        """From the answer to `positions`."""
        values = answer.values
        return Placed(
            network=str(values["network"]),
            name=str(values["name"]),
            source=str(values["source"]),
            kind=str(values["kind"]),
            kinds=int(values["kinds"]),
            sentence=str(values["sentence"]),
            grid=(int(values["grid"][0]), int(values["grid"][1])),
            scores=tuple(values["scores"]),
            picture=answer.arrays["picture"],
            similarity=answer.arrays["similarity"],
        )

    def tile(self, patch: tuple[int, int]) -> NDArray[np.float32]:
        """How similar every patch is to `patch`: [rows, columns]."""
        return self.similarity[patch[0] * self.grid[1] + patch[1]].reshape(self.grid)

    def marked(self, patch: tuple[int, int], room: int) -> Pixels:
        """The grid of tiles with a frame around that of `patch`; in `room` pixels that are fewer than values and gaps
        the gaps are left out, which would wash the colours out."""
        rows, columns = self.grid
        picture = self.picture
        if room < max(rows * (rows + 1), columns * (columns + 1)):
            values = self.similarity.reshape(rows, columns, rows, columns).transpose(0, 2, 1, 3)
            colours = colourise(values.reshape(rows * rows, columns * columns), _COLOURS, -1, 1)
            picture = enlarge(colours, max(1, 240 // max(colours.shape[:2])))
        return mark_patch(picture, self.grid, patch, colour="#ff5050")


def tile_picture(tile: NDArray[np.float32]) -> Pixels:
    """A tile in colours from -1 to 1, enlarged."""
    return enlarge(colourise(tile, _COLOURS, -1, 1), max(1, 240 // max(tile.shape)))


def profile(values: NDArray[np.float32]) -> str:
    """Values from -1 to 1 as a row of blocks."""
    places = np.clip((values + 1) / 2 * (len(_BLOCKS) - 1), 0, len(_BLOCKS) - 1).round().astype(int)
    return "".join(_BLOCKS[place] for place in places)


class PositionsScreen(AskingScreen):
    """The grid left, the tile under the cursor right (or another network's grid), the scorecard below."""

    BINDINGS = bindings("positions")

    def __init__(self, network: str = "demo") -> None:
        """`network` is `demo`, `RUN@last`, a timm name or a checkpoint folder."""
        super().__init__()
        self.network = network
        self.kind = 0
        self.cursor = (0, 0)
        self.placed: Placed | None = None
        self.beside: Placed | None = None
        self._seen_step = -1

    def body(self) -> ComposeResult:
        yield Line(id="title")
        with Horizontal(id="positions-pictures"):
            yield Picture(id="positions-grid")
            yield Picture(id="positions-other")
            yield Picture(id="positions-tile")
        yield Line(id="positions-profile")
        yield Facts(id="positions-scores")
        yield Note(id="note")

    def on_mount(self) -> None:
        self._show()
        self._load()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def apply(self, snapshot: Snapshot) -> None:
        """A run that still trains has a newer checkpoint now and then; with `@last` it is taken."""
        run = snapshot.run(self.network.partition("@")[0])
        if run is not None and run.step != self._seen_step and self.placed is not None:
            self._seen_step = run.step
            if self._has_newer(self.network, self.placed.network):
                self._load()

    @work(exclusive=True, group="positions")
    async def _load(self) -> None:
        if self.placed is None:
            self._note("Starting the inspector ...")
        answer = await self._ask("positions", network=self.network, kind=self.kind)
        if answer is not None:
            placed = Placed.of(answer)
            if self.placed is None or self.placed.grid != placed.grid:
                self.cursor = (placed.grid[0] // 2, placed.grid[1] // 2)
            self.placed = placed
            self._show()

    @work(exclusive=True, group="beside")
    async def _load_beside(self, network: str, which: str = "") -> None:
        answer = await self._ask("positions", network=network, which=which, kind=self.kind)
        if answer is not None:
            self.beside = Placed.of(answer)
            self._show()

    # What is shown

    def _show(self) -> None:
        """The one place where state reaches widgets."""
        with self.app.batch_update():
            colours = self.app.theme_variables
            placed = self.placed
            named = self._named(self.network if placed is None else placed.network)
            title = Text.assemble((" Positions ", f"bold {colours['accent']}"))
            if placed is not None:
                title.append(f" {placed.kind}", colours["foreground"])
            self.query_one("#title", Line).show(title, Text(f"{clean(named)} ", colours["secondary"]))
            if placed is None:
                return
            tile = placed.tile(self.cursor)
            grid = self.query_one("#positions-grid", Picture)
            room = min(grid.size.width, 2 * grid.size.height)
            grid.show(placed.marked(self.cursor, room))
            self.query_one("#positions-tile", Picture).show(tile_picture(tile))
            other = self.query_one("#positions-other", Picture)
            other.display = self.beside is not None
            if self.beside is not None:
                same = self.beside.grid == placed.grid
                other.show(self.beside.marked(self.cursor, room) if same else self.beside.picture)
            row, column = self.cursor
            words = f" row {row + 1}, column {column + 1}   along its row {profile(tile[row])}"
            self.query_one("#positions-profile", Line).show(
                Text(f"{words}   along its column {profile(tile[:, column])}", colours["foreground"])
            )
            self.query_one(Facts).show(self._scores(placed))
            self._note(self._sentence(placed))

    def _scores(self, placed: Placed) -> list[tuple[str, str, str]]:
        """The numbers; beside them another network's, where one is shown."""
        others = {score["name"]: score for score in self.beside.scores} if self.beside else {}
        facts = []
        for score in placed.scores:
            if score["value"] is None:
                continue
            other = others.get(score["name"], {}).get("value")
            sure = score["p_value"] is not None and score["p_value"] <= 0.01
            title = score["title"] if self.beside is None or self.size.width >= 100 else score["title"].split(" (")[0]
            beside = f"{other:6.3f}  " if other is not None else ""
            value = f"{beside}p{score['p_value']:6.3f}  {title}"
            facts.append((f"{score['value']:6.3f}", value, "success" if sure else "secondary"))
        return facts

    def _sentence(self, placed: Placed) -> str:
        if self.beside is None:
            return f"{placed.source} {placed.sentence}"
        if self.beside.similarity.shape != placed.similarity.shape:
            return f"beside it {self._named(self.beside.network)}, whose grid is another"
        change = float(np.abs(placed.similarity - self.beside.similarity).mean())
        named = self._named(self.beside.network)
        return f"beside it, and second in numbers: {named}; mean absolute difference {change:.3g}"

    # Keys

    def action_patch(self, down: int, right: int) -> None:
        """Moves the cursor over the patches."""
        if self.placed is not None:
            rows, columns = self.placed.grid
            row, column = self.cursor
            self.cursor = (min(max(row + down, 0), rows - 1), min(max(column + right, 0), columns - 1))
            self._show()

    def action_kind(self) -> None:
        """Another kind of positions."""
        if self.placed is not None and self.placed.kinds > 1:
            self.kind = (self.kind + 1) % self.placed.kinds
            self._load()
        else:
            self._note("This network marks place in one way only.", "warning")

    def action_before(self) -> None:
        """What the run started from, beside it; off again."""
        if self.beside is not None:
            self.beside = None
            self._show()
        elif self.workbench.snapshot.run(self.network.partition("@")[0]) is None:
            self._note(f"{self.network} is no run: there is nothing before it.", "warning")
        else:
            self._load_beside(self.network, "before")

    def action_compare(self) -> None:
        """Another network beside this one."""

        def answered(network: str | None) -> None:
            if network:
                self._load_beside(network)

        dialog = AskDialog("The network to show beside it", lambda typed: classifiers(self.workbench, typed))
        self.app.push_screen(dialog, answered)

    def action_network(self) -> None:
        """Another network in place of this one."""

        def answered(network: str | None) -> None:
            if network:
                self.network, self.kind, self.beside = network, 0, None
                self._load()

        self.app.push_screen(AskDialog("The network", lambda typed: classifiers(self.workbench, typed)), answered)

    def action_export(self) -> None:
        """Saves all tiles; with what the run started from, if that is shown."""
        self._save(None)

    def action_export_tile(self) -> None:
        """Saves the tile under the cursor."""
        self._save(list(self.cursor))

    @work(group="save")
    async def _save(self, patch: list[int] | None) -> None:
        if self.placed is None:
            return
        folder = self._figures_folder(self.placed.network)
        before = self.beside is not None and self.beside.network.endswith(" before")
        answer = await self._ask(
            "positions_export", network=self.placed.network, folder=str(folder), patch=patch, before=before
        )
        if answer is not None:
            self._note_saved(str(answer.values["file"]))
