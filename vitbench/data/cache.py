"""Decoded pictures: each file is decoded and resized once, into one file of bytes that every run maps into memory."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from vitbench.data.index import DataIndex, Sample
from vitbench.data.making import made_once
from vitbench.data.parallel import in_parallel
from vitbench.data.pictures import decode_picture, read_file
from vitbench.data.resizing import Resizing
from vitbench.data.scan import digest_of
from vitbench.errors import UserError
from vitbench.files.reading import PIXELS, check_file
from vitbench.files.writing import write_whole
from vitbench.progress import Progress, silent

_FORM = "1"


class DecodedCache:
    """The resized pictures of an index, read-only: row i belongs to sample i of the index it was opened for."""

    def __init__(self, folder: Path, sizes: np.ndarray) -> None:
        """`sizes` is int64 [N, 2]: height and width of each picture."""
        self.folder = folder
        self.sizes = sizes
        self._ends = np.cumsum(sizes.prod(axis=1) * 3)
        try:
            self._bytes = np.asarray(np.memmap(check_file(folder / "pixels.bin", PIXELS), dtype=np.uint8, mode="r"))
        except (OSError, ValueError):  # not there, no file, empty
            self._bytes = np.empty(0, dtype=np.uint8)
        if len(self._bytes) != self._ends[-1]:
            raise UserError(f"The cache {folder} is damaged: delete this folder, and it will be made again.")
        self._same_size = bool((sizes == sizes[0]).all())

    def __reduce__(self) -> tuple[type["DecodedCache"], tuple[Path, np.ndarray]]:
        # A memory map would travel to another process as all its bytes.
        return DecodedCache, (self.folder, self.sizes)

    def picture(self, position: int) -> np.ndarray:
        """One picture, uint8 [height, width, 3], a view of the map."""
        height, width = self.sizes[position]
        end = self._ends[position]
        return self._bytes[end - height * width * 3 : end].reshape(height, width, 3)

    def gather(self, positions: np.ndarray) -> np.ndarray:
        """Copies of pictures of one size, uint8 [B, height, width, 3]."""
        if not self._same_size:
            return np.stack([self.picture(position) for position in positions])
        return self._bytes.reshape(-1, *self.sizes[0], 3)[positions]


def open_cache(index: DataIndex, resizing: Resizing, *, store: Path, progress: Progress = silent) -> DecodedCache:
    """The cache of an index, made first if it is not there; exactly what decoding and resizing give each time.

    It depends on the contents of the files and on the resize, not on names, labels or splits. A killed process
    leaves nothing that counts; several processes make it once. Raises UserError if the disk has no room, or a
    picture has changed since it was indexed.
    """
    sizes = np.array([resizing.size(sample.width, sample.height) for sample in index.samples], dtype=np.int64)
    deep = "" if index.value_range is None else f" {index.value_range}"
    contents = hashlib.sha256(f"{_FORM} {resizing.key}{deep}".encode())
    for sample in index.samples:
        contents.update(bytes.fromhex(sample.digest))
    folder = store / "cache" / contents.hexdigest()[:32]

    def make(unfinished: Path) -> None:
        _write_pixels(index, resizing, sizes, unfinished / "pixels.bin", progress)
        about = {"pictures": len(index.samples), "resize": resizing.key, "made from": str(index.root)}
        write_whole(unfinished / "about.json", json.dumps(about, indent=1) + "\n")

    size = _readable(int(sizes.prod(axis=1).sum()) * 3)
    made_once(folder, make, what=f"the decoded pictures ({size})", progress=progress)
    return DecodedCache(folder, sizes)


def _write_pixels(index: DataIndex, resizing: Resizing, sizes: np.ndarray, file: Path, progress: Progress) -> None:
    def decoded(sample: Sample) -> np.ndarray:
        content = read_file(index.path(sample))
        if digest_of(content) != sample.digest:
            raise UserError(f"{index.path(sample)} has changed since it was indexed; start again.")
        return resizing.apply(decode_picture(content, sample.file, index.value_range))

    with file.open("wb") as stream:
        # Taking the room at once tells of a full disk before the work. Writing to a map of a full disk would end
        # the process by a signal; writing to the file raises.
        os.posix_fallocate(stream.fileno(), 0, int(sizes.prod(axis=1).sum()) * 3)
        for done, pixels in enumerate(in_parallel(decoded, index.samples), start=1):
            stream.write(np.ascontiguousarray(pixels).data)
            progress(done, len(index.samples), "decoding the pictures once")
        stream.flush()
        os.fsync(stream.fileno())


def _readable(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
