"""Attacks on what torch reads: checkpoints, environments, weight files and descriptions of networks."""

import json
import pickle
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from attack import Harm
from hostile import Payload, damaged, json_bytes, put, remove
from safetensors.torch import save_file

from vitbench.models.description import read_network_json
from vitbench.models.network import open_network
from vitbench.models.weight_files import read_weights
from vitbench.runs.store import Store
from vitbench.training.checkpoint import Checkpoints
from vitbench.training.environment import frozen_threads, write_environment
from vitbench.training.state import Training

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))
from training_helpers import TinyTask, start, tiny_recipe

Attempt = Callable[[random.Random, Path], str]


def _payload_pickle(marker: Path, protocol: int) -> bytes:
    return pickle.dumps({"state_dict": Payload(marker)}, protocol=protocol)


def checkpoints(place: Path) -> Attempt:
    """state.pt, model.safetensors and network.json of the newest of two checkpoints: none is deleted, and a sentence is
    said if the older one is taken."""
    recipe = tiny_recipe()
    training, monitor, run = start(place, recipe)
    monitor.checkpoints.save(training, keep=True)
    training.step += 1
    monitor.checkpoints.save(training, keep=True)
    whole = place / "whole"
    shutil.copytree(run.folder / "checkpoints", whole)
    steps = [folder.name for folder in whole.glob("step-*")]
    if len(steps) != 2:
        raise Harm(f"{len(steps)} checkpoints were made")
    newest = max(steps)
    resumed = Training(TinyTask(recipe), recipe, torch.device("cpu"))
    state = torch.load(whole / newest / "state.pt", weights_only=True)

    def attempt(seed: random.Random, place: Path) -> str:
        folder = run.folder / "checkpoints"
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)
        name = seed.choice(["state.pt", "state.pt", "model.safetensors", "network.json"])
        file = folder / newest / name
        if name == "state.pt" and seed.random() < 0.4:
            other = dict(state)
            key = seed.choice(list(other))
            other[key] = seed.choice([None, -5, 0, "x", [], {}, torch.zeros(3), float("nan"), 10**30, other])
            torch.save(other, file)
            what = f"{key} changed"
        elif seed.random() < 0.1:
            what = put(file, _payload_pickle(place.parent / "executed", seed.choice([2, 4])), seed)
        else:
            what = put(file, damaged(file.read_bytes(), seed), seed)
        kept = Checkpoints(folder)
        try:
            kept.load(resumed)
            taken = kept.path(resumed.step).name
            if taken != newest and not kept.remarks:
                raise Harm("an older checkpoint was taken without a word")
        finally:
            here = "".join(entry.name for entry in folder.iterdir())
            if any(step not in here for step in steps):
                raise Harm(f"a checkpoint is lost: {here}")
        return what

    return attempt


def environments(place: Path) -> Attempt:
    """environment.json: a run goes on without it, and what is damaged is set aside and named."""
    facts = {"threads": 2, "seed": 1, "device": "cpu", "data_fingerprint": "0"}
    write_environment(place, **facts)
    document = json.loads((place / "environment.json").read_text())

    def attempt(seed: random.Random, place: Path) -> str:
        for file in place.iterdir():
            remove(file)
        what = put(place / "environment.json", json_bytes(document, seed), seed)
        threads = frozen_threads(place, 2)
        if not 0 < threads <= 4096:
            raise Harm(f"{threads} threads")
        before = len(list(place.iterdir()))
        remarks = write_environment(place, **facts)
        if len(list(place.iterdir())) > before and not remarks and "nothing" not in what:
            raise Harm("set aside without a word")
        json.loads((place / "environment.json").read_text())
        return what

    return attempt


def weight_files(place: Path) -> Attempt:
    """Weight files of every kind that is read, with lying headers and pickles that would run."""
    tensors = {"head.weight": torch.arange(12.0).reshape(3, 4), "head.bias": torch.zeros(3)}
    good = {}
    save_file(tensors, place / "a.safetensors")
    torch.save({"state_dict": tensors, "epoch": 3}, place / "a.pth")
    torch.save(tensors, place / "b.pt", _use_new_zipfile_serialization=False)
    np.savez_compressed(place / "c.npz", **{name: tensor.numpy() for name, tensor in tensors.items()})
    for file in list(place.iterdir()):
        good[file.name] = file.read_bytes()

    def attempt(seed: random.Random, place: Path) -> str:
        name = seed.choice(list(good))
        kind = seed.random()
        if kind < 0.15:
            content = _payload_pickle(place.parent / "executed", seed.choice([0, 2, 4]))
        elif kind < 0.3:
            # A header of safetensors that lies: sizes, offsets, shapes.
            header = {
                "a": {
                    "dtype": "F32",
                    "shape": [seed.choice([3, -1, 10**12])],
                    "data_offsets": [0, seed.choice([12, -1, 10**15])],
                }
            }
            text = json_bytes(header, seed)
            content = seed.choice([len(text), 2**40, 0]).to_bytes(8, "little") + text + bytes(12)
        else:
            content = damaged(good[name], seed)
        what = put(place / name, content, seed)
        read_weights(place / name)
        return what

    return attempt


def network_json(place: Path) -> Attempt:
    """network.json beside whole weights: read, and opened as a network."""
    training, _, _ = start(place / "store", tiny_recipe())
    folder = place / "network"
    folder.mkdir()
    save_file(training.task.network.module.state_dict(), folder / "model.safetensors")
    training.task.network.write_network_json(folder)
    document = json.loads((folder / "network.json").read_text())

    def attempt(seed: random.Random, place: Path) -> str:
        what = put(folder / "network.json", json_bytes(document, seed), seed)
        read_network_json(folder / "network.json")
        open_network(str(folder), Store(place / "store"))
        return what

    return attempt
