"""The keys of the attention screen that change what is asked: method, class, style, grid, picture, network, file."""

from pathlib import Path

from textual import work

from screens.ask_dialog import AskDialog, choose
from screens.asking import AskingScreen
from screens.attention_view import GRIDS, AttentionSheet, next_colours, stronger
from screens.networks import classifiers
from screens.widgets.picker import Choice
from vitbench.errors import UserError
from vitbench.methods import METHODS, offered
from vitbench.requests.attention import AttentionRequest

LIKELIEST, SIDE_BY_SIDE = "likeliest", "side by side"


class AttentionKeys(AskingScreen):
    """What keys change of the `request` that the screen looks by."""

    network: str
    files: tuple[str, ...]
    number: int
    request: AttentionRequest | None
    seen: AttentionSheet | None
    grid: str | None
    other: str
    targets: tuple[str, ...]
    patch_mode: bool
    class_names: tuple[str, ...] = ()
    """All classes of the network, once they were asked for."""
    _path: str

    def show_request(self, request: AttentionRequest | None = None, said: str = "") -> None:
        """Asks for the sheet; `said` is what a key has set."""
        raise NotImplementedError  # the screen has it

    def find_pictures(self, path: str) -> object:
        """Asks for the pictures at a path."""
        raise NotImplementedError  # the screen has it

    # Method and class

    def action_method(self) -> None:
        """Another way to explain, from a list: quick ones first, those with a caution last."""
        request = self.request
        if request is None:
            return
        # Until something is seen nobody knows whether the network has attention over the whole picture.
        names = offered(needs_attention=self.seen is None or self.seen.layers > 0)
        names.sort(key=lambda name: (name == request.method, bool(METHODS[name].caution), METHODS[name].slow))
        choices = [Choice(name, _about(name, request.method), shown=METHODS[name].title) for name in names]

        def chosen(name: str | None) -> None:
            if name is None:
                return
            if self.grid in ("methods", "heads", "layers") or not METHODS[name].needs_class:
                self.grid, self.targets = (None if self.grid != "compare" else self.grid), ()
            self.show_request(request.fitting(method=name, layer=None, head=None), METHODS[name].caution)

        self.app.push_screen(choose("The method of explaining", choices), chosen)

    @work(exclusive=True, group="classes")
    async def action_target(self) -> None:
        """Another class to explain, from a list: the likely ones first, then all of the network."""
        seen, request = self.seen, self.request
        if seen is None or request is None:
            return
        if not METHODS[request.method].needs_class:
            title = METHODS[request.method].title
            self._note(f"{title} does not depend on a class; m chooses another method.", "warning")
            return
        if not self.class_names:
            answer = await self._ask("class_names", network=str(seen.facts["reference"]), quiet=True)
            self.class_names = () if answer is None else tuple(answer.values["names"])
        likely = {guess.label: guess.number.strip() for guess in seen.top}
        choices = [
            Choice(LIKELIEST, "the network's own answer", shown="The likeliest"),
            Choice(SIDE_BY_SIDE, "a map for each", shown="The likeliest classes side by side"),
            *(Choice(label, number) for label, number in likely.items()),
            *(Choice(name) for name in self.class_names if name not in likely),
        ]

        def answered(label: str | None) -> None:
            if not label:
                return
            self.grid = "classes" if label == SIDE_BY_SIDE else None if self.grid == "classes" else self.grid
            self.targets = ()
            self.show_request(request.changed(target=None if label in (LIKELIEST, SIDE_BY_SIDE) else label))

        self.app.push_screen(choose("The class to explain", choices), answered)

    # Style: each key says what is set now

    def action_strength(self, step: int) -> None:
        if self.request is not None:
            request = stronger(self.request, step)
            self.show_request(request, f"overlay at {request.strength:.0%}")

    def action_colours(self) -> None:
        if self.request is not None:
            request = next_colours(self.request)
            self.show_request(request, f"colour map {request.colour_map}")

    def action_smooth(self) -> None:
        if self.request is not None:
            request = self.request.changed(smooth=not self.request.smooth)
            self.show_request(request, "patches are smooth" if request.smooth else "patches are squares")

    def action_scale(self) -> None:
        """Colours up to the largest value, or to the 98th percentile, so that one patch does not hide the others."""
        if self.request is not None:
            scale = "full" if self.request.scale == "robust" else "robust"
            words = "to the 98th percentile" if scale == "robust" else "to the largest value"
            self.show_request(self.request.fitting(scale=scale), f"colours go {words}")

    def action_mask_outliers(self) -> None:
        if self.request is not None:
            request = self.request.changed(mask_outliers=not self.request.mask_outliers)
            self.show_request(request, "" if request.mask_outliers else "outlier patches are shown")

    def action_preprocess(self) -> None:
        """The network's own preparation of pictures, or the report's."""
        if self.request is not None:
            choice = "report" if self.request.preprocess == "own" else "own"
            words = "the network's own" if choice == "own" else "the report's: squashed, the centre cut out"
            self.show_request(self.request.changed(preprocess=choice), f"preprocessing: {words}")

    def action_image_size(self) -> None:
        """The network set to pictures of another size."""
        request = self.request
        if request is not None:

            def chosen(size: str | None) -> None:
                try:
                    self.show_request(request.changed(image_size=size, query=None))
                except UserError as error:
                    self._note(str(error), "warning")

            self.patch_mode = False
            self._ask_size(request.image_size, chosen)

    # Grids: many maps at once

    def action_sheet(self) -> None:
        """All heads, layers, methods, or the likeliest classes side by side, then one map again."""
        place = GRIDS.index(self.grid) if self.grid in GRIDS else 0
        self.grid, self.targets = GRIDS[(place + 1) % len(GRIDS)], ()
        self.show_request()

    def action_checkpoints(self) -> None:
        """The same picture over all checkpoints of the run."""
        if self.workbench.snapshot.run(self.network.partition("@")[0]) is None:
            self._note(f"{self.network} is not a run, so there is only one network.", "warning")
            return
        self.grid = None if self.grid == "checkpoints" else "checkpoints"
        self.show_request()

    def action_compare(self) -> None:
        """Another network's map beside this one, and their difference."""
        if self.grid == "compare":
            self.grid, self.other = None, ""
            self.show_request()
            return

        def answered(network: str | None) -> None:
            if network:
                self.grid, self.other = "compare", network
                self.show_request()

        self.app.push_screen(
            AskDialog("The network to compare with", lambda typed: classifiers(self.workbench, typed)), answered
        )

    # Pictures, networks, files

    def action_picture(self, step: int) -> None:
        if self.files:
            self.number = (self.number + step) % len(self.files)
            if self.targets:
                self.grid, self.targets = None, ()
            self.show_request(None if self.request is None else self.request.changed(target=None))

    def action_open(self) -> None:
        """Any picture, or a folder of them."""
        self._ask_pictures(self.files[self.number] if self.files else None, self.find_pictures)

    def action_network(self) -> None:
        """Another network on the same picture."""

        def answered(network: str | None) -> None:
            if network:
                self.network, self.seen = network, None
                self.class_names = ()
                if self.targets:
                    self.grid, self.targets = None, ()
                request = self.request
                plain = dict.fromkeys(("target", "layer", "head", "query", "image_size"))
                self.show_request(None if request is None else request.changed(**plain))

        self.app.push_screen(AskDialog("The network", lambda typed: classifiers(self.workbench, typed)), answered)

    def action_features(self) -> None:
        """What the network makes of each patch of this picture."""
        path = self.files[self.number] if self.files else self._path
        self.open_screen("features", network=self.network, path=path)

    def action_export(self) -> None:
        """Saves what is shown as a figure, and says where it is."""
        if self.seen is None:
            return
        request = AttentionRequest.read(self.seen.sheet.request)
        stem = Path(self.files[self.number]).stem
        folder = self._figures_folder(str(self.seen.facts["reference"]))
        self._export_sheet(request, folder / f"{stem}-{request.grid or request.method}.png")


def _about(name: str, here: str) -> str:
    """What stands beside a method in the list."""
    method = METHODS[name]
    words = ["shown now"] if name == here else []
    words += ["takes long"] if method.slow else []
    words += ["for a class"] if method.needs_class else []
    return ", ".join(words)
