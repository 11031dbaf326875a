"""What a network knows about place: all tiles, one of them large under a cursor, and numbers with p-values."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from screens.actions import BACK, SIZE, Action, bindings
from screens.ask_dialog import AskDialog
from screens.asking import AskingScreen
from screens.navigation import Opening, ScreenDeclaration
from screens.networks import classifiers
from screens.snapshot import Snapshot
from screens.tiles import TilesPicture
from screens.widgets.lines import TextLine
from screens.widgets.note import Note
from screens.widgets.picture import Picture
from screens.widgets.run_details import Facts
from vitbench.errors import UserError
from vitbench.figures.sheet import Panel, Sheet
from vitbench.requests.positions import PositionRequest
from vitbench.text import clean

_BLOCKS = " ▁▂▃▄▅▆▇█"
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PositionSheet:
    """A sheet of a grid of tiles, of one network or of two, as the screen reads it."""

    sheet: Sheet

    @property
    def reference(self) -> str:
        """The network, with its checkpoint."""
        return str(self.sheet.facts["reference"])

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of the network's patches."""
        rows, columns = self.sheet.facts["grid"]
        return int(rows), int(columns)

    @property
    def main(self) -> Panel:
        """The panel of the network itself."""
        return next(panel for panel in self.sheet.panels if panel.facts.get("reference") == self.reference)

    @property
    def beside(self) -> Panel | None:
        """The panel of the network beside it."""
        others = (panel for panel in self.sheet.panels if panel.facts and panel.facts["reference"] != self.reference)
        return next(others, None)

    def similarity(self) -> Floats:
        """[T, T] of the kind that is shown, in reading order of the grid."""
        kind = str(self.sheet.facts["kind"])
        named = [name for name in self.sheet.arrays if name == kind or name.endswith(f" {kind}")]
        mine = [name for name in named if not self.main.title or name.startswith(self.main.title.split(",")[0])]
        return self.sheet.arrays[(mine or named)[0]]

    def profile_of(self, patch: tuple[int, int]) -> Floats:
        """How similar every patch is to `patch`, from 0: [rows, columns]."""
        found: Floats = self.similarity()[patch[0] * self.grid[1] + patch[1]].reshape(self.grid)
        return found

    def scores(self) -> list[list[dict[str, Any]]]:
        """The scorecards of the kind that is shown: of the network itself, then of the one beside it."""
        kind = str(self.sheet.facts["kind"])
        cards = {name: card for name, card in self.sheet.facts["scores"].items() if name.split(" ")[-1] == kind}
        own = [name for name in cards if name.startswith(self.main.title.split(",")[0])] or list(cards)
        return [cards[name] for name in (*own[:1], *(name for name in cards if name not in own[:1]))]


def profile(values: Floats) -> str:
    """Values from -1 to 1 as a row of blocks."""
    places = np.clip((values + 1) / 2 * (len(_BLOCKS) - 1), 0, len(_BLOCKS) - 1).round().astype(int)
    return "".join(_BLOCKS[place] for place in places)


ACTIONS = (
    BACK,
    Action("right", "patch(0, 1)", "patch", "The patch whose tile is shown large.", True, shown="arrows"),
    Action("left", "patch(0, -1)", "patch left", "The patch to the left."),
    Action("up", "patch(-1, 0)", "patch above", "The patch above."),
    Action("down", "patch(1, 0)", "patch below", "The patch below."),
    Action("m", "kind", "kind", "Another kind of positions, where the network has several.", True),
    Action("h", "before", "history", "What the run started from beside it, and off again.", True),
    Action("c", "compare", "compare", "Another network beside this one.", True),
    SIZE,
    Action("N", "network", "network", "Another network: a run, a checkpoint, a name, a folder.", True, shown="N"),
    Action("e", "export", "export", "Save the grid of all tiles as a figure.", True),
    Action("ctrl+e", "export_tile", "export tile", "Save this patch's tile as a figure.", shown="^e"),
)
"""What its keys do."""


