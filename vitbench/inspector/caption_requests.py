"""What the captions screen asks: a sentence on a picture, the maps of its words, their export, and which pictures.

The last captioners, encoded pictures and sentences are kept, so that a key of the screen costs a look-up.
"""

import io
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from vitbench.captions.captioner import OpenedCaptioner
from vitbench.captions.describing import Described, picture_files
from vitbench.captions.encoded import Decoding, EncodedPicture, ReadSentence
from vitbench.captions.figure import caption_figure, caption_figure_bytes, noted, word_panels
from vitbench.captions.open import open_captioner, pinned
from vitbench.captions.task import open_caption_data
from vitbench.captions.word_maps import HAS_LAYERS, METHODS, OF_ATTENTION, MapSettings, all_word_maps
from vitbench.data.pictures import open_picture
from vitbench.errors import UserError
from vitbench.figures.lettering import label
from vitbench.files.outputs import Outputs
from vitbench.files.parsing import parse_json_lines
from vitbench.files.reading import EVALUATION, read_text
from vitbench.inspector.server import Handler, Reply
from vitbench.places import sample_images
from vitbench.progress import Progress
from vitbench.runs.store import Run, Store

PREVIEW = 320
"""The longest side in pixels of the picture that the screen is sent."""
_MOST_PICTURES = 1000
_KEPT_CAPTIONERS = 3
_KEPT_PICTURES = 12

Value = TypeVar("Value")


