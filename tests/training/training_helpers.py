"""A task small enough to train in milliseconds, and a run folder around it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitbench.data.problems import LeftOut
from vitbench.models.network import build_network
from vitbench.progress import Progress
from vitbench.ranks import ALONE, Ranks
from vitbench.recipe import Recipe, parse_recipe
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.events import EventReader
from vitbench.runs.log import RunLog
from vitbench.runs.store import Run, Store
from vitbench.training.checkpoint import Checkpoints
from vitbench.training.control import Control
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.monitor import Monitor
from vitbench.training.seeds import seed_everything
from vitbench.training.state import Training
from vitbench.training.task import BatchSize

TINY = {"embed_dim": 16, "depth": 2, "num_heads": 2, "patch_size": 8}


def tiny_recipe(**tables: dict) -> Recipe:
    """A recipe for a ViT of two blocks on pictures of 16 x 16; `tables` add to it."""
    values: dict = {
        "model": {"name": "timm:vit_tiny_patch16_224", "image_size": 16, "drop_rate": 0.1, "options": TINY},
        "train": {"epochs": 3, "batch_size": 8, "device": "cpu", "threads": 1, "log_every": 4},
        "optim": {"name": "adamw", "lr": 3e-3, "weight_decay": 0.01},
        "schedule": {"warmup_epochs": 1},
    }
    for name, table in tables.items():
        values[name] = {**values.get(name, {}), **table}
    return parse_recipe(values, "test")


class TinyTask:
    """Random pictures of 3 classes, each class with a brighter channel; no files, no loader."""

    monitored_metric = "accuracy"
    splits = ("val",)

    def __init__(self, recipe: Recipe, pictures: int = 44, unreadable: Iterable[int] = ()) -> None:
        seed_everything(recipe.train.seed)
        self.network = build_network(recipe.model, num_classes=3)
        generator = torch.Generator().manual_seed(5)
        self.labels = torch.randint(0, 3, (pictures + 20,), generator=generator)
        self.pixels = torch.randn(pictures + 20, 3, 16, 16, generator=generator)
        self.pixels[torch.arange(pictures + 20), self.labels] += 0.5
        self.train_size = pictures
        self.seed = recipe.train.seed
        self.largest_batch = 10**9
        self.ranks = ALONE
        self.unreadable: frozenset[int] = frozenset(unreadable)
        self.seen: dict[int, list[int]] = {}
        self.left_out = LeftOut()
        self.evaluation_batch = recipe.train.batch_size
        self.poison_at: int | None = None
        self.losses = 0

    def order(self, epoch: int) -> np.ndarray:
        """The pictures of an epoch."""
        return np.random.default_rng([self.seed, epoch]).permutation(self.train_size)

    def batches(self, epoch: int, first_batch: int, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = self.order(epoch)
        for start in range(first_batch * batch_size, self.train_size, batch_size):
            chosen = self.ranks.share(order[start : start + batch_size])
            chosen = np.array([number for number in chosen if number not in self.unreadable], dtype=int)
            self.seen.setdefault(epoch, []).extend(chosen.tolist())
            yield self.pixels[chosen], self.labels[chosen]

    def loss(self, module: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        pixels, labels = batch
        if len(pixels) > self.largest_batch:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {len(pixels)} pictures")
        self.losses += 1
        loss = F.cross_entropy(module(pixels), labels)
        if self.losses == self.poison_at:
            loss = loss * float("nan")
        return loss, {"brightness": pixels.mean()}

    def size(self, batch: tuple[Tensor, Tensor]) -> BatchSize:
        return BatchSize(len(batch[0]), len(batch[0]))

    def evaluate(
        self, module: nn.Module, split: str, *, step: int, folder: Path | None, progress: Progress
    ) -> dict[str, float]:
        progress(0, 1, "evaluating")
        with torch.no_grad():
            logits = module(self.pixels[self.train_size :])
        labels = self.labels[self.train_size :]
        return {
            "loss": F.cross_entropy(logits, labels).item(),
            "accuracy": (logits.argmax(1) == labels).float().mean().item(),
        }

    def close(self) -> None:
        """There is nothing to end."""


def start(
    folder: Path, recipe: Recipe, run: Run | None = None, ranks: Ranks | None = None, **task: object
) -> tuple[Training, Monitor, Run]:
    """A training and its monitor in a new run folder, or going on in `run`."""
    torch.set_num_threads(1)
    tiny = TinyTask(recipe, **task)  # type: ignore[arg-type]
    tiny.ranks = ranks or ALONE
    training = Training(tiny, recipe, torch.device("cpu"), tiny.ranks)
    run = run or Store(folder).create(recipe)
    checkpoints = Checkpoints(run.folder / "checkpoints")
    if checkpoints.last is not None:
        checkpoints.load(training)
    monitor = Monitor(
        events=EventWriter(run.folder, first_step=training.step + 1),
        log=RunLog(run.log),
        heartbeat=Heartbeat(run.folder, run.status()),
        checkpoints=checkpoints,
        control=Control(run, interval=0.0),
        evaluations=run.folder / "evaluations",
        log_every=recipe.train.log_every,
        gpu_uuids=[],
        fp16=recipe.train.amp == "fp16",
    )
    return training, monitor, run


def scalars(run: Run, tag: str) -> dict[int, float]:
    """What the events of a run say, by step."""
    reader = EventReader(run.folder)
    reader.read()
    series = reader.series[tag]
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Whether all weights are equal to the bit."""
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
