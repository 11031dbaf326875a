"""Where the figures of captions go."""

from collections.abc import Sequence
from pathlib import Path

from vitbench.files.names import distinct_names


def figure_files(folder: Path, pictures: Sequence[Path]) -> dict[Path, Path]:
    """Where each picture's figure goes: `folder/STEM.png`, or with the picture's whole name if a stem comes twice."""
    different = list(dict.fromkeys(pictures))
    names = distinct_names(different, ".png")
    return {picture: folder / name for picture, name in zip(different, names, strict=True)}
