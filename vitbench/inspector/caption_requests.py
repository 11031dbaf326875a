"""Which pictures the captions screen walks through, and which words can be typed there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.captions.describing import picture_files
from vitbench.captions.index import open_caption_data
from vitbench.captions.tokenizer import vocabulary
from vitbench.compose.captions import captioner_of
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.files.parsing import parse_json_lines
from vitbench.files.reading import EVALUATION, read_text
from vitbench.inspector.handlers import Handler, Reply
from vitbench.paths import expanded, sample_images
from vitbench.progress import Progress
from vitbench.runs.store import Run, Store

_MOST_PICTURES = 1000
_MOST_WORDS = 20_000


class CaptionRequests:
    """The handlers about a captioner's pictures and its words."""

    def __init__(self, sources: Sources) -> None:
        self.sources, self.store = sources, sources.store.folder
        self.handlers: Mapping[str, Handler] = {"caption_pictures": self.pictures, "caption_words": self.words}

    def words(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The words that a captioner has whole, for completing them; none where its tokens are pieces of words."""
        _, captioner = captioner_of(self.sources, str(arguments["captioner"]), progress)
        return Reply({"words": list(vocabulary(captioner.tokenizer)[:_MOST_WORDS])})

    def pictures(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The picture files at `path` (a file or a folder), else the validation pictures of the run, else samples."""
        captioner = str(arguments.get("captioner") or "demo")
        if arguments.get("path"):
            path = expanded(arguments["path"])
            files = picture_files([path])
            first = 0
            if path.is_file():
                files = picture_files([path.parent]) if path.parent.is_dir() else files
                first = next((n for n, file in enumerate(files) if file.name == path.name), 0)
            files = [file.absolute() for file in files]
        else:
            files, first = self._own_pictures(captioner, progress), 0
        shown = [str(file) for file in files[:_MOST_PICTURES]]
        return Reply({"files": shown, "first": first})

    def _own_pictures(self, reference: str, progress: Progress) -> list[Path]:
        samples = picture_files([sample_images()])
        if reference == "demo" or expanded(reference).exists():
            return samples
        run = Store(self.store).find(reference.partition("@")[0])
        recipe = run.recipe()
        if recipe.task != "caption":
            return samples
        if files := _captioned(run, Path(recipe.data.path)):
            return files
        found = open_caption_data(recipe.data.path, self.store, progress).split("val")
        return list(dict.fromkeys(picture.file for picture in found)) or samples


def _captioned(run: Run, data: Path) -> list[Path]:
    """The validation pictures that the run's last evaluation captioned; to open a large data set takes minutes."""
    written = sorted((run.folder / "evaluations").glob("val-*.jsonl"), key=lambda file: (len(file.name), file.name))
    if not written or not data.exists():
        return []
    root = data if data.is_dir() else data.parent
    try:
        rows = parse_json_lines(read_text(written[-1], EVALUATION), str(written[-1]))
        files = [root / row["file"] for _, row in rows]
    except (UserError, KeyError, TypeError):
        return []
    return [file for file in dict.fromkeys(files) if file.is_file()]
