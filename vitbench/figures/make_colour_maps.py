"""`python -m vitbench.figures.make_colour_maps` writes the tables that `colours.py` reads, from matplotlib's own."""

import matplotlib
import numpy as np
from PIL import Image

from vitbench.figures.colours import TABLES
from vitbench.requests.colour_maps import COLOUR_MAPS


def main() -> None:
    """One picture, 256 pixels wide, a row for each colour map."""
    rows = [matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3] for name in COLOUR_MAPS]
    Image.fromarray(np.stack(rows)).save(TABLES, optimize=True)


if __name__ == "__main__":
    main()
