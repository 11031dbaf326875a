"""Attacks on what torch reads: checkpoints, environments, weight files and descriptions of networks."""

import copy
import json
import os
import pickle
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attack import Harm
from hostile import VALUES, Payload, damaged, json_bytes, put, remove
from safetensors.torch import save_file

from vitbench.captions.captioner import new_captioner
from vitbench.captions.open import open_captioner
from vitbench.captions.saved import DecoderSizes, save_captioner
from vitbench.captions.tokenizer import train_tokenizer
from vitbench.models.description import read_network_json
from vitbench.models.network import build_network, open_network
from vitbench.models.weight_files import read_weights
from vitbench.recipe_tables import ModelTable
from vitbench.runs.store import Store
from vitbench.training.checkpoint import Checkpoints
from vitbench.training.environment import frozen_threads, write_environment
from vitbench.training.state import Training

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))
from training_helpers import TinyTask, start, tiny_recipe

_TINY = {"embed_dim": 16, "depth": 1, "num_heads": 2}
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


_CAPTIONED = ["a heart", "two bells above a star", "a red drum"]


def captioner_json(place: Path) -> Attempt:
    """The description of a captioner beside whole weights, its tokenizer included."""
    encoder = build_network(ModelTable(name="timm:vit_tiny_patch16_224", image_size=32, options=_TINY), num_classes=0)
    files = {}
    for kind in ("word", "wordpiece"):
        tokenizer = train_tokenizer(kind, _CAPTIONED, vocab_size=60)
        captioner = new_captioner(encoder, tokenizer, DecoderSizes(embed_dim=16, depth=1, num_heads=2))
        save_captioner(place / kind, captioner.module, captioner.describe())
        files[kind] = json.loads((place / f"{kind}.json").read_text())

    def attempt(seed: random.Random, place: Path) -> str:
        kind = seed.choice(list(files))
        document = copy.deepcopy(files[kind])
        if seed.random() < 0.5:  # each key of the sizes and of the tokenizer as often as all that is around them
            part = document[seed.choice(["decoder", "tokenizer", "encoder"])]
            part[seed.choice(list(part))] = seed.choice([*VALUES, 10**6, 10**9])
        what = put(place / f"{kind}.json", json_bytes(document, seed), seed)
        open_captioner(str(place / f"{kind}.safetensors"))
        return what

    return attempt


def saved_folders(place: Path) -> Attempt:
    """What timm saves beside the weights of a classifier; in the full storm what transformers saves, too."""
    if os.environ.get("VITBENCH_STORM") == "full":  # importing transformers takes seconds
        from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        theirs = ViTForImageClassification(ViTConfig(image_size=32, num_labels=3, **sizes))
        theirs.save_pretrained(place / "transformers")
        ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(place / "transformers")
    (place / "timm").mkdir()
    module = build_network(ModelTable(name="timm:vit_tiny_patch16_224", image_size=32, options=_TINY), num_classes=3)
    save_file(module.module.state_dict(), place / "timm" / "model.safetensors")
    seen = {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": 0.9}
    config: dict[str, Any] = {"architecture": "vit_tiny_patch16_224", "num_classes": 3, "pretrained_cfg": seen}
    config["model_args"] = {**_TINY, "img_size": 32}
    (place / "timm" / "config.json").write_text(json.dumps(config))
    good = {file: file.read_bytes() for file in place.glob("*/*.json")}
    for file in good:
        open_network(str(file.parent), Store(place / "store"))

    def attempt(seed: random.Random, place: Path) -> str:
        chosen = seed.choice(list(good))
        for file, content in good.items():
            remove(file)
            file.write_bytes(content)
        document = json.loads(good[chosen])
        if seed.random() < 0.5:
            part = document.get(seed.choice(["pretrained_cfg", "model_args"]), document)
            part[seed.choice(list(part))] = seed.choice([*VALUES, 10**6, 10**9])
        what = put(chosen, json_bytes(document, seed), seed)
        open_network(str(chosen.parent), Store(place / "store"))
        return what

    return attempt
