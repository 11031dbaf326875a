"""What one may ask of a data set: how good maps are, how well words find what they mean, what samples look like."""

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from vitbench.errors import UserError
from vitbench.methods import METHODS, find_method
from vitbench.nearest import perhaps
from vitbench.requests.base import Figure, Request
from vitbench.requests.captions import WORD_METHODS, Row, check_by_kind

CONTROLS = ("oracle", "uniform", "shuffled")
"""Maps that test the measure of grounding: the word's patches themselves, every patch alike, and those of the word
before."""


class _Study(Request):
    """One that measures many pictures."""

    @property
    def takes_long(self) -> bool:
        return True


class FaithfulnessRequest(_Study):
    """Which network's maps are measured, by which methods, on which pictures with masks."""

    kind: ClassVar[str] = "faithfulness"

    network: str = Field(min_length=1)
    data: str = Field(min_length=1)
    """An absolute folder, or `scenes:...`."""
    split: str | None = None
    methods: tuple[str, ...] = Field(default_factory=lambda: tuple(METHODS))
    count: int = Field(100, ge=1)
    fill: Literal["black", "mean"] = "black"
    perturb: bool = True
    randomise: bool = True
    seed: int = 0

    @field_validator("methods")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(find_method(name) for name in names))
        except UserError as error:
            raise ValueError(str(error)) from None


class GroundingRequest(_Study):
    """How well the maps of words find what the words mean, on pictures with sentences; layers and heads from 1."""

    kind: ClassVar[str] = "grounding"

    captioner: str = Field(min_length=1)
    data: str = Field(min_length=1)
    layout: str = ""
    split: str = "test"
    limit: int = Field(200, ge=1)
    method: str = "raw"
    layer: int | None = Field(None, ge=1)
    head: int | None = Field(None, ge=1)
    by_kind: bool = False
    """Each word by the layer and head that ground its kind better than the mean, as measured at the end of training."""
    row: Row = "predicting"
    deletion: bool = True

    @field_validator("method")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in WORD_METHODS and name not in CONTROLS:
            known = (*WORD_METHODS, *CONTROLS)
            raise ValueError(f"The method {name!r} is not known{perhaps(name, known)}; choose {', '.join(known)}.")
        return name

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> Self:
        check_by_kind(self.by_kind, self.method, self.layer, self.head)
        for field in ("layer", "head"):
            if getattr(self, field) is None:
                continue
            if self.method in CONTROLS:
                raise ValueError(f"The control {self.method} is made of no layer and no head.")
            able = [name for name, method in WORD_METHODS.items() if getattr(method, f"has_{field}s")]
            if self.method not in able:
                raise ValueError(f"--{field} is for {', '.join(able)}; {self.method} is made of all of them.")
        return self


class GroundingHeadsRequest(_Study):
    """Which layer and head of a captioner ground each kind of word best."""

    kind: ClassVar[str] = "grounding heads"

    captioner: str = Field(min_length=1)
    data: str = Field(min_length=1)
    layout: str = ""
    split: str = "val"
    limit: int = Field(200, ge=1)
    row: Row = "predicting"


class ContactSheetRequest(Request):
    """Augmented samples of a data set with their labels, as a network sees them in one epoch."""

    kind: ClassVar[str] = "contact sheet"

    data: str = Field(min_length=1)
    """An absolute path, or `scenes:...`."""
    layout: str = ""
    augment: str = "none"
    image_size: int = Field(224, ge=8, le=4096)
    seed: int = 0
    epoch: int = Field(0, ge=0)


FIGURES = (
    Figure(
        "faithfulness",
        "how good the maps of each method are",
        FaithfulnessRequest,
        "vitbench.compose.faithfulness:compose_faithfulness",
        70,
    ),
    Figure(
        "grounding",
        "how well the maps of words find what they mean",
        GroundingRequest,
        "vitbench.compose.grounding:compose_grounding",
        80,
    ),
    Figure(
        "grounding heads",
        "which layer and head of a captioner ground each kind of word best",
        GroundingHeadsRequest,
        "vitbench.compose.grounding:compose_heads",
        85,
    ),
    Figure(
        "contact sheet",
        "augmented samples of a data set with their labels",
        ContactSheetRequest,
        "vitbench.compose.contact_sheet:compose_contact_sheet",
        90,
    ),
)
