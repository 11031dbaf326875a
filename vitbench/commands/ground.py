"""`vitbench ground CAPTIONER --data DIR`: how well the maps of words find what the words mean, a row a role."""

import argparse
import sys
from pathlib import Path

from vitbench.commands._networks import add_device, chosen_device
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.commands._word_maps import METHODS, add_map_settings, chosen_heads
from vitbench.errors import UserError
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.requests.studies import GroundingHeadsRequest, GroundingRequest
from vitbench.text import clean, counted

_HEAD_FILES = ("grounding-heads.png", "grounding-heads.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("captioner", metavar="RUN|MODEL", nargs="?", help="demo, a run, a checkpoint folder or file")
    parser.add_argument("--data", metavar="DIR", help="pictures with captions; scenes: addresses too")
    words = "the format of the captions, instead of what is recognised, such as caption-table:encoding=cp1251"
    parser.add_argument("--as", dest="layout", metavar="FORMAT", default="", help=words)
    parser.add_argument(
        "--by-head", action="store_true", help="each kind of word, by layer and head, as tables and maps"
    )
    parser.add_argument("--split", help="which split of the data (default test; with --by-head val)")
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
    from vitbench.captions.grounding_table import to_dict, to_text
    from vitbench.captions.lexicon import describe_lexicon
    from vitbench.captions.open import open_captioner, pinned
    from vitbench.compose.grounding import FILES, measure_grounding, write_grounding
    from vitbench.runs.store import Store

    if arguments.lexicon:
        print(describe_lexicon())
        return 0
    if arguments.captioner is None or arguments.data is None:
        raise UserError("Name a captioner and --data, such as: vitbench ground demo --data scenes:base.")
    if arguments.by_head:
        return _by_head(arguments)
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
    if found.heads_said:
        print(clean(found.heads_said), file=sys.stderr)
    if arguments.json:
        left_out = {"problems": found.problems, "notes": found.notes}
        print_json({"title": found.title, **found.facts, "roles": to_dict(found.rows), **left_out}, indent=None)
    else:
        print(clean(found.title))
        print(to_text(found.rows))
        for line in problem_lines(found.problems, found.notes):
            print(clean(line))
    if arguments.out is not None:
        write_grounding(outputs, arguments.out, found)
    return 0


def _by_head(arguments: argparse.Namespace) -> int:
    """Prints the table of layers and heads, and writes it where asked."""
    from vitbench.captions.captioner import move
    from vitbench.captions.grounding_by_head import table, to_json
    from vitbench.captions.open import open_captioner, pinned
    from vitbench.compose.grounding import heads_sheet, measured_heads
    from vitbench.figures.save import sheet_bytes
    from vitbench.runs.store import Store

    if arguments.method != "raw" or arguments.layer is not None or arguments.head is not None:
        raise UserError(
            "--by-head shows raw cross-attention of each layer and head: --method, --layer and --head have no effect."
        )
    store = store_folder(arguments.store)
    named = pinned(arguments.captioner, Store(store))
    asked = {"captioner": named, "data": _data(arguments), "layout": arguments.layout, "limit": arguments.limit}
    request = GroundingHeadsRequest.read(asked | {"split": arguments.split or "val", "row": arguments.row})
    outputs = outputs_of(arguments, inputs=[arguments.captioner], data=[arguments.data])
    files = [] if arguments.out is None else [arguments.out / name for name in _HEAD_FILES]
    outputs.plan(*files)
    progress = ConsoleProgress()
    captioner = open_captioner(named, Store(store))
    move(captioner, chosen_device(arguments))
    scores = measured_heads(request, captioner, store, progress)
    progress.close()
    if arguments.json:
        print_json(scores.document(), indent=None)
    else:
        print(f"Pointing (AUC) of each layer and head, {clean(captioner.name)} ({clean(captioner.tag)}):")
        for kind, found in scores.kinds.items():
            print(f"\n{clean(scores.of_kind(kind))}; {counted(found.words, 'word')}, chance {found.chance:.2f}")
            print(table(found))
        print(f"\n{clean(scores.sentence())}")
    for file in files:
        sheet = heads_sheet(request, captioner, scores)
        outputs.write(file, to_json(scores) if file.suffix == ".json" else sheet_bytes(sheet, file.suffix))
    return 0


def _data(arguments: argparse.Namespace) -> str:
    """The data by an absolute path, so that the figure may be made again from elsewhere."""
    data: str = arguments.data
    if not data.startswith("scenes:") and Path(data).expanduser().exists():
        return str(Path(data).expanduser().absolute())
    return data


def _request(arguments: argparse.Namespace) -> GroundingRequest:
    """What the arguments ask."""
    return GroundingRequest.read(
        {
            "captioner": arguments.captioner,
            "data": _data(arguments),
            "layout": arguments.layout,
            "split": arguments.split or "test",
            "limit": arguments.limit,
            "method": arguments.method,
            **chosen_heads(arguments),
            "row": arguments.row,
            "deletion": not arguments.no_deletion,
        }
    )
