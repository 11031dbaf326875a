"""Which view of what a network knows about place."""

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from vitbench.requests.base import Figure, Request, option
from vitbench.requests.colour_maps import ColourMap
from vitbench.requests.sizes import ImageSize

View = Literal["grid", "tile", "norms", "components", "filters", "distance", "spectrum"]
VIEWS: tuple[View, ...] = ("grid", "tile", "norms", "components", "filters", "distance", "spectrum")
PERMUTATIONS = 499


class PositionRequest(Request):
    """Positions of a network; rows, columns and kinds count from 1. Beside it may stand what a run started from
    (`before`), or another network (`other`)."""

    kind: ClassVar[str] = "positions"

    network: str = Field(min_length=1)
    view: View = "grid"
    patch: tuple[int, int] | None = None
    """(row, column) of the tile of `view = "tile"`; None is the middle."""
    of_kind: int | None = Field(None, ge=1)
    """Of a network that marks place in several ways: which; None is all of them in the grid, else the main one."""
    pictures: tuple[str, ...] = ()
    """For `view = "distance"`: what the network looks at."""
    tutorial: bool = False
    colour_map: ColourMap = "viridis"
    stretch: bool = False
    """Whether the colours span the values that there are, instead of -1 to 1."""
    permutations: int = Field(PERMUTATIONS, ge=0, le=100_000)
    """Shuffles for the p-values of the scorecard; 0 leaves the scorecard out."""
    image_size: ImageSize = None
    """(height, width) of the pictures that the network is set to, its positions resampled; None is its own."""
    before: bool = False
    other: str | None = None

    @field_validator("patch")
    @classmethod
    def _patch_from_one(cls, patch: tuple[int, int] | None) -> tuple[int, int] | None:
        if patch is not None and min(patch) < 1:
            raise ValueError(f"--patch counts rows and columns from 1, not {patch[0]},{patch[1]}.")
        return patch

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> Self:
        if self.before and self.other:
            raise ValueError("--before and --other both name what stands beside the network: choose one.")
        if self.view == "distance" and not self.pictures:
            raise ValueError("How far attention looks depends on pictures: name some with --pictures.")
        for sentence in self.without_effect().values():
            raise ValueError(sentence)
        return self

    @property
    def takes_long(self) -> bool:
        return self.permutations > 0

    def without_effect(self) -> dict[str, str]:
        """The options that are set and change nothing, each with a sentence that says why."""
        belongs = {
            "patch": ("tile",),
            "pictures": ("distance",),
            "tutorial": ("grid",),
            "stretch": ("grid", "tile"),
            "colour_map": ("grid", "tile", "norms", "distance", "spectrum"),
            "of_kind": ("grid", "tile", "norms", "components", "spectrum"),
        }
        return {
            field: f"{option(field)} has no effect: it belongs to --view {' and '.join(views)}."
            for field, views in belongs.items()
            if self.view not in views and getattr(self, field) != type(self).model_fields[field].default
        }


FIGURES = (
    Figure(
        "positions",
        "what a network knows about place",
        PositionRequest,
        "vitbench.compose.positions:compose_positions",
        20,
    ),
)
