"""Several processes that train one tiny task together over gloo: forked, without an agent, to start at once."""

import os
import socket
from pathlib import Path
from typing import Any

import torch

from tests.training.training_helpers import TinyTask, start
from tests.training.worker_for_tests import _SERVER
from vitbench.recipe import Recipe
from vitbench.training.distributed import JoinedRanks
from vitbench.training.loop import train


def train_joined(folder: Path, recipe: Recipe, world: int, **task: Any) -> list[dict[str, Any]]:
    """What each of `world` processes has after training `recipe` on a TinyTask: see `_train`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [
        _SERVER.Process(target=_joined, args=(folder / f"rank{rank}", recipe, rank, world, port, task))
        for rank in range(world)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        process.kill()
    return [torch.load(folder / f"rank{rank}" / "result.pt", weights_only=True) for rank in range(world)]


def train_alone(folder: Path, recipe: Recipe, **task: Any) -> dict[str, Any]:
    """The same in this process."""
    return _train(folder, recipe, None, task)


def _joined(folder: Path, recipe: Recipe, rank: int, world: int, port: int, task: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    torch.save(_train(folder, recipe, JoinedRanks(torch.device("cpu")), task), folder / "result.pt")
    os._exit(0)  # nobody waits for the others to leave


def _train(folder: Path, recipe: Recipe, ranks: JoinedRanks | None, task: dict[str, Any]) -> dict[str, Any]:
    """The final weights, the loss of each step, and the numbers of the pictures that this process saw, by epoch."""
    training, monitor, _ = start(folder, recipe, ranks=ranks, **task)
    losses: list[float] = []
    record = monitor.record

    def note(training: Any, loss: torch.Tensor, *others: Any) -> None:
        losses.append(float(loss))
        record(training, loss, *others)

    monitor.record = note  # type: ignore[method-assign]
    assert train(training, monitor) == "finished"
    seen = training.task.seen if isinstance(training.task, TinyTask) else {}
    return {"weights": training.weights.state_dict(), "losses": losses, "seen": seen, "step": training.step}
