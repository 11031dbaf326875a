"""Batches as normalised floats: from the cache with the report's augmentation, beside the report's own pipeline.

    python benchmarks/loader.py [--rounds 5] [--pictures 480]

Both hand over float32 [16, 3, 384, 384] with AutoAugment applied, made by as many loader processes (0, 1, 2),
in turns. The report's is an ImageFolder of JPEGs of 500x375 that decodes, resizes, augments and normalises.
"""

import argparse
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

import torch
from cache import batches_rate, recipe_of, report_loader, write_jpegs
from loop import WARM, our_rate
from result_file import ResultFile
from torch.utils.data import DataLoader

from vitbench.data.loader import Loader

PROCESSES = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=480)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = ResultFile("loader", "Batches as normalised floats", "torch", "torchvision", "pillow", "numpy")
    ours: dict[int, list[float]] = defaultdict(list)
    theirs: dict[int, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        write_jpegs(folder, arguments.pictures)
        recipe = recipe_of(folder, cache=True, augment="report")
        size, steps = recipe.train.batch_size, int(0.85 * arguments.pictures) // recipe.train.batch_size
        dataset = our_rate(recipe, Path(temporary) / "store", WARM + 2)[1].train  # indexes, and makes the cache
        pictures = report_loader(folder, recipe).dataset
        for _ in range(arguments.rounds):
            for processes in PROCESSES:
                loader = Loader(dataset, seed=0, batch_size=size, workers=processes)
                ours[processes].append(batches_rate(loader.batches(0), size, steps))
                loader.close()
                report = DataLoader(pictures, batch_size=size, shuffle=True, num_workers=processes)
                theirs[processes].append(batches_rate(report, size, steps))
    result.say(f"{arguments.pictures} JPEGs of 500x375 at 384x384; median of {arguments.rounds} rounds in turns.\n")
    result.say("| loader processes | vitbench, pictures a second | the report's | times |\n|---|---|---|---|")
    times = {
        processes: statistics.median(a / b for a, b in zip(ours[processes], theirs[processes], strict=True))
        for processes in PROCESSES
    }
    for processes in PROCESSES:
        one, other = statistics.median(ours[processes]), statistics.median(theirs[processes])
        result.say(f"| {processes} | {one:.0f} | {other:.0f} | {times[processes]:.2f} |")
    result.say()
    result.goal("at least 3 times the report's, with each number of processes", min(times.values()) >= 3)
    rise = statistics.median(b / a for a, b in zip(ours[1], ours[2], strict=True))
    result.say(f"From one loader process to two: {rise:.2f} times as many pictures a second.")
    result.write()


if __name__ == "__main__":
    main()
