"""Which view of the features of pictures: as colours, by likeness to a patch, or the nearest pictures of a folder."""

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from vitbench.requests.base import Figure, Request, option
from vitbench.requests.colour_maps import ColourMap
from vitbench.requests.sizes import ImageSize

View = Literal["components", "similarity", "nearest"]
VIEWS: tuple[View, ...] = ("components", "similarity", "nearest")
Pool = Literal["class", "mean"]
POOLS: tuple[Pool, ...] = ("class", "mean")
VOTERS = (10, 20, 100, 200)
"""How many nearest neighbours vote: those of DINO's own evaluation."""
STRENGTHS = {"components": 1.0, "similarity": 0.55, "nearest": 1.0}
"""How much of the picture the colours cover where nobody says it."""


class FeaturesRequest(Request):
    """Features of pictures after a layer; layers, rows and columns count from 1. Beside the network may stand what a
    run started from (`before`), another network (`other`), or a run's checkpoints (`steps`)."""

    kind: ClassVar[str] = "features"

    network: str = Field(min_length=1)
    pictures: tuple[str, ...] = Field(min_length=1)
    view: View = "components"
    layer: int | None = Field(None, ge=1)
    """None is the last that has patches."""
    image_size: ImageSize = None
    only_foreground: bool = False
    """For `view = "components"`: components of the foreground's patches alone, the background dark."""
    mask_outliers: bool = False
    patch: tuple[int, int] | None = None
    """For `view = "similarity"`: (row, column) of the first picture's patch; None is the middle."""
    data: str | None = None
    """For `view = "nearest"`: the folder or data set to look in."""
    pool: Pool | None = None
    """For `view = "nearest"`: what stands for a picture; None is the class token, or the mean where there is none."""
    count: int = Field(5, ge=1, le=40)
    """For `view = "nearest"`: how many are shown."""
    neighbours: int = Field(20, ge=1, le=10_000)
    """For `view = "nearest"`: how many vote on a label."""
    before: bool = False
    other: str | None = None
    steps: tuple[int, ...] | Literal["all"] = ()
    strength: float | None = Field(None, ge=0, le=1)
    """Of the colours over the picture; None is 1 for components and 0.55 for likeness."""
    colour_map: ColourMap = "viridis"
    smooth: bool = False

    @field_validator("patch")
    @classmethod
    def _patch_from_one(cls, patch: tuple[int, int] | None) -> tuple[int, int] | None:
        if patch is not None and min(patch) < 1:
            raise ValueError(f"--patch counts rows and columns from 1, not {patch[0]},{patch[1]}.")
        return patch

    @field_validator("steps")
    @classmethod
    def _steps_are_steps(cls, steps: tuple[int, ...] | str) -> tuple[int, ...] | str:
        if steps != "all" and any(int(step) < 0 for step in steps):
            raise ValueError(f"--steps names steps from 0, not {min(int(step) for step in steps)}.")
        return steps

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> Self:
        named = [name for name in ("before", "other", "steps") if getattr(self, name)]
        if len(named) > 1:
            words = " and ".join(map(option, named))
            raise ValueError(f"{words} each name what stands beside the network: choose one.")
        if self.view == "nearest" and not self.data:
            raise ValueError("--view nearest needs --data, the folder to look in.")
        for sentence in self.without_effect().values():
            raise ValueError(sentence)
        return self

    @property
    def takes_long(self) -> bool:
        return self.view == "nearest"

    @property
    def drawn_strength(self) -> float:
        """How much of the picture the colours cover."""
        return STRENGTHS[self.view] if self.strength is None else self.strength

    def without_effect(self) -> dict[str, str]:
        """The options that are set and change nothing, each with a sentence that says why."""
        belongs = {
            "only_foreground": ("components",),
            "patch": ("similarity",),
            "colour_map": ("similarity",),
            "data": ("nearest",),
            "pool": ("nearest",),
            "count": ("nearest",),
            "neighbours": ("nearest",),
            "strength": ("components", "similarity"),
            "smooth": ("components", "similarity"),
            "mask_outliers": ("components", "similarity"),
        }
        return {
            field: f"{option(field)} has no effect: it belongs to --view {' and '.join(views)}."
            for field, views in belongs.items()
            if self.view not in views and getattr(self, field) != type(self).model_fields[field].default
        }

    def fitting(self, **changes: object) -> Self:
        """The request with other values, and without the options that have no effect then."""
        values = self.record() | changes
        draft = self.model_copy(update={**{name: getattr(self, name) for name in type(self).model_fields}, **values})
        for field in draft.without_effect():
            values[field] = type(self).model_fields[field].default
        return self.read(values)


FIGURES = (
    Figure(
        "features", "what a network makes of patches", FeaturesRequest, "vitbench.compose.features:compose_features", 25
    ),
)
