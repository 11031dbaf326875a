"""`vitbench figure again FILE.png`: makes a saved figure again from what it says about itself."""

import argparse
import importlib
from pathlib import Path

from vitbench.commands._figures import announce
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.errors import UserError
from vitbench.figures.provenance import changed_inputs, read_provenance
from vitbench.figures.save import check_figure_ending, figure_bytes
from vitbench.places import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.runs.store import Store
from vitbench.text import clean

MAKERS = {
    "attention": "vitbench.explain.attention_figure",
    "positions": "vitbench.explain.position_figure",
    "faithfulness": "vitbench.explain.quality_figure",
    "confusion": "vitbench.figures.confusion",
    "attention heads": "vitbench.inspector.attention_sheets",
    "attention layers": "vitbench.inspector.attention_sheets",
    "attention methods": "vitbench.inspector.attention_sheets",
    "attention compare": "vitbench.inspector.attention_sheets",
    "attention checkpoints": "vitbench.inspector.attention_sheets",
}
"""Kind of figure to the module whose `remake(facts, store, progress)` gives (figure, facts)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    again = actions.add_parser("again", help="make a saved figure again")
    again.add_argument("file", metavar="FILE.png", type=Path)
    again.add_argument("--out", metavar="FILE", type=Path, help="default: FILE again.png beside it")
    again.add_argument("--anyway", action="store_true", help="even if weights or pictures have changed")
    add_overwrite(again)


def run(arguments: argparse.Namespace) -> int:
    """Reads, checks that the inputs are still the same, draws and saves."""
    recorded = read_provenance(arguments.file)
    maker = MAKERS.get(recorded["kind"])
    if maker is None:
        raise UserError(f"{arguments.file} is a figure of kind {recorded['kind']!r}, which cannot be made again.")
    path = arguments.out or arguments.file.with_name(f"{arguments.file.stem} again.png")
    check_figure_ending(path)
    outputs = outputs_of(arguments, inputs=[arguments.file, *recorded["inputs"]])
    outputs.plan(path)
    store = Store(store_folder(arguments.store))
    figure, facts = importlib.import_module(maker).remake(recorded, store, ConsoleProgress())
    changed = changed_inputs(recorded["inputs"], facts["inputs"])
    if changed and not arguments.anyway:
        raise UserError(
            f"Another figure would come out, because these have changed: {', '.join(changed)};"
            " --anyway makes it all the same."
        )
    outputs.write(path, figure_bytes(figure, path.suffix, facts))
    if changed:
        print(clean(f"Changed since: {', '.join(changed)}"))
    announce(path)
    return 0
