"""Scenes with their captions in memory: pictures and tokens to train on, and the truth to score against."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitbench.captions.network import padded
from vitbench.captions.tokenizer import Tokenizer, WordTokenizer
from vitbench.data.scenes import KIND_SETS, Scene, plural, scene_arrays, scene_of
from vitbench.progress import Progress, silent


@dataclass(frozen=True)
class CaptionedScenes:
    """`count` square scenes of one split: `pixels` uint8 [count, size, size, 3] and one caption each."""

    pixels: NDArray[np.uint8]
    captions: list[str]
    split: str
    seed: int
    kinds: str

    def scene(self, index: int) -> Scene:
        """The truth behind picture `index`: its objects, and through `describe` and `render` its words and masks."""
        height, width = self.pixels.shape[1:3]
        return scene_of(self.split, index, seed=self.seed, kinds=self.kinds, width=width, height=height)

    def scenes(self) -> list[Scene]:
        """The truth behind all pictures, in order."""
        return [self.scene(index) for index in range(len(self.captions))]


def captioned_scenes(
    count: int,
    *,
    split: str = "train",
    seed: int = 0,
    kinds: str = "base",
    size: int = 96,
    workers: int = 1,
    progress: Progress = silent,
) -> CaptionedScenes:
    """The first `count` scenes of a split, drawn by `workers` processes."""
    pixels, _, captions = scene_arrays(
        count, seed=seed, split=split, kinds=kinds, size=size, workers=workers, progress=progress
    )
    return CaptionedScenes(pixels, captions, split, seed, kinds)


def scene_vocabulary(captions: list[str], kinds: str = "base") -> WordTokenizer:
    """A word-level tokenizer of the words in `captions`. Each kind is in it, seen or not, in both numbers."""
    words = set(WordTokenizer.train(captions).tokens)
    names = [kind for name in KIND_SETS[kinds] for kind in (name, plural(name))]
    unseen = [name for name in names if name not in words]
    return WordTokenizer.train([*captions, *unseen])


def caption_ids(captions: list[str], tokenizer: Tokenizer) -> Tensor:
    """Captions as tokens with start and end, int64 [count, longest], padded on the right."""
    return padded(
        [[tokenizer.start_id, *tokenizer.encode(text), tokenizer.end_id] for text in captions], tokenizer.pad_id
    )


def shuffled_batches(
    pixels: NDArray[np.uint8], ids: Tensor, *, batch_size: int, seed: int, epoch: int, pad_id: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches (uint8 [B, H, W, 3], ids [B, L]) of one epoch, in the order f(seed, epoch), without a short last one.

    Columns that are padding in the whole batch are cut.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(pixels))
    for first in range(0, len(order) - batch_size + 1, batch_size):
        rows = order[first : first + batch_size]
        chosen = ids[torch.from_numpy(rows)]
        longest = int((chosen != pad_id).sum(1).max())
        yield torch.from_numpy(pixels[rows]), chosen[:, :longest]
