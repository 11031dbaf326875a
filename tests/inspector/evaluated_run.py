"""A finished run with a tiny network and a few pictures, for tests of what evaluates it."""

import json
from pathlib import Path

from tests.inspector.tiny_checkpoint import LABELS, tiny_checkpoint, tiny_picture
from vitbench.recipe import load_recipe
from vitbench.runs.status import write_status
from vitbench.runs.store import Run, Store

STEP = 40


def tiny_pictures(folder: Path, each: int = 3) -> Path:
    """A folder with the parts train, val and test, `each` pictures of each class in each of them."""
    for part, split in enumerate(("train", "val", "test")):
        for label, name in enumerate(LABELS):
            for number in range(each):
                seed = 1000 * part + 10 * label + number
                tiny_picture(folder / split / name / f"{number}.png", seed=seed)
    return folder


def tiny_run(store: Path, data: Path, name: str = "tiny") -> Run:
    """A finished run whose best checkpoint is of step 40."""
    changes = [f'data.path="{data}"', "train.batch_size=4", "train.device=cpu"]
    run = Store(store).create(load_recipe("scratch", changes), name)
    tiny_checkpoint(run.folder / "checkpoints" / f"step-{STEP:08d}")
    (run.folder / "checkpoints" / "names.json").write_text(json.dumps({"best": STEP, "last": STEP}))
    write_status(run.folder, run.status().model_copy(update={"state": "finished", "step": STEP, "total_steps": STEP}))
    return run
