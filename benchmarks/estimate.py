"""The estimate before launch against a real epoch, on three networks.   python benchmarks/estimate.py

Seconds are those from the first step to the end of the first evaluation; memory is the peak of the worker's process.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from result_file import ResultFile

from vitbench.recipe import Recipe, load_recipe
from vitbench.runs.store import Store

NETWORKS = (
    ("12x12 patches at 96, embed_dim 96", "{patch_size=12,embed_dim=96,depth=6,num_heads=3}", 96, 32),
    ("16x16 patches at 96, embed_dim 192", "{patch_size=16,embed_dim=192,depth=4,num_heads=3}", 96, 16),
    ("ViT-Ti/16 at 224", "{}", 224, 8),
)


def recipe(options: str, size: int, batch_size: int) -> Recipe:
    """One epoch of 400 generated pictures."""
    changes = [
        "model.name=timm:vit_tiny_patch16_224",
        f"model.options={options}",
        f"model.image_size={size}",
        f"train.batch_size={batch_size}",
        "train.epochs=1",
        "train.threads=2",
        "train.evaluate_every=1",
        "train.ema=0.0",
        "schedule.warmup_epochs=0",
    ]
    return load_recipe("scratch", changes).with_data("scenes:new?count=400&size=96")


def measured(store: Path, chosen: Recipe) -> tuple[float, float]:
    """Seconds of the epoch and bytes at the peak of a real worker."""
    run = Store(store).create(chosen)
    worker = subprocess.Popen(
        [sys.executable, "-m", "vitbench.training.worker", str(run.folder)], stdout=subprocess.DEVNULL
    )
    _, _, usage = os.wait4(worker.pid, 0)
    lines = [json.loads(line) for line in run.log.read_text().splitlines()]
    began = next(line["time"] for line in lines if line["text"].startswith("Starting"))
    ended = next(line["time"] for line in lines if line["text"].startswith("validation"))
    return ended - began, usage.ru_maxrss * 1024


def main() -> None:
    result = ResultFile("estimate", "The estimate before launch", "torch", "timm")
    result.say("| network | epoch: estimated | measured | ratio | memory: estimated | measured | ratio |")
    result.say("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        for name, options, size, batch_size in NETWORKS:
            chosen = recipe(options, size, batch_size)
            answer = subprocess.run(
                [sys.executable, "-m", "vitbench.training.estimate", str(store)],
                input=chosen.to_toml(),
                capture_output=True,
                text=True,
                check=True,
            )
            estimate = json.loads(answer.stdout.splitlines()[-1])
            seconds, peak = measured(store, chosen)
            result.say(
                f"| {name} | {estimate['epoch_seconds']:.1f} s | {seconds:.1f} s |"
                f" {estimate['epoch_seconds'] / seconds:.2f} | {estimate['memory_bytes'] / 2**20:.0f} MiB |"
                f" {peak / 2**20:.0f} MiB | {estimate['memory_bytes'] / peak:.2f} |"
            )
    result.write()


if __name__ == "__main__":
    main()
