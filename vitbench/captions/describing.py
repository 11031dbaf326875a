"""A picture described: the sentence, what else might have been said, and the map behind every word.

The command, the screen and the inspector ask here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from vitbench.captions.captioner import Box, OpenedCaptioner
from vitbench.captions.decoding import Hypothesis, beam_search, greedy, sample
from vitbench.captions.reading import check_length, read_sentence
from vitbench.captions.word_maps import MapSettings, WordMaps, word_maps
from vitbench.data.pictures import picture_extensions
from vitbench.errors import UserError
from vitbench.progress import Progress, silent


@dataclass(frozen=True)
class Decoding:
    """How a sentence is found: `beams` 1 is greedy; with a `seed` it is drawn at random instead.

    `alpha` is the exponent of the length penalty, `best` how many sentences are wanted.
    """

    beams: int = 4
    alpha: float = 0.7
    best: int = 1
    seed: int | None = None
    temperature: float = 1.0


@dataclass(frozen=True)
class Described:
    """What a captioner says about a picture. `alternatives` are other sentences with their scores, best first."""

    sentence: str
    ids: tuple[int, ...]
    maps: WordMaps
    box: Box
    alternatives: tuple[tuple[str, float], ...] = field(default=())

    def to_dict(self, *, arrays: bool = False) -> dict[str, Any]:
        """Plain values for JSON; `arrays` adds the maps as nested lists [rows][columns]."""
        maps = self.maps
        words = []
        for number, word in enumerate(maps.words):
            entry = {
                "word": word,
                "log_probability": round(float(maps.log_probs[number]), 5),
                "rank": int(maps.ranks[number]),
                "entropy": round(float(maps.entropy[number]), 4),
                "peak": round(float(maps.peak[number]), 3),
                "prefix_mass": round(float(maps.prefix_mass[number]), 4),
            }
            if arrays:
                entry["map"] = np.round(maps.maps[number], 6).tolist()
            words.append(entry)
        return {
            "sentence": self.sentence,
            "ids": list(self.ids),
            "words": words,
            "grid": list(maps.maps.shape[1:]),
            "box": [round(edge, 2) for edge in self.box],
            "maps": maps.settings.describe(),
            "warnings": maps.warnings(),
            "alternatives": [{"sentence": text, "score": round(score, 5)} for text, score in self.alternatives],
        }


def describe_picture(
    captioner: OpenedCaptioner,
    picture: Image.Image,
    *,
    text: str | None = None,
    decoding: Decoding | None = None,
    settings: MapSettings | None = None,
    progress: Progress = silent,
) -> Described:
    """Describes an RGB picture, or reads the sentence `text` on it instead of finding one.

    Raises UserError for a sentence that is empty or too long, and for settings that do not exist.
    """
    decoding = decoding or Decoding()
    module, tokenizer = captioner.module, captioner.tokenizer
    prepared = captioner.prepare(picture)
    with torch.no_grad():
        memory = module.encode(prepared.pixels)
    found: list[Hypothesis] = []
    if text is not None:
        ids = (tokenizer.start_id, *tokenizer.encode(text), tokenizer.end_id)
        # A sentence of start and end alone is one without words.
        check_length(module, ids if len(ids) > 2 else ids[:1])
    else:
        if decoding.seed is not None:
            found = sample(
                module,
                memory.repeated(decoding.best),
                tokenizer,
                seed=decoding.seed,
                temperature=decoding.temperature,
            )
        elif decoding.beams == 1 and decoding.best == 1:
            found = greedy(module, memory, tokenizer)
        else:
            beams = max(decoding.beams, decoding.best)
            found = beam_search(module, memory, tokenizer, beams=beams, alpha=decoding.alpha, best=decoding.best)[0]
        ids = found[0].ids
    reading = read_sentence(module, memory, ids)
    maps = word_maps(
        module, tokenizer, prepared.pixels, ids, settings, memory=memory, reading=reading, progress=progress
    )
    alternatives = tuple((tokenizer.decode(other.ids), other.score) for other in found[1:])
    return Described(tokenizer.decode(ids), ids, maps, prepared.box, alternatives)


def picture_files(given: Sequence[Path]) -> list[Path]:
    """The picture files named, and those in folders named, in order. Raises UserError if one does not exist."""
    files = []
    for path in given:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in picture_extensions())
            if not inside:
                raise UserError(f"There are no pictures in {path}.")
            files += inside
        elif path.exists():
            files.append(path)
        else:
            raise UserError(f"There is no picture {path}.")
    return files
