"""The foreground by the first principal component, against boxes that were drawn by hand on real photographs.

Needs scikit-image and scikit-learn (`make test-real`), and a trained ViT: `VITBENCH_REAL_VIT` names weights for
timm's vit_small_patch14_dinov2.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

WEIGHTS = os.environ.get("VITBENCH_REAL_VIT", "")
pytestmark = [
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("skimage", "sklearn")), reason="needs scikit-image and scikit-learn"
    ),
    pytest.mark.skipif(not WEIGHTS, reason="needs VITBENCH_REAL_VIT, weights of a trained DINOv2 ViT-S/14"),
    pytest.mark.timeout(1800),
]

BOXES = {
    "chelsea.png": (0, 0, 395, 300),
    "rocket.jpg": (305, 125, 340, 408),
    "flower.jpg": (168, 85, 447, 360),
    "coffee.png": (76, 18, 480, 395),
}
"""(left, top, right, bottom) in pixels of the file: the cat, the rocket, the flower, and the cup with its saucer."""


def photograph(name: str) -> Path:
    package, inside = ("sklearn", "datasets/images") if name == "flower.jpg" else ("skimage", "data")
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / inside / name


def overlap(one, other) -> float:
    across = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    down = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return across * down / (sum(areas) - across * down)


def test_the_first_component_finds_cat_rocket_flower_and_cup():
    from PIL import Image

    from vitbench.compose.prepared import prepare_picture
    from vitbench.features.components import components
    from vitbench.features.extraction import patch_features
    from vitbench.models.network import open_network

    network = open_network(f"timm:vit_small_patch14_dinov2@{WEIGHTS}")
    pictures = [prepare_picture(str(photograph(name)), network.preprocessing) for name in BOXES]
    found = components([patch_features(network, picture.pixels) for picture in pictures])
    overlaps = {}
    for mask, (name, box) in zip(found.foreground, BOXES.items(), strict=True):
        with Image.open(photograph(name)) as picture:
            seen = network.preprocessing.box(*picture.size)
        parts, _ = ndimage.label(mask)
        largest = 1 + np.bincount(parts[parts > 0] - 1).argmax()
        rows, columns = ndimage.find_objects((parts == largest).astype(np.int32))[0]
        top, left, bottom, right = rows.start, columns.start, rows.stop, columns.stop
        across, down = (seen[2] - seen[0]) / mask.shape[1], (seen[3] - seen[1]) / mask.shape[0]
        mine = (
            seen[0] + left * across,
            seen[1] + top * down,
            seen[0] + right * across,
            seen[1] + bottom * down,
        )
        clipped = (max(box[0], seen[0]), max(box[1], seen[1]), min(box[2], seen[2]), min(box[3], seen[3]))
        overlaps[name] = overlap(mine, clipped)
    print(overlaps, sum(overlaps.values()) / 4)
    assert sum(overlaps.values()) / 4 > 0.75, overlaps
    assert min(overlaps.values()) > 0.4, overlaps
