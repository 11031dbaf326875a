"""What a network looks at in a picture: by layer, head, method, target class and patch, with a number for trust."""

from pathlib import Path
from typing import Any

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal

from screens.actions import BACK, NEXT_HEAD, PICTURES, SIZE, Action, bindings, heads
from screens.attention_keys import AttentionKeys
from screens.attention_view import AttentionSheet, HeadNumber, TopClasses
from screens.navigation import Opening, ScreenDeclaration
from screens.snapshot import Snapshot
from screens.widgets.lines import TextLine
from screens.widgets.note import Note
from screens.widgets.picture import Picture, Pixels
from screens.widgets.picture_sheet import PictureSheet
from vitbench.errors import UserError
from vitbench.methods import METHODS
from vitbench.requests.attention import AttentionRequest
from vitbench.text import clean, counted

ACTIONS = (
    BACK,
    Action("up", "vertical(1)", "layers", "The layer above; in patch mode the patch moves up.", True, "↑↓"),
    Action("down", "vertical(-1)", "layer below", "The layer below; in patch mode the patch moves down."),
    Action("right", "horizontal(1)", "to the right", "The next picture; in patch mode the patch moves."),
    Action("left", "horizontal(-1)", "to the left", "The previous picture; in patch mode the patch moves."),
    *NEXT_HEAD,
    *heads("digit"),
    Action("m", "method", "method", "Another method of explaining, from a list.", True),
    Action("t", "target", "class", "Another class to explain, from a list.", True),
    Action("space", "patch_mode", "patch", "Arrows move the patch that looks, and back.", True, shown="space"),
    Action("g", "sheet", "grid", "All heads, layers, methods or likely classes side by side.", True),
    Action("h", "checkpoints", "history", "The same picture over all checkpoints of the run."),
    Action("c", "compare", "compare", "Another network's map beside this one, and the difference.", True),
    Action("plus,equals_sign", "strength(1)", "stronger", "A stronger overlay.", shown="+"),
    Action("minus", "strength(-1)", "fainter", "A fainter overlay.", shown="-"),
    Action("u", "colours", "colours", "The next colour map."),
    Action("x", "smooth", "smooth", "Patches smooth or as squares."),
    Action("l", "scale", "scale", "Colours to the largest value, or to the 98th percentile."),
    Action("X", "mask_outliers", "outliers", "Leave out outlier tokens, or show them.", shown="X"),
    Action("P", "preprocess", "preprocessing", "The network's own preprocessing, or the report's.", shown="P"),
    *PICTURES,
    Action("N", "network", "network", "Another network: a run, a checkpoint, a name, a folder.", shown="N"),
    Action("f", "features", "features", "What the network makes of each patch of this picture."),
    SIZE,
    Action("e", "export", "export", "Save the figure.", True),
)
"""What its keys do."""


