"""Long work in the inspector: how soon it is cancelled, what another screen waits for meanwhile, and its memory.

python benchmarks/long_work.py [--rounds 5]

A quick question, another head of the package's network, is asked while nothing else goes on, in the middle of each kind
of long work, and right after that is cancelled. The networks have random weights: they cost what trained ones do.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from result_file import ResultFile

from vitbench.inspector.client import Inspector
from vitbench.paths import sample_images

NETWORKS = {"384/16": ("vit_small_patch16_384", 384), "518/14": ("vit_small_patch14_dinov2", 518)}


def made_networks(folder: Path) -> dict[str, str]:
    """The networks as files, and how they are named."""
    import timm
    from safetensors.torch import save_file

    found = {}
    for title, (name, _) in NETWORKS.items():
        file = folder / f"{name}.safetensors"
        save_file(timm.create_model(name, num_classes=10).state_dict(), file)
        found[title] = f"timm:{name}@{file}"
    return found


async def quick(inspector: Inspector, number: int) -> float:
    """Milliseconds to another head of the package's network, of a picture that was looked at before."""
    picture = sorted(sample_images().glob("*.png"))[0]
    request = {"network": "demo", "pictures": [str(picture)], "method": "raw", "layer": 1 + number % 6}
    began = time.perf_counter()
    await inspector.ask("sheet", kind="attention", request=request | {"head": 1 + number % 3})
    return (time.perf_counter() - began) * 1e3


async def in_the_middle(inspector: Inspector, kind: str, request: dict[str, Any], rounds: int) -> list[list[float]]:
    """Milliseconds of quick questions while the work goes on, and of one right after each cancellation."""
    during, after = [], []
    for number in range(rounds):
        going = asyncio.Event()
        steps = 0

        def told(done: int, total: int, what: str, going: asyncio.Event = going) -> None:
            nonlocal steps
            steps += total > 0
            if steps > 2:
                going.set()

        work = asyncio.create_task(inspector.ask("sheet", kind=kind, request=request, progress=told))
        await asyncio.wait([work, asyncio.create_task(going.wait())], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
            raise SystemExit(f"{kind} {request} was done before it could be cancelled.")
        await asyncio.sleep(0.37)
        during.append(await quick(inspector, number))
        await asyncio.sleep(0.23)
        work.cancel()
        after.append(await quick(inspector, number + 1))
        await asyncio.gather(work, return_exceptions=True)
    return [during, after]


def peak_mb(inspector: Inspector) -> float:
    """The most memory that the inspector's process has had."""
    assert inspector._process is not None
    status = Path(f"/proc/{inspector._process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


async def measure(folder: Path, rounds: int, result: ResultFile) -> None:
    networks = made_networks(folder)
    picture = folder / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (518, 518, 3), np.uint8)).save(picture)
    of_picture = {"pictures": [str(picture)]}
    works = {
        "position scorecard, 24x24": ("positions", {"network": networks["384/16"]}),
        "integrated gradients, 384/16": (
            "attention",
            {"network": networks["384/16"], "method": "integrated_gradients", **of_picture, "options": {"steps": 200}},
        ),
        "occlusion, 384/16": ("attention", {"network": networks["384/16"], "method": "occlusion", **of_picture}),
        "occlusion, 518/14": ("attention", {"network": networks["518/14"], "method": "occlusion", **of_picture}),
        "perturbation of maps": ("faithfulness", {"network": "demo", "data": "scenes:base?count=400", "count": 100}),
    }
    inspector = Inspector(folder / "store")
    try:
        alone = [await quick(inspector, number) for number in range(rounds + 6)][6:]
        result.say(f"A quick question alone: {statistics.median(alone):.0f} ms.\n")
        result.say("| work | a quick question meanwhile, median and most, ms | after cancelling, median and most, ms |")
        result.say("|---|---|---|")
        latest = longest = 0.0
        for title, (kind, request) in works.items():
            before = peak_mb(inspector)
            during, after = await in_the_middle(inspector, kind, request, rounds)
            shown = [f"{statistics.median(times):.0f}, {max(times):.0f}" for times in (during, after)]
            result.say(f"| {title} | {shown[0]} | {shown[1]} |")
            longest, latest = max(longest, *during), max(latest, *after)
            if title == "occlusion, 518/14":
                occlusion = peak_mb(inspector) - before
        began = time.perf_counter()
        await inspector.ask("sheet", kind="positions", request={"network": networks["384/16"], "view": "norms"})
        scorecard = time.perf_counter() - began
    finally:
        await inspector.close()
    result.say(f"\nThe whole scorecard at 24x24: {scorecard:.2f} s. Occlusion at 518/14 adds {occlusion:.0f} MB.\n")
    result.goal("another screen waits less than a second", longest < 1000)
    result.goal("cancelled within 0.2 s", latest < 200)
    result.goal("the scorecard at 24x24 below 3 s", scorecard < 3)
    result.goal("occlusion at 518/14 adds less than 1 GB", occlusion < 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="another result file")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as `vitbench` does, and the inspector inherits
    result = ResultFile("long_work", "Long work in the inspector", "torch", "timm", "numpy", out=chosen.out)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), chosen.rounds, result))
    result.write()


if __name__ == "__main__":
    main()
