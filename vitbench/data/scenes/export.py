"""Scenes as files that other programs read: flat labelled pictures, and COCO captions and instances beside them."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.data.scenes.arrays import SPLITS, scene_of
from vitbench.data.scenes.captions import describe
from vitbench.data.scenes.kinds import KIND_SETS
from vitbench.data.scenes.render import Rendering, render
from vitbench.data.scenes.scene import Scene
from vitbench.errors import UserError
from vitbench.progress import Progress, silent

_SHARES = (0.7, 0.1, 0.1, 0.1)


def check_scenes(*, count: int, size: int, seed: int, kinds: str) -> None:
    """Raises UserError for arguments that make no data set."""
    if kinds not in KIND_SETS:
        raise UserError(f"There are no {kinds!r} kinds of scenes; choose {' or '.join(KIND_SETS)}.")
    if count < 10:
        raise UserError(f"A data set needs at least 10 scenes, not {count}; give a larger --count.")
    if not 32 <= size <= 4096:
        raise UserError(f"Scenes are 32 to 4096 pixels wide, not {size}; give another --size.")
    if seed < 0:
        raise UserError(f"A seed is 0 or more, not {seed}; give another --seed.")


def write_scenes(
    folder: Path, *, count: int, size: int = 96, seed: int = 0, kinds: str = "base", progress: Progress = silent
) -> dict[str, int]:
    """Writes `count` square scenes to `folder`, which appears when it is whole; how many each split holds.

    `train`, `val` and `test` share their kind-colour pairs; `test_heldout` shows the pairs that they never do.
    The same arguments give the same bytes. Raises UserError for arguments that make no data set.
    """
    check_scenes(count=count, size=size, seed=seed, kinds=kinds)
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists already and is not empty; name a new folder.")
    counts = [round(count * share) for share in _SHARES]
    counts[0] += count - sum(counts)
    building = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        building.mkdir(parents=True)
        done = 0
        for split, number in zip(SPLITS, counts, strict=True):
            _write_split(building, split, number, size, seed, kinds, progress, done, count)
            done += number
        building.replace(folder)
    except OSError as error:
        raise UserError(f"The scenes cannot be written to {folder}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return dict(zip(SPLITS, counts, strict=True))


def _write_split(
    folder: Path, split: str, number: int, size: int, seed: int, kinds: str, progress: Progress, done: int, total: int
) -> None:
    (folder / split).mkdir()
    (folder / "annotations").mkdir(exist_ok=True)
    categories = [{"id": i + 1, "name": kind} for i, kind in enumerate(KIND_SETS[kinds])]
    images: list[dict[str, Any]] = []
    captions: list[dict[str, Any]] = []
    instances: list[dict[str, Any]] = []
    truths: list[str] = []
    for index in range(number):
        scene = scene_of(split, index, seed=seed, kinds=kinds, width=size, height=size)
        rendering = render(scene)
        name = f"{scene.label}_{index:06d}.png"
        Image.fromarray(rendering.pixels).save(folder / split / name)
        images.append({"id": index, "file_name": name, "width": size, "height": size})
        captions.append({"id": index, "image_id": index, "caption": f"{describe(scene)}."})
        instances += coco_instances(scene, rendering, index, len(instances), KIND_SETS[kinds])
        truths.append(json.dumps({"file_name": name, **truth(scene)}))
        progress(done + index + 1, total, "drawing scenes")
    notes = folder / "annotations"
    (notes / f"captions_{split}.json").write_text(json.dumps({"images": images, "annotations": captions}))
    (notes / f"instances_{split}.json").write_text(
        json.dumps({"images": images, "annotations": instances, "categories": categories})
    )
    (notes / f"scenes_{split}.jsonl").write_text("".join(row + "\n" for row in truths))


def truth(scene: Scene) -> dict[str, Any]:
    """All that is true of a scene, as plain values: label, labels, caption, words with roles, objects, background."""
    caption = describe(scene)
    return {
        "label": scene.label,
        "labels": list(scene.labels),
        "caption": str(caption),
        "words": [asdict(word) for word in caption.words],
        "scene": asdict(scene),
    }


def coco_instances(
    scene: Scene, rendering: Rendering, image_id: int, first_id: int, names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """COCO annotations of the objects: visible area, box `[x, y, width, height]`, uncompressed run lengths."""
    rows = []
    for number, (thing, mask) in enumerate(zip(scene.objects, rendering.masks, strict=True)):
        across, down = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        box = [across[0], down[0], across[-1] - across[0] + 1, down[-1] - down[0] + 1]
        rows.append(
            {
                "id": first_id + number,
                "image_id": image_id,
                "category_id": names.index(thing.kind) + 1,
                "area": int(mask.sum()),
                "bbox": [int(value) for value in box],
                "iscrowd": 0,
                "segmentation": {"size": list(mask.shape), "counts": run_lengths(mask)},
            }
        )
    return rows


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's uncompressed run lengths of a mask [height, width]: column by column, zeros first."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return [int(length) for length in np.diff([0, *changes, mask.size])]
