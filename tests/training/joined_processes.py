"""Several processes that train a tiny task, or a run, together over gloo: forked without an agent, to start at once."""

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tests.training.training_helpers import TinyTask, start
from tests.training.worker_for_tests import _SERVER
from vitbench.recipe import Recipe
from vitbench.runs.store import Run
from vitbench.training.distributed import JoinedRanks
from vitbench.training.elastic import FOLDER, LEAVE, RanksOutcome, read_outcome
from vitbench.training.loop import train

Preparation = tuple[Callable[..., None], Any] | None


def train_joined(folder: Path, recipe: Recipe, world: int, **task: Any) -> list[dict[str, Any]]:
    """What each of `world` processes has after training `recipe` on a TinyTask: see `_train`."""
    port = _free_port()
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


def train_ranks(run: Run, turns: Sequence[Sequence[Preparation]] = ()) -> RanksOutcome:
    """Trains a run as its agent does: processes that ended without a word are started again. How the run ended.

    In the n-th turn the process of rank r is first prepared by `turns[n][r]`: None, or a function and its argument.
    """
    (run.folder / FOLDER).mkdir(exist_ok=True)
    world, turn = run.recipe().launch.world, 0
    while (outcome := read_outcome(run)) is None:
        assert turn < 20, (run.folder / "worker.log").read_text()
        asked = turns[turn] if turn < len(turns) else [None] * world
        port = _free_port()
        processes = [
            _SERVER.Process(target=_rank, args=(run.folder, rank, world, port, turn, asked[rank]))
            for rank in range(world)
        ]
        for process in processes:
            process.start()
        deadline = time.monotonic() + 200
        while any(process.exitcode is None for process in processes):
            if any(process.exitcode for process in processes) or time.monotonic() > deadline:
                for process in processes:  # as torch elastic: each has a second to end by itself
                    process.join(1.0)
                    process.kill()
                    process.join()
            time.sleep(0.01)
        turn += 1
    return outcome


def _rank(folder: Path, rank: int, world: int, port: int, turn: int, preparation: Preparation) -> None:
    sys.stderr = sys.stdout = (folder / "worker.log").open("a", buffering=1)
    _join(rank, world, port)
    os.environ.update({"LOCAL_RANK": str(rank), "TORCHELASTIC_RESTART_COUNT": str(turn), LEAVE: str(folder / "none")})
    from vitbench.training.rank import main

    if preparation is not None:
        preparation[0](preparation[1])
    os._exit(main(folder))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _join(rank: int, world: int, port: int) -> None:
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"


def _joined(folder: Path, recipe: Recipe, rank: int, world: int, port: int, task: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    _join(rank, world, port)
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
    return {"weights": training.plain_module.state_dict(), "losses": losses, "seen": seen, "step": training.step}
