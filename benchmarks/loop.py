"""Our loop against a plain hand-written PyTorch loop: the same network, pictures, optimizer and schedule, on the CPU.

    python benchmarks/loop.py [--pairs 10] [--steps 20] [--batch-size 32]

Ours is what a worker does in full: batches from the decoded cache, seeds from the counters, metrics, event file,
status, a look for requests. The plain loop has all pictures in memory and does nothing but learn. Each pair is one
stretch of either in turn, in one process with one thread; the rate counts from the third step to the last. Where
other work shares the machine, the rate by the processor time of the process is the steadier one.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from result_file import ResultFile

from vitbench.models.network import build_network
from vitbench.recipe import Recipe, parse_recipe
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.log import RunLog
from vitbench.runs.store import Store
from vitbench.training.checkpoint import Checkpoints
from vitbench.training.classification import Classification
from vitbench.training.control import Control
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.loop import train
from vitbench.training.monitor import Monitor
from vitbench.training.open_classification import open_classification
from vitbench.training.state import Training

WARM = 2
"""Steps before the clock starts."""


class Rate(NamedTuple):
    """Pictures a second by the clock, and by the processor time of this process, all threads together."""

    wall: float
    cpu: float


class Stopwatch:
    """Notes the moment at which each step ends."""

    def __init__(self) -> None:
        self.moments: list[tuple[float, float]] = []

    def step(self) -> int:
        """Call it after each step; the number of steps so far."""
        self.moments.append((time.perf_counter(), time.process_time()))
        return len(self.moments)

    def rate(self, batch_size: int) -> Rate:
        """From the end of the warm-up to the last step."""
        first, last = self.moments[WARM], self.moments[-1]
        pictures = batch_size * (len(self.moments) - 1 - WARM)
        return Rate(*(pictures / (end - begin) for begin, end in zip(first, last, strict=True)))


def recipe_of(steps: int, batch_size: int) -> Recipe:
    """The package's network from scratch on Scenes: one epoch of `steps` steps."""
    return parse_recipe(
        {
            "model": {
                "name": "timm:vit_tiny_patch16_224",
                "image_size": 96,
                "options": {"patch_size": 12, "embed_dim": 96, "depth": 6, "num_heads": 3},
            },
            # A few pictures more than are trained on, for the validation split.
            "data": {"path": f"scenes:new?count={round(steps * batch_size / 0.7)}&size=96&seed=0"},
            "train": {"epochs": 1, "batch_size": batch_size, "device": "cpu", "threads": 1},
            "optim": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.05},
            "schedule": {"warmup_epochs": 0.1},
        },
        "benchmark",
    )


def our_rate(recipe: Recipe, store: Path, steps: int) -> tuple[Rate, Classification]:
    """The real loop with everything around it but evaluations and checkpoints; and its task."""
    run = Store(store).create(recipe)
    device = torch.device("cpu")
    task, _ = open_classification(recipe, run.folder, store, device, lambda *_: None)
    training = Training(task, recipe, device)
    heartbeat = Heartbeat(run.folder, run.status())
    heartbeat.start()
    monitor = Monitor(
        events=EventWriter(run.folder),
        log=RunLog(run.log),
        heartbeat=heartbeat,
        checkpoints=Checkpoints(run.folder / "checkpoints"),
        control=Control(run),
        evaluations=run.folder / "evaluations",
        log_every=recipe.train.log_every,
        gpu_uuids=[],
    )
    watch, record = Stopwatch(), monitor.record

    def recorded(*figures) -> None:
        record(*figures)
        if watch.step() == steps:
            run.request("stop")
            monitor.control.interval = 0.0

    monitor.record, monitor.save = recorded, lambda *_, **__: None
    train(training, monitor)
    heartbeat.stop()
    assert len(watch.moments) == steps, f"{len(watch.moments)} steps"
    return watch.rate(recipe.train.batch_size), task


def plain_rate(recipe: Recipe, pixels: torch.Tensor, labels: torch.Tensor, classes: int, steps: int) -> Rate:
    """The loop that everybody writes, on uint8 pictures [N, H, W, 3] in memory."""
    model = build_network(recipe.model, num_classes=classes).module.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05, fused=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    order, size, watch = torch.randperm(len(labels)), recipe.train.batch_size, Stopwatch()
    for step in range(steps):
        chosen = order[step * size : (step + 1) * size]
        images = pixels[chosen].permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels[chosen])
        loss.backward()
        optimizer.step()
        scheduler.step()
        watch.step()
    return watch.rate(size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = ResultFile("loop", "Our loop against a plain one, on the CPU", "torch", "timm")
    recipe = recipe_of(arguments.steps, arguments.batch_size)
    with tempfile.TemporaryDirectory() as temporary:
        store = Path(temporary)
        _, task = our_rate(recipe, store, arguments.steps)  # draws the scenes and makes the cache
        positions = task.data.positions("train")
        pixels = torch.from_numpy(task.train.cache.gather(positions).copy())
        labels = torch.from_numpy(task.train.labels)
        classes = len(task.data.classes)
        ours, plain = [], []
        for _ in range(arguments.pairs):
            ours.append(our_rate(recipe, store, arguments.steps)[0])
            plain.append(plain_rate(recipe, pixels, labels, classes, arguments.steps))
    result.say("ViT of 6 blocks, 96 wide, 96x96 pictures in patches of 12, float32, one thread, AdamW,")
    result.say(
        f"{arguments.batch_size} pictures a step; {arguments.pairs} interleaved pairs of {arguments.steps} steps.\n"
    )
    result.say("| pictures a second (medians) | vitbench | plain loop | ratio | from | to |\n|---|---|---|---|---|---|")
    for what, column in (("by the clock", "wall"), ("by processor time", "cpu")):
        mine, other = ([getattr(rate, column) for rate in rates] for rates in (ours, plain))
        ratios = [one / two for one, two in zip(mine, other, strict=True)]
        result.say(
            f"| {what} | {statistics.median(mine):.1f} | {statistics.median(other):.1f}"
            f" | {statistics.median(ratios):.3f} | {min(ratios):.3f} | {max(ratios):.3f} |"
        )
    result.write()


if __name__ == "__main__":
    main()
