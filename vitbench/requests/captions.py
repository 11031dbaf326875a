"""A captioner's caption on a picture, and how the map behind each of its words is made."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from vitbench.nearest import perhaps
from vitbench.requests.base import Figure, Request, option

Row = Literal["predicting", "reading"]


@dataclass(frozen=True)
class WordMethod:
    """A way to map words. `title` is what a figure says."""

    name: str
    title: str
    has_layers: bool = False
    has_heads: bool = False
    slow: bool = False
    """Whether it asks the network many times."""


_ALL = (
    WordMethod("raw", "cross-attention", True, True),
    WordMethod("raw_minus_mean", "cross-attention above the mean over the caption's words", True, True),
    WordMethod("explained_away", "cross-attention without what earlier words explain", True, True),
    WordMethod("gradient_attention", "gradient times cross-attention", True),
    WordMethod("relevancy", "relevancy of Chefer et al. (ICCV 2021) through decoder and encoder"),
    WordMethod("occlusion", "fall of the word's log-probability when a patch is blanked", slow=True),
)
WORD_METHODS: dict[str, WordMethod] = {method.name: method for method in _ALL}
DEFAULT_BEAMS = 4


class CaptionRequest(Request):
    """A panel for each word of a caption. Words, layers and heads count from 1; a layer or head of None is the mean.

    The caption is the one of `ids`, else `text`, else the captioner's own. A saved figure records `ids`.
    """

    kind: ClassVar[str] = "caption"

    captioner: str = Field(min_length=1)
    picture: str = Field(min_length=1)
    text: str | None = None
    ids: tuple[int, ...] = ()
    beams: int = Field(DEFAULT_BEAMS, ge=1, le=100)
    best: int = Field(1, ge=1, le=100)
    """How many captions are told; the first one has the panels."""
    seed: int | None = None
    """Draws the caption at random instead of searching it with beams."""
    method: str = "raw"
    layer: int | None = Field(None, ge=1)
    head: int | None = Field(None, ge=1)
    by_kind: bool = False
    """Each word by the layer and head that ground its kind better than the mean, as measured at the end of training."""
    row: Row = "predicting"
    one_scale: bool = False
    word: int | None = Field(None, ge=1)
    """One word alone, without the others."""
    minus_word: int | None = Field(None, ge=1)
    """Takes the map of this word away from each."""
    minus_method: str | None = None
    """Takes the map of the same word by this method away."""
    minus_captioner: str | None = None
    """Takes the map of the same word of the same caption by this captioner away."""

    @field_validator("method", "minus_method")
    @classmethod
    def _known_method(cls, name: str | None) -> str | None:
        if name is not None and name not in WORD_METHODS:
            raise ValueError(
                f"The method {name!r} is not known{perhaps(name, WORD_METHODS)}; choose {', '.join(WORD_METHODS)}."
            )
        return name

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> Self:
        if sum(value is not None for value in (self.minus_word, self.minus_method, self.minus_captioner)) > 1:
            raise ValueError("Only one map can be taken away: a word's, a method's or a captioner's.")
        if self.text is not None and self.ids:
            raise ValueError("--text and --ids both name the caption: choose one.")
        check_by_kind(self.by_kind, self.method, self.layer, self.head)
        for sentence in self.without_effect().values():
            raise ValueError(sentence)
        return self

    @property
    def takes_long(self) -> bool:
        return any(WORD_METHODS[name].slow for name in (self.method, self.minus_method) if name is not None)

    def without_effect(self) -> dict[str, str]:
        """The options that are set and change nothing, each with a sentence that says why."""
        found = {}
        for field, able in (
            ("layer", [method.name for method in _ALL if method.has_layers]),
            ("head", [method.name for method in _ALL if method.has_heads]),
        ):
            if getattr(self, field) is not None and self.method not in able:
                found[field] = f"{option(field)} is for {', '.join(able)}; {self.method} is made of all of them."
        if self.minus_method == self.method:
            found["minus_method"] = f"--minus-method {self.method} is the method itself: nothing would be left."
        if self.text is not None or self.ids:
            for field in ("beams", "best", "seed"):
                if getattr(self, field) != type(self).model_fields[field].default:
                    found[field] = f"{option(field)} has no effect: the caption is given."
        return found

    def settings(self) -> dict[str, Any]:
        """How the maps are made, layers and heads from 0, as `captions.word_maps.MapSettings` takes them; the heads of
        each kind are the captioner's."""
        return {
            "method": self.method,
            "layer": None if self.layer is None else self.layer - 1,
            "head": None if self.head is None else self.head - 1,
            "row": self.row,
        }


def check_by_kind(by_kind: bool, method: str, layer: int | None, head: int | None) -> None:
    """Raises ValueError where one layer or head, or another method, is asked for beside each kind's own."""
    if by_kind and method != "raw":
        raise ValueError(f"Heads by kind of word were measured of raw cross-attention, not of {method}.")
    if by_kind and (layer, head) != (None, None):
        raise ValueError("--layer and --head show all words by one head: not each kind by its own.")


FIGURES = (
    Figure(
        "caption",
        "the picture behind each word of a caption",
        CaptionRequest,
        "vitbench.compose.captions:compose_caption",
        30,
    ),
)
