"""What the attention screen asks: one map over a picture, sheets of several, their export, and which pictures.

The attention of all layers and heads of the last pictures is kept, and every map that was computed, so that a key of
the screen costs a redraw.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from torch import Tensor

from vitbench.captions.describing import picture_files
from vitbench.errors import UserError
from vitbench.explain.attention_figure import (
    SIGNED_METHODS,
    AttentionRequest,
    Seen,
    attention_figure,
    chosen_preprocessing,
    class_name,
    class_number,
    look_at,
    overlaid,
    top_classes,
)
from vitbench.explain.explanation import METHODS, Explanation, explain, find_method
from vitbench.explain.kept_attention import KeptAttention, all_attention
from vitbench.explain.outliers import OutlierTokens, outlier_tokens
from vitbench.figures.provenance import file_hash, provenance
from vitbench.figures.raster import Picture, label, mark_patch, mosaic
from vitbench.figures.save import Panel, panel_figure, save_figure
from vitbench.inspector.kept_networks import Kept, KeptNetworks
from vitbench.inspector.server import Handler, Reply
from vitbench.models.network import DEMO, Network
from vitbench.places import sample_images
from vitbench.progress import Progress
from vitbench.runs.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREVIEW = 320
"""The longer side in pixels of the pictures that the screen is sent."""
SLOW = ("integrated_gradients", "occlusion")

_MOST_PICTURES = 2000


@dataclass(frozen=True)
class Looked:
    """A request with what it is about."""

    request: AttentionRequest
    network: Network
    seen: Seen
    key: tuple[str, ...]
    """Names the network, the picture's bytes and its preparation."""


