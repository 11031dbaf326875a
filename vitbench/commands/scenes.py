"""`vitbench scenes DIR`: a data set of generated scenes with labels, captions and masks."""

import argparse
from pathlib import Path

from vitbench.data.scenes.export import check_scenes, write_scenes
from vitbench.files.outputs import Outputs
from vitbench.paths import store_folder
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
    asked = {name: getattr(arguments, name) for name in ("count", "size", "seed", "kinds")}
    check_scenes(**asked)
    counts: dict[str, int] = {}

    def fill(unfinished: Path) -> None:
        counts.update(write_scenes(unfinished, **asked, progress=ConsoleProgress()))

    Outputs(store_folder(arguments.store)).make_folder(arguments.folder, fill)
    parts = ", ".join(f"{number:,} {split}" for split, number in counts.items())
    print(f"{clean(str(arguments.folder))}: {parts}")
    return 0
