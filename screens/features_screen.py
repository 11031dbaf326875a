"""What a network makes of each patch: colours by principal components, likeness to a patch, the nearest pictures."""

from pathlib import Path
from typing import Any

from rich.text import Text
from textual import work
from textual.app import ComposeResult

from screens.actions import BACK, PICTURES, SIZE, Action, bindings
from screens.ask_dialog import AskDialog, choose
from screens.asking import AskingScreen
from screens.attention_view import STRENGTHS
from screens.navigation import Opening, ScreenDeclaration
from screens.networks import classifiers
from screens.paths import data_places, folders_below, full_path
from screens.snapshot import Snapshot
from screens.widgets.lines import TextLine
from screens.widgets.note import Note
from screens.widgets.picker import Choice
from screens.widgets.picture_sheet import PictureSheet
from vitbench.errors import UserError
from vitbench.figures.sheet import Sheet
from vitbench.requests.colour_maps import COLOUR_MAPS
from vitbench.requests.features import VIEWS, FeaturesRequest
from vitbench.text import clean

TOGETHER = 4
"""Pictures that are shown at once on one basis."""
_SAID = {
    "components": "principal components of the patches as red, green and blue",
    "similarity": "cosine with one patch: arrows move it in patch mode",
    "nearest": "the nearest pictures of a folder; / chooses the folder",
}


ACTIONS = (
    BACK,
    Action("m", "method", "view", "Components as colours, likeness to a patch, or the nearest pictures.", True),
    Action("up", "vertical(1)", "layers", "The layer above; in patch mode the patch moves up.", True, "↑↓"),
    Action("down", "vertical(-1)", "layer below", "The layer below; in patch mode the patch moves down."),
    Action("right", "horizontal(1)", "to the right", "The next picture; in patch mode the patch moves."),
    Action("left", "horizontal(-1)", "to the left", "The previous picture; in patch mode the patch moves."),
    Action("space", "patch_mode", "patch", "Arrows move the patch that others are like, and back.", True, "space"),
    Action("g", "sheet", "grid", "Several pictures on one basis side by side, and one again.", True),
    Action("t", "foreground", "foreground", "Colours of the foreground alone, or of all patches.", True),
    Action("slash", "search", "folder", "The folder to look for the nearest pictures in.", shown="/"),
    Action("E", "evaluate", "kNN", "How often the nearest of labelled pictures have the same label.", shown="E"),
    Action("h", "checkpoints", "history", "Over all checkpoints; then before and after; then off.", True),
    Action("c", "compare", "compare", "Another network beside this one, and off again.", True),
    Action("plus,equals_sign", "strength(1)", "stronger", "More of the colours over the picture.", shown="+"),
    Action("minus", "strength(-1)", "fainter", "Less of the colours over the picture.", shown="-"),
    Action("u", "colours", "colours", "The next colour map, for likeness."),
    Action("x", "smooth", "smooth", "Patches smooth or as squares."),
    Action("X", "mask_outliers", "outliers", "Leave out outlier tokens, or show them.", shown="X"),
    SIZE,
    *PICTURES,
    Action("N", "network", "network", "Another network: a run, a checkpoint, a name, a folder.", shown="N"),
    Action("e", "export", "export", "Save the figure.", True),
)
"""What its keys do."""


