"""`python -m vitbench.data.scenes.samples` draws sample_images/ again, to the same bytes."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from vitbench.data.scenes.export import coco_instances, truth
from vitbench.data.scenes.kinds import BASE_KINDS
from vitbench.data.scenes.render import render
from vitbench.data.scenes.scene import make_scene
from vitbench.places import sample_images

_SHAPES = ((384, 384), (384, 256), (384, 384), (288, 384), (384, 384), (384, 216), (256, 384), (384, 288))
COUNT = 16
_SEED = 7


def draw_samples(folder: Path) -> list[str]:
    """Writes the sample pictures and `truth.json`; the names of the pictures. Every second shape is not square."""
    folder.mkdir(parents=True, exist_ok=True)
    truths = []
    for number in range(COUNT):
        width, height = _SHAPES[number % len(_SHAPES)]
        scene = make_scene((_SEED, number), width=width, height=height, held_out="exclude")
        rendering = render(scene)
        name = f"{number + 1:02d}_{'_'.join(scene.labels)}.png"
        # Fixed settings, and no metadata: the same bytes with the same zlib.
        Image.fromarray(np.ascontiguousarray(rendering.pixels)).save(folder / name, compress_level=9)
        instances = coco_instances(scene, rendering, number, 0, BASE_KINDS)
        truths.append({"file_name": name, **truth(scene), "instances": instances})
    (folder / "truth.json").write_text(json.dumps(truths, indent=1) + "\n")
    return [row["file_name"] for row in truths]


if __name__ == "__main__":
    for sample in draw_samples(sample_images()):
        print(sample)
