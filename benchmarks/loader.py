"""Batches as normalised floats: from the cache with the report's augmentation, beside the report's own pipeline.

    python benchmarks/loader.py [--rounds 5] [--pictures 480]

Both hand over float32 [16, 3, 384, 384] with AutoAugment applied, made by as many loader processes (0, 1, 2),
in turns. The report's is an ImageFolder of JPEGs of 500x375 that decodes, resizes, augments and normalises. Without
loader processes the rate is also that by processor time, which other programs on the machine hardly change.
"""

import argparse
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import torch
from cache import recipe_of, report_loader, write_jpegs
from loop import WARM, Rate, Stopwatch, our_rate
from result_file import ResultFile
from torch.utils.data import DataLoader

from vitbench.data.loader import Loader

PROCESSES = (0, 1, 2)
BY_PROCESSOR = "0, by processor time"


def rate(batches: Iterable[object], batch_size: int, steps: int) -> Rate:
    """Pictures a second of the batches alone."""
    watch = Stopwatch()
    for _ in batches:
        if watch.step() == steps:
            break
    return watch.rate(batch_size)


def note(rates: dict[str, list[float]], processes: int, found: Rate) -> None:
    """Keeps a rate; that of other processes' processor time is not known here."""
    rates[str(processes)].append(found.wall)
    if not processes:
        rates[BY_PROCESSOR].append(found.cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=480)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = ResultFile("loader", "Batches as normalised floats", "torch", "torchvision", "pillow", "numpy")
    ours: dict[str, list[float]] = defaultdict(list)
    theirs: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        write_jpegs(folder, arguments.pictures)
        recipe = recipe_of(folder, cache=True, augment="report")
        size, steps = recipe.train.batch_size, int(0.85 * arguments.pictures) // recipe.train.batch_size
        dataset = our_rate(recipe, Path(temporary) / "store", WARM + 2)[1].train  # indexes, and makes the cache
        pictures = report_loader(folder, recipe).dataset
        for _ in range(arguments.rounds):
            for processes in PROCESSES:
                loader = Loader(dataset, seed=0, batch_size=size, processes=processes)
                note(ours, processes, rate(loader.batches(0), size, steps))
                loader.close()
                report = DataLoader(pictures, batch_size=size, shuffle=True, num_workers=processes)
                note(theirs, processes, rate(report, size, steps))
    result.say(f"{arguments.pictures} JPEGs of 500x375 at 384x384; median of {arguments.rounds} rounds in turns.\n")
    result.say("| loader processes | vitbench, pictures a second | the report's | times |\n|---|---|---|---|")
    times = {how: statistics.median(a / b for a, b in zip(ours[how], theirs[how], strict=True)) for how in ours}
    for how, ratio in times.items():
        one, other = statistics.median(ours[how]), statistics.median(theirs[how])
        result.say(f"| {how} | {one:.0f} | {other:.0f} | {ratio:.2f} |")
    result.say()
    result.goal("at least 3 times the report's, by processor time", times[BY_PROCESSOR] >= 3)
    rise = statistics.median(b / a for a, b in zip(ours["1"], ours["2"], strict=True))
    result.say(f"From one loader process to two: {rise:.2f} times as many pictures a second.")
    result.write()


if __name__ == "__main__":
    main()
