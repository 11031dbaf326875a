"""What the captions screen asks: a sentence on a picture, the maps of its words, their arrays, and which pictures."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vitbench.captions.describing import picture_files
from vitbench.captions.encoded import ReadSentence
from vitbench.captions.task import open_caption_data
from vitbench.captions.tokenizer import unknown_words
from vitbench.captions.word_maps import MapSettings, all_word_maps
from vitbench.compose.captions import encoded_picture, read_sentence
from vitbench.compose.sources import Sources
from vitbench.data.pictures import open_picture
from vitbench.errors import UserError
from vitbench.figures.word_panels import shown_picture
from vitbench.files.outputs import Outputs
from vitbench.files.parsing import parse_json_lines
from vitbench.files.reading import EVALUATION, read_text
from vitbench.inspector.server import Handler, Reply
from vitbench.places import expanded, sample_images
from vitbench.progress import Progress
from vitbench.requests.captions import CaptionRequest
from vitbench.runs.store import Run, Store

_MOST_PICTURES = 1000


class CaptionRequests:
    """The handlers about captions."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.store = sources.folder
        self.handlers: Mapping[str, Handler] = {
            "caption": self.caption,
            "caption_maps": self.maps,
            "caption_arrays": self.arrays,
            "caption_pictures": self.pictures,
        }

    def give_back(self) -> None:
        """Nothing is kept here; `sources` keeps."""

    def caption(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The sentence of a `request` for a caption, and the captioner's best ones beside it where it wrote it.

        `captioner` in the answer names the checkpoint that was taken.
        """
        request = CaptionRequest.read(arguments["request"])
        reference, encoded = encoded_picture(self.sources, request.captioner, request.picture, progress)
        given = request.text is not None or request.ids
        asked = request if given else request.changed(best=request.beams)
        read, found = read_sentence(asked, encoded, progress)
        captioner, reading = encoded.captioner, read.reading
        picture, box = shown_picture(open_picture(Path(request.picture)), encoded.prepared.box)
        return Reply(
            {
                "captioner": reference,
                "name": captioner.name,
                "source": captioner.source,
                "sentence": read.sentence,
                "ids": list(read.ids),
                "words": list(read.maps(MapSettings()).words),
                "layers": int(reading.attention.shape[0]),
                "heads": int(reading.attention.shape[1]),
                "box": list(box),
                "unknown": unknown_words(captioner.tokenizer, request.text or ""),
                "sentences": [
                    {"sentence": captioner.tokenizer.decode(one.ids), "ids": list(one.ids), "score": one.score}
                    for one in found
                ],
            },
            {"picture": picture},
        )

    def maps(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The maps [words, rows, columns] of a `request` for a caption, and their numbers a word."""
        request = CaptionRequest.read(arguments["request"])
        _, encoded = encoded_picture(self.sources, request.captioner, request.picture, progress)
        read, _ = read_sentence(request, encoded, progress)
        maps = read.maps(MapSettings(**request.settings()), progress)
        return Reply(
            {"words": list(maps.words), "describe": maps.settings.describe(), "warnings": maps.warnings()},
            {
                "maps": maps.maps,
                "entropy": maps.entropy,
                "peak": maps.peak,
                "prefix_mass": maps.prefix_mass,
                "log_probs": maps.log_probs,
                "ranks": maps.ranks,
            },
        )

    def arrays(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """Writes the attention of all layers and heads into `file`, or under the next free name; answers with it."""
        request = CaptionRequest.read(arguments["request"])
        _, encoded = encoded_picture(self.sources, request.captioner, request.picture, progress)
        read, _ = read_sentence(request, encoded, progress)
        return Reply({"file": str(Outputs(self.store).write_new(Path(arguments["file"]), _arrays(read)))})

    def pictures(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The picture files at `path` (a file or a folder), else the validation pictures of the run, else samples."""
        if arguments.get("path"):
            path = expanded(arguments["path"])
            files = picture_files([path])
            first = 0
            if path.is_file():
                files = picture_files([path.parent]) if path.parent.is_dir() else files
                first = next((n for n, file in enumerate(files) if file.name == path.name), 0)
            return Reply({"files": [str(file.absolute()) for file in files[:_MOST_PICTURES]], "first": first})
        files = self._own_pictures(str(arguments.get("captioner", "demo")), progress)
        return Reply({"files": [str(file) for file in files[:_MOST_PICTURES]], "first": 0})

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


def _arrays(read: ReadSentence) -> bytes:
    """All layers and heads of one pass as .npz: `maps` [layers, heads, words, rows, columns] of the predicting rows,
    scaled to sum 1, and `attention` [layers, heads, tokens, prefix + patches] as it was."""
    reading = read.reading
    spans = read.picture.captioner.tokenizer.words(read.ids)
    content = io.BytesIO()
    np.savez_compressed(
        content,
        maps=all_word_maps(reading, read.picture.captioner.tokenizer),
        attention=reading.attention.cpu().numpy(),
        self_attention=reading.self_attention.cpu().numpy(),
        log_probs=reading.log_probs.cpu().numpy(),
        ranks=reading.ranks.cpu().numpy(),
        ids=np.array(read.ids),
        words=np.array([span.text for span in spans]),
        first_token=np.array([span.first for span in spans]),
        stop_token=np.array([span.stop for span in spans]),
        grid=np.array([reading.rows, reading.columns]),
        num_prefix_tokens=np.array(reading.num_prefix_tokens),
    )
    return content.getvalue()
