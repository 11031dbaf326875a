"""What is true of a scene, as plain values: its caption with roles, and COCO's annotations of its objects."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.data.scenes.captions import describe
from vitbench.data.scenes.render import Rendering
from vitbench.data.scenes.scene import Scene


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
) -> list[dict[str, object]]:
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
