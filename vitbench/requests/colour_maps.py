"""The names of the colour maps, which are matplotlib's; `vitbench/figures/colours.py` has their tables."""

COLOUR_MAPS = ("viridis", "inferno", "magma", "cividis", "turbo", "jet", "gray", "coolwarm", "RdBu_r", "Blues")
"""In the order of the rows of `vitbench/figures/colour_maps.png`."""
