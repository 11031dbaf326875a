"""What a data set holds: its classes, its samples, and by name every file that is left out."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One labelled picture. `label` counts into the classes; -1 where there is none (a folder to predict).

    `file` is relative to the data set's root, with `/` between its parts. `width` and `height` are those of the
    picture as it is seen, EXIF rotation applied; `digest` names the file's bytes.
    """

    file: str
    label: int
    split: str
    width: int
    height: int
    mode: str = "RGB"
    rotated: bool = False
    digest: str = ""


@dataclass(frozen=True)
class Problem:
    """A file that is wrong, and why. `left_out` is false where the sample stays and a person should know."""

    file: str
    reason: str
    left_out: bool = True


@dataclass(frozen=True)
class DataIndex:
    """A data set after a look at every file.

    `layout` is the short name of what was recognised and `sentence` says it to a person. `fingerprint` is a hash of
    names, labels, splits and contents. Samples are in the order of their files' names.
    """

    root: Path
    layout: str
    sentence: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...]
    fingerprint: str

    def path(self, sample: Sample) -> Path:
        """Where the picture of a sample lies."""
        return self.root / sample.file

    def split(self, name: str) -> list[Sample]:
        """The samples of one split: `train`, `val`, `test`, or `""` where the data set has no splits."""
        return [self.samples[position] for position in self.positions(name)]

    def positions(self, split: str) -> np.ndarray:
        """Where the samples of one split stand in `samples`, int64."""
        return self._positions.get(split, np.empty(0, dtype=np.int64))

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits that hold samples: train, val, test, then others."""
        known = ["train", "val", "test"]
        return tuple(sorted(self._positions, key=lambda name: (known.index(name) if name in known else 3, name)))

    @cached_property
    def _positions(self) -> dict[str, np.ndarray]:
        names = np.array([sample.split for sample in self.samples], dtype=object)
        return {str(name): np.flatnonzero(names == name) for name in set(names)}