class CaptionRequests:
    """The handlers about captions, and what they keep."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self._captioners: OrderedDict[str, OpenedCaptioner] = OrderedDict()
        self._pictures: OrderedDict[tuple[str, str, int], EncodedPicture] = OrderedDict()
        self.handlers: Mapping[str, Handler] = {
            "caption": self.caption,
            "caption_maps": self.maps,
            "caption_export": self.export,
            "caption_pictures": self.pictures,
        }

    def give_back(self) -> None:
        """Forgets networks and pictures."""
        self._captioners.clear()
        self._pictures.clear()

    def caption(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The sentence of `captioner` on `picture`, or `text` or `ids` read on it; with `best` sentences beside it.

        `captioner` in the answer names the checkpoint that was taken.
        """
        reference, encoded = self._encoded(arguments, progress)
        found = []
        if not (arguments.get("text") or arguments.get("ids")):
            progress(0, 0, "writing the sentence")
            beams = int(arguments.get("beams", 4))
            found = encoded.written(Decoding(beams=beams, best=int(arguments.get("best", beams))))
        read = encoded.read(found[0].ids) if found else self._read(encoded, arguments)
        captioner, reading = encoded.captioner, read.reading
        picture, factor = _preview(open_picture(Path(arguments["picture"])))
        words = read.maps(MapSettings()).words
        return Reply(
            {
                "captioner": reference,
                "name": captioner.name,
                "source": captioner.source,
                "sentence": read.sentence,
                "ids": list(read.ids),
                "words": list(words),
                "layers": int(reading.attention.shape[0]),
                "heads": int(reading.attention.shape[1]),
                "methods": METHODS,
                "with_layers": list(HAS_LAYERS),
                "with_heads": list(OF_ATTENTION),
                "box": [edge * factor for edge in encoded.prepared.box],
                "sentences": [
                    {"sentence": captioner.tokenizer.decode(one.ids), "ids": list(one.ids), "score": one.score}
                    for one in found
                ],
            },
            {"picture": picture},
        )

    def maps(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The maps [words, rows, columns] of the sentence `ids` or `text`, and their numbers a word.

        Settings are `method`, `layer`, `head`, `row`, as in `MapSettings`.
        """
        _, encoded = self._encoded(arguments, progress)
        maps = self._read(encoded, arguments).maps(_settings(arguments), progress)
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

    def export(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """Writes `what` (grid, panel of `word`, or arrays) into `folder`, under a free name; answers with the file."""
        _, encoded = self._encoded(arguments, progress)
        read = self._read(encoded, arguments)
        source, folder, what = Path(arguments["picture"]), Path(arguments["folder"]), arguments["what"]
        outputs = Outputs(self.store)
        if what == "arrays":
            return Reply({"file": str(outputs.write_new(folder / f"{source.stem}.npz", _arrays(read)))})
        maps = read.maps(_settings(arguments), progress)
        described = Described(read.sentence, read.ids, maps, encoded.prepared.box)
        picture = np.asarray(open_picture(source))
        one_scale = bool(arguments.get("one_scale"))
        if what == "grid":
            file, figure = folder / f"{source.stem}.png", caption_figure(picture, described, one_scale=one_scale)
        elif what == "panel":
            word = int(arguments.get("word") or 0)
            if word >= len(maps.words):
                raise UserError(f"The sentence has {len(maps.words)} words; there is none with number {word}.")
            panel = word_panels(picture, maps, box=described.box, one_scale=one_scale)[word + 1]
            text = maps.words[word]
            letters = "".join(c for c in text if c.isalnum()) or "mark"
            figure = noted(label(panel, text, size=16), maps.settings.describe(), one_scale=one_scale)
            file = folder / f"{source.stem}-{word + 1:02d}-{letters}.png"
        else:
            raise UserError(f"{what!r} is not known; export grid, panel or arrays.")
        content = caption_figure_bytes(figure, described, encoded.captioner, source.name)
        return Reply({"file": str(outputs.write_new(file, content))})

    def pictures(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The picture files at `path` (a file or a folder), else the validation pictures of the run, else samples."""
        if arguments.get("path"):
            path = Path(arguments["path"]).expanduser()
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
        if reference == "demo" or Path(reference).expanduser().exists():
            return samples
        run = Store(self.store).find(reference.partition("@")[0])
        recipe = run.recipe()
        if recipe.task != "caption":
            return samples
        if files := _captioned(run, Path(recipe.data.path)):
            return files
        found = open_caption_data(recipe.data.path, self.store, progress).split("val")
        return list(dict.fromkeys(picture.file for picture in found)) or samples

    def _encoded(self, arguments: dict[str, Any], progress: Progress) -> tuple[str, EncodedPicture]:
        store = Store(self.store)
        reference = pinned(str(arguments["captioner"]), store)
        picture = Path(arguments["picture"])
        try:
            changed = picture.stat().st_mtime_ns
        except OSError as error:
            raise UserError(f"There is no picture {picture}.") from error

        def opened() -> OpenedCaptioner:
            progress(0, 0, "opening the captioner")
            return open_captioner(reference, store)

        def encoded() -> EncodedPicture:
            captioner = _kept(self._captioners, reference, _KEPT_CAPTIONERS, opened)
            progress(0, 0, "encoding the picture")
            return EncodedPicture(captioner, open_picture(picture))

        return reference, _kept(self._pictures, (reference, str(picture), changed), _KEPT_PICTURES, encoded)

    def _read(self, encoded: EncodedPicture, arguments: dict[str, Any]) -> ReadSentence:
        ids = arguments.get("ids")
        words = encoded.captioner.tokenizer.vocab_size
        if ids and max(ids) >= words:
            raise UserError(f"{max(ids):,} is no word of this captioner, which has {words:,}.")
        return encoded.read(ids if ids else encoded.ids_of(str(arguments.get("text", ""))))


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


def _kept(store: "OrderedDict[Any, Value]", key: Any, most: int, make: Callable[[], Value]) -> Value:
    """The value of `key`, made if it is not there; the one that was not asked for longest is forgotten."""
    if key not in store:
        store[key] = make()
        while len(store) > most:
            store.popitem(last=False)
    store.move_to_end(key)
    return store[key]


def _settings(arguments: dict[str, Any]) -> MapSettings:
    return MapSettings(
        method=str(arguments.get("method", "raw")),
        layer=arguments.get("layer"),
        head=arguments.get("head"),
        row="reading" if arguments.get("row") == "reading" else "predicting",
    )


def _preview(picture: Image.Image) -> tuple[np.ndarray, float]:
    """The picture for the screen, and how much smaller it is."""
    factor = min(1.0, PREVIEW / max(picture.size))
    if factor == 1.0:
        return np.asarray(picture), factor
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC)), factor


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
