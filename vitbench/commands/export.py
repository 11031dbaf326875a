"""`vitbench export RUN --format F`: a network as a folder that other libraries load."""

import argparse
from pathlib import Path

from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.export.formats import EXPORT_FORMATS
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    words = "a run (RUN@best), demo, timm:NAME, pretrained_vit:NAME, or a checkpoint folder"
    parser.add_argument("network", metavar="RUN|MODEL", help=words)
    said = "; ".join(f"{one.name}: {one.title}" for one in EXPORT_FORMATS.values())
    parser.add_argument("--format", required=True, choices=list(EXPORT_FORMATS), help=said)
    parser.add_argument("--checkpoint", metavar="best|last|STEP", help="of a run (default: best)")
    parser.add_argument("--half", action="store_true", help="store the weights in half precision (fp16)")
    parser.add_argument("--out", metavar="DIR", type=Path, help="a folder (default: NAME-FORMAT)")
    parser.add_argument("--json", action="store_true")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Exports, compares with the library, and prints where."""
    from vitbench.errors import UserError
    from vitbench.export.exporting import export_network, names_of
    from vitbench.runs.store import Store

    reference = arguments.network
    if arguments.checkpoint:
        if "@" in reference:
            raise UserError(f"{reference} names a checkpoint already; leave --checkpoint out.")
        reference = f"{reference}@{arguments.checkpoint}"
    folder = arguments.out or Path(names_of(arguments.network, arguments.format))
    store, progress = Store(store_folder(arguments.store)), ConsoleProgress()
    exported = export_network(
        reference,
        store,
        folder,
        format=arguments.format,
        outputs=outputs_of(arguments, inputs=[arguments.network]),
        half=arguments.half,
        progress=progress,
    )
    progress.close()
    if arguments.json:
        notes = list(exported.notes)
        print_json({"folder": str(folder), "format": exported.format, "checked": exported.checked, "notes": notes})
        return 0
    print(clean(f"{folder}: {EXPORT_FORMATS[exported.format].title}"))
    for line in (exported.checked, *exported.notes):
        print(clean(line))
    return 0
