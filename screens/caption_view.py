"""What the captions screen knows, as values that do not change: a sentence, its maps, how one looks at them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screens import wording
from screens.widgets.picture import Pixels
from screens.widgets.words_view import WordCell
from vitbench.figures.raster import OverlayStyle, overlay
from vitbench.inspector.client import Answer

_HEAT = OverlayStyle()
_DIFFERENCE = OverlayStyle(colour_map="RdBu_r", strength=0.65)


@dataclass(frozen=True)
class Looking:
    """How maps are looked at; `layer` and `head` count from 0, None is the mean."""

    method: str = "raw"
    layer: int | None = None
    head: int | None = None
    row: str = "predicting"

    def arguments(self) -> dict[str, Any]:
        """As the inspector's requests want it."""
        return {"method": self.method, "layer": self.layer, "head": self.head, "row": self.row}


@dataclass(frozen=True, eq=False)
class Sentence:
    """What a captioner said, or what was typed, on one picture. `sentences` are the beam's: text, tokens, score."""

    captioner: str
    source: str
    text: str
    ids: tuple[int, ...]
    words: tuple[str, ...]
    layers: int
    heads: int
    methods: Mapping[str, str]
    with_layers: tuple[str, ...]
    with_heads: tuple[str, ...]
    box: tuple[float, float, float, float]
    picture: Pixels
    sentences: tuple[tuple[str, tuple[int, ...], float], ...] = ()

    @staticmethod
    def of(answer: Answer) -> "Sentence":
        """From the answer to `caption`."""
        values = answer.values
        left, top, right, bottom = (float(edge) for edge in values["box"])
        return Sentence(
            captioner=str(values["captioner"]),
            source=str(values["source"]),
            text=str(values["sentence"]),
            ids=tuple(values["ids"]),
            words=tuple(values["words"]),
            layers=int(values["layers"]),
            heads=int(values["heads"]),
            methods=dict(values["methods"]),
            with_layers=tuple(values["with_layers"]),
            with_heads=tuple(values["with_heads"]),
            box=(left, top, right, bottom),
            picture=answer.arrays["picture"],
            sentences=tuple((one["sentence"], tuple(one["ids"]), float(one["score"])) for one in values["sentences"]),
        )

    def possible(self, looking: Looking) -> Looking:
        """The same way of looking, without a layer or a head that this captioner or method has not."""
        if looking.method not in self.methods:
            looking = replace(looking, method="raw")
        if looking.layer is not None and (looking.method not in self.with_layers or looking.layer >= self.layers):
            looking = replace(looking, layer=None)
        if looking.head is not None and (looking.method not in self.with_heads or looking.head >= self.heads):
            looking = replace(looking, head=None)
        return looking


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps [words, rows, columns] of a sentence, and numbers [words]."""

    maps: NDArray[np.float32]
    entropy: NDArray[np.float64]
    peak: NDArray[np.float64]
    prefix_mass: NDArray[np.float32]
    log_probs: NDArray[np.float32]
    ranks: NDArray[np.int64]
    words: tuple[str, ...] = ()
    describe: str = ""
    warnings: tuple[str, ...] = field(default=())

    @staticmethod
    def of(answer: Answer) -> "Maps":
        """From the answer to `caption_maps`."""
        names = ("maps", "entropy", "peak", "prefix_mass", "log_probs", "ranks")
        values = answer.values
        return Maps(
            **{name: answer.arrays[name] for name in names},
            words=tuple(values["words"]),
            describe=str(values["describe"]),
            warnings=tuple(values["warnings"]),
        )

    def cells(self, words: tuple[str, ...]) -> list[WordCell]:
        """The words with their bars."""
        return [
            WordCell(word, float(entropy), float(peak))
            for word, entropy, peak in zip(words, self.entropy, self.peak, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Reference:
    """What is taken from the map under the cursor: `maps` [words, rows, columns], of one `word` or of the same one."""

    title: str
    maps: NDArray[np.float32]
    word: int | None = None

    def of(self, word: int) -> NDArray[np.float32]:
        """The map that is taken from that of `word`."""
        found: NDArray[np.float32] = self.maps[word if self.word is None else self.word]
        return found


def panel(sentence: Sentence, maps: Maps, word: int, *, one_scale: bool, reference: Reference | None = None) -> Pixels:
    """The picture under a word's map, or under the difference to another one: red is more, blue is less."""
    values = maps.maps[word]
    if reference is not None:
        values = values - reference.of(word)
        extreme = float(np.abs(values).max()) or 1.0
        return overlay(sentence.picture, values, replace(_DIFFERENCE, low=-extreme, high=extreme), sentence.box)
    style = replace(_HEAT, low=0.0, high=float(maps.maps.max()) or 1.0) if one_scale else _HEAT
    return overlay(sentence.picture, values, style, sentence.box)


def word_facts(
    sentence: Sentence, maps: Maps, looking: Looking, word: int, *, one_scale: bool, reference: Reference | None
) -> list[tuple[str, str, str]]:
    """Name, value and the theme's colour of what is told beside the picture."""
    probability = float(np.exp(maps.log_probs[word]))
    rank = int(maps.ranks[word])
    row = {"predicting": "predicting: where it looked to say the word", "reading": "reading: where it looks once said"}
    facts = [
        ("word", f"{sentence.words[word]}   {word + 1} of {len(sentence.words)}", "accent"),
        ("said at", f"{wording.percent(probability)}, rank {rank}", "foreground" if rank == 1 else "warning"),
        ("method", sentence.methods[looking.method], "foreground"),
        ("layer", _layer(sentence, looking), "foreground"),
        ("head", _head(sentence, looking), "foreground"),
        ("row", row[looking.row], "foreground"),
        ("scale", "one for all words" if one_scale else "one for each word", "foreground"),
        ("entropy", f"{maps.entropy[word]:.2f} of 1 (1 is everywhere)", "primary"),
        ("peak", f"{maps.peak[word]:.1f} times an even map", "accent"),
        ("prefix", f"{wording.percent(float(maps.prefix_mass[word]), 0)} on tokens without a place", "foreground"),
    ]
    if reference is not None:
        facts.append(("minus", f"{reference.title}; red is more, blue is less", "warning"))
    return facts + [("warning", warning, "warning") for warning in maps.warnings]


def _layer(sentence: Sentence, looking: Looking) -> str:
    if looking.method not in sentence.with_layers:
        return "all (this method takes them together)"
    return f"mean of {sentence.layers}" if looking.layer is None else f"{looking.layer + 1} of {sentence.layers}"


def _head(sentence: Sentence, looking: Looking) -> str:
    if looking.method not in sentence.with_heads:
        return "all (this method takes them together)"
    return f"mean of {sentence.heads}" if looking.head is None else f"{looking.head + 1} of {sentence.heads}"
