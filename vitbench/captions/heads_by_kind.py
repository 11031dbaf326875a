"""Which layer and head shows a word: the one that grounds words of its kind better than the mean over all of them.

What a training measured (`vitbench.captions.grounding_by_head`) is read here, and turned into the choice that the
screen, the commands, the figures and the report share.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from vitbench.captions.lexicon import known_role, name_of_kind
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import MissingFile
from vitbench.paths import expanded, shipped_weights
from vitbench.requests.captions import Row

FILE_NAME = "grounding-heads.json"
"""In a run's `evaluations/`, with the step before the ending; beside the package's weights under their name."""
NOT_MEASURED = "mean over layers and heads: which ground words best was not measured (vitbench ground --by-head)"
"""How maps are made, in words, where nothing was measured."""
_NOUN = "NOUN"
Table = tuple[tuple[float, ...], ...]


class KindScores(BaseModel):
    """Means over the words of a kind that have a mask, [layers][heads]: `pointing` is the share whose highest patch is
    one of the object's, `auc` that of the patch scores; `mean_pointing` and `mean_auc` are those of the mean over all.

    `layer` and `head`, from 1, are those that ground the kind better than the mean; None where none does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    pointing: Table
    auc: Table
    chance: float
    words: int
    mean_pointing: float
    mean_auc: float | None
    """None in files that measured pointing alone."""
    layer: int | None
    head: int | None

    @model_validator(mode="after")
    def _a_head_of_the_table(self) -> Self:
        heads = {len(row) for table in (self.pointing, self.auc) for row in table}
        if len(self.pointing) != len(self.auc) or len(heads) != 1:
            raise ValueError("a row a layer, a column a head, were expected")
        if (self.layer is None) != (self.head is None):
            raise ValueError("layer and head go together")
        if not (1 <= (self.layer or 1) <= len(self.pointing) and 1 <= (self.head or 1) <= max(heads)):
            raise ValueError(f"there is no layer {self.layer} with a head {self.head}")
        return self

    @property
    def numbers(self) -> str:
        """The numbers of what is chosen, and those of the mean beside them."""
        mean = f"pointing {self.mean_pointing:.2f}"
        if self.mean_auc is not None:
            mean = f"AUC {self.mean_auc:.2f}, {mean}"
        if self.layer is None or self.head is None:
            return mean
        row, column = self.layer - 1, self.head - 1
        return f"AUC {self.auc[row][column]:.2f}, pointing {self.pointing[row][column]:.2f}; the mean has {mean}"


class HeadScores(BaseModel):
    """What was measured of each kind of word (`NOUN`, `COLOUR` ...), on what, and of which kind each word is.

    `spoken` is None in files of earlier versions, which measured nouns alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: dict[str, KindScores]
    spoken: dict[str, tuple[str, ...]] | None
    where: str
    pictures: int

    @property
    def heads(self) -> "KindHeads":
        """The choice, without the numbers."""
        chosen = [
            (kind, s.layer, s.head) for kind, s in self.kinds.items() if s.layer is not None and s.head is not None
        ]
        spoken = None
        if self.spoken is not None:
            spoken = tuple((word, kind) for kind, words in self.spoken.items() for word in words)
        return KindHeads(tuple(chosen), spoken)

    def sentence(self) -> str:
        """What was chosen, and why."""
        chosen = [self.of_kind(kind) for kind, scores in self.kinds.items() if scores.layer is not None]
        if not chosen:
            return f"mean over layers and heads, which no single head beats for any kind of word on {self.where}"
        others = "other words by the mean"
        if self.spoken is None:
            others = "words that the lexicon knows by the mean (which are nouns was not written down)"
        return f"by kind of word, where better than the mean on {self.where}: {'; '.join([*chosen, others])}"

    def of_kind(self, kind: str) -> str:
        """What shows the words of a kind, and why."""
        name, scores = name_of_kind(kind), self.kinds.get(kind)
        if scores is None:
            return f"{name} by the mean, as none has a mask on {self.where}"
        if scores.layer is None:
            return f"{name} by the mean, which no head beats ({scores.numbers})"
        return f"{name} by layer {scores.layer}, head {scores.head} ({scores.numbers})"

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return self.model_dump(mode="json")


@dataclass(frozen=True)
class KindHeads:
    """The layer and head (from 1) of each kind that has one, and the kind of each word that is known.

    Where no word is known (`spoken` None), what the lexicon does not know counts as a noun.
    """

    heads: tuple[tuple[str, int, int], ...]
    spoken: tuple[tuple[str, str], ...] | None

    def kind_of(self, word: str) -> str:
        """The kind of a word of a caption; empty for the caption's end and for full stops."""
        word = word.lower()
        if not word[:1].isalnum():
            return ""
        if self.spoken is None:
            return known_role(word) or _NOUN
        return self._kinds.get(word) or known_role(word) or "OTHER"

    def of(self, word: str) -> tuple[int, int] | None:
        """Layer and head from 1, or None for the mean."""
        return self._heads.get(self.kind_of(word))

    def describe(self) -> str:
        """As figures say it."""
        names = [f"layer {layer}, head {head} for {name_of_kind(kind)}" for kind, layer, head in self.heads]
        return "; ".join([*names, "mean over layers and heads for other words"])

    def fact(self, which: str) -> str:
        """The `layer` or the `head` of each kind, as tables say it."""
        place = ("layer", "head").index(which) + 1
        return ", ".join([*(f"{name_of_kind(entry[0])} {entry[place]}" for entry in self.heads), "others mean"])

    @property
    def hash(self) -> str:
        """Tells whether another choice shows the words of a saved figure."""
        return hashlib.sha256(repr((self.heads, self.spoken)).encode()).hexdigest()[:16]

    @cached_property
    def _kinds(self) -> Mapping[str, str]:
        return dict(self.spoken or ())

    @cached_property
    def _heads(self) -> Mapping[str, tuple[int, int]]:
        return {kind: (layer, head) for kind, layer, head in self.heads}