class PositionsScreen(AskingScreen):
    """The grid left, the tile under the cursor right (or another network's grid), the scorecard below.

    `request` says what is looked at, `seen` what came back, `tile` the sheet of the tile under the cursor.
    """

    BINDINGS = bindings(ACTIONS)

    def __init__(self, network: str = "demo") -> None:
        """`network` is `demo`, `RUN@last`, a timm name or a checkpoint folder."""
        super().__init__()
        self.network = network
        self.request = PositionRequest(network=network)
        self.cursor = (0, 0)
        self.seen: PositionSheet | None = None
        self.tile: Panel | None = None
        self._networks: dict[str, str] = {}
        self._scored = False
        self._part = ""
        self._seen_step = -1

    def body(self) -> ComposeResult:
        yield TextLine(id="title")
        with Horizontal(id="positions-pictures"):
            for name in ("grid", "other", "tile"):
                with Vertical(id=f"positions-{name}-side", classes="positions-side"):
                    yield TextLine(id=f"positions-{name}-name")
                    yield (Picture if name == "tile" else TilesPicture)(id=f"positions-{name}")
        yield TextLine(id="positions-profile")
        yield Facts(id="positions-scores")
        yield Note(id="note")

    def on_mount(self) -> None:
        self._show()
        self._load(self.request)

    def apply(self, snapshot: Snapshot) -> None:
        """A run that still trains has a newer checkpoint now and then; with `@last` it is taken."""
        run = snapshot.run(self.network.partition("@")[0])
        if run is not None and run.step != self._seen_step and self.seen is not None:
            self._seen_step = run.step
            if self._has_newer(self.network, self.seen.reference):
                self._load(self.request)

    @work(exclusive=True, group="positions")
    async def _load(self, request: PositionRequest) -> None:
        """The pictures first, then the scorecard, whose shuffles take their time."""
        if self.seen is None:
            self._note("Starting the inspector ...")
        sheet = await self._ask_for_sheet(request.changed(permutations=0), replaces="positions", arrays=True)
        if sheet is None:
            return
        seen = PositionSheet(sheet)
        if self.seen is None or self.seen.grid != seen.grid:
            self.cursor = (seen.grid[0] // 2, seen.grid[1] // 2)
        self.request, self.seen, self._scored = request, seen, False
        self._show()
        self._ask_tile()
        sheet = await self._ask_for_sheet(request, replaces="scores", arrays=True)
        if sheet is not None and self.request is request:
            self.seen, self._scored = PositionSheet(sheet), True
            self._show()

    @work(exclusive=True, group="tile")
    async def _ask_tile(self) -> None:
        """The tile under the cursor, large."""
        patch = [self.cursor[0] + 1, self.cursor[1] + 1]
        request = self.request.changed(view="tile", patch=patch, permutations=0, before=False, other=None)
        sheet = await self._ask_for_sheet(request, replaces="tile", quiet=True)
        if sheet is not None:
            self.tile = sheet.panels[0]
            self._show_tile()

    # What is shown

    def _show(self) -> None:
        """The one place where state reaches widgets."""
        with self.app.batch_update():
            colours = self.app.theme_variables
            seen = self.seen
            named = self._named(self.network if seen is None else seen.reference)
            title = Text.assemble((" Positions ", f"bold {colours['accent']}"))
            if seen is not None:
                title.append(f" {seen.sheet.facts['kind']}", colours["foreground"])
            self.query_one("#title", TextLine).show(title, Text(f"{clean(named)} ", colours["secondary"]))
            beside = None if seen is None else seen.beside
            self.query_one("#positions-other-side").display = beside is not None
            if seen is None:
                return
            self._show_tiles("grid", seen.main, seen.grid)
            if beside is not None:
                rows, columns = beside.facts["grid"]
                self._show_tiles("other", beside, (int(rows), int(columns)))
            self._show_tile()
            self._show_profile()
            self.query_one(Facts).show(self._score_lines(seen))
            self._note(self._sentence(seen))

    def _show_profile(self) -> None:
        """The place of the cursor, likeness along its row and its column, and which tiles are shown, if not all."""
        if self.seen is None:
            return
        row, column = self.cursor
        tile, colours = self.seen.profile_of(self.cursor), self.app.theme_variables
        words = f" row {row + 1}, column {column + 1}   along its row {profile(tile[row])}"
        said = Text(f"{words}   along its column {profile(tile[:, column])}", colours["foreground"])
        if self._part:
            said.append(f"   shown: {self._part}", colours["secondary"])
        self.query_one("#positions-profile", TextLine).show(said)

    def _show_tiles(self, name: str, panel: Panel, grid: tuple[int, int]) -> None:
        """All tiles of one network, or those around the cursor, at the size that its place has."""
        self._networks[name] = f"{self._named(str(panel.facts['reference']))}: {grid[0]} x {grid[1]} patches"
        self.query_one(f"#positions-{name}", TilesPicture).show_tiles(panel.picture, grid, self.cursor)

    @on(TilesPicture.Fitted)
    def _fitted(self, message: TilesPicture.Fitted) -> None:
        name = str(message.picture.id).rpartition("-")[2]
        known, part = self._networks.get(name, ""), message.preview.words()
        network, _, size = known.rpartition(": ")
        if name == "grid":
            self._part = part
            self._show_profile()
        seen = self.seen
        of_its_own = seen is not None and seen.beside is not None and list(seen.beside.facts["grid"]) != list(seen.grid)
        if name == "other" and part and of_its_own:
            known = f"{network}: {part} of {size}"  # the line below speaks of the other grid
        self._put_name(name, known)

    def _put_name(self, name: str, words: str) -> None:
        line = self.query_one(f"#positions-{name}-name", TextLine)
        line.show(Text(clean(words), self.app.theme_variables["secondary"]))

    def _show_tile(self) -> None:
        if self.tile is not None:
            self.query_one("#positions-tile", Picture).show(self.tile.picture)
            self._put_name("tile", self.tile.title)

    def _score_lines(self, seen: PositionSheet) -> list[tuple[str, str, str]]:
        """The numbers; beside them another network's, where one is shown."""
        cards = seen.scores()
        if not cards:
            return []
        others = {score["name"]: score for score in cards[1]} if len(cards) > 1 else {}
        facts = []
        for score in cards[0]:
            if score["value"] is None:
                continue
            other = others.get(score["name"], {}).get("value")
            sure = score["p_value"] is not None and score["p_value"] <= 0.01
            title = score["title"] if not others or self.size.width >= 100 else score["title"].split(" (")[0]
            beside = f"{other:6.3f}  " if other is not None else ""
            value = f"{beside}p{score['p_value']:6.3f}  {title}"
            facts.append((f"{score['value']:6.3f}", value, "success" if sure else "secondary"))
        return facts

    def _sentence(self, seen: PositionSheet) -> str:
        facts = seen.sheet.facts
        if seen.beside is None:
            return f"{facts['source']} {facts['sentence']}"
        named = self._named(str(seen.beside.facts["reference"]))
        if facts["change"] is None:
            return f"beside it, and second in numbers: {named}, whose grid is another, so there is no difference"
        return f"beside it, and second in numbers: {named}; mean absolute difference {facts['change']:.3g}"

    # Keys

    def action_patch(self, down: int, right: int) -> None:
        """Moves the cursor over the patches."""
        if self.seen is not None:
            rows, columns = self.seen.grid
            row, column = self.cursor
            self.cursor = (min(max(row + down, 0), rows - 1), min(max(column + right, 0), columns - 1))
            self._show()
            self._ask_tile()

    def action_kind(self) -> None:
        """Another kind of positions."""
        kinds = 1 if self.seen is None else int(self.seen.sheet.facts["kinds"])
        if kinds > 1:
            self._load(self.request.changed(of_kind=(self.request.of_kind or 1) % kinds + 1))
        else:
            self._note("This network marks place in one way only.", "warning")

    def action_before(self) -> None:
        """What the run started from, beside it; off again."""
        if self.request.before or self.request.other:
            self._load(self.request.changed(before=False, other=None))
        elif self.workbench.snapshot.run(self.network.partition("@")[0]) is None:
            self._note(f"{self.network} is not a run: there is nothing before it.", "warning")
        else:
            self._load(self.request.changed(before=True))

    def action_compare(self) -> None:
        """Another network beside this one."""

        def answered(network: str | None) -> None:
            if network:
                self._load(self.request.changed(before=False, other=network))

        dialog = AskDialog("The network to show beside it", lambda typed: classifiers(self.workbench, typed))
        self.app.push_screen(dialog, answered)

    def action_image_size(self) -> None:
        """The network set to pictures of another size, its positions resampled."""

        def chosen(size: str | None) -> None:
            try:
                self._load(self.request.changed(image_size=size))
            except UserError as error:
                self._note(str(error), "warning")

        self._ask_size(self.request.image_size, chosen)

    def action_network(self) -> None:
        """Another network in place of this one."""

        def answered(network: str | None) -> None:
            if network:
                self.network = network
                self._load(PositionRequest(network=network))

        self.app.push_screen(AskDialog("The network", lambda typed: classifiers(self.workbench, typed)), answered)

    def action_export(self) -> None:
        """Saves all tiles; with the network beside it, if one is shown."""
        if self.seen is not None:
            self._export_sheet(self.request, self._figures_folder(self.seen.reference) / "positions.png")

    def action_export_tile(self) -> None:
        """Saves the tile under the cursor."""
        if self.seen is not None:
            row, column = self.cursor[0] + 1, self.cursor[1] + 1
            request = self.request.changed(view="tile", patch=[row, column])
            folder = self._figures_folder(self.seen.reference)
            self._export_sheet(request, folder / f"positions-tile-{row}-{column}.png")


SCREEN = ScreenDeclaration(
    name="positions",
    title="Positions",
    help="What a network knows about place.",
    screen=PositionsScreen,
    actions=ACTIONS,
    opened=Opening("runs", "v", alone="V"),
    order=60,
)