class FeaturesScreen(AskingScreen):
    """The panels of the sheet, and below them what they are. `request` says what is looked at, `seen` what came back.

    `beside` is what stands beside the network: "", "checkpoints", "before" or another network.
    """

    BINDINGS = bindings(ACTIONS)

    def __init__(self, network: str = "demo", path: str = "") -> None:
        """`network` is `demo`, `RUN@last`, a timm name or a checkpoint folder; `path` a picture or a folder of them."""
        super().__init__()
        self.network = network
        self.files: tuple[str, ...] = ()
        self.number = 0
        self.request: FeaturesRequest | None = None
        self.seen: Sheet | None = None
        self.patch_mode = False
        self.together = False
        self.beside = ""
        self.folder = ""
        self._said = ""
        self._path = path
        self._seen_step = -1

    def body(self) -> ComposeResult:
        yield TextLine(id="title")
        yield PictureSheet(id="features-sheet")
        yield TextLine(id="features-facts")
        yield Note(id="note")

    def on_mount(self) -> None:
        self._show()
        self._find_pictures(self._path)

    def apply(self, snapshot: Snapshot) -> None:
        """A run that still trains has a newer checkpoint now and then; with `@last` it is taken."""
        run = snapshot.run(self.network.partition("@")[0])
        if run is not None and run.step != self._seen_step and self.seen is not None:
            self._seen_step = run.step
            if self._has_newer(self.network, str(self.seen.facts["reference"])):
                self._show_request()

    # Questions to the inspector

    @work(exclusive=True, group="pictures")
    async def _find_pictures(self, path: str) -> None:
        if self.seen is None:
            self._note("Starting the inspector ...")
        answer = await self._ask("attention_pictures", network=self.network, path=path)
        if answer is not None and answer.values["files"]:
            self.files, self.number = tuple(answer.values["files"]), int(answer.values["first"])
            self._show_request()

    def _show_request(self, said: str = "", **changes: Any) -> None:
        """Asks for the sheet with the `changes`; the last question wins. `said` is what a key has set."""
        if not self.files:
            return
        subject: dict[str, Any] = {"network": self.network, "pictures": self._pictures(), "steps": [], "other": None}
        subject |= {"before": self.beside == "before"}
        if self.beside == "checkpoints":
            subject["steps"] = "all"
        elif self.beside not in ("", "before"):
            subject["other"] = self.beside
        try:
            plain = self.request or FeaturesRequest.read({"network": self.network, "pictures": self._pictures()})
            view = changes.get("view", plain.view)
            folder = self.folder or self._own_folder()
            request = plain.fitting(**(subject | {"data": folder if view == "nearest" else None} | changes))
        except UserError as error:
            self._note(str(error), "warning")
            return
        self._ask_sheet(request, said)

    @work(exclusive=True, group="map")
    async def _ask_sheet(self, request: FeaturesRequest, said: str) -> None:
        sheet = await self._ask_for_sheet(request, replaces="features")
        if sheet is None:
            if self.request is not None:
                self.beside = self._shown_beside(self.request)
            return
        self.request, self.seen, self._said = request, sheet, said
        self._show()

    def _pictures(self) -> list[str]:
        """The picture at hand; together with those that follow it, where several are shown."""
        count = min(TOGETHER, len(self.files)) if self.together else 1
        return [self.files[(self.number + step) % len(self.files)] for step in range(count)]

    def _own_folder(self) -> str:
        """Where the nearest pictures are looked for unless another folder is named: the run's data, else beside."""
        run = self.workbench.snapshot.run(self.network.partition("@")[0])
        return run.data if run is not None and run.data else str(Path(self.files[self.number]).parent)

    @staticmethod
    def _shown_beside(request: FeaturesRequest) -> str:
        if request.steps:
            return "checkpoints"
        return "before" if request.before else request.other or ""

    # What is shown

    def _show(self) -> None:
        """The one place where state reaches widgets."""
        with self.app.batch_update():
            colours = self.app.theme_variables
            seen = self.seen
            title = Text.assemble((" Features ", f"bold {colours['accent']}"))
            if self.files:
                title.append(f" {clean(Path(self.files[self.number]).name)}", colours["foreground"])
                title.append(f"  {self.number + 1:,} of {len(self.files):,}", colours["secondary"])
            named = self._named(self.network if seen is None else str(seen.facts["reference"]))
            self.query_one("#title", TextLine).show(title, Text(f"{clean(named)} ", colours["secondary"]))
            if seen is None:
                return
            self.query_one(PictureSheet).show([(panel.title, panel.picture) for panel in seen.panels])
            facts = seen.facts
            rows, columns = facts["grid"]
            words = (
                f" layer {facts['layer']} of {facts['layers']}, {rows} x {columns} patches of {facts['width']} numbers"
            )
            if self.request is not None:
                words += f": {_SAID[self.request.view]}"
            self.query_one("#features-facts", TextLine).show(Text(words, colours["foreground"]))
            self._show_note(seen)

    def _show_note(self, seen: Sheet) -> None:
        networks = seen.facts["networks"]
        words = [f"{network['title']}: " * bool(network["title"]) + network["words"] for network in networks]
        said = f"{self._said}; " if self._said else ""
        if self.patch_mode:
            said += "arrows move the patch, space leaves it; "
        self._note(f"{said}{'   '.join(words)}")

    # Keys

    def action_method(self) -> None:
        """The next view."""
        if self.request is not None:
            view = VIEWS[(VIEWS.index(self.request.view) + 1) % len(VIEWS)]
            self.patch_mode = self.patch_mode and view == "similarity"
            self._show_request(view=view)

    def action_vertical(self, step: int) -> None:
        """Layers; in patch mode the patch moves."""
        if self.seen is None or self.request is None:
            return
        if self.patch_mode:
            self._move_patch(-step, 0)
            return
        layers = int(self.seen.facts["layers"])
        self._show_request(layer=((self.request.layer or layers) - 1 + step) % layers + 1)

    def action_horizontal(self, step: int) -> None:
        """Pictures; in patch mode the patch moves."""
        if self.patch_mode:
            self._move_patch(0, step)
        else:
            self.action_picture(step)

    def action_patch_mode(self) -> None:
        """Likeness to a patch that the arrows move; or layers and pictures again."""
        if self.seen is not None:
            self.patch_mode = not self.patch_mode
            self._show_request(**({"view": "similarity"} if self.patch_mode else {}))

    def _move_patch(self, down: int, right: int) -> None:
        assert self.seen is not None
        assert self.request is not None
        rows, columns = (int(side) for side in self.seen.facts["grid"])
        row, column = self.request.patch or (rows // 2 + 1, columns // 2 + 1)
        self._show_request(patch=[min(max(row + down, 1), rows), min(max(column + right, 1), columns)])

    def action_sheet(self) -> None:
        """Several pictures on one basis, or one again."""
        self.together = not self.together
        self._show_request("one basis for all pictures that are shown" if self.together else "")

    def action_foreground(self) -> None:
        """Colours of the foreground alone, or of all patches."""
        if self.request is None:
            return
        if self.request.view != "components":
            self._note("Only the view of components has a foreground; m goes there.", "warning")
            return
        self._show_request(only_foreground=not self.request.only_foreground)

    def action_checkpoints(self) -> None:
        """Over all checkpoints of the run; then what it started from beside it; then the run alone."""
        if self.workbench.snapshot.run(self.network.partition("@")[0]) is None:
            self._note(f"{self.network} is not a run, so there is only one network.", "warning")
            return
        self.beside = {"checkpoints": "before", "before": ""}.get(self.beside, "checkpoints")
        self._show_request()

    def action_compare(self) -> None:
        """Another network beside this one."""
        if self.beside not in ("", "before", "checkpoints"):
            self.beside = ""
            self._show_request()
            return

        def answered(network: str | None) -> None:
            if network:
                self.beside = network
                self._show_request()

        dialog = AskDialog("The network to compare with", lambda typed: classifiers(self.workbench, typed))
        self.app.push_screen(dialog, answered)

    def action_search(self) -> None:
        """Another folder to look for the nearest pictures in."""

        def answered(folder: str | None) -> None:
            if folder:
                self.folder = folder
                self._show_request(view="nearest")

        self.app.push_screen(AskDialog("Look for the nearest pictures in", folders_below), answered)

    def action_evaluate(self) -> None:
        """Asks for labelled pictures, and lets the nearest neighbours of each vote for its label."""
        run = self.workbench.snapshot.run(self.network.partition("@")[0])
        recent = dict.fromkeys(other.data for other in reversed(self.workbench.snapshot.runs) if other.data)

        def answered(data: str | None) -> None:
            if data is not None:
                self._vote(full_path(data) if data else "")

        own = "empty: the run's own; or a folder of labelled pictures" if run is not None else ""
        dialog = AskDialog(
            f"k nearest neighbours of {self._named(self.network)} among",
            lambda typed: data_places(typed, recent),
            label="Pictures",
            empty=own,
        )
        self.app.push_screen(dialog, answered)

    @work(exclusive=True, group="vote")
    async def _vote(self, data: str) -> None:
        """Shows how the neighbours vote, with as many as DINO's evaluation asks; Enter copies a line."""
        request = self.request
        size = None if request is None or request.image_size is None else "{}x{}".format(*request.image_size)
        layer = None if request is None else request.layer
        answer = await self._ask("neighbours", network=self.network, data=data, layer=layer, image_size=size)
        if answer is None:
            return
        first, *lines = (str(line) for line in answer.values["lines"])
        if self.seen is not None:
            self._show_note(self.seen)
        asked = f"{first} Enter copies a line."
        self.app.push_screen(choose(asked, [Choice(line.strip()) for line in lines]), self._copied)

    def action_strength(self, step: int) -> None:
        if self.request is None or self.request.view == "nearest":
            return
        now = self.request.drawn_strength
        nearest = min(range(len(STRENGTHS)), key=lambda place: abs(STRENGTHS[place] - now))
        strength = STRENGTHS[min(max(nearest + step, 0), len(STRENGTHS) - 1)]
        self._show_request(f"colours at {strength:.0%}", strength=strength)

    def action_colours(self) -> None:
        if self.request is None:
            return
        if self.request.view != "similarity":
            self._note("Only the view of likeness has a colour map; m goes there.", "warning")
            return
        name = COLOUR_MAPS[(COLOUR_MAPS.index(self.request.colour_map) + 1) % len(COLOUR_MAPS)]
        self._show_request(f"colour map {name}", colour_map=name)

    def action_smooth(self) -> None:
        if self.request is not None and self.request.view != "nearest":
            smooth = not self.request.smooth
            self._show_request("patches are smooth" if smooth else "patches are squares", smooth=smooth)

    def action_mask_outliers(self) -> None:
        if self.request is not None and self.request.view != "nearest":
            masked = not self.request.mask_outliers
            self._show_request("" if masked else "outlier tokens are shown", mask_outliers=masked)

    def action_image_size(self) -> None:
        """The network set to pictures of another size."""
        if self.request is not None:
            self.patch_mode = False
            self._ask_size(self.request.image_size, lambda size: self._show_request(image_size=size, patch=None))

    def action_picture(self, step: int) -> None:
        if self.files:
            self.number = (self.number + step) % len(self.files)
            self._show_request()

    def action_open(self) -> None:
        """Any picture, or a folder of them."""
        self._ask_pictures(self.files[self.number] if self.files else None, self._find_pictures)

    def action_network(self) -> None:
        """Another network on the same picture."""

        def answered(network: str | None) -> None:
            if network:
                self.network, self.seen, self.beside, self.patch_mode = network, None, "", False
                self._show_request(layer=None, patch=None, image_size=None)

        self.app.push_screen(AskDialog("The network", lambda typed: classifiers(self.workbench, typed)), answered)

    def action_export(self) -> None:
        """Saves what is shown as a figure, and says where it is."""
        if self.seen is None:
            return
        request = FeaturesRequest.read(self.seen.request)
        stem = Path(self.files[self.number]).stem
        folder = self._figures_folder(str(self.seen.facts["reference"]))
        self._export_sheet(request, folder / f"{stem}-{request.view}.png")


SCREEN = ScreenDeclaration(
    name="features",
    title="Features",
    help="What a network makes of each patch.",
    screen=FeaturesScreen,
    actions=ACTIONS,
    opened=Opening("runs", "f"),
    order=70,
)
