"""`python -m vitbench.data.scenes.samples` draws sample_images/ again, to the same bytes."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from PIL import Image

from vitbench.data.scenes.annotations import coco_instances, truth
from vitbench.data.scenes.kinds import BASE_KINDS
from vitbench.data.scenes.render import render
from vitbench.data.scenes.scene import Scene, make_scene
from vitbench.paths import sample_images

_SHAPES = ((384, 384), (384, 256), (384, 384), (288, 384), (384, 384), (384, 216), (384, 384), (256, 384))
_COUNT = 16
_SEED = 7


def draw_samples(folder: Path) -> list[str]:
    """Writes the sample pictures and `truth.json`; the names of the pictures. Every second one is not square."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, scene in enumerate(_scenes()):
        rendering = render(scene)
        name = f"{number + 1:02d}_{'_'.join(scene.labels)}.png"
        # Fixed settings, and no metadata: the same bytes with the same zlib.
        Image.fromarray(rendering.pixels).save(folder / name, compress_level=9)
        instances = coco_instances(scene, rendering, number, 0, BASE_KINDS)
        rows.append({"file_name": name, **truth(scene), "instances": instances})
    (folder / "truth.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    return [str(row["file_name"]) for row in rows]


def _scenes() -> Iterator[Scene]:
    """Scenes of the base kinds, each with another label, and with as many backgrounds and colours as it goes."""
    shown: list[tuple[str, ...]] = []
    candidates = count()
    while len(shown) < _COUNT:
        width, height = _SHAPES[len(shown) % len(_SHAPES)]
        scene = make_scene((_SEED, next(candidates)), width=width, height=height)
        facts = (scene.label, scene.background.texture, scene.objects[0].colour)
        recent = shown[-3:]
        if any(facts[0] == label for label, *_ in shown) or any(facts[i] == past[i] for past in recent for i in (1, 2)):
            continue
        shown.append(facts)
        yield scene


if __name__ == "__main__":
    for sample in draw_samples(sample_images()):
        print(sample)
