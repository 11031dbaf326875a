"""A picture described: the caption, what else might have been said, and the map behind every word.

The command, the screen and the inspector ask here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vitbench.captions.captioner import Box
from vitbench.captions.decoding import Hypothesis
from vitbench.captions.encoded import ReadCaption
from vitbench.captions.word_maps import WordMaps
from vitbench.data.pictures import picture_extensions
from vitbench.errors import UserError
from vitbench.nearest import perhaps_path


@dataclass(frozen=True)
class Alternative:
    """Another caption that the captioner found, and its score."""

    caption: str
    ids: tuple[int, ...]
    score: float


@dataclass(frozen=True)
class Described:
    """What a captioner says about a picture. `alternatives` are other captions, best first.

    `score` is the caption's own: its log-probability over the length penalty, None where it was given.
    """

    caption: str
    ids: tuple[int, ...]
    maps: WordMaps
    box: Box
    alternatives: tuple[Alternative, ...] = field(default=())
    score: float | None = None

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
            "text": self.caption,
            "ids": list(self.ids),
            "score": None if self.score is None else round(self.score, 5),
            "words": words,
            "grid": list(maps.maps.shape[1:]),
            "box": [round(edge, 2) for edge in self.box],
            "maps": maps.settings.describe(),
            "warnings": maps.warnings(),
            "alternatives": [
                {"text": other.caption, "ids": list(other.ids), "score": round(other.score, 5)}
                for other in self.alternatives
            ],
        }


def described(read: ReadCaption, found: Sequence[Hypothesis], maps: WordMaps) -> Described:
    """What there is to say of a caption: `found` are the captioner's own, best first, none where it was given."""
    decode = read.picture.captioner.tokenizer.decode
    others = tuple(Alternative(decode(other.ids), tuple(other.ids), other.score) for other in found[1:])
    score = found[0].score if found else None
    return Described(read.caption, read.ids, maps, read.picture.prepared.box, others, score)


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
            raise UserError(f"There is no picture {path}{perhaps_path(path)}.")
    return files
