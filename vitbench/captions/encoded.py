"""A picture encoded once, the captions read on it, and their maps, kept so that one can move about in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image

from vitbench.captions.caption_pass import read_caption
from vitbench.captions.captioner import OpenedCaptioner, device_of
from vitbench.captions.decoding import Hypothesis, beam_search, greedy, sample
from vitbench.captions.word_maps import MapSettings, WordMaps, word_maps
from vitbench.errors import UserError
from vitbench.progress import Progress, silent


@dataclass(frozen=True)
class Decoding:
    """How a caption is found: `beams` 1 is greedy; with a `seed` it is drawn at random instead.

    `alpha` is the exponent of the length penalty, `best` how many captions are wanted.
    """

    beams: int = 4
    alpha: float = 0.7
    best: int = 1
    seed: int | None = None
    temperature: float = 1.0


class ReadCaption:
    """A caption read in one pass over an encoded picture; each map is computed when it is first asked for."""

    def __init__(self, picture: "EncodedPicture", ids: Sequence[int]) -> None:
        """Raises UserError for one that is too long. A captioner may end at once: then the end is all there is."""
        module = picture.captioner.module
        self.picture = picture
        self.ids = tuple(ids)
        self.caption_pass = read_caption(module, picture.memory, self.ids)
        self.caption = picture.captioner.tokenizer.decode(self.ids)
        self._maps: dict[MapSettings, WordMaps] = {}

    @property
    def ended(self) -> bool:
        """Whether the caption has its end: one that was cut at the greatest length has none."""
        return self.ids[-1] in self.picture.captioner.tokenizer.end_ids

    def maps(self, settings: MapSettings, progress: Progress = silent) -> WordMaps:
        """The maps of all words. Raises UserError for a method, layer or head that there is not."""
        if settings not in self._maps:
            picture = self.picture
            self._maps[settings] = word_maps(
                picture.captioner.module,
                picture.captioner.tokenizer,
                picture.prepared.pixels,
                self.ids,
                settings,
                memory=picture.memory,
                caption_pass=self.caption_pass,
                progress=progress,
            )
        return self._maps[settings]


class EncodedPicture:
    """An RGB picture as a captioner sees it: prepared and encoded once, where the captioner computes now."""

    def __init__(self, captioner: OpenedCaptioner, picture: Image.Image) -> None:
        self.captioner = captioner
        prepared = captioner.prepare(picture)
        self.prepared = replace(prepared, pixels=prepared.pixels.to(device_of(captioner)))
        with torch.no_grad():
            self.memory = captioner.module.encode(self.prepared.pixels)
        self._read: dict[tuple[int, ...], ReadCaption] = {}

    def written(self, decoding: Decoding) -> list[Hypothesis]:
        """The captions that the captioner finds, best first."""
        module, tokenizer, memory = self.captioner.module, self.captioner.tokenizer, self.memory
        if decoding.seed is not None:
            repeated = memory.repeated(decoding.best)
            return sample(module, repeated, tokenizer, seed=decoding.seed, temperature=decoding.temperature)
        if decoding.beams == 1 and decoding.best == 1:
            return greedy(module, memory, tokenizer)
        beams = max(decoding.beams, decoding.best)
        return beam_search(module, memory, tokenizer, beams=beams, alpha=decoding.alpha, best=decoding.best)[0]

    def ids_of(self, text: str, *, typed: bool = True, ended: bool = True) -> tuple[int, ...]:
        """A caption as tokens with start and end. Raises UserError if it was `typed` and has no words.

        A captioner's own caption may have none: it then ends at once. One that was cut at its greatest length has not
        `ended`, and gets no end.
        """
        tokenizer = self.captioner.tokenizer
        if not (tokens := tokenizer.encode(text)) and typed:
            raise UserError("The caption has no words.")
        return (tokenizer.start_id, *tokens, *((tokenizer.end_id,) if ended else ()))

    def read(self, ids: Sequence[int]) -> ReadCaption:
        """The caption `ids` (with start), read once. Raises UserError if it is too long."""
        key = tuple(ids)
        if key not in self._read:
            self._read[key] = ReadCaption(self, key)
        return self._read[key]
