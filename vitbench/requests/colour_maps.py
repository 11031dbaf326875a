"""The names of the colour maps, which are matplotlib's; `vitbench/figures/colours.py` has their tables."""

from typing import Annotated

from pydantic import AfterValidator

COLOUR_MAPS = ("viridis", "inferno", "magma", "cividis", "turbo", "jet", "gray", "coolwarm", "RdBu_r", "Blues")
"""In the order of the rows of `vitbench/figures/colour_maps.png`."""


def unknown_colour_map(name: str) -> str:
    """What a person is told of a name that is not one of `COLOUR_MAPS`."""
    return f"There is no colour map {name!r}; choose one of {', '.join(COLOUR_MAPS)}."


def _known(name: str) -> str:
    if name not in COLOUR_MAPS:
        raise ValueError(unknown_colour_map(name))
    return name


ColourMap = Annotated[str, AfterValidator(_known)]
"""The name of a colour map, as a field of a request."""
