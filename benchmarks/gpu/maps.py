"""Maps of the GPU against those of the CPU, and what they take."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from gpu.bench import Bench
from gpu.clock import median_seconds
from vitbench.attribution.explanation import explain
from vitbench.captions.decoding import greedy
from vitbench.captions.open import open_captioner
from vitbench.captions.word_maps import METHODS as WORD_METHODS
from vitbench.captions.word_maps import MapSettings, word_maps
from vitbench.data.pictures import open_picture
from vitbench.models.network import Network, open_network
from vitbench.paths import sample_images

METHODS = ("raw", "rollout", "generic", "chefer_lrp", "libra")
TOLERANCE = 1e-3
"""Largest relative distance, |gpu - truth| / |truth|, of maps in fp32 from those of the CPU in fp64; its sums run in
another order on a GPU. Where fp32 on the CPU is further away than half of it, as relevance of random weights is, which
divides by sums near 0, the GPU may be twice as far as the CPU."""

Maps = Mapping[str, Callable[[], Any]]


def run(bench: Bench) -> None:
    device = bench.device()
    pictures = sorted(sample_images().glob("*.png"))[: 1 if bench.small else 4]
    for name in ["demo"] if bench.small else ["demo", "timm:vit_base_patch16_224@random"]:
        torch.manual_seed(0)
        # The maps of a random head mean nothing to a person, but are the same on both sides or not.
        network = replace(open_network(name), untrained=False)
        pixels = torch.stack([_prepared(network, picture) for picture in pictures])
        _compare(bench, f"of {network.name}", _maps(network, pixels), network.module, device)
    _captioner(bench, pictures[0], device)


def _prepared(network: Network, picture: Any) -> torch.Tensor:
    return network.preprocessing.normalize(network.preprocessing.resized(open_picture(picture)))


def _maps(network: Network, pixels: torch.Tensor) -> Maps:
    """How to make the maps of each method, wherever the network is then and in its number format."""

    def make(method: str) -> Any:
        return explain(network, pixels.to(next(network.module.parameters()).dtype), method, target=0).maps

    return {method: partial(make, method) for method in METHODS}


def _captioner(bench: Bench, picture: Any, device: torch.device) -> None:
    captioner = open_captioner("demo")
    module: Any = captioner.module
    pixels = captioner.prepare(open_picture(picture)).pixels

    def there() -> torch.Tensor:
        parameter = next(module.parameters())
        return pixels.to(parameter.device, parameter.dtype)

    def sentence() -> tuple[int, ...]:
        with torch.no_grad():
            return tuple(greedy(module, module.encode(there()), captioner.tokenizer)[0].ids)

    ids = sentence()
    methods: Maps = {
        method: lambda method=method: word_maps(module, captioner.tokenizer, there(), ids, MapSettings(method)).maps
        for method in WORD_METHODS
    }
    _compare(bench, "of words", methods, module, device)
    module.to(device)
    found = sentence()
    bench.goal("the captioner writes the same sentence", found == ids, captioner.tokenizer.decode(found))


def _compare(bench: Bench, what: str, methods: Maps, module: torch.nn.Module, device: torch.device) -> None:
    """Each method on the CPU in fp32 and in fp64, then on the device in fp32."""
    module.to("cpu")
    on_cpu = {method: _array(make()) for method, make in methods.items()}
    weights = {name: values.clone() for name, values in module.state_dict().items()}
    module.double()
    truths = {method: _array(make()) for method, make in methods.items()}
    module.float().load_state_dict(weights)
    module.to(device)
    for method, make in methods.items():
        here, there = (_distance(maps, truths[method]) for maps in (on_cpu[method], _array(make())))
        title, limit = f"{method} {what}", max(TOLERANCE, 2 * here)
        measured = f"{there:.1e}; the CPU in fp32 {here:.1e}"
        bench.goal(f"{title}: as in fp64 within {limit:.1g}", there <= limit, measured)
        if not bench.small:
            bench.note(title, median_seconds(make, device, rounds=5, warm=1) * 1000, "ms")


def _distance(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(found - truth) / max(np.linalg.norm(truth), 1e-12))


def _array(maps: Any) -> np.ndarray:
    return np.asarray(maps.cpu() if isinstance(maps, torch.Tensor) else maps)
