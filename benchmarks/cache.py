"""Training from the decoded cache against the report's pipeline, where making the batches is the limit.

    python benchmarks/cache.py [--pairs 5] [--pictures 400]

The report's pipeline is the student's: an ImageFolder of JPEGs of 500x375 that decodes, resizes to 384x384, applies
AutoAugment, and normalises each picture in the loader. Ours takes the same files by the recipe's `report`
augmentation. Both train one small network on 384x384, so that data is the limit; no worker processes, one thread.
Then the batches alone, as each pipeline hands them to a GPU: the report's normalised in the loader, ours as bytes,
which the GPU normalises.
"""

import argparse
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from loop import WARM, Stopwatch, our_rate
from PIL import Image, ImageFilter
from result_file import ResultFile
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from vitbench.data.loader import Loader
from vitbench.models.network import build_network
from vitbench.recipe import Recipe, parse_recipe

PLAIN = "the report's pipeline"


def write_jpegs(folder: Path, count: int) -> None:
    """Smooth pictures with some grain, about as large as photographs of this size (50 KB)."""
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (15, 20, 3), dtype=np.uint8)).resize((500, 375), 3)
        grain = random.normal(0, 6, (375, 500, 1))
        pixels = (np.asarray(coarse.filter(ImageFilter.SMOOTH)) + grain).clip(0, 255).astype(np.uint8)
        place = folder / f"class{number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number:04d}.jpg", quality=90)


def recipe_of(folder: Path, *, cache: bool, augment: str) -> Recipe:
    """A network that costs little beside the pictures: one block, 8 wide, on 64 tokens."""
    return parse_recipe(
        {
            "model": {
                "name": "timm:vit_tiny_patch16_224",
                "image_size": 384,
                "options": {"patch_size": 48, "embed_dim": 8, "depth": 1, "num_heads": 1},
            },
            "data": {"path": str(folder), "augment": augment, "cache": cache},
            "train": {"epochs": 1, "batch_size": 16, "device": "cpu", "threads": 1},
            "optim": {"name": "momentum", "lr": 3e-4},
        },
        "benchmark",
    )


def report_loader(folder: Path, recipe: Recipe) -> DataLoader:
    """The student's pipeline."""
    pipeline = transforms.Compose(
        [
            transforms.Resize((384, 384)),
            transforms.AutoAugment(),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * 3, (0.5,) * 3),
        ]
    )
    data = datasets.ImageFolder(str(folder), pipeline)
    return DataLoader(data, batch_size=recipe.train.batch_size, shuffle=True)


def report_rate(loader: DataLoader, recipe: Recipe, steps: int) -> float:
    """Pictures a second of the student's pipeline and a plain loop."""
    model = build_network(recipe.model, num_classes=2).module.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=3e-4, momentum=0.9)
    watch = Stopwatch()
    for images, labels in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
        if watch.step() == steps:
            break
    return watch.rate(recipe.train.batch_size).wall


def batches_rate(batches: Iterable[object], batch_size: int, steps: int) -> float:
    """Pictures a second of the batches alone."""
    watch = Stopwatch()
    for _ in batches:
        if watch.step() == steps:
            break
    return watch.rate(batch_size).wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=400)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    packages = "torch", "torchvision", "timm", "pillow", "numpy"
    result = ResultFile("cache", "Training from the decoded cache", *packages)
    rates: dict[str, list[float]] = defaultdict(list)
    alone: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as temporary:
        folder, store = Path(temporary) / "pictures", Path(temporary) / "store"
        write_jpegs(folder, arguments.pictures)
        recipes = {
            "vitbench, cache, the report's augmentation": recipe_of(folder, cache=True, augment="report"),
            "vitbench, cache, no augmentation": recipe_of(folder, cache=True, augment="none"),
            "vitbench without the cache, the report's augmentation": recipe_of(folder, cache=False, augment="report"),
        }
        steps = int(0.85 * arguments.pictures) // 16  # 90% is trained on
        # This indexes, and makes the cache.
        tasks = {name: our_rate(recipe, store, WARM + 2)[1] for name, recipe in recipes.items()}
        first = next(iter(recipes.values()))
        size = first.train.batch_size
        for _ in range(arguments.pairs):
            report = report_loader(folder, first)
            rates[PLAIN].append(report_rate(report, first, steps))
            alone[PLAIN].append(batches_rate(report, size, steps))
            for name, recipe in recipes.items():
                rates[name].append(our_rate(recipe, store, steps)[0].wall)
                loader = Loader(tasks[name].train, seed=0, batch_size=size, normalize=False)
                alone[name].append(batches_rate(loader.batches(0), size, steps))
        bytes_each = sum(file.stat().st_size for file in folder.rglob("*.jpg")) / arguments.pictures
    result.say(
        f"{arguments.pictures} JPEGs of 500x375 ({bytes_each / 1000:.0f} KB each) at 384x384, a network of one block,"
    )
    result.say(
        f"one thread, no worker processes; median of {arguments.pairs} interleaved rounds of {steps} steps of 16.\n"
    )
    result.say(f"## Training\n\n{table(rates)}\n## The batches alone\n\n{table(alone)}")
    result.say("What a GPU waits for are the batches alone.\n")
    ours = alone["vitbench, cache, the report's augmentation"]
    times = statistics.median(one / other for one, other in zip(ours, alone[PLAIN], strict=True))
    result.goal("batches from the cache with the same augmentation at least 3 times the report's", times >= 3)
    result.write()


def table(rates: dict[str, list[float]]) -> str:
    """Medians, in Markdown."""
    lines = ["| | pictures a second | times the report's |", "|---|---|---|"]
    for name, values in rates.items():
        ratios = [value / other for value, other in zip(values, rates[PLAIN], strict=True)]
        lines.append(f"| {name} | {statistics.median(values):.0f} | {statistics.median(ratios):.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
