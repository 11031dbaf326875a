"""What looking costs, in forward passes: ViT-B/16 at 224, random weights, one picture, one thread.

python benchmarks/capture.py [--repeats 5] > benchmarks/results/capture.md

Each look is measured in a process of its own, so that its memory is its own too.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from result_file import ResultFile

from vitbench.attention.cache import all_attention
from vitbench.attribution.explanation import explain
from vitbench.models.network import open_network

REACH = {
    "nothing": "",
    "all attention kept": "1.1 forwards",
    "generic": "2.5 forwards",
    "libra": "3.5 forwards",
    "chefer_lrp": "3 s, 1.1 GB",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--one", choices=list(REACH), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measured(arguments.one, arguments.repeats)))
        return
    title = "What looking costs: ViT-B/16 at 224, one picture, one CPU thread"
    result = ResultFile("capture", title, "torch", "timm")
    result.say(
        f"Medians of {arguments.repeats}, each beside a plain forward, by the clock and by processor time (what else"
        " the machine does weighs less there). Memory is the process's highest, torch and weights included; `nothing`"
        " is the plain forward alone.\n"
    )
    result.say("| look | forward, s | look, s | forwards | by processor time | to reach | peak, GB |")
    result.say("|---|---|---|---|---|---|---|")
    for name, reach in REACH.items():
        command = [sys.executable, __file__, "--one", name, "--repeats", str(arguments.repeats)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        times = f"{found['forward']:.2f} | {found['look']:.2f} | {found['ratio']:.2f} | {found['processor_ratio']:.2f}"
        result.say(f"| {name} | {times} | {reach} | {found['peak'] / 1e9:.2f} |")
    result.write()


def measured(name: str, repeats: int) -> dict[str, Any]:
    """Seconds of a plain forward and of a look, their ratio, and the peak of memory in bytes."""
    torch.set_num_threads(1)
    # A map of a random head means nothing to a person, but costs what another does.
    network = replace(open_network("timm:vit_base_patch16_224@random"), untrained=False)
    pixels = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))

    def forward() -> None:
        with torch.no_grad():
            network.module(pixels)

    looks: dict[str, Callable[[], object]] = {"nothing": forward}
    looks["all attention kept"] = partial(all_attention, network, pixels)
    looks |= {method: partial(explain, network, pixels, method) for method in ("generic", "libra", "chefer_lrp")}
    look = looks[name]
    forward()
    look()
    # In turns, and against the forward just before, so that what else the machine does weighs on both.
    pairs = [(timed(forward), timed(look)) for _ in range(repeats)]
    return {
        "forward": statistics.median(plain[0] for plain, _ in pairs),
        "look": statistics.median(looked[0] for _, looked in pairs),
        "ratio": statistics.median(looked[0] / plain[0] for plain, looked in pairs),
        "processor_ratio": statistics.median(looked[1] / plain[1] for plain, looked in pairs),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


if __name__ == "__main__":
    main()
