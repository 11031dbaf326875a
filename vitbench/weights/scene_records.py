"""What the package's networks learn from: scenes, each with its truth patch by patch.

Of three pictures the first two are scenes of `base` kinds, with their captions, and the third is one of doodles. A
picture is drawn when it is first asked for, and read from a file from then on.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from vitbench.data.scenes import COLOURS, KIND_SETS, RELATIONS, Rendering, Scene, describe, make_scene, render
from vitbench.data.scenes.kinds import BASE_KINDS
from vitbench.data.scenes.scene import HeldOut
from vitbench.weights.varying import blanked, varied

SIZE, PATCH, GRID = 96, 8, 12
OUTLINE = 4
"""Each patch learns its part of the silhouettes, on OUTLINE x OUTLINE points."""
MAX_OBJECTS, MAX_GROUP = 4, 3
SHAPES = ((96, 96), (96, 96), (96, 96), (128, 96), (96, 128), (144, 96), (96, 144), (170, 96))
"""(width, height) of the pictures before they are squashed to a square."""
SEEDS = {"train": 11, "val": 12, "test": 13, "test_heldout": 14}
DISTINCT = 144_000
"""Training pictures; then they come again."""

_NUMBER = {kind: number for number, kind in enumerate((*BASE_KINDS, *KIND_SETS["doodles"]))}
_COLOUR = {colour: number for number, colour in enumerate(COLOURS)}
_RELATION = {relation: number for number, relation in enumerate((*RELATIONS, "and", "alone"))}
_RECORD = np.dtype(
    [
        ("drawn", np.uint8),
        ("pixels", np.uint8, (SIZE, SIZE, 3)),
        ("owner", np.uint8, (SIZE, SIZE)),
        ("label", np.int64),
        ("second_label", np.int64),
        ("kinds", np.int64, MAX_OBJECTS),
        ("colours", np.int64, MAX_OBJECTS),
        ("numbers", np.int64, MAX_OBJECTS),
        ("relations", np.int64, MAX_OBJECTS),
        ("recoloured", np.uint8),
        ("caption", np.bytes_, 112),
    ]
)


@dataclass(frozen=True)
class SceneBatch:
    """B pictures with their truth; the first `len(captions)` show base kinds, the others doodles.

    `pixels` uint8 [B, 96, 96, 3]; `label` and `second_label` int64 [B] of the largest and of the other kind (-1 for
    none); `shares` float32 [B, 1 + MAX_OBJECTS, patches], of the background and of each object in each patch; `kinds`,
    `colours`, `numbers` (how many are in its group, less one) and `relations` (of the first group to the second) int64
    [B, MAX_OBJECTS] of the objects (0 where there is none); `recoloured` bool [B], whose colours are not those of
    `colours` and of the caption; `outline` float32 [B, patches, OUTLINE ** 2], the share that objects cover around
    each point. `places` float32 [B, MAX_OBJECTS, 2] and `group_places` [B, 2, 2]: the middle (x, y) of what is seen of
    each object and of each group, from -1 to 1; NaN where there is none.
    """

    pixels: Tensor
    label: Tensor
    second_label: Tensor
    kinds: Tensor
    colours: Tensor
    numbers: Tensor
    relations: Tensor
    recoloured: Tensor
    shares: Tensor
    outline: Tensor
    places: Tensor
    group_places: Tensor
    captions: list[str]


class SceneRecords(Dataset[Any]):
    """The drawn pictures `first` to `first + count` of a split, each a record; `file` keeps what was drawn.

    With `doodles` every third picture shows them; else they are passed over. With `vary` each comes as `varied` by
    its number, with `blank` as `blanked`.
    """

    def __init__(
        self,
        split: str,
        first: int,
        count: int,
        *,
        doodles: bool = False,
        vary: bool = False,
        blank: bool = False,
        file: Path | None = None,
    ) -> None:
        self.split, self.first, self.count = split, first, count
        self.doodles, self.vary, self.blank, self.file = doodles, vary, blank, file
        self._kept: np.memmap | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> Any:
        number = self.first + place
        record = self._record((number if self.doodles else number // 2 * 3 + number % 2) % DISTINCT)
        record = varied(record, number) if self.vary else record
        return blanked(record, number, PATCH) if self.blank else record

    def _record(self, index: int) -> Any:
        if self.file is None:
            return self._drawn(index)
        if self._kept is None:
            self._kept = _opened(self.file)
        if not self._kept[index]["drawn"]:
            record = self._drawn(index)
            unfinished = record.copy()
            unfinished["drawn"] = 0
            self._kept[index] = unfinished
            # Last, so that a process that is killed in between leaves no picture that only seems to be drawn.
            self._kept["drawn"][index] = 1
        return self._kept[index]

    def _drawn(self, index: int) -> Any:
        kinds = "doodles" if index % 3 == 2 else "base"
        return record(scene_for(self.split, index, kinds), named=kinds == "base")


def scene_for(split: str, index: int, kinds: str) -> Scene:
    """Scene number `index` of a split, in one of the SHAPES."""
    width, height = SHAPES[index // 3 % len(SHAPES)]
    held_out: HeldOut = "only" if split == "test_heldout" else "exclude"
    return make_scene((SEEDS[split], index), kinds=kinds, width=width, height=height, held_out=held_out)


def record(scene: Scene, named: bool) -> Any:
    """The picture of a scene, squashed to a square, and its truth, as one record."""
    rendering = render(scene)
    record = np.zeros((), dtype=_RECORD)
    record["drawn"] = 1
    record["pixels"] = Image.fromarray(rendering.pixels).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    record["owner"] = _owners(rendering)
    record["label"], record["second_label"] = [*(_NUMBER[kind] for kind in scene.labels), -1][:2]
    count = len(scene.objects)
    relation = scene.relation or ("and" if len(scene.groups) > 1 else "alone")
    record["relations"][:count] = _RELATION[relation]
    for group in scene.groups:
        record["numbers"][list(group.objects)] = len(group.objects) - 1
    record["kinds"][:count] = [_NUMBER[thing.kind] for thing in scene.objects]
    record["colours"][:count] = [_COLOUR[thing.colour] for thing in scene.objects]
    record["caption"] = str(describe(scene)).encode() if named else b""
    return record[()]


def collated(records: list[Any]) -> SceneBatch:
    """A batch, the pictures with captions first."""
    ordered: list[Any] = sorted(records, key=lambda row: not row["caption"])
    rows: Any = np.stack(ordered)
    blocks = rows["owner"].reshape(-1, GRID, PATCH, GRID, PATCH)
    shares = np.stack([(blocks == owner).mean((2, 4)) for owner in range(1 + MAX_OBJECTS)], axis=1)
    fine = PATCH // OUTLINE
    points = (rows["owner"] > 0).reshape(-1, GRID, OUTLINE, fine, GRID, OUTLINE, fine).mean((3, 6))
    outline = points.transpose(0, 1, 3, 2, 4).reshape(len(rows), GRID * GRID, OUTLINE**2)
    plain = {field.name: torch.from_numpy(rows[field.name].copy()) for field in fields(SceneBatch)[:8]}
    plain["recoloured"] = plain["recoloured"].bool()
    places, group_places = _places(rows["owner"], rows["kinds"])
    return SceneBatch(
        **plain,
        places=torch.from_numpy(places),
        group_places=torch.from_numpy(group_places),
        shares=torch.from_numpy(shares.reshape(len(rows), 1 + MAX_OBJECTS, GRID * GRID).astype(np.float32)),
        outline=torch.from_numpy(outline.astype(np.float32)),
        captions=[caption.decode() for caption in rows["caption"] if caption],
    )


def _places(owner: np.ndarray, kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle of each object and of each group (alike in kind), as in `SceneBatch`."""
    seen = (owner[:, None] == np.arange(1, 1 + MAX_OBJECTS)[:, None, None]).astype(np.float32)
    first = (kinds == kinds[:, :1])[:, :, None, None]
    groups = np.stack(((seen * first).sum(1), (seen * ~first).sum(1)), axis=1)
    return _middle(seen), _middle(groups)


def _middle(masks: np.ndarray) -> np.ndarray:
    """The middle (x, y) of each mask [B, N, SIZE, SIZE], float32 [B, N, 2], from -1 to 1; NaN for an empty one."""
    along = (np.arange(SIZE, dtype=np.float32) + 0.5) / (SIZE / 2) - 1
    area = masks.sum((2, 3))
    area[area == 0] = np.nan
    return np.stack((masks.sum(2) @ along, masks.sum(3) @ along), axis=-1) / area[:, :, None]


def _opened(file: Path) -> np.memmap:
    if not file.exists():
        with file.open("wb") as new:
            new.truncate(DISTINCT * _RECORD.itemsize)
    return np.memmap(file, dtype=_RECORD, mode="r+")


def _owners(rendering: Rendering) -> np.ndarray:
    """Who is seen at each pixel of the squashed picture, uint8 [96, 96]: 0 the background, 1 the first object."""
    owner = np.zeros(rendering.masks.shape[1:], dtype=np.uint8)
    for number, mask in enumerate(rendering.masks, start=1):
        owner[mask] = number
    return np.asarray(Image.fromarray(owner).resize((SIZE, SIZE), Image.Resampling.NEAREST))
