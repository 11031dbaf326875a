"""Figures that a report has beside the others: mistakes with two maps each, and objects in order of distinctness."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from vitbench.errors import UserError
from vitbench.methods import DEFAULT_METHOD, find_method
from vitbench.requests.base import Figure, Request

MEASURED = (10, 5000)
"""The least and the most pictures that a report measures: fewer give no correlation."""
Look = Literal["luminance_contrast", "saturation_contrast", "colourfulness", "area"]


class MistakesRequest(Request):
    """Mistakes of a network as (file, right class, wrong class): the map for the wrong and for the right class."""

    kind: ClassVar[str] = "mistakes"

    network: str = Field(min_length=1)
    mistakes: tuple[tuple[str, str, str], ...] = Field(min_length=1)
    method: str = DEFAULT_METHOD

    @property
    def takes_long(self) -> bool:
        return True

    @field_validator("method")
    @classmethod
    def _known(cls, name: str) -> str:
        return _method(name)


class DistinctnessRequest(Request):
    """Pictures with masks in order of how far the object's `look` is from its background; their maps, measured.

    `count` pictures are measured, `shown` of them drawn, evenly spaced in that order.
    """

    kind: ClassVar[str] = "distinctness"

    network: str = Field(min_length=1)
    data: str = Field(min_length=1)
    """An absolute folder, or `scenes:...`."""
    split: str | None = None
    method: str = "raw"
    look: Look = "luminance_contrast"
    count: int = Field(60, ge=1)
    shown: int = Field(6, ge=1, le=20)
    seed: int = 0

    @property
    def takes_long(self) -> bool:
        return True

    @field_validator("method")
    @classmethod
    def _known(cls, name: str) -> str:
        return _method(name)


def _method(name: str) -> str:
    try:
        return find_method(name)
    except UserError as error:
        raise ValueError(str(error)) from None


class ReportRequest(Request):
    """What a report is asked to hold. What is None or empty is chosen from what the run has."""

    kind: ClassVar[str] = "report"

    run: str = Field(min_length=1)
    """A run, or a beginning of its id, or its name; with `@STEP` one of its checkpoints."""
    captions: str | None = None
    """A captioner: a run, `demo`, a folder or a file."""
    captions_data: str | None = None
    """Pictures with sentences and masks for the captioner: an absolute folder, or `scenes:...`."""
    attention_model: str | None = None
    """Another network whose attention is shown."""
    compare: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    masks: str | None = None
    """Pictures with masks: an absolute folder, or `scenes:...`."""
    method: str | None = None
    """How attention is mapped; raw attention where the network has it."""
    count: int = Field(60, ge=MEASURED[0], le=MEASURED[1])
    """Most pictures with masks, and most captioned ones, that are measured."""

    @field_validator("method")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        return None if name is None else _method(name)


FIGURES = (
    Figure(
        "mistakes",
        "mistakes with the maps for the wrong and the right class",
        MistakesRequest,
        "vitbench.compose.mistakes:compose_mistakes",
        100,
    ),
    Figure(
        "distinctness",
        "objects in order of how distinct they are, with their maps",
        DistinctnessRequest,
        "vitbench.compose.distinctness:compose_distinctness",
        110,
    ),
)
