"""`vitbench scenes DIR`: a data set of generated scenes with labels, captions and masks."""

import argparse
from pathlib import Path

from vitbench.data.scenes.export import write_scenes
from vitbench.progress import ConsoleProgress
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="the new folder")
    parser.add_argument("--count", type=int, default=4000, help="pictures in all (default 4000)")
    parser.add_argument("--size", type=int, default=96, help="width and height in pixels (default 96)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other scenes (default 0)")
    parser.add_argument("--kinds", default="base", help="base (what the shipped networks know) or new (37 others)")


def run(arguments: argparse.Namespace) -> int:
    """Writes the scenes and says what there is."""
    counts = write_scenes(
        arguments.folder,
        count=arguments.count,
        size=arguments.size,
        seed=arguments.seed,
        kinds=arguments.kinds,
        progress=ConsoleProgress(),
    )
    parts = ", ".join(f"{number:,} {split}" for split, number in counts.items())
    print(f"{clean(str(arguments.folder))}: {parts}")
    return 0
