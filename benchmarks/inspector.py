"""From a question to the changed preview: another layer, head or method of the package's network, by the inspector.
python benchmarks/inspector.py [--rounds 10]"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from result_file import ResultFile

from vitbench.inspector.client import Inspector
from vitbench.paths import sample_images

LAYERS, HEADS = 6, 3


def questions(kind: str, number: int) -> dict[str, Any]:
    """The `number`th question of a person who moves through one kind of thing."""
    pictures = sorted(sample_images().glob("*.png"))
    if kind == "method, not seen yet":
        methods = ("libra", "generic", "rollout", "chefer_lrp", "grad_cam")
        return {"method": methods[number % 5], "pictures": [str(pictures[1 + number // 5])]}
    subject = {"pictures": [str(pictures[0])]}
    if kind == "method, seen before":
        return subject | {"method": ("libra", "generic", "rollout", "raw")[number % 4]}
    return subject | {"method": "raw", kind: 1 + number % (LAYERS if kind == "layer" else HEADS)}


async def measure(rounds: int, result: ResultFile) -> None:
    inspector = Inspector(Path(tempfile.mkdtemp()))
    try:
        for kind in ("layer", "head", "method, seen before", "method, not seen yet"):
            times = []
            for number in range(rounds + 4):
                began = time.perf_counter()
                request = {"network": "demo", **questions(kind, number)}
                await inspector.ask("sheet", kind="attention", request=request)
                times.append((time.perf_counter() - began) * 1e3)
            first, kept = times[0], times[4:]
            result.say(f"| {kind} | {first:.0f} ms | {statistics.median(kept):.0f} ms | {max(kept):.0f} ms |")
    finally:
        await inspector.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    result = ResultFile("inspector", "From a question to the changed preview", "torch", "timm", "textual")
    result.say(
        f"The inspector's answer as the app receives it, without drawing; {rounds} moves after four to warm up.\n"
    )
    result.say("| another | first | median | slowest |\n|---|---|---|---|")
    asyncio.run(measure(rounds, result))
    result.write()


if __name__ == "__main__":
    main()
