"""Real worker processes on a tiny network, that end in the middle of whatever a test wants them to end in.

They are forked from a server that has imported torch once, so that a start takes a tenth of a second and not five.
"""

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vitbench.recipe import Recipe, parse_recipe
from vitbench.runs.checkpoints import WEIGHTS_NAME, step_folder
from vitbench.runs.store import Run

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["vitbench.training.worker", "vitbench.training.work", "vitbench.training.open_classification"]
)

TINY = {"embed_dim": 16, "depth": 2, "num_heads": 2, "patch_size": 8}


def write_pictures(folder: Path, count: int = 14, classes: tuple[str, ...] = ("red", "green", "blue")) -> Path:
    """Noise with a tint, in the course's layout, `count` of each class."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(3)
    for channel, label in enumerate(classes):
        for number in range(count):
            pixels = random.integers(0, 156, (20, 24, 3), dtype=np.uint8)
            pixels[..., channel % 3] += 100
            Image.fromarray(pixels).save(folder / f"{label}_{number}.png")
    return folder


def worker_recipe(pictures: Path, **tables: dict[str, Any]) -> Recipe:
    """All that draws at random is on: dropout, drop path, augmentation, mixing; and an average of the weights."""
    values: dict[str, Any] = {
        "model": {
            "name": "timm:vit_tiny_patch16_224",
            "image_size": 16,
            "drop_rate": 0.1,
            "drop_path_rate": 0.1,
            "options": TINY,
        },
        "data": {"path": str(pictures), "augment": "crop-flip", "mixup": 0.2, "validation_fraction": 0.2},
        "train": {
            "epochs": 3,
            "batch_size": 6,
            "device": "cpu",
            "threads": 1,
            "log_every": 2,
            "ema": 0.9,
            "checkpoint_every": 4,
        },
        "optim": {"name": "adamw", "lr": 3e-3, "weight_decay": 0.01},
        "schedule": {"warmup_epochs": 1},
    }
    for name, table in tables.items():
        values[name] = {**values.get(name, {}), **table}
    return parse_recipe(values, "test")


def until(condition: Callable[[], Any], what: str, patience: float = 280.0) -> Any:
    """Waits for what `condition` gives, at most `patience` seconds, and returns it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited for {what}")


def last_weights(run: Run) -> dict[str, Any]:
    """The weights of a run's last checkpoint."""
    from safetensors.torch import load_file

    last = max(entry.step for entry in run.checkpoints())
    return load_file(step_folder(run.folder / "checkpoints", last) / WEIGHTS_NAME)


def start_worker(folder: Path, *preparations: tuple[Callable[..., None], Any]) -> BaseProcess:
    """A worker process of the run in `folder`, after each of the preparations was called in it with its argument."""
    process = _SERVER.Process(target=_work, args=(folder, preparations))
    process.start()
    return process


def _work(folder: Path, preparations: tuple[tuple[Callable[..., None], Any], ...]) -> None:
    sys.stderr = sys.stdout = (folder / "worker.log").open("a", buffering=1)
    from vitbench.training.worker import main

    for prepare, argument in preparations:
        prepare(argument)
    code = main(folder)
    os._exit(code)


def die_in_step(number: int) -> None:
    """SIGKILL after the backward pass of the step of this number since the start, before the weights change."""
    from vitbench.training.state import Training

    _kill_at_call(Training, "clip_gradients", number)


def die_in_evaluation(number: int) -> None:
    """SIGKILL at the evaluation's report of progress of this number, within or between its batches."""
    from vitbench.training.monitor import Monitor

    _kill_at_call(Monitor, "progress", number)


def die_in_save(number: int) -> None:
    """SIGKILL just before the file operation of this number (open, rename, remove, mkdir) below `checkpoints/`."""
    left = number

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"):
            if "checkpoints" not in str(arguments[0]):
                return
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def fill_disk(what: tuple[Path, int, str]) -> None:
    """Just before the file operation of a number below a folder its disk has no room for another byte, or file."""
    place, left, lacking = what
    busy = False

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left, busy
        if busy or event not in _CHANGES or not str(arguments[0]).startswith(str(place)):
            return
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        left -= 1
        if left == 0:
            busy = True
            fill(place, lacking)

    sys.addaudithook(watch)


_CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.link")


def fill(place: Path, lacking: str) -> None:
    """Leaves a disk without room for another byte ("bytes") or another file ("files"), by files called filling-..."""
    with suppress(OSError):
        if lacking == "files":
            for number in range(100_000):
                (place / f"filling-{number}").touch()
        for size in (65536, 512):
            with (place / f"filling-{size}").open("wb", buffering=0) as stream:
                while stream.write(bytes(size)) == size:
                    pass


def make_room(place: Path) -> None:
    """Takes away what `fill` has left."""
    for file in place.glob("filling-*"):
        file.unlink()


def wait_in_steps(gate: Path) -> None:
    """Each step waits until there is a file `gate`, for at most four minutes: what a test does to a run that runs."""
    from vitbench.training.state import Training

    original = Training.clip_gradients

    def wait(self: Training, *arguments: Any, **options: Any) -> Any:
        deadline = time.monotonic() + 240
        while not gate.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return original(self, *arguments, **options)

    Training.clip_gradients = wait  # type: ignore[method-assign]


def read_requests_at_each_step(_: None) -> None:
    """No request is passed over because the last look at them was a moment ago."""
    from vitbench.training.control import Control

    original = Control.asked

    def asked(self: Control) -> Any:
        self.interval = 0.0
        return original(self)

    Control.asked = asked  # type: ignore[method-assign]


def limit_file_size(size: int) -> None:
    """No file may grow beyond `size` bytes: what a full disk does to a write."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def run_out_of_memory_above(largest: int) -> None:
    """A forward pass of more pictures than this raises what torch raises when a GPU is full."""
    import torch

    from vitbench.training.classification import Classification

    original = Classification.loss

    def loss(self: Classification, module: torch.nn.Module, batch: Any) -> Any:
        if len(batch.labels) > largest:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {len(batch.labels)} pictures")
        return original(self, module, batch)

    Classification.loss = loss  # type: ignore[method-assign]


def poison_step(number: int) -> None:
    """The loss of the step of this number is not a number."""
    from vitbench.training.classification import Classification

    original, calls = Classification.loss, 0

    def loss(self: Classification, module: Any, batch: Any) -> Any:
        nonlocal calls
        calls += 1
        value, extras = original(self, module, batch)
        return (value * float("nan") if calls == number else value), extras

    Classification.loss = loss  # type: ignore[method-assign]


def _kill_at_call(owner: type, name: str, number: int) -> None:
    original, left = getattr(owner, name), number

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    setattr(owner, name, counted)
