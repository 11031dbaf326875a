"""A request for a caption becomes a Sheet: the picture, then a panel for each word of the caption."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitbench.captions.captioner import OpenedCaptioner, device_of
from vitbench.captions.decoding import Hypothesis
from vitbench.captions.describing import described
from vitbench.captions.encoded import Decoding, EncodedPicture, ReadCaption
from vitbench.captions.heads_by_kind import Choice, chosen_heads
from vitbench.captions.open import open_captioner, pinned
from vitbench.captions.tokenizer import START, told_unknown, unknown_words
from vitbench.captions.word_maps import MapSettings, all_word_maps
from vitbench.compose.keys import file_key, module_key
from vitbench.compose.sources import Sources
from vitbench.data.pictures import open_picture
from vitbench.errors import UserError
from vitbench.figures.sheet import Computed, Panel, Sheet, in_rows
from vitbench.figures.word_panels import shown_picture, word_panel
from vitbench.nearest import perhaps_path
from vitbench.paths import expanded
from vitbench.progress import Progress, silent
from vitbench.requests.captions import WORD_METHODS, CaptionRequest

COLUMNS = 5
"""Panels in a row: the homework's layout."""


def captioner_of(sources: Sources, reference: str, progress: Progress = silent) -> tuple[str, OpenedCaptioner]:
    """The reference with its checkpoint, and the captioner. Raises UserError if there is none."""
    named = pinned(reference, sources.store)
    if named == reference and reference != "demo" and expanded(reference).exists():
        named = str(expanded(reference).absolute())

    def opened() -> OpenedCaptioner:
        progress(0, 0, "opening the captioner")
        return open_captioner(named, sources.store)

    return named, sources.captioner(named, opened)


def encoded_picture(
    sources: Sources, reference: str, file: str, progress: Progress = silent
) -> tuple[str, EncodedPicture]:
    """The picture encoded by a captioner, and the captioner's reference with its checkpoint.

    Raises UserError if there is no such captioner or picture.
    """
    if not Path(file).exists():
        raise UserError(f"There is no picture {file}{perhaps_path(file)}.")
    named, captioner = captioner_of(sources, reference, progress)
    device = str(device_of(captioner))

    def encoded() -> EncodedPicture:
        progress(0, 0, "encoding the picture")
        return EncodedPicture(captioner, open_picture(Path(file)))

    return named, sources.recent("encoded", (module_key(captioner.module), device, *file_key(file)), encoded)


def compose_caption(request: CaptionRequest, sources: Sources, progress: Progress = silent) -> Sheet:
    """Finds or reads the caption, and lays the maps of its words. Raises UserError where that cannot be done."""
    named, encoded = encoded_picture(sources, request.captioner, request.picture, progress)
    read, found = read_caption(request, encoded, progress)
    choice = Choice(None, "")
    if request.by_kind:
        choice = chosen_heads(named, sources.store.runs_folder, request.row)
    settings = MapSettings(**request.settings(), by_kind=choice.heads)
    maps = read.maps(settings, progress)
    minus = _minus(request, settings, sources, read, progress)
    seen = encoded.prepared.box
    key = ("shown", *file_key(request.picture), seen)
    shown, box = sources.recent("picture", key, lambda: shown_picture(open_picture(Path(request.picture)), seen))
    if request.word is not None and request.word > len(maps.words):
        raise UserError(f"There is no word {request.word}: the caption has {len(maps.words)}, counted from 1.")
    wanted = range(len(maps.words)) if request.word is None else [request.word - 1]
    panels = [] if request.word is not None else [Panel(shown, START, box=box)]
    for word in wanted:
        taken_away = None if minus is None else minus.of(word)
        picture, scale = word_panel(shown, maps.maps, word, box, one_scale=request.one_scale, minus=taken_away)
        panels.append(Panel(picture, maps.words[word], scale=scale, box=box))
    captioner = encoded.captioner
    scale_words = "one colour scale for all words" if request.one_scale else "a colour scale for each word"
    taken = f"minus {minus.what}; red is more, blue is less" if minus else scale_words
    caption = [
        f"{Path(request.picture).name}: {read.caption}",
        f"{captioner.name}, weights {captioner.tag}. {settings.describe()}; {taken}.",
        *([f"{choice.said[:1].upper()}{choice.said[1:]}."] if choice.said else []),
        *maps.warnings(),
    ]
    pinned_request = request.changed(
        captioner=named,
        minus_captioner=minus.captioner if minus else None,
        ids=read.ids,
        text=None,
        beams=CaptionRequest.model_fields["beams"].default,
        best=1,
        seed=None,
    )
    inputs = {f"weights of {named}": sources.weights_hash(captioner)}
    if minus and minus.captioner:
        inputs[f"weights of {minus.captioner}"] = minus.weights_hash
    if choice.heads is not None:
        inputs[f"heads by kind of {named}"] = choice.heads.hash
    inputs[request.picture] = sources.file_hash(request.picture)
    unknown = unknown_words(captioner.tokenizer, request.text or "")
    facts = {
        "reference": named,
        "captioner": captioner.name,
        "tag": captioner.tag,
        "source": captioner.source,
        "layers": int(read.caption_pass.attention.shape[0]),
        "heads": int(read.caption_pass.attention.shape[1]),
        "unknown": unknown,
        "told_unknown": told_unknown(captioner.tokenizer, unknown),
        "minus": minus.what if minus else "",
        "heads_said": choice.said,
    }
    told = described(read, found, maps).to_dict()
    for word in told["words"]:
        word |= choice.of_word(word["word"])
    return Sheet(
        kind="caption",
        request=pinned_request.record(),
        panels=in_rows(panels, min(COLUMNS, len(panels))),
        facts=facts | told,
        caption="\n".join(caption),
        inputs=inputs,
        title=_title(settings),
        arrays=_arrays(read, maps.maps),
    )


