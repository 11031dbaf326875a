"""Which pictures the attention screen walks through, and the classes that it may ask for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.captions.describing import picture_files
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.inspector.handlers import Handler, Reply
from vitbench.models.network import DEMO
from vitbench.paths import expanded, sample_images
from vitbench.progress import Progress

_MOST_PICTURES = 2000


class AttentionRequests:
    """The handlers about a classifier's pictures and classes."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.handlers: Mapping[str, Handler] = {
            "attention_pictures": self.pictures,
            "class_names": self.class_names,
        }

    def pictures(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The picture files at `path` (a file or a folder), else the validation pictures of the run, else samples."""
        if arguments.get("path"):
            path = expanded(arguments["path"])
            files = picture_files([path.parent if path.is_file() else path])
            first = next((n for n, file in enumerate(files) if file.name == path.name), 0)
            return Reply({"files": [str(file.absolute()) for file in files[:_MOST_PICTURES]], "first": first})
        files = self._own_pictures(str(arguments.get("network", "demo")), progress)
        return Reply({"files": [str(file) for file in files[:_MOST_PICTURES]], "first": 0})

    def class_names(self, arguments: dict[str, object], progress: Progress) -> Reply:
        """The names of all classes of the `network`; their numbers where it has no names."""
        _, network = self.sources.network(str(arguments["network"]), progress)
        classes = 0 if network.no_classes else network.num_classes
        return Reply({"names": list(network.labels or map(str, range(classes)))})

    def _own_pictures(self, reference: str, progress: Progress) -> list[Path]:
        from vitbench.training.evaluation import open_own_data

        samples = picture_files([sample_images()])
        if reference == DEMO:  # a run may have that name, too
            return samples
        try:
            run = self.sources.store.find(reference.partition("@")[0])
        except UserError:
            return samples
        data = open_own_data(run, self.sources.folder, progress)
        split = next((name for name in ("val", "test") if name in data.splits), data.splits[0])
        return [data.path(data.samples[position]) for position in data.positions(split)] or samples
