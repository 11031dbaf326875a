"""`vitbench data PATH`: what a data set holds, and what is wrong with it."""

import argparse
from pathlib import Path

from vitbench.data.augment import AUGMENTATIONS, augmentation
from vitbench.data.index import open_index
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.preview import contact_sheet
from vitbench.data.summary import report, summarise
from vitbench.errors import UserError
from vitbench.output import print_json
from vitbench.places import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("path", metavar="PATH", help="a folder, a CSV file, or scenes:new?count=3700&size=96&seed=0")
    parser.add_argument("--json", action="store_true", help="everything as one JSON document")
    parser.add_argument("--preview", metavar="FILE.png", type=Path, help="draw augmented samples with their labels")
    parser.add_argument("--augment", metavar="NAME", default="none", help=", ".join(AUGMENTATIONS))
    parser.add_argument("--image-size", metavar="N", type=int, default=224, help="what the network sees (default 224)")
    parser.add_argument("--seed", type=int, default=0, help="which samples, and what happens to them")
    parser.add_argument("--epoch", type=int, default=0, help="the same samples as another epoch sees them")


def run(arguments: argparse.Namespace) -> int:
    """Prints the summary; draws the contact sheet when asked for one."""
    # Judged before the pictures are looked at, which may take minutes.
    changes = augmentation(arguments.augment, Preprocessing(arguments.image_size, arguments.image_size))
    index = open_index(arguments.path, store=store_folder(arguments.store), progress=ConsoleProgress())
    summary = summarise(index)
    if arguments.preview:
        sheet = contact_sheet(index, changes, seed=arguments.seed, epoch=arguments.epoch)
        try:
            sheet.save(arguments.preview)
        except (OSError, ValueError) as error:
            raise UserError(f"{arguments.preview} cannot be written: {error}.") from error
    if arguments.json:
        print_json(summary.to_dict())
        return 0
    print(report(summary))
    if arguments.preview:
        print(clean(f"Contact sheet: {arguments.preview}"))
    return 0
