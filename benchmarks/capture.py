"""What looking costs, in forward passes: ViT-B/16 at 224, random weights, one picture, one thread.

python benchmarks/capture.py [--repeats 5] > benchmarks/results/capture.md
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from machine import describe

from vitbench.explain.explanation import explain
from vitbench.explain.kept_attention import all_attention
from vitbench.models.network import open_network

REACH = {"all attention kept": 1.1, "generic": 2.5, "libra": 3.5, "chefer_lrp": None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    network = open_network("timm:vit_base_patch16_224@random")
    pixels = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))

    def forward() -> None:
        with torch.no_grad():
            network.module(pixels)

    looks: dict[str, Callable[[], object]] = {"all attention kept": partial(all_attention, network, pixels)}
    looks |= {method: partial(explain, network, pixels, method) for method in ("generic", "libra", "chefer_lrp")}
    rows, peaks = [], {}
    forward()
    for name, look in looks.items():
        look()
        peaks[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        # In turns, and against the forward just before, so that what else the machine does weighs on both.
        pairs = [(seconds(forward), seconds(look)) for _ in range(repeats)]
        plain, looked = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        rows.append((name, plain, looked, ratio))
    print(f"# What looking costs: ViT-B/16 at 224, one picture, one CPU thread\n\n{describe('torch', 'timm')}\n")
    print(
        f"Medians of {repeats}, each beside a plain forward. Memory is the process's highest so far, torch included.\n"
    )
    print("| look | forward, s | look, s | forwards | to reach | peak, GiB |\n|---|---|---|---|---|---|")
    for name, plain, looked, ratio in rows:
        reach = "3 s, 1.1 GB" if REACH[name] is None else f"{REACH[name]}"
        print(f"| {name} | {plain:.2f} | {looked:.2f} | {ratio:.2f} | {reach} | {peaks[name]:.2f} |")


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