class AttentionScreen(AttentionKeys):
    """The picture left, the map on it right, below them a strip of heads or layers where there is room, and the
    likeliest classes. The inspector holds the network; `request` says what is looked at, `seen` what came back."""

    BINDINGS = bindings(ACTIONS)

    def __init__(
        self, network: str = "demo", path: str = "", predicted: str = "", true: str = "", other: str = ""
    ) -> None:
        """`network` is `demo`, `RUN@last`, a timm name or a checkpoint folder; `path` a picture or a folder of them.

        Of a mistake the maps of the `predicted` class and of the `true` one are shown side by side, until another
        picture or class is chosen. With `other`, the map of that network stands beside this one's.
        """
        super().__init__()
        self.network = network
        self.files: tuple[str, ...] = ()
        self.number = 0
        self.request: AttentionRequest | None = None
        self.seen: AttentionSheet | None = None
        self.targets: tuple[str, ...] = (predicted, true) if predicted and true else ()
        self.grid: str | None = "classes" if self.targets else "compare" if other else None
        self.other = other
        self._mistake = self.targets
        self.patch_mode = False
        self._strip_of = "heads"
        self._strip: tuple[tuple[str, Pixels], ...] = ()
        self._strip_said = ""
        self._said = ""
        self._path = path
        self._heads = HeadNumber()
        self._seen_step = -1

    def body(self) -> ComposeResult:
        yield TextLine(id="title")
        with Horizontal(id="attention-pictures"):
            yield Picture(id="attention-picture")
            yield Picture(id="attention-overlay")
            yield PictureSheet(id="attention-sheet")
        yield PictureSheet(id="attention-strip")
        yield TextLine(id="attention-facts")
        yield TopClasses(id="attention-classes")
        yield Note(id="note")

    def on_mount(self) -> None:
        self._show()
        self.find_pictures(self._path)

    def on_resize(self) -> None:
        if self.seen is not None and self._has_room_for_strip() != bool(self._strip):
            self._ask_strip()

    def apply(self, snapshot: Snapshot) -> None:
        """A run that still trains has a newer checkpoint now and then; with `@last` it is taken."""
        run = snapshot.run(self.network.partition("@")[0])
        if run is not None and run.step != self._seen_step and self.seen is not None:
            self._seen_step = run.step
            if self._has_newer(self.network, str(self.seen.facts["reference"])):
                self.show_request()

    # Questions to the inspector

    @work(exclusive=True, group="pictures")
    async def find_pictures(self, path: str) -> None:
        if self.seen is None:
            self._note("Starting the inspector ...")
        answer = await self._ask("attention_pictures", network=self.network, path=path)
        if answer is not None and answer.values["files"]:
            self.files, self.number = tuple(answer.values["files"]), int(answer.values["first"])
            self.show_request()

    def show_request(self, request: AttentionRequest | None = None, said: str = "") -> None:
        """Asks for the sheet; the last question wins. `said` is what a key has set."""
        if not self.files:
            return
        subject: dict[str, Any] = {"network": self.network, "pictures": [self.files[self.number]]}
        request = request or self.request
        now = AttentionRequest.read(subject) if request is None else request.changed(**subject)
        self._ask_sheet(now, said)

    def _asked(self, request: AttentionRequest) -> AttentionRequest:
        """What is asked for: the request itself, or the grid of it that is shown."""
        if self.grid is None:
            return request
        return request.fitting(grid=self.grid, other=self.other or None, steps=[], targets=self.targets)

    @work(exclusive=True, group="map")
    async def _ask_sheet(self, request: AttentionRequest, said: str) -> None:
        try:
            asked = self._asked(request)
        except UserError as error:
            self._note(str(error), "warning")
            return
        sheet = await self._ask_for_sheet(asked, replaces="attention")
        if sheet is None:
            if self.grid is not None and self.seen is not None and self.seen.sheet.request["grid"] != self.grid:
                self.grid = self.seen.sheet.request["grid"]
            return
        if request.by_default and asked.grid is None:
            request = request.fitting(method=sheet.request["method"])
        said = said or str(sheet.facts["instead"])
        self.request, self.seen, self._said = request, AttentionSheet(sheet), said
        self._show()
        self._ask_strip()

    @work(exclusive=True, group="strip")
    async def _ask_strip(self) -> None:
        """The heads or the layers of what is looked at, where there is room for them."""
        request, seen = self.request, self.seen
        if request is None or seen is None or not seen.layers or not self._has_room_for_strip():
            self._strip = ()
        else:
            asked = request.fitting(grid=self._strip_of)
            sheet = await self._ask_for_sheet(asked, replaces="strip", quiet=True)
            self._strip = () if sheet is None else AttentionSheet(sheet).panels()[1:]
            self._strip_said = "" if sheet is None else AttentionSheet(sheet).sentence()
        self._show_strip()

    def _has_room_for_strip(self) -> bool:
        return self.grid is None and self.size.width >= 100 and self.size.height >= 34

    # What is shown

    def _show(self) -> None:
        """The one place where state reaches widgets."""
        with self.app.batch_update():
            self._show_title()
            seen = self.seen
            if seen is None:
                return
            single = seen.sheet.request["grid"] is None
            for name, panel in zip(("#attention-picture", "#attention-overlay"), seen.sheet.panels, strict=False):
                picture = self.query_one(name, Picture)
                picture.display = single
                if single:
                    picture.show(panel.picture)
            sheet = self.query_one("#attention-sheet", PictureSheet)
            sheet.display = not single
            sheet.show(() if single else seen.panels())
            marked = seen.target_label or (seen.top[0].label if seen.top else "")
            self.query_one(TopClasses).show(seen.top, marked, seen.no_classes)
            self._show_strip()
            self._show_note(seen)

    def _sentence(self, seen: AttentionSheet) -> str:
        """What is shown; of a mistake which class was predicted and which is the true one."""
        if self._mistake and tuple(seen.sheet.request["targets"]) == self._mistake:
            return f"Predicted {self._mistake[0]}, true class {self._mistake[1]}: {seen.sheet.title}"
        return seen.sentence()

    def _show_strip(self) -> None:
        strip = self.query_one("#attention-strip", PictureSheet)
        strip.display = bool(self._strip) and self._has_room_for_strip()
        strip.show(self._strip)
        if self.seen is not None:
            colours = self.app.theme_variables
            said = Text(f" {clean(self._sentence(self.seen))}", colours["foreground"])
            if strip.display:
                said.append(
                    f"   small maps: {clean(self._strip_said[:1].lower() + self._strip_said[1:])}", colours["secondary"]
                )
            self.query_one("#attention-facts", TextLine).show(said)

    def _show_note(self, seen: AttentionSheet) -> None:
        alarm = seen.alarm()
        words = "; ".join(part for part in (self._said, alarm) if part)
        if words:
            self._note(words, "warning" if alarm else "secondary")
        elif self.patch_mode:
            self._note("arrows move the patch that looks; space leaves it")
        else:
            self._note(f"{seen.facts['source']} {seen.facts['preprocessing']}")

    def _show_title(self) -> None:
        colours = self.app.theme_variables
        left = Text.assemble((" Attention ", f"bold {colours['accent']}"))
        if self.files:
            left.append(f" {clean(Path(self.files[self.number]).name)}", colours["foreground"])
            left.append(f"  {self.number + 1:,} of {len(self.files):,}", colours["secondary"])
        named = self._named(self.network if self.seen is None else str(self.seen.facts["reference"]))
        self.query_one("#title", TextLine).show(left, Text(f"{clean(named)} ", colours["secondary"]))

    # Layers, heads, patches

    def action_vertical(self, step: int) -> None:
        """Layers; in patch mode the patch moves."""
        if self.patch_mode:
            self._move_patch(-step, 0)
        elif (both := self._with_attention()) is not None:
            request, seen = both
            self._strip_of = "layers"
            now = request.layer or seen.layers
            self._change("layer", (now - 1 + step) % seen.layers + 1)

    def action_horizontal(self, step: int) -> None:
        """Pictures; in patch mode the patch moves."""
        if self.patch_mode:
            self._move_patch(0, step)
        else:
            self.action_picture(step)

    def action_next_head(self, step: int) -> None:
        """The next head; before the first is the mean of all."""
        if (both := self._with_attention()) is not None:
            request, seen = both
            self._choose_head(((request.head or 0) + step) % (seen.heads + 1))

    def action_digit(self, digit: int) -> None:
        """Names a head, counted from 1, with one digit or two; 0 is the mean of all."""
        if (both := self._with_attention()) is not None:
            self._choose_head(self._heads.typed(digit, both[1].heads))

    def _choose_head(self, number: int) -> None:
        assert self.seen is not None
        if number > self.seen.heads:
            self._note(f"The layer has {counted(self.seen.heads, 'head')}.", "warning")
            return
        self._strip_of = "heads"
        self._change("head", number or None)

    def _with_attention(self) -> tuple[AttentionRequest, AttentionSheet] | None:
        """What is looked at, if the network has attention over the whole picture; else that is said."""
        request, seen = self.request, self.seen
        if request is None or seen is None:
            return None
        if not seen.layers:
            name = seen.facts["network"]
            self._note(f"{name} has no attention over the whole picture; m chooses a method that it has.", "warning")
            return None
        return request, seen

    def _change(self, option: str, value: Any) -> None:
        """Changes a layer, a head or the patch that looks; by raw attention if the method at hand has none, which is
        said."""
        assert self.request is not None
        method = METHODS[self.request.method]
        if method.has(option) or value is None:
            self.show_request(self.request.fitting(**{option: value}))
        else:
            said = f"{method.title} has no {'patch that looks' if option == 'query' else option}: now raw attention"
            self.show_request(self.request.fitting(method="raw", **{option: value}), said)

    def action_patch_mode(self) -> None:
        """Arrows move the patch that looks, or layers and pictures again."""
        if (both := self._with_attention()) is None:
            return
        rows, columns = both[1].grid
        self.patch_mode = not self.patch_mode
        self._change("query", [rows // 2 + 1, columns // 2 + 1] if self.patch_mode else None)

    def _move_patch(self, down: int, right: int) -> None:
        assert self.seen is not None
        assert self.request is not None
        rows, columns = self.seen.grid
        row, column = self.request.query or (1, 1)
        self._change("query", [min(max(row + down, 1), rows), min(max(column + right, 1), columns)])


SCREEN = ScreenDeclaration(
    name="attention",
    title="Attention",
    help="What a network looks at in a picture.",
    screen=AttentionScreen,
    actions=ACTIONS,
    opened=Opening("runs", "i", alone="I"),
    order=50,
)