def _title(settings: MapSettings) -> str:
    """In one line: with heads by kind of word the caption below says which."""
    said = settings.describe()
    if settings.by_kind is not None:
        said = f"{WORD_METHODS[settings.method].title}, each kind of word by its best head; {settings.row} row"
    return said[:1].upper() + said[1:]


def _arrays(read: ReadCaption, maps: NDArray[np.float32]) -> Computed:
    """The `maps` of the panels [words, rows, columns], and all behind them: `layers_and_heads` [layers, heads, words,
    rows, columns] of the predicting rows, scaled to sum 1, and `attention` [layers, heads, tokens, prefix + patches]
    as it was."""
    caption_pass, tokenizer = read.caption_pass, read.picture.captioner.tokenizer
    spans = tokenizer.words(read.ids)
    return Computed(
        {
            "maps": lambda: maps,
            "layers_and_heads": lambda: all_word_maps(caption_pass, tokenizer),
            "attention": lambda: caption_pass.attention.cpu().numpy(),
            "self_attention": lambda: caption_pass.self_attention.cpu().numpy(),
            "log_probs": lambda: caption_pass.log_probs.cpu().numpy(),
            "ranks": lambda: caption_pass.ranks.cpu().numpy(),
            "ids": lambda: np.array(read.ids),
            "words": lambda: np.array([span.text for span in spans]),
            "first_token": lambda: np.array([span.first for span in spans]),
            "stop_token": lambda: np.array([span.stop for span in spans]),
            "grid": lambda: np.array([caption_pass.rows, caption_pass.columns]),
            "num_prefix_tokens": lambda: np.array(caption_pass.num_prefix_tokens),
        }
    )


def read_caption(
    request: CaptionRequest, encoded: EncodedPicture, progress: Progress
) -> tuple[ReadCaption, list[Hypothesis]]:
    """The caption, read once, and what the captioner wrote if it was asked to."""
    if request.ids:
        return encoded.read(request.ids), []
    if request.text is not None:
        return encoded.read(encoded.ids_of(request.text)), []
    progress(0, 0, "writing the caption")
    found = encoded.written(Decoding(beams=request.beams, best=request.best, seed=request.seed))
    return encoded.read(found[0].ids), found


@dataclass(frozen=True, eq=False)
class _Minus:
    """What is taken from each map: `maps` of all words, or that of one `word` from each; and what it is."""

    maps: NDArray[np.float32]
    what: str
    word: int | None = None
    captioner: str | None = None
    weights_hash: str = ""

    def of(self, word: int) -> NDArray[np.float32]:
        """The map [rows, columns] that is taken from that of `word`, which counts from 0."""
        found: NDArray[np.float32] = self.maps[word if self.word is None else self.word]
        return found


def _minus(
    request: CaptionRequest, settings: MapSettings, sources: Sources, read: ReadCaption, progress: Progress
) -> _Minus | None:
    """What the request takes away, if anything. Raises UserError where that is not there, or of another shape."""
    maps = read.maps(settings, progress)
    if request.minus_word is not None:
        if request.minus_word > len(maps.words):
            raise UserError(f"There is no word {request.minus_word}: the caption has {len(maps.words)} words.")
        word = request.minus_word - 1
        return _Minus(maps.maps, f"the map of {maps.words[word]}", word)
    if request.minus_method is not None:
        method = WORD_METHODS[request.minus_method]
        other = replace(
            settings,
            method=method.name,
            layer=settings.layer if method.has_layers else None,
            head=settings.head if method.has_heads else None,
            by_kind=None,
        )
        return _Minus(read.maps(other, progress).maps, other.describe())
    if request.minus_captioner is not None:
        named, encoded = encoded_picture(sources, request.minus_captioner, request.picture, progress)
        ids = encoded.ids_of(read.caption, typed=False, ended=read.ended)
        theirs = encoded.read(ids).maps(settings, progress)
        if theirs.words != maps.words or theirs.maps.shape != maps.maps.shape:
            raise UserError(f"{named} splits the picture or the caption differently, so there is no difference.")
        weights = sources.weights_hash(encoded.captioner)
        return _Minus(theirs.maps, f"the map by {named}", captioner=named, weights_hash=weights)
    return None
