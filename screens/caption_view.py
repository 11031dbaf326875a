"""What the captions screen says about a sheet: the caption word by word, and how each word was found."""

import math
from dataclasses import dataclass

from screens import wording
from screens.widgets.picture import Pixels
from screens.widgets.words_view import WordCell
from vitbench.figures.sheet import Sheet
from vitbench.requests.captions import WORD_METHODS, CaptionRequest

_ROWS = {"predicting": "predicting: where it looked to say the word", "reading": "reading: where it looks once said"}


@dataclass(frozen=True)
class CaptionSession:
    """Where one was: which picture of which files, whether the caption was typed, what was asked, which word."""

    files: tuple[str, ...]
    number: int
    typed: str
    request: CaptionRequest
    word: int


@dataclass(frozen=True)
class Written:
    """A caption that the captioner found: its text, tokens and score."""

    text: str
    ids: tuple[int, ...]
    score: float


class CaptionSheet:
    """A sheet of one caption, as the screen reads it: the picture, then a panel for each word."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.facts = sheet.facts
        self.request = CaptionRequest.read(sheet.request)
        """What was asked, with the checkpoint and the tokens that were found."""
        self.text = str(sheet.facts["text"])
        self.words: tuple[str, ...] = tuple(str(word["word"]) for word in sheet.facts["words"])
        self.layers, self.heads = int(sheet.facts["layers"]), int(sheet.facts["heads"])
        self.warnings: tuple[str, ...] = tuple(sheet.facts["warnings"])
        self.unknown = str(sheet.facts["told_unknown"])
        """What is said of words of a typed caption that the vocabulary lacks."""
        self.picture: Pixels = sheet.panels[0].picture

    @property
    def written(self) -> tuple[Written, ...]:
        """The captioner's own captions, best first; none where the caption was given."""
        facts = self.facts
        if facts["score"] is None:
            return ()
        first = Written(self.text, self.request.ids, float(facts["score"]))
        others = (Written(o["text"], tuple(o["ids"]), float(o["score"])) for o in facts["alternatives"])
        return (first, *others)

    @property
    def log_probability(self) -> float:
        """Of the whole caption."""
        return float(sum(word["log_probability"] for word in self.facts["words"]))

    def panel(self, word: int) -> Pixels:
        """The picture under the map of `word`, from 0."""
        return self.sheet.panels[word + 1].picture

    def panels(self) -> tuple[tuple[str, Pixels], ...]:
        """All words with their panels."""
        return tuple((panel.title, panel.picture) for panel in self.sheet.panels[1:])

    def cells(self) -> list[WordCell]:
        """The words with their bars."""
        return [WordCell(w["word"], float(w["entropy"]), float(w["peak"])) for w in self.facts["words"]]

    def why(self, word: int) -> str:
        """Why a word, from 0, is shown by its layer and head, where nobody chose one; empty for the caption's end."""
        said = str(self.facts["heads_said"])
        if "kind" not in self.facts["words"][word]:
            return said
        return str(self.facts["words"][word]["why"])

    def possible(self, request: CaptionRequest, **changes: object) -> CaptionRequest:
        """The request with other values, without a layer or a head that this captioner or method has not."""
        values = request.record() | changes
        method = WORD_METHODS[values["method"]]
        if values["layer"] is not None and (not method.has_layers or values["layer"] > self.layers):
            values["layer"] = None
        if values["head"] is not None and (not method.has_heads or values["head"] > self.heads):
            values["head"] = None
        values["by_kind"] = values["by_kind"] and values["method"] == "raw"
        if values["minus_method"] == values["method"]:
            values["minus_method"] = None
        return request.read(values)

    def word_facts(self, word: int) -> list[tuple[str, str, str]]:
        """Name, value and the theme's colour of what is told beside the picture."""
        found, request, minus = self.facts["words"][word], self.request, str(self.facts["minus"])
        rank = int(found["rank"])
        probability = wording.percent(math.exp(float(found["log_probability"])))
        facts = [
            ("word", f"{self.words[word]}   {word + 1} of {len(self.words)}", "accent"),
            ("rank", f"{rank:,}, probability {probability}", "foreground" if rank == 1 else "warning"),
            ("method", WORD_METHODS[request.method].title, "foreground"),
            ("layer", self._chosen(word, "layer", self.layers, WORD_METHODS[request.method].has_layers), "foreground"),
            ("head", self._chosen(word, "head", self.heads, WORD_METHODS[request.method].has_heads), "foreground"),
            ("row", _ROWS[request.row], "foreground"),
            ("scale", "one for all words" if request.one_scale else "one for each word", "foreground"),
            ("entropy", f"{found['entropy']:.2f} of 1 (1 is everywhere)", "primary"),
            ("peak", f"{found['peak']:.1f} times an even map", "accent"),
            ("prefix", f"{wording.percent(float(found['prefix_mass']), 0)} on tokens without a place", "foreground"),
        ]
        if minus:
            facts.append(("minus", f"{minus}; red is more, blue is less", "warning"))
        return facts + [("warning", warning, "warning") for warning in self.warnings]

    def _chosen(self, word: int, what: str, count: int, has: bool) -> str:
        if not has:
            return "all (this method takes them together)"
        number = self.facts["words"][word].get(what) if self.request.by_kind else getattr(self.request, what)
        return f"mean of {count}" if number is None else f"{number} of {count}"
