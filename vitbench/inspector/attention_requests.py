"""What the attention screen asks: one map over a picture, sheets of several, their export, and which pictures.

The attention of all layers and heads of the last pictures is kept, and every map that was computed, so that a key of
the screen costs a redraw.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.captions.describing import picture_files
from vitbench.errors import UserError
from vitbench.explain.attention_figure import attention_figure, chosen_preprocessing, class_name, top_classes
from vitbench.explain.explanation import METHODS, find_method
from vitbench.figures.raster import mark_patch
from vitbench.figures.save import figure_bytes
from vitbench.files.outputs import Outputs
from vitbench.inspector.attention_maps import KeptMaps, request_of
from vitbench.inspector.attention_sheets import make_sheet, sheet_figure
from vitbench.inspector.kept_networks import KeptNetworks
from vitbench.inspector.server import Handler, Reply
from vitbench.models.network import DEMO
from vitbench.places import sample_images
from vitbench.progress import Progress
from vitbench.runs.store import Store

_MOST_PICTURES = 2000


class AttentionRequests:
    """The handlers about attention, and what they keep."""

    def __init__(self, store: Path, networks: KeptNetworks) -> None:
        self.store = store
        self.networks = networks
        self.maps = KeptMaps(networks)
        self.handlers: Mapping[str, Handler] = {
            "explain": self.explain,
            "attention_sheet": self.sheet,
            "attention_export": self.export,
            "attention_pictures": self.pictures,
        }

    def give_back(self) -> None:
        """Forgets all maps."""
        self.maps.give_back()

    def explain(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """One map of one picture; the arguments are those of `AttentionRequest`, with one picture.

        Arrays: `picture` and `overlay` uint8 [height, width, 3], `map` float32 [rows, columns].
        """
        looked = self.maps.looked(arguments, progress)
        request, network, seen = looked.request, looked.network, looked.seen
        progress(0, 0, METHODS[find_method(request.method)].title)
        values, logits, explanation = self.maps.map(looked)
        outliers = self.maps.outlier_tokens(looked)
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
        of_a_class = explanation is not None and METHODS[explanation.facts["method"]].of_a_class
        target = int(explanation.targets[0]) if explanation is not None and of_a_class else None
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
                "heads": int(self.maps.attention(looked).layers[0].shape[1]) if global_attention else 0,
                "grid": [int(side) for side in values.shape],
                "completeness_error": None if error is None else float(error[0]),
                "peak": float(values.max() / values.abs().mean().clamp(min=1e-12)),
                **facts,
            },
            {"picture": picture, "overlay": self.maps.overlay(looked, values), "map": values.cpu().numpy()},
        )

    def sheet(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """Several maps of one picture, an array `panel N` for each of the titles `panels`; see
        `attention_sheets.make_sheet`.

        `kind` is heads, layers, methods, checkpoints (of the run), or compare (with the network `other`: both maps and
        their difference).
        """
        panels = make_sheet(self.maps, arguments, progress).panels
        pictures = {f"panel {number}": panel.picture for number, panel in enumerate(panels)}
        return Reply({"panels": [panel.title for panel in panels]}, pictures)

    def export(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """Saves a figure into `folder`, under a name that is free; answers with the `file`.

        Without `kind` it is the figure of the request, else that sheet; `vitbench figure again` makes both again.
        """
        arguments = dict(arguments)
        folder = Path(arguments.pop("folder"))
        if "kind" in arguments:
            what, (figure, facts) = str(arguments["kind"]), sheet_figure(make_sheet(self.maps, arguments, progress))
        else:
            request = request_of(arguments)
            _, network = self.networks.open(request.network, progress)
            drawn = attention_figure(request, network, progress)
            what, figure, facts = request.grid or request.method, drawn.figure, drawn.facts
        file = folder / f"{Path(arguments['picture']).stem}-{what}.png"
        return Reply({"file": str(Outputs(self.store).write_new(file, figure_bytes(figure, ".png", facts)))})

    def pictures(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The picture files at `path` (a file or a folder), else the validation pictures of the run, else samples."""
        if arguments.get("path"):
            path = Path(arguments["path"]).expanduser()
            files = picture_files([path.parent if path.is_file() else path])
            first = next((n for n, file in enumerate(files) if file.name == path.name), 0)
            return Reply({"files": [str(file.absolute()) for file in files[:_MOST_PICTURES]], "first": first})
        files = self._own_pictures(str(arguments.get("network", "demo")), progress)
        return Reply({"files": [str(file) for file in files[:_MOST_PICTURES]], "first": 0})

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
