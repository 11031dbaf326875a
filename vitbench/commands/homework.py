"""`vitbench homework p1 IMAGES OUT.csv` and `p2 IMAGES OUTDIR`: the two scripts that a course asks for, as commands.

p1 writes a label for each picture, p2 a figure for each: the picture behind every word of its caption.
"""

import argparse
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from vitbench.commands._labels import write_labels
from vitbench.commands._networks import add_device
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.text import clean, counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    labels = parts.add_parser("p1", help="a CSV with filename,label for a folder of pictures")
    _add_common(labels, "a classifier: a run, demo, a name or a folder")
    add_device(labels)
    labels.add_argument("file", metavar="OUT.csv", type=Path, help="where `filename,label` goes")
    labels.add_argument("--batch-size", type=int, metavar="N", help="pictures at once; without it, the run's")
    captions = parts.add_parser("p2", help="a PNG for each picture: its caption, one panel per word")
    _add_common(captions, "a captioner: a run, demo, a folder or a file")
    captions.add_argument("folder", metavar="OUTDIR", type=Path, help="where the PNGs go")


def _add_common(parser: argparse.ArgumentParser, network: str) -> None:
    parser.add_argument("images", metavar="IMAGES", help="a folder of pictures, whatever they are called")
    parser.add_argument("--run", dest="network", metavar="RUN", required=True, help=network)
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Does one of the two."""
    if arguments.part == "p1":
        return write_labels(arguments, arguments.images, arguments.file)
    return _caption_all(arguments)


def _caption_all(arguments: argparse.Namespace) -> int:
    """Writes a PNG for each picture; says which names were lengthened, and which pictures cannot be read."""
    from vitbench.captions.describing import picture_files
    from vitbench.captions.figure import figure_files
    from vitbench.compose.many_captions import caption_figures

    files = picture_files([Path(arguments.images)])
    targets = figure_files(arguments.folder, files)
    outputs = outputs_of(arguments, inputs=[arguments.network, *files], data=[arguments.images])
    outputs.plan(*targets.values())
    for line in lengthened(targets):
        print(clean(line), file=sys.stderr)
    progress = ConsoleProgress()
    unreadable: list[str] = []
    captioned = caption_figures(arguments.network, list(targets), store_folder(arguments.store))
    with closing(captioned):
        progress(0, len(targets), "captioning")
        for number, one in enumerate(captioned, start=1):
            if one.figure is None:
                unreadable.append(one.problem)
            else:
                outputs.write(targets[one.picture], one.figure)
            progress(number, len(targets), "captioning")
    progress.close()
    print(clean(f"{arguments.folder}: {counted(len(targets) - len(unreadable), 'figure')}"))
    for reason in unreadable:
        print(f"no figure: {clean(reason)}", file=sys.stderr)
    return 1 if unreadable else 0


def lengthened(targets: Mapping[Path, Path]) -> list[str]:
    """A sentence for each figure that has its picture's whole name, because another picture shares the stem."""
    return [
        f"{file.name} shares its name with another picture: its figure is {target.name}"
        for file, target in targets.items()
        if target.name != f"{file.stem}.png"
    ]
