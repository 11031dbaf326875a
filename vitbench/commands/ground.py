"""`vitbench ground CAPTIONER --data DIR`: how well the maps of words find what the words mean, a row a role."""

import argparse
from pathlib import Path

from vitbench.commands._networks import add_device, chosen_device
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.commands._word_maps import METHODS, add_map_settings, map_settings
from vitbench.errors import UserError
from vitbench.output import print_json
from vitbench.places import store_folder
from vitbench.progress import ConsoleProgress
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
    from vitbench.captions.data_report import problem_lines
    from vitbench.captions.grounding import CONTROLS, ground, move
    from vitbench.captions.grounding_report import FILES, write_grounding
    from vitbench.captions.grounding_table import grounding_table, to_dict, to_text
    from vitbench.captions.lexicon import describe_lexicon
    from vitbench.captions.open import open_captioner
    from vitbench.captions.task import open_caption_data
    from vitbench.captions.word_maps import MapSettings
    from vitbench.runs.store import Store

    if arguments.lexicon:
        print(describe_lexicon())
        return 0
    if arguments.captioner is None or arguments.data is None:
        raise UserError("Name a captioner and --data, such as: vitbench ground demo --data scenes:base.")
    control = arguments.method if arguments.method in CONTROLS else None
    if control is not None and (arguments.layer is not None or arguments.head is not None):
        raise UserError(f"The control {control} is made of no layer and no head.")
    settings = MapSettings(row=arguments.row) if control else map_settings(arguments)
    outputs = outputs_of(arguments, inputs=[arguments.captioner], data=[arguments.data])
    if arguments.out is not None:
        outputs.plan(*(arguments.out / name for name in FILES))
    progress = ConsoleProgress()
    store = store_folder(arguments.store)
    captioner = open_captioner(arguments.captioner, Store(store))
    data = open_caption_data(arguments.data, store, progress, arguments.layout)
    pictures = data.split(arguments.split)[: arguments.limit]
    if not pictures:
        parts = ", ".join(sorted({picture.split for picture in data.pictures}))
        raise UserError(f"{data.root} has no pictures for {arguments.split}; it has {parts}.")
    move(captioner, chosen_device(arguments))
    problems: list[str] = []
    records = ground(
        captioner,
        pictures,
        settings,
        control=control,
        deletion=not arguments.no_deletion,
        progress=progress,
        problems=problems,
    )
    progress.close()
    rows = grounding_table(records)
    how = f"control: {control}" if control else settings.describe()
    facts = {"method": control, "layer": "", "head": "", "row": settings.row} if control else settings.facts()
    title = f"{captioner.name} ({captioner.tag}) on {len(pictures):,} {arguments.split} pictures: {how}"
    if arguments.json:
        said = {"problems": [*data.problems, *problems], "notes": list(data.notes)}
        print_json({"title": title, **facts, "roles": to_dict(rows), **said}, indent=None)
    else:
        print(clean(title))
        print(to_text(rows))
        for line in problem_lines([*data.problems, *problems], data.notes):
            print(clean(line))
    if arguments.out is not None:
        write_grounding(outputs, arguments.out, rows, title, facts)
    return 0
