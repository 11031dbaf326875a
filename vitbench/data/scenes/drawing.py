"""Scenes drawn into a folder as pictures, by as many processes as there are cores, with what is true of each.

A process of ours is a command of its own: it imports no torch, knows nothing of the script that asked, and ends when
nobody reads what it writes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from vitbench.data.parallel import usable_cores
from vitbench.data.scenes.annotations import coco_instances, truth
from vitbench.data.scenes.arrays import scene_of
from vitbench.data.scenes.kinds import KIND_SETS
from vitbench.data.scenes.render import render

_WORTH_A_PROCESS = 100
"""Scenes that take longer to draw than a process takes to start."""


@dataclass(frozen=True)
class SceneSplit:
    """The scenes of one split: `number` squares of `size` pixels."""

    split: str
    number: int
    size: int
    seed: int
    kinds: str


def draw_part(folder: Path, part: SceneSplit, cores: int | None = None) -> Generator[dict[str, Any]]:
    """Draws a split's pictures into `folder`, and tells of each in order: `file_name`, `caption`, `truth`, `instances`.

    `instances` are COCO's, numbered from 0 in each picture. Raises OSError where a picture cannot be written.
    """
    processes = min(cores or usable_cores(), part.number // _WORTH_A_PROCESS)
    if processes < 2:
        return (draw_one(folder, part, index) for index in range(part.number))
    return _drawn_elsewhere(folder, part, processes)


def draw_one(folder: Path, part: SceneSplit, index: int) -> dict[str, Any]:
    """Draws scene number `index` of a split, and tells of it."""
    scene = scene_of(part.split, index, seed=part.seed, kinds=part.kinds, width=part.size, height=part.size)
    rendering = render(scene)
    name = f"{scene.label}_{index:06d}.png"
    Image.fromarray(rendering.pixels).save(folder / name)
    told = truth(scene)
    return {
        "file_name": name,
        "caption": f"{told['caption']}.",
        "truth": told,
        "instances": coco_instances(scene, rendering, index, 0, KIND_SETS[part.kinds]),
    }


def _drawn_elsewhere(folder: Path, part: SceneSplit, processes: int) -> Generator[dict[str, Any]]:
    command = [sys.executable, "-m", "vitbench.data.scenes.drawing", str(folder), json.dumps(asdict(part))]
    children = [
        subprocess.Popen([*command, f"{number}/{processes}"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        for number in range(processes)
    ]
    try:
        for index in range(part.number):
            stream = children[index % processes].stdout
            assert stream is not None
            line = stream.readline()
            if not line.endswith(b"\n"):
                raise ChildProcessError("a process that drew some of them was ended")
            told: dict[str, Any] = json.loads(line)
            if "errno" in told:
                raise OSError(told["errno"], told["error"])
            yield told
    finally:
        for child in children:
            child.kill()
            assert child.stdout is not None
            child.stdout.close()
            child.wait()


def _draw_share(folder: Path, part: SceneSplit, first: int, step: int) -> None:
    """Draws every `step`-th scene from `first` on, a line of JSON each on standard output."""
    try:
        for index in range(first, part.number, step):
            print(json.dumps(draw_one(folder, part, index)), flush=True)
    except BrokenPipeError:
        os._exit(1)  # nobody reads any more, and there is no way to say so
    except OSError as error:
        print(json.dumps({"errno": error.errno, "error": error.strerror or str(error)}), flush=True)


if __name__ == "__main__":
    place, described, share = sys.argv[1:]
    number, processes = map(int, share.split("/"))
    _draw_share(Path(place), SceneSplit(**json.loads(described)), number, processes)
