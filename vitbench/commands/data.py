"""`vitbench data PATH`: what a data set holds, and what is wrong with it."""

import argparse
from pathlib import Path

from vitbench.augmentations import AUGMENTATIONS
from vitbench.captions.formats.registry import format_names
from vitbench.captions.readings import readings
from vitbench.commands._outputs import add_overwrite, outputs_of, say
from vitbench.data.layouts import form_names
from vitbench.errors import UserError
from vitbench.output import print_json
from vitbench.paths import expanded, store_folder
from vitbench.progress import ConsoleProgress
from vitbench.requests.studies import ContactSheetRequest
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("path", metavar="PATH", help="a folder, a CSV file, or scenes:new?count=3700&size=96&seed=0")
    names = ", ".join((*form_names(), *format_names()))
    words = f"how it is read, instead of what is recognised: {names}; options follow a colon, as in table:label=breed"
    parser.add_argument("--as", dest="layout", metavar="LAYOUT", default="", help=words)
    words = "list the ways in which it can be read, as --as takes them, with what the labels then are"
    parser.add_argument("--readings", action="store_true", help=words)
    parser.add_argument("--json", action="store_true", help="everything as one JSON document")
    parser.add_argument(
        "--preview", metavar="FILE", type=Path, help="draw augmented samples with their labels (PNG, PDF, SVG)"
    )
    parser.add_argument("--augment", metavar="NAME", default="none", help=", ".join(AUGMENTATIONS))
    parser.add_argument("--image-size", metavar="N", type=int, default=224, help="what the network sees (default 224)")
    parser.add_argument("--seed", type=int, default=0, help="which samples, and what happens to them")
    parser.add_argument("--epoch", type=int, default=0, help="the same samples as another epoch sees them")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the summary; draws the contact sheet when asked for one."""
    from vitbench.captions.data_report import inspect_data

    if arguments.readings:
        return _print_readings(arguments)
    # Judged before the pictures are looked at, which may take minutes.
    request = ContactSheetRequest.read(
        {
            "data": arguments.path if arguments.path.startswith("scenes:") else str(Path(arguments.path).absolute()),
            "layout": arguments.layout,
            "augment": arguments.augment,
            "image_size": arguments.image_size,
            "seed": arguments.seed,
            "epoch": arguments.epoch,
        }
    )
    AUGMENTATIONS.find(arguments.augment)
    outputs = outputs_of(arguments, data=[arguments.path])
    if arguments.preview:  # it alone needs torch and matplotlib, which take seconds
        from vitbench.compose.contact_sheet import contact_sheet
        from vitbench.data.augment import augmentation
        from vitbench.data.preprocessing import Preprocessing
        from vitbench.figures.save import check_figure_ending, sheet_bytes

        augmentation(arguments.augment, Preprocessing(arguments.image_size, arguments.image_size))
        check_figure_ending(arguments.preview)
        outputs.plan(arguments.preview)
    progress = ConsoleProgress()
    found = inspect_data(arguments.path, store_folder(arguments.store), layout=arguments.layout, progress=progress)
    progress.close()
    index = found.labels
    if arguments.preview and index is None:
        raise UserError(f"{arguments.path} holds captions; a contact sheet is drawn of labelled pictures.")
    if arguments.preview and index is not None:
        content = sheet_bytes(contact_sheet(request, index), arguments.preview.suffix)
        outputs.write(arguments.preview, content)
    if arguments.json:
        print_json(found.to_dict())
        return 0
    print(found.report())
    if arguments.preview:
        say(f"Contact sheet: {arguments.preview}", file=arguments.preview)
    return 0


def _print_readings(arguments: argparse.Namespace) -> int:
    """Every way to read the data, of labels and of captions; 2 if there is none."""
    path = expanded(arguments.path).absolute()
    found = [*readings(path), *readings(path, "caption")]
    if not found:
        raise UserError(f"No known layout fits {path}; `vitbench data {arguments.path}` says why.")
    if arguments.json:
        print_json([{"as": reading.layout, "words": reading.words} for reading in found])
        return 0
    width = max(len(reading.layout) for reading in found)
    for reading in found:
        print(clean(f"--as {reading.layout:<{width}}  {reading.words}"))
    return 0
