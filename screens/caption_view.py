"""What the captions screen knows, as values that do not change: a sentence, its maps, how one looks at them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screens import wording
from screens.widgets.picture import Pixels
from screens.widgets.words_view import WordCell
from vitbench.figures.word_panels import word_panel
from vitbench.inspector.client import Answer
from vitbench.requests.captions import WORD_METHODS, CaptionRequest


@dataclass(frozen=True)
class CaptionSession:
    """Where one was: which picture of which files, the sentence (typed, or by its tokens), how it was looked at."""

    files: tuple[str, ...]
    number: int
    typed: str
    request: CaptionRequest
    word: int
    one_scale: bool


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
    box: tuple[float, float, float, float]
    picture: Pixels
    sentences: tuple[tuple[str, tuple[int, ...], float], ...] = ()
    unknown: tuple[str, ...] = ()

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
            box=(left, top, right, bottom),
            picture=answer.arrays["picture"],
            sentences=tuple((one["sentence"], tuple(one["ids"]), float(one["score"])) for one in values["sentences"]),
            unknown=tuple(values["unknown"]),
        )

    def possible(self, request: CaptionRequest, **changes: Any) -> CaptionRequest:
        """The request with other values, without a layer or a head that this captioner or method has not."""
        values = request.record() | changes
        method = WORD_METHODS[values["method"]]
        if values["layer"] is not None and (not method.has_layers or values["layer"] > self.layers):
            values["layer"] = None
        if values["head"] is not None and (not method.has_heads or values["head"] > self.heads):
            values["head"] = None
        return request.read(values)


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
    asked: Mapping[str, Any] = field(default_factory=dict)
    """What a request for the same difference says."""

    def of(self, word: int) -> NDArray[np.float32]:
        """The map that is taken from that of `word`."""
        found: NDArray[np.float32] = self.maps[word if self.word is None else self.word]
        return found


def panel(sentence: Sentence, maps: Maps, word: int, *, one_scale: bool, reference: Reference | None = None) -> Pixels:
    """The picture under a word's map, or under the difference to another one, as a figure has it."""
    minus = None if reference is None else reference.of(word)
    return word_panel(sentence.picture, maps.maps, word, sentence.box, one_scale=one_scale, minus=minus)[0]


def word_facts(
    sentence: Sentence, maps: Maps, request: CaptionRequest, word: int, *, one_scale: bool, reference: Reference | None
) -> list[tuple[str, str, str]]:
    """Name, value and the theme's colour of what is told beside the picture."""
    probability = float(np.exp(maps.log_probs[word]))
    rank = int(maps.ranks[word])
    row = {"predicting": "predicting: where it looked to say the word", "reading": "reading: where it looks once said"}
    facts = [
        ("word", f"{sentence.words[word]}   {word + 1} of {len(sentence.words)}", "accent"),
        ("said at", f"{wording.percent(probability)}, rank {rank}", "foreground" if rank == 1 else "warning"),
        ("method", WORD_METHODS[request.method].title, "foreground"),
        ("layer", _layer(sentence, request), "foreground"),
        ("head", _head(sentence, request), "foreground"),
        ("row", row[request.row], "foreground"),
        ("scale", "one for all words" if one_scale else "one for each word", "foreground"),
        ("entropy", f"{maps.entropy[word]:.2f} of 1 (1 is everywhere)", "primary"),
        ("peak", f"{maps.peak[word]:.1f} times an even map", "accent"),
        ("prefix", f"{wording.percent(float(maps.prefix_mass[word]), 0)} on tokens without a place", "foreground"),
    ]
    if reference is not None:
        facts.append(("minus", f"{reference.title}; red is more, blue is less", "warning"))
    return facts + [("warning", warning, "warning") for warning in maps.warnings]


def _layer(sentence: Sentence, request: CaptionRequest) -> str:
    if not WORD_METHODS[request.method].has_layers:
        return "all (this method takes them together)"
    return f"mean of {sentence.layers}" if request.layer is None else f"{request.layer} of {sentence.layers}"


def _head(sentence: Sentence, request: CaptionRequest) -> str:
    if not WORD_METHODS[request.method].has_heads:
        return "all (this method takes them together)"
    return f"mean of {sentence.heads}" if request.head is None else f"{request.head} of {sentence.heads}"
