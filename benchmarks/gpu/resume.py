"""Killed in the middle and resumed, a run ends in the bits of one that nobody disturbed."""

import hashlib
import os
import signal
import time
from pathlib import Path

import torch

from gpu.bench import Bench
from gpu.recipes import little
from gpu.workers import ended, start, until
from vitbench.recipe import Recipe
from vitbench.runs.store import Run, Store


def run(bench: Bench) -> None:
    compare(bench, little(bench))


def compare(bench: Bench, recipe: Recipe) -> None:
    """Without a GPU the runs go beside each other; with one, they wait for each other."""
    store = Store(bench.store)
    began = time.monotonic()
    killed, whole = store.create(recipe, "killed"), store.create(recipe, "undisturbed")
    start(bench, killed)
    until(lambda: len(killed.checkpoints()) > 1, killed)
    process = killed.status().process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: killed.status().state == "crashed")
    bench.note("killed after the checkpoint of step", killed.checkpoints()[-1].step)
    start(bench, killed, again=True)
    start(bench, whole)
    ended(killed)
    ended(whole)
    one, two = _digest(killed), _digest(whole)
    bench.note("from the first start to the last end", time.monotonic() - began, "s")
    bench.goal("final weights bit for bit", one == two, f"{one[:12]} and {two[:12]}")
    files = [_saved(checkpoint.folder) for checkpoint in whole.checkpoints()]
    bench.goal("and of other steps other bits", len({*files}) == len(files) > 1, f"{len(files)} checkpoints")


def _saved(folder: Path) -> bytes:
    """SHA-256 of the averaged weights of a checkpoint."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).digest()


def _digest(run: Run) -> str:
    """SHA-256 of the averaged weights of the last checkpoint, and of those of the last step."""
    folder = run.checkpoint("last").folder
    digest = hashlib.sha256(_saved(folder))
    state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    for name, weights in sorted((state["weights"] or {}).items()):
        digest.update(name.encode() + weights.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
