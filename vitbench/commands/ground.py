"""`vitbench ground CAPTIONER --data DIR`: how well the maps of words find what the words mean, a row a role."""

import argparse
from pathlib import Path

from vitbench.commands._networks import add_device, chosen_device
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.commands._word_maps import METHODS, add_map_settings
from vitbench.errors import UserError
from vitbench.output import print_json
from vitbench.places import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.requests.studies import GroundingRequest
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("captioner", metavar="RUN|MODEL", nargs="?", help="demo, a run, a checkpoint folder or file")
    parser.add_argument("--data", metavar="DIR", help="pictures with sentences; scenes: addresses too")
    words = "the format of the captions, instead of what is recognised, such as caption-table:encoding=cp1251"
    parser.add_argument("--as", dest="layout", metavar="FORMAT", default="", help=words)
    parser.add_argument("--split", default="test", help="which part of the data (default test)")
    parser.add_argument("--limit", type=int, default=200, metavar="N", help="at most N pictures (default 200)")
    add_map_settings(parser, f"{METHODS}; or a control: oracle, uniform, shuffled")
    add_device(parser)
    parser.add_argument("--no-deletion", action="store_true", help="leave out the deletion drop, the slow column")
    parser.add_argument("--out", metavar="DIR", type=Path, help="write grounding.csv, grounding.md and grounding.png")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("--lexicon", action="store_true", help="print which words have which role, and end")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the table, and writes it where asked."""
    from vitbench.captions.captioner import move
    from vitbench.captions.data_report import problem_lines
    from vitbench.captions.grounding_report import FILES, measure_grounding, write_grounding
    from vitbench.captions.grounding_table import to_dict, to_text
    from vitbench.captions.lexicon import describe_lexicon
    from vitbench.captions.open import open_captioner, pinned
    from vitbench.runs.store import Store

    if arguments.lexicon:
        print(describe_lexicon())
        return 0
    if arguments.captioner is None or arguments.data is None:
        raise UserError("Name a captioner and --data, such as: vitbench ground demo --data scenes:base.")
    request = _request(arguments)
    outputs = outputs_of(arguments, inputs=[arguments.captioner], data=[arguments.data])
    if arguments.out is not None:
        outputs.plan(*(arguments.out / name for name in FILES))
    progress = ConsoleProgress()
    store = store_folder(arguments.store)
    named = pinned(arguments.captioner, Store(store))
    captioner = open_captioner(named, Store(store))
    move(captioner, chosen_device(arguments))
    found = measure_grounding(request.changed(captioner=named), captioner, store, progress)
    progress.close()
    if arguments.json:
        said = {"problems": found.problems, "notes": found.notes}
        print_json({"title": found.title, **found.facts, "roles": to_dict(found.rows), **said}, indent=None)
    else:
        print(clean(found.title))
        print(to_text(found.rows))
        for line in problem_lines(found.problems, found.notes):
            print(clean(line))
    if arguments.out is not None:
        write_grounding(outputs, arguments.out, found)
    return 0


def _request(arguments: argparse.Namespace) -> GroundingRequest:
    """What the arguments ask; the data by an absolute path, so that the figure may be made again from elsewhere."""
    data = arguments.data
    if not data.startswith("scenes:") and Path(data).expanduser().exists():
        data = str(Path(data).expanduser().absolute())
    return GroundingRequest.read(
        {
            "captioner": arguments.captioner,
            "data": data,
            "layout": arguments.layout,
            "split": arguments.split,
            "limit": arguments.limit,
            "method": arguments.method,
            "layer": arguments.layer,
            "head": arguments.head,
            "row": arguments.row,
            "deletion": not arguments.no_deletion,
        }
    )