@dataclass(frozen=True)
class Choice:
    """How words are shown where nobody chose a layer or a head: `heads` is None where the mean shows all words, `said`
    the line that tells it, `scores` what was measured."""

    heads: KindHeads | None
    said: str
    scores: HeadScores | None = None

    def of_word(self, word: str) -> dict[str, object]:
        """The kind, layer and head (None is the mean) of a word, and why."""
        if self.heads is None or self.scores is None:
            return {}
        kind, (layer, head) = self.heads.kind_of(word), self.heads.of(word) or (None, None)
        return {"kind": kind, "layer": layer, "head": head, "why": self.scores.of_kind(kind) if kind else ""}


def chosen_heads(reference: str, runs: Path, row: Row = "predicting") -> Choice:
    """The choice for a captioner, as `heads_of` finds it; what was measured is the predicting row."""
    try:
        scores = heads_of(reference, runs)
    except UserError as error:
        return Choice(None, f"mean over layers and heads: {error}")
    if scores is None:
        return Choice(None, NOT_MEASURED)
    if row != "predicting":
        return Choice(None, "mean over layers and heads: which ground words best was measured of the predicting row")
    heads = scores.heads
    return Choice(heads if heads.heads else None, scores.sentence(), scores if heads.heads else None)


def heads_of(reference: str, runs: Path) -> HeadScores | None:
    """What was measured at the end of a training, of the checkpoint that `RUN@STEP` names, or of the package's
    captioner; None where nothing was. `runs` is the store's folder of runs. Raises UserError for a broken file."""
    if reference == "demo":
        file = shipped_weights() / f"captioner.{FILE_NAME}"
    elif expanded(reference).exists():
        return None
    else:
        run, _, step = reference.partition("@")
        if not step.isdecimal():
            return None
        file = runs / run / "evaluations" / step_name(int(step))
    try:
        values = read_json_object(file)
        return HeadScores.model_validate(_of_nouns_alone(values) if "pointing" in values else values)
    except MissingFile:
        return None
    except (KeyError, TypeError, UserError) as error:
        raise _unreadable(file, str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _unreadable(file, f"{place}: {first['msg']}" if place else first["msg"]) from None


def _of_nouns_alone(values: Mapping[str, object]) -> dict[str, object]:
    """A file of an earlier version in today's form."""
    about = {name: values[name] for name in ("where", "pictures")}
    scores = {name: value for name, value in values.items() if name not in about} | {"mean_auc": None}
    return {"kinds": {_NOUN: scores}, "spoken": None, **about}


def _unreadable(file: Path, reason: str) -> UserError:
    return UserError(f"{file} cannot be read ({reason}); --layer and --head choose instead.")


def step_name(step: int) -> str:
    """The file of a run's checkpoint."""
    return f"grounding-heads-{step}.json"
