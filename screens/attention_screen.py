"""What a network looks at in a picture: by layer, head, method, target class and patch, with a number for trust."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal

from screens.actions import bindings
from screens.ask_dialog import AskDialog
from screens.asking import AskingScreen
from screens.attention_view import SHEETS, Explained, HeadNumber, Looking, TopClasses, panels_of
from screens.networks import classifiers
from screens.paths import pictures_below
from screens.snapshot import Snapshot
from screens.widgets.lines import Line
from screens.widgets.note import Note
from screens.widgets.picker import Choice, matching
from screens.widgets.picture import Picture, Pixels
from screens.widgets.picture_sheet import PictureSheet
from vitbench.text import clean


class AttentionScreen(AskingScreen):
    """The picture left, the map on it right, the likeliest classes below. The inspector holds the network."""

    BINDINGS = bindings("attention")

    def __init__(self, network: str = "demo", path: str = "") -> None:
        """`network` is `demo`, `RUN@last`, a timm name or a checkpoint folder; `path` a picture or a folder of them."""
        super().__init__()
        self.network = network
        self.files: tuple[str, ...] = ()
        self.number = 0
        self.looking = Looking()
        self.explained: Explained | None = None
        self.sheet = ""
        self.other = ""
        self.patch_mode = False
        self._panels: tuple[tuple[str, Pixels], ...] = ()
        self._path = path
        self._heads = HeadNumber()
        self._seen_step = -1

    def body(self) -> ComposeResult:
        yield Line(id="title")
        with Horizontal(id="attention-pictures"):
            yield Picture(id="attention-picture")
            yield Picture(id="attention-overlay")
            yield PictureSheet(id="attention-sheet")
        yield Line(id="attention-facts")
        yield TopClasses(id="attention-classes")
        yield Note(id="note")

    def on_mount(self) -> None:
        self._show()
        self._find_pictures(self._path)

    def apply(self, snapshot: Snapshot) -> None:
        """A run that still trains has a newer checkpoint now and then; with `@last` it is taken."""
        run = snapshot.run(self.network.partition("@")[0])
        if run is not None and run.step != self._seen_step and self.explained is not None:
            self._seen_step = run.step
            if self._has_newer(self.network, self.explained.network):
                self._look()

    # Questions to the inspector

    @work(exclusive=True, group="pictures")
    async def _find_pictures(self, path: str) -> None:
        if self.explained is None:
            self._note("Starting the inspector ...")
        answer = await self._ask("attention_pictures", network=self.network, path=path)
        if answer is not None and answer.values["files"]:
            self.files, self.number = tuple(answer.values["files"]), int(answer.values["first"])
            self._look()

    def _look(self, looking: Looking | None = None) -> None:
        """Asks for the map, and for the sheet if one is shown; the last question wins."""
        if self.files:
            self._ask_map(looking or self.looking)

    @work(exclusive=True, group="map")
    async def _ask_map(self, looking: Looking) -> None:
        subject = {"network": self.network, "picture": self.files[self.number], **looking.arguments()}
        answer = await self._ask("explain", replaces="explain", **subject)
        if answer is None:
            return
        sheet = None
        if self.sheet:
            kind = {"kind": self.sheet, **({"other": self.other} if self.sheet == "compare" else {})}
            sheet = await self._ask("attention_sheet", replaces="sheet", **subject, **kind)
            if sheet is None:
                self.sheet = ""
                return
        self.looking, self.explained = looking, Explained.of(answer)
        self._panels = () if sheet is None else panels_of(sheet)
        self._show()

    # What is shown

    def _show(self) -> None:
        """The one place where state reaches widgets."""
        with self.app.batch_update():
            self._show_title()
            seen = self.explained
            if seen is None:
                return
            self.query_one("#attention-picture", Picture).show(seen.picture)
            self.query_one("#attention-overlay", Picture).show(seen.overlay)
            sheet = self.query_one(PictureSheet)
            sheet.show(self._panels)
            sheet.display = bool(self._panels)
            for name in ("#attention-picture", "#attention-overlay"):
                self.query_one(name, Picture).display = not self._panels
            said = seen.sentence(self.looking) if not self._panels else seen.sheet_sentence(self.looking, self.sheet)
            self.query_one("#attention-facts", Line).show(
                Text(f" {clean(said)}", self.app.theme_variables["foreground"])
            )
            self.query_one(TopClasses).show(seen.top, seen.target_label or seen.top[0][0])
            if alarm := seen.alarm(self.looking):
                self._note(alarm, "warning")
            elif self.patch_mode:
                self._note("arrows move the patch that looks; a leaves it")
            else:
                self._note(f"{seen.source} {seen.preprocessing}")

    def _show_title(self) -> None:
        colours = self.app.theme_variables
        left = Text.assemble((" Attention ", f"bold {colours['accent']}"))
        if self.files:
            left.append(f" {clean(Path(self.files[self.number]).name)}", colours["foreground"])
            left.append(f"  {self.number + 1} of {len(self.files):,}", colours["secondary"])
        named = self._named(self.network if self.explained is None else self.explained.network)
        self.query_one("#title", Line).show(left, Text(f"{clean(named)} ", colours["secondary"]))

    # Layers, heads, methods, targets, patches

    def action_vertical(self, step: int) -> None:
        """Layers; in patch mode the patch moves."""
        if self.patch_mode:
            self._move_patch(-step, 0)
        elif (seen := self.explained) is not None and self._has_attention(seen):
            now = seen.layers - 1 if self.looking.layer is None else self.looking.layer
            changed = self._with_method("with_layers")
            self._look(replace(changed, layer=(now + step) % seen.layers))

    def action_horizontal(self, step: int) -> None:
        """Pictures; in patch mode the patch moves."""
        if self.patch_mode:
            self._move_patch(0, step)
        else:
            self.action_picture(step)

    def action_next_head(self, step: int) -> None:
        """The next head; before the first is the mean of all."""
        if (seen := self.explained) is not None and self._has_attention(seen):
            now = 0 if self.looking.head is None else self.looking.head + 1
            self._choose_head((now + step) % (seen.heads + 1))

    def action_digit(self, digit: int) -> None:
        """Names a head, counted from 1, with one digit or two; 0 is the mean of all."""
        if (seen := self.explained) is not None and self._has_attention(seen):
            self._choose_head(self._heads.typed(digit, seen.heads))

    def _choose_head(self, number: int) -> None:
        assert self.explained is not None
        if number > self.explained.heads:
            self._note(f"There are {self.explained.heads} heads.", "warning")
            return
        self._look(replace(self._with_method("with_heads"), head=number - 1 if number else None))

    def _has_attention(self, seen: Explained) -> bool:
        if not seen.layers:
            self._note(
                f"{seen.name} has no attention over the whole picture; m chooses a method that it has.", "warning"
            )
        return bool(seen.layers)

    def _with_method(self, needs: str) -> Looking:
        """The way of looking, by raw attention if the method at hand has no layers or heads of its own."""
        assert self.explained is not None
        knows: tuple[str, ...] = getattr(self.explained, needs)
        return self.looking if self.looking.method in knows else replace(self.looking, method="raw")

    def action_method(self, step: int = 1) -> None:
        """The next way to explain; the slow ones, too."""
        if self.explained is not None:
            names = list(self.explained.methods)
            method = names[(names.index(self.looking.method) + step) % len(names)]
            self._look(replace(self.looking, method=method, layer=None, head=None))

    def action_target(self) -> None:
        """Another class to explain."""
        seen = self.explained
        if seen is None:
            return
        choices = [
            Choice("likeliest", "the network's own answer"),
            *(Choice(label, f"{p:.1%}") for label, p in seen.top),
        ]

        def answered(label: str | None) -> None:
            if label:
                self._look(replace(self.looking, target=None if label == "likeliest" else label))

        self.app.push_screen(AskDialog("The class to explain", lambda typed: matching(choices, typed)), answered)

    def action_patch_mode(self) -> None:
        """Arrows move the patch that looks, or layers and pictures again."""
        seen = self.explained
        if seen is None or not self._has_attention(seen):
            return
        self.patch_mode = not self.patch_mode
        middle = (seen.grid[0] // 2, seen.grid[1] // 2)
        if self.patch_mode:
            self._look(replace(self._with_method("with_query"), query=middle))
        else:
            self._look(replace(self.looking, query=None))

    def _move_patch(self, down: int, right: int) -> None:
        assert self.explained is not None
        rows, columns = self.explained.grid
        row, column = self.looking.query or (0, 0)
        moved = (min(max(row + down, 0), rows - 1), min(max(column + right, 0), columns - 1))
        self._look(replace(self.looking, query=moved))

    # Style

    def action_strength(self, step: int) -> None:
        self._look(self.looking.stronger(step))

    def action_colours(self) -> None:
        self._look(self.looking.next_colours())

    def action_smooth(self) -> None:
        self._look(replace(self.looking, smooth=not self.looking.smooth))

    def action_mask_outliers(self) -> None:
        self._look(replace(self.looking, mask_outliers=not self.looking.mask_outliers))

    def action_preprocess(self) -> None:
        """The network's own preparation of pictures, or the report's."""
        self._look(replace(self.looking, preprocess="report" if self.looking.preprocess == "own" else "own"))

    # Sheets: many maps at once

    def action_sheet(self) -> None:
        """All heads, all layers, all methods side by side, then one map again."""
        place = SHEETS.index(self.sheet) if self.sheet in SHEETS else 0
        self.sheet = SHEETS[(place + 1) % len(SHEETS)]
        self._look()

    def action_checkpoints(self) -> None:
        """The same picture over all checkpoints of the run."""
        if self.workbench.snapshot.run(self.network.partition("@")[0]) is None:
            self._note(f"{self.network} is no run, so there is one network only.", "warning")
            return
        self.sheet = "" if self.sheet == "checkpoints" else "checkpoints"
        self._look()

    def action_compare(self) -> None:
        """Another network's map beside this one, and their difference."""
        if self.sheet == "compare":
            self.sheet = ""
            self._look()
            return

        def answered(network: str | None) -> None:
            if network:
                self.sheet, self.other = "compare", network
                self._look()

        self.app.push_screen(
            AskDialog("The network to compare with", lambda typed: classifiers(self.workbench, typed)), answered
        )

    # Pictures, networks, files

    def action_picture(self, step: int) -> None:
        if self.files:
            self.number = (self.number + step) % len(self.files)
            self._look(replace(self.looking, target=None))

    def action_open(self) -> None:
        """Any picture, or a folder of them."""
        start = f"{Path(self.files[self.number]).parent}/" if self.files else ""

        def answered(path: str | None) -> None:
            if path:
                self._find_pictures(path)

        self.app.push_screen(AskDialog("A picture, or a folder of pictures", pictures_below, start), answered)

    def action_network(self) -> None:
        """Another network on the same picture."""

        def answered(network: str | None) -> None:
            if network:
                self.network, self.explained = network, None
                self._look(replace(self.looking, target=None, layer=None, head=None, query=None))

        self.app.push_screen(AskDialog("The network", lambda typed: classifiers(self.workbench, typed)), answered)

    def action_export(self) -> None:
        """Saves what is shown as a figure, and says where it is."""
        if self.explained is not None:
            self._save()

    @work(group="save")
    async def _save(self) -> None:
        assert self.explained is not None
        named = self.explained.network
        folder = self._figures_folder(named)
        asked: dict[str, Any] = {"network": named, "picture": self.files[self.number], **self.looking.arguments()}
        if self.sheet in ("heads", "layers", "methods"):
            asked["grid"] = self.sheet
        elif self.sheet:
            asked |= {"kind": self.sheet, **({"other": self.other} if self.sheet == "compare" else {})}
        answer = await self._ask("attention_export", folder=str(folder), **asked)
        if answer is not None:
            self._note_saved(str(answer.values["file"]))
