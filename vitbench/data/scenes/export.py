"""Scenes as files that other programs read: flat labelled pictures, and COCO captions and instances beside them."""

import json
import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

from vitbench.data.scenes.arrays import SPLITS
from vitbench.data.scenes.drawing import SceneSplit, draw_part
from vitbench.data.scenes.kinds import KIND_SETS
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
    part = SceneSplit(split, number, size, seed, kinds)
    with closing(draw_part(folder / split, part)) as drawn:
        for index, told in enumerate(drawn):
            name = told["file_name"]
            images.append({"id": index, "file_name": name, "width": size, "height": size})
            captions.append({"id": index, "image_id": index, "caption": told["caption"]})
            first = len(instances)
            instances += [{**row, "id": first + row["id"]} for row in told["instances"]]
            truths.append(json.dumps({"file_name": name, **told["truth"]}))
            progress(done + index + 1, total, "drawing scenes")
    notes = folder / "annotations"
    (notes / f"captions_{split}.json").write_text(json.dumps({"images": images, "annotations": captions}))
    (notes / f"instances_{split}.json").write_text(
        json.dumps({"images": images, "annotations": instances, "categories": categories})
    )
    (notes / f"scenes_{split}.jsonl").write_text("".join(row + "\n" for row in truths))
