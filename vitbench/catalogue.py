"""The networks and optimizers by name, with facts about them; reads `catalogue.json`, so it needs no torch.

`python -m vitbench.models.catalogue` makes the file anew from the timm that is installed.
"""

import fnmatch
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from vitbench.paths import shipped_weights

FILE = Path(__file__).resolve().parent / "catalogue.json"

Positions = Literal["absolute", "rotary", "relative_bias", "none", ""]


@dataclass(frozen=True)
class CatalogueEntry:
    """One network. What only a plain Vision Transformer has is 0, empty or None for any other."""

    name: str
    """`timm:NAME` (without a tag), `pretrained_vit:NAME` or `demo`."""
    family: str
    """timm's module: vision_transformer, deit, eva, beit ..."""
    parameters: int
    image_size: tuple[int, int]
    """(height, width) in pixels."""
    patch_size: tuple[int, int] | None
    """(height, width) in pixels."""
    tokens: int
    """Patches and prefix tokens of a picture of `image_size`."""
    prefix_tokens: int
    gflops: float
    """Floating point operations, in 10^9, of one forward pass of one picture; a multiply-add counts as two."""
    pooling: str
    positions: Positions
    tags: tuple[str, ...]
    """timm's names for its published weights, the default first; one empty tag where there is no choice."""
    sources: tuple[str, ...]
    """For each tag, where the weights are kept: `hub:OWNER/NAME` or `url:FILE NAME`."""

    @property
    def screens(self) -> tuple[str, ...]:
        """What can be shown of it. Every network trains, and answers to occlusion and integrated gradients."""
        if self.patch_size is None:
            return ("training", "occlusion")
        return ("training", "occlusion", "attention", "relevance", *(["positions"] if self.has_positions else []))

    @property
    def has_positions(self) -> bool:
        """Whether it learned an absolute position embedding."""
        return self.positions == "absolute"


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return document


@cache
def entries() -> tuple[CatalogueEntry, ...]:
    """All networks, sorted naturally."""
    fields = _document()["fields"]
    found = [_entry(dict(zip(fields, row, strict=True))) for row in _document()["networks"]]
    return tuple(sorted([*found, *_demo()], key=lambda entry: natural_key(entry.name)))


def entry(name: str) -> CatalogueEntry | None:
    """The facts about `timm:NAME[.TAG]`, `pretrained_vit:NAME`, `demo` or a bare timm name; None if there are none."""
    door, colon, bare = name.rpartition(":")
    full = name if name == "demo" else f"{door if colon else 'timm'}:{bare.partition('.')[0]}"
    return next((entry for entry in entries() if entry.name == full), None)


@cache
def model_names() -> tuple[str, ...]:
    """What `model.name` may be: `demo`, and each name with its door, without and with its tags; sorted naturally."""
    names = [entry.name for entry in entries()]
    names += [f"{entry.name}.{tag}" for entry in entries() for tag in entry.tags if tag]
    return tuple(sorted({"demo", *names}, key=natural_key))


def optimizer_names() -> tuple[str, ...]:
    """timm's names of optimizers."""
    return tuple(_document()["optimizers"])


def timm_version() -> str:
    """The timm that the facts come from."""
    return str(_document()["timm"])


def matching(pattern: str) -> list[CatalogueEntry]:
    """The entries whose name, with or without its door, fits a shell pattern (`vit*`), or contains a plain text."""
    wanted = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    return [
        entry
        for entry in entries()
        if any(fnmatch.fnmatchcase(name, wanted) for name in (entry.name, entry.name.rpartition(":")[2]))
    ]


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sorts numbers in names by their value: `patch8` before `patch16`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]


class LocalWeights:
    """Which published weights lie on this machine, by one look into the caches of the hub and of torch."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        cache_home = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        hub_home = Path(environment.get("HF_HOME") or cache_home / "huggingface")
        self.hub = Path(environment.get("HF_HUB_CACHE") or hub_home / "hub")
        self.torch = Path(environment.get("TORCH_HOME") or cache_home / "torch") / "hub" / "checkpoints"
        self._on_hub = set(_names(self.hub))
        self._of_torch = set(_names(self.torch))

    def tags(self, entry: CatalogueEntry) -> tuple[str, ...]:
        """The tags of `entry` whose weights are here."""
        pairs = zip(entry.tags, entry.sources, strict=True)
        return tuple(tag for tag, source in pairs if self._is_here(source))

    def _is_here(self, source: str) -> bool:
        kind, _, place = source.partition(":")
        if kind == "package":
            return True
        if kind == "url":
            return place in self._of_torch
        folder = "models--" + place.partition("@")[0].replace("/", "--")
        # The folder appears when a download starts; the file is linked into a snapshot when it is whole.
        return folder in self._on_hub and any(
            file.suffix in (".safetensors", ".bin", ".pth") for file in self.hub.glob(f"{folder}/snapshots/*/*")
        )


def _names(folder: Path) -> list[str]:
    try:
        return [file.name for file in folder.iterdir()]
    except OSError:
        return []


def _entry(values: dict[str, Any]) -> CatalogueEntry:
    patch = values["patch_size"]
    pairs = [tag if isinstance(tag, list) else [tag, ""] for tag in values["tags"]]
    bare = values["name"].rpartition(":")[2]
    return CatalogueEntry(
        name=values["name"],
        family=values["family"],
        parameters=values["parameters"],
        image_size=(values["image_size"][0], values["image_size"][1]),
        patch_size=(patch[0], patch[1]) if patch else None,
        tokens=values["tokens"],
        prefix_tokens=values["prefix_tokens"],
        gflops=values["gflops"],
        pooling=values["pooling"],
        positions=values["positions"],
        tags=tuple(tag for tag, _ in pairs),
        sources=tuple(source or f"hub:timm/{bare}.{tag}" for tag, source in pairs),
    )


def _demo() -> list[CatalogueEntry]:
    """The package's own classifier, as the card beside its weights describes it, if it is there."""
    card = shipped_weights() / "classifier.catalogue.json"
    if not card.is_file() or not card.with_name("classifier.safetensors").is_file():
        return []
    return [_entry(json.loads(card.read_text(encoding="utf-8")))]
