"""A request for a caption becomes a Sheet: the picture, then a panel for each word of the sentence."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.captions.captioner import OpenedCaptioner
from vitbench.captions.describing import Described
from vitbench.captions.encoded import Decoding, EncodedPicture, ReadSentence
from vitbench.captions.open import open_captioner, pinned
from vitbench.captions.tokenizer import START
from vitbench.captions.word_maps import MapSettings
from vitbench.compose.sources import Sources, file_key
from vitbench.data.pictures import open_picture
from vitbench.errors import UserError
from vitbench.figures.sheet import Panel, Sheet, in_rows
from vitbench.figures.word_panels import shown_picture, word_panel
from vitbench.places import expanded
from vitbench.progress import Progress, silent
from vitbench.requests.captions import WORD_METHODS, CaptionRequest

COLUMNS = 5
"""Panels in a row: the homework's layout."""


def encoded_picture(
    sources: Sources, reference: str, file: str, progress: Progress = silent
) -> tuple[str, EncodedPicture]:
    """The picture encoded by a captioner, and the captioner's reference with its checkpoint.

    Raises UserError if there is no such captioner or picture.
    """
    named = pinned(reference, sources.store)
    if named == reference and reference != "demo" and expanded(reference).exists():
        named = str(expanded(reference).absolute())
    if not Path(file).exists():
        raise UserError(f"There is no picture {file}.")

    def opened() -> OpenedCaptioner:
        progress(0, 0, "opening the captioner")
        return open_captioner(named, sources.store)

    def encoded() -> EncodedPicture:
        captioner = sources.recent("captioner", named, opened)
        progress(0, 0, "encoding the picture")
        return EncodedPicture(captioner, open_picture(Path(file)))

    return named, sources.recent("encoded", (named, *file_key(file)), encoded)


def compose_caption(request: CaptionRequest, sources: Sources, progress: Progress = silent) -> Sheet:
    """Finds or reads the sentence, and lays the maps of its words. Raises UserError where that cannot be done."""
    named, encoded = encoded_picture(sources, request.captioner, request.picture, progress)
    read, found = read_sentence(request, encoded, progress)
    settings = MapSettings(**request.settings())
    maps = read.maps(settings, progress)
    minus, taken = _minus(request, sources, read, progress)
    opened = open_picture(Path(request.picture))
    shown, box = shown_picture(opened, encoded.prepared.box)
    if request.word is not None and request.word > len(maps.words):
        raise UserError(f"There is no word {request.word}: the sentence has {len(maps.words)}, counted from 1.")
    wanted = range(len(maps.words)) if request.word is None else [request.word - 1]
    panels = [] if request.word is not None else [Panel(shown, START, box=box)]
    for word in wanted:
        taken_away = None if minus is None else minus[word if minus.shape[0] > 1 else 0]
        picture, scale = word_panel(shown, maps.maps, word, box, one_scale=request.one_scale, minus=taken_away)
        panels.append(Panel(picture, maps.words[word], scale=scale, box=box))
    captioner = encoded.captioner
    alternatives = tuple((captioner.tokenizer.decode(other.ids), other.score) for other in found[1:])
    described = Described(read.sentence, read.ids, maps, encoded.prepared.box, alternatives)
    scale_words = "one colour scale for all words" if request.one_scale else "a colour scale for each word"
    caption = [
        f"{Path(request.picture).name}: {read.sentence}",
        f"{captioner.name}, weights {captioner.tag}. {settings.describe()}; {taken or scale_words}.",
        *maps.warnings(),
    ]
    pinned_request = request.changed(
        captioner=named, ids=read.ids, text=None, beams=CaptionRequest.model_fields["beams"].default, best=1, seed=None
    )
    inputs = {f"weights of {named}": sources.recent("hash", ("captioner", named), lambda: captioner.weights_hash)}
    inputs[request.picture] = sources.file_hash(request.picture)
    facts = {"reference": named, "captioner": captioner.name, "tag": captioner.tag, "source": captioner.source}
    return Sheet(
        kind="caption",
        request=pinned_request.record(),
        panels=in_rows(panels, min(COLUMNS, len(panels))),
        facts=facts | described.to_dict(),
        caption="\n".join(caption),
        inputs=inputs,
        arrays={"maps": maps.maps},
    )


def read_sentence(
    request: CaptionRequest, encoded: EncodedPicture, progress: Progress
) -> tuple[ReadSentence, list[Any]]:
    """The sentence, read once, and what the captioner wrote if it was asked to."""
    if request.ids:
        return encoded.read(request.ids), []
    if request.text is not None:
        return encoded.read(encoded.ids_of(request.text)), []
    progress(0, 0, "writing the sentence")
    found = encoded.written(Decoding(beams=request.beams, best=request.best, seed=request.seed))
    return encoded.read(found[0].ids), found


def _minus(
    request: CaptionRequest, sources: Sources, read: ReadSentence, progress: Progress
) -> tuple[NDArray[np.float32] | None, str]:
    """What is taken from each map: one map [1, rows, columns] or one a word; and that in words."""
    settings = MapSettings(**request.settings())
    maps = read.maps(settings, progress)
    if request.minus_word is not None:
        if request.minus_word > len(maps.words):
            raise UserError(f"There is no word {request.minus_word}: the sentence has {len(maps.words)} words.")
        place = request.minus_word - 1
        return maps.maps[place : place + 1], f"minus the map of {maps.words[place]}; red is more, blue is less"
    if request.minus_method is not None:
        method = WORD_METHODS[request.minus_method]
        other = replace(
            settings,
            method=method.name,
            layer=settings.layer if method.has_layers else None,
            head=settings.head if method.has_heads else None,
        )
        return read.maps(other, progress).maps, f"minus {other.describe()}; red is more, blue is less"
    if request.minus_captioner is not None:
        named, encoded = encoded_picture(sources, request.minus_captioner, request.picture, progress)
        theirs = encoded.read(encoded.ids_of(read.sentence)).maps(settings, progress)
        if theirs.words != maps.words or theirs.maps.shape != maps.maps.shape:
            raise UserError(f"{named} splits the picture or the sentence differently, so there is no difference.")
        return theirs.maps, f"minus that of {named}; red is more, blue is less"
    return None, ""
