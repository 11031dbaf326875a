"""Decoded pictures for training a captioner: kept in memory where they fit, else decoded ahead of need."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitbench.captions.index import CaptionedPicture, CaptionIndex
from vitbench.data.pictures import open_picture
from vitbench.data.preprocessing import Preprocessing
from vitbench.progress import Progress, silent

LARGEST_KEPT = 2 * 1024**3
"""Bytes of decoded pictures that are kept in memory."""
_AHEAD = 3
_THREADS = 4

Pixels = NDArray[np.uint8]


class PictureSource:
    """The pictures of a caption data set as the network sees them before normalising: uint8 [H, W, 3] each."""

    def __init__(
        self, data: CaptionIndex, preprocessing: Preprocessing, *, keep: bool = True, progress: Progress = silent
    ) -> None:
        """With `keep`, pictures that fit in `LARGEST_KEPT` bytes together are decoded once, now."""
        self.preprocessing = preprocessing
        self.kept: dict[Path, Pixels] = {}
        if keep and len(data.pictures) * preprocessing.height * preprocessing.width * 3 <= LARGEST_KEPT:
            files = list(dict.fromkeys(picture.file for picture in data.pictures))
            with ThreadPoolExecutor(_THREADS) as pool:
                for done, (file, pixels) in enumerate(zip(files, pool.map(self._decode, files), strict=True), start=1):
                    self.kept[file] = pixels
                    progress(done, len(files), "decoding pictures")

    def take(self, pictures: Sequence[CaptionedPicture]) -> Pixels:
        """The pictures as one array [B, H, W, 3]."""
        kept = [self.kept.get(picture.file) for picture in pictures]
        return np.stack(
            [self._decode(p.file) if pixels is None else pixels for p, pixels in zip(pictures, kept, strict=True)]
        )

    def ahead(self, batches: Sequence[Sequence[CaptionedPicture]]) -> Iterator[Pixels]:
        """`take` of each batch, a few of them computed while the caller is busy."""
        with ThreadPoolExecutor(_THREADS) as pool:
            waiting: list[Future[Pixels]] = []
            try:
                for number in range(len(batches)):
                    while len(waiting) < _AHEAD and number + len(waiting) < len(batches):
                        waiting.append(pool.submit(self.take, batches[number + len(waiting)]))
                    yield waiting.pop(0).result()
            finally:
                for future in waiting:
                    future.cancel()

    def _decode(self, file: Path) -> Pixels:
        return np.ascontiguousarray(self.preprocessing.resized(open_picture(file)))
