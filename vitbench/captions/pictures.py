"""Decoded pictures for training a captioner: kept in memory where they fit, else decoded ahead of need."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitbench.captions.index import CaptionedPicture, CaptionIndex
from vitbench.data.loader import check_disk
from vitbench.data.pictures import UnreadablePicture, open_picture
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.problems import Problem
from vitbench.progress import Progress, silent

LARGEST_KEPT = 2 * 1024**3
"""Bytes of decoded pictures that are kept in memory."""
_AHEAD = 3
_THREADS = 4

Pixels = NDArray[np.uint8]


class Taken(NamedTuple):
    """Pictures as the network sees them before normalising, uint8 [B, H, W, 3], and which of those asked for they are.

    The others cannot be read any more; `left_out` says why.
    """

    pixels: Pixels
    places: list[int]
    left_out: tuple[Problem, ...] = ()


class PictureSource:
    """The pictures of a caption data set as the network sees them before normalising: uint8 [H, W, 3] each."""

    def __init__(
        self,
        data: CaptionIndex,
        preprocessing: Preprocessing,
        *,
        keep: bool = True,
        threads: int = 0,
        progress: Progress = silent,
    ) -> None:
        """With `keep`, pictures that fit in `LARGEST_KEPT` bytes together are decoded once, now, by `threads` threads
        (0: a few)."""
        self.root, self.preprocessing, self.threads = data.root, preprocessing, threads or _THREADS
        self.kept: dict[Path, Pixels] = {}
        if keep and len(data.pictures) * preprocessing.height * preprocessing.width * 3 <= LARGEST_KEPT:
            files = list(dict.fromkeys(picture.file for picture in data.pictures))
            with ThreadPoolExecutor(self.threads) as pool:
                for done, (file, pixels) in enumerate(zip(files, pool.map(self._decode, files), strict=True), start=1):
                    if isinstance(pixels, np.ndarray):
                        self.kept[file] = pixels
                    progress(done, len(files), "decoding pictures")

    def take(self, pictures: Sequence[CaptionedPicture]) -> Taken:
        """The pictures that can be read, as one array."""
        pixels = np.empty((len(pictures), self.preprocessing.height, self.preprocessing.width, 3), np.uint8)
        places: list[int] = []
        problems: list[Problem] = []
        for place, picture in enumerate(pictures):
            found = self.kept[picture.file] if picture.file in self.kept else self._decode(picture.file)
            if isinstance(found, Problem):
                problems.append(found)
            else:
                pixels[len(places)] = found
                places.append(place)
        return Taken(pixels[: len(places)], places, tuple(problems))

    def ahead(self, batches: Sequence[Sequence[CaptionedPicture]]) -> Iterator[Taken]:
        """`take` of each batch, a few of them computed while the caller is busy.

        Raises UserError where so many in a row cannot be read that the disk must be gone.
        """
        in_a_row, total = 0, sum(map(len, batches))
        with ThreadPoolExecutor(self.threads) as pool:
            waiting: list[Future[Taken]] = []
            try:
                for number in range(len(batches)):
                    while len(waiting) < _AHEAD and number + len(waiting) < len(batches):
                        waiting.append(pool.submit(self.take, batches[number + len(waiting)]))
                    taken = waiting.pop(0).result()
                    in_a_row = 0 if taken.places else in_a_row + len(taken.left_out)
                    check_disk(taken.left_out, in_a_row, total, str(self.root))
                    yield taken
            finally:
                for future in waiting:
                    future.cancel()

    def _decode(self, file: Path) -> Pixels | Problem:
        try:
            return np.ascontiguousarray(self.preprocessing.resized(open_picture(file)))
        except UnreadablePicture as error:
            return Problem(os.path.relpath(file, self.root), error.reason)