class AttentionRequests:
    """The handlers about attention, and what they keep."""

    def __init__(self, store: Path, networks: KeptNetworks) -> None:
        self.store = store
        self.networks = networks
        self._attention = Kept(4)
        self._maps = Kept(400)
        self._outliers = Kept(40)
        self.handlers: Mapping[str, Handler] = {
            "explain": self.explain,
            "attention_sheet": self.sheet,
            "attention_export": self.export,
            "attention_pictures": self.pictures,
        }

    def give_back(self) -> None:
        """Forgets all maps."""
        for kept in (self._attention, self._maps, self._outliers):
            kept.clear()

    def explain(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """One map of one picture; the arguments are those of `AttentionRequest`, with one picture.

        Arrays: `picture` and `overlay` uint8 [height, width, 3], `map` float32 [rows, columns].
        """
        looked = self._looked(arguments, progress)
        request, network, seen = looked.request, looked.network, looked.seen
        progress(0, 0, METHODS[find_method(request.method)].title)
        values, logits, explanation = self._map(looked)
        outliers = self._outlier_tokens(looked)
        facts: dict[str, Any] = {"outliers": 0, "outlier_mass": 0.0}
        if outliers is not None:
            facts = {
                "outliers": int(outliers.outliers.sum()),
                "outlier_mass": float(outliers.mass(values[None])[0]),
            }
            if request.mask_outliers:
                values = outliers.masked(values[None])[0]
        error = None if explanation is None else explanation.completeness_error
        backbone = network.backbone
        global_attention = backbone.refusal is None
        target = None if explanation is None else int(explanation.targets[0])
        picture = seen.shown
        if request.query is not None and global_attention:
            picture = mark_patch(picture, (values.shape[0], values.shape[1]), request.query, seen.box)
        return Reply(
            {
                "network": looked.key[0],
                "name": network.name,
                "tag": network.tag,
                "source": network.source,
                "preprocessing": chosen_preprocessing(network.preprocessing, request.preprocess).describe(),
                "top": top_classes(logits, network),
                "target": target,
                "target_label": "" if target is None else class_name(target, network),
                "title": METHODS[find_method(request.method)].title,
                "methods": {name: method.title for name, method in METHODS.items()},
                "with_layers": [name for name, method in METHODS.items() if "layer" in method.options],
                "with_heads": [name for name, method in METHODS.items() if "head" in method.options],
                "with_query": [name for name, method in METHODS.items() if "query" in method.options],
                "layers": len(backbone.blocks) if global_attention else 0,
                "heads": self._heads(looked) if global_attention else 0,
                "grid": [int(side) for side in values.shape],
                "completeness_error": None if error is None else float(error[0]),
                "peak": float(values.max() / values.abs().mean().clamp(min=1e-12)),
                **facts,
            },
            {"picture": picture, "overlay": self._overlay(looked, values), "map": values.cpu().numpy()},
        )

    def sheet(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """Several maps of one picture side by side, as one raster `overlay`.

        `kind` is heads, layers, methods, checkpoints (of the run), or compare (with the network `other`: both maps and
        their difference).
        """
        kind, panels, _ = self._panels(arguments, progress)
        columns = {"compare": 3}.get(kind, 4 if len(panels) > 3 else len(panels))
        drawn = mosaic([label(panel, title, 20) for title, panel in panels], columns)
        return Reply({"panels": [title for title, _ in panels]}, {"overlay": drawn})

    def _panels(
        self, arguments: Mapping[str, Any], progress: Progress
    ) -> tuple[str, list[tuple[str, Picture]], Looked]:
        """The panels of a sheet with their titles."""
        arguments = dict(arguments)
        kind, other = arguments.pop("kind"), arguments.pop("other", None)
        looked = self._looked(arguments, progress)
        makers: dict[str, Callable[[], list[tuple[str, Picture]]]] = {
            "heads": lambda: self._heads_sheet(looked),
            "layers": lambda: self._layers_sheet(looked),
            "methods": lambda: self._methods_sheet(looked, progress),
            "checkpoints": lambda: self._checkpoints_sheet(looked, arguments, progress),
            "compare": lambda: self._compared(looked, arguments, str(other), progress),
        }
        if kind not in makers:
            raise UserError(f"There is no sheet of {kind!r}; there are {', '.join(makers)}.")
        return kind, makers[kind](), looked

    def export(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """Saves a figure into `folder`, under a name that is free; answers with the `file`.

        Without `kind` it is the figure of the request, which `vitbench figure again` makes again; else that sheet.
        """
        arguments = dict(arguments)
        folder = Path(arguments.pop("folder"))
        if "kind" in arguments:
            what, (figure, facts) = str(arguments["kind"]), self._sheet_figure(arguments, progress)
        else:
            request = _request(arguments)
            _, network = self.networks.open(request.network, progress)
            drawn = attention_figure(request, network, progress)
            what, figure, facts = request.grid or request.method, drawn.figure, drawn.facts
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"The folder {folder} cannot be made: {error.strerror}.") from error
        stem = Path(_request({k: v for k, v in arguments.items() if k not in ("kind", "other")}).pictures[0]).stem
        return Reply({"file": str(save_figure(figure, free_name(folder / f"{stem}-{what}.png"), facts))})

    def _sheet_figure(self, arguments: Mapping[str, Any], progress: Progress) -> "tuple[Figure, dict[str, Any]]":
        kind, panels, looked = self._panels(arguments, progress)
        rows = [[Panel(picture, title) for title, picture in panels[n : n + 4]] for n in range(0, len(panels), 4)]
        caption = (
            f"{looked.network.name}, weights {looked.network.tag}. {METHODS[find_method(looked.request.method)].title}."
        )
        inputs = {"weights": looked.network.weights_hash, looked.seen.file: file_hash(looked.seen.file)}
        facts = provenance(f"attention {kind}", dict(arguments), inputs, {"panels": [title for title, _ in panels]})
        return panel_figure(rows, caption), facts

    def pictures(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The picture files at `path` (a file or a folder), else the validation pictures of the run, else samples."""
        if arguments.get("path"):
            path = Path(arguments["path"]).expanduser()
            files = picture_files([path.parent if path.is_file() else path])
            first = next((n for n, file in enumerate(files) if file.name == path.name), 0)
            return Reply({"files": [str(file.absolute()) for file in files[:_MOST_PICTURES]], "first": first})
        files = self._own_pictures(str(arguments.get("network", "demo")), progress)
        return Reply({"files": [str(file) for file in files[:_MOST_PICTURES]], "first": 0})

    # One map

    def _looked(self, arguments: dict[str, Any], progress: Progress) -> Looked:
        request = _request(arguments)
        named, network = self.networks.open(request.network, progress)
        preprocessing = chosen_preprocessing(network.preprocessing, request.preprocess)
        file = Path(request.pictures[0])
        try:
            changed = file.stat().st_mtime_ns
        except OSError as error:
            raise UserError(f"There is no picture {file}.") from error
        key = (named, str(file), str(changed), request.preprocess)
        seen = self._maps.get(("seen", *key), lambda: look_at(str(file), preprocessing, PREVIEW))
        return Looked(request, network, seen, key)

    def _kept(self, looked: Looked) -> KeptAttention:
        return self._attention.get(looked.key, lambda: all_attention(looked.network, looked.seen.pixels))

    def _heads(self, looked: Looked) -> int:
        return int(self._kept(looked).layers[0].shape[1])

    def _map(self, looked: Looked) -> tuple[Tensor, Tensor, Explanation | None]:
        """The map [rows, columns], the logits [C], and the explanation unless it is attention as it is."""
        request = looked.request
        method = find_method(request.method)
        if method == "raw":
            kept = self._kept(looked)
            return kept.map(request.layer, request.head, request.query)[0], kept.logits[0], None
        target = class_number(request.target, looked.network)
        asked = {"layer": request.layer, "head": request.head, "query": request.query}
        given = {name: value for name, value in asked.items() if value is not None and name in METHODS[method].options}
        key = ("map", *looked.key, method, target, *given.items())
        found = self._maps.get(key, lambda: explain(looked.network, looked.seen.pixels, method, target, **given))
        return found.maps[0], found.logits[0], found

    def _overlay(self, looked: Looked, values: Tensor) -> Picture:
        return overlaid(looked.request, looked.seen, values, find_method(looked.request.method) in SIGNED_METHODS)

    def _outlier_tokens(self, looked: Looked) -> OutlierTokens | None:
        if looked.network.backbone.refusal is not None:
            return None
        return self._outliers.get(looked.key, lambda: outlier_tokens(looked.network, looked.seen.pixels))

    # Sheets

    def _heads_sheet(self, looked: Looked) -> list[tuple[str, Picture]]:
        request, kept = looked.request.model_copy(update={"method": "raw"}), self._kept(looked)
        heads: list[int | None] = [None, *range(kept.layers[0].shape[1])]
        return [
            (
                "mean" if head is None else f"head {head + 1}",
                overlaid(request, looked.seen, kept.map(request.layer, head, request.query)[0], False),
            )
            for head in heads
        ]

    def _layers_sheet(self, looked: Looked) -> list[tuple[str, Picture]]:
        request, kept = looked.request.model_copy(update={"method": "raw"}), self._kept(looked)
        return [
            (
                f"layer {layer + 1}",
                overlaid(request, looked.seen, kept.map(layer, request.head, request.query)[0], False),
            )
            for layer in range(len(kept.layers))
        ]

    def _methods_sheet(self, looked: Looked, progress: Progress) -> list[tuple[str, Picture]]:
        names, panels = [name for name in METHODS if name not in SLOW], []
        for number, name in enumerate(names):
            progress(number, len(names), "explaining")
            changed = {"method": name, "layer": None, "head": None, "query": None}
            part = Looked(looked.request.model_copy(update=changed), looked.network, looked.seen, looked.key)
            try:
                values, _, _ = self._map(part)
            except UserError:
                continue  # a method that this network does not have
            panels.append((METHODS[name].title, self._overlay(part, values)))
        if not panels:
            raise UserError(f"No method explains {looked.network.name}.")
        return panels

    def _checkpoints_sheet(
        self, looked: Looked, arguments: dict[str, Any], progress: Progress
    ) -> list[tuple[str, Picture]]:
        run = Store(self.store).find(looked.request.network.partition("@")[0])
        entries, panels = run.checkpoints(), []
        for number, entry in enumerate(entries):
            progress(number, len(entries), "looking at each checkpoint")
            part = self._looked({**arguments, "network": f"{run.id}@{entry.step}"}, progress)
            values, logits, _ = self._map(part)
            likeliest = top_classes(logits, part.network, 1)[0]
            title = f"step {entry.step:,}: {likeliest['label']} {likeliest['probability']:.0%}"
            panels.append((title, self._overlay(part, values)))
        return panels

    def _compared(
        self, looked: Looked, arguments: dict[str, Any], other: str, progress: Progress
    ) -> list[tuple[str, Picture]]:
        second = self._looked({**arguments, "network": other}, progress)
        (mine, _, _), (theirs, _, _) = self._map(looked), self._map(second)
        panels = [
            (looked.key[0], self._overlay(looked, mine)),
            (second.key[0], self._overlay(second, theirs)),
        ]
        if mine.shape == theirs.shape:
            difference = mine / mine.abs().max().clamp(min=1e-12) - theirs / theirs.abs().max().clamp(min=1e-12)
            style = looked.request.model_copy(update={"colour_map": "coolwarm"})
            panels.append(("first minus second", overlaid(style, looked.seen, difference, False)))
        return panels

    def _own_pictures(self, reference: str, progress: Progress) -> list[Path]:
        from vitbench.training.evaluation import open_own_data

        samples = picture_files([sample_images()])
        if reference == DEMO:  # a run may have that name, too
            return samples
        try:
            run = Store(self.store).find(reference.partition("@")[0])
        except UserError:
            return samples
        data = open_own_data(run, self.store, progress)
        part = next((name for name in ("val", "test") if name in data.splits), data.splits[0])
        return [data.path(data.samples[position]) for position in data.positions(part)] or samples


def free_name(file: Path) -> Path:
    """The file, or with a number behind its name where there is one already."""
    number = 2
    found = file
    while found.exists():
        found = file.with_name(f"{file.stem}-{number}{file.suffix}")
        number += 1
    return found


def _request(arguments: Mapping[str, Any]) -> AttentionRequest:
    given = dict(arguments)
    if "picture" in given:
        given["pictures"] = [given.pop("picture")]
    if given.get("query") is not None:
        given["query"] = tuple(given["query"])
    try:
        return AttentionRequest(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
