"""`vitbench caption CAPTIONER PICTURE...`: a caption for each picture, and the figure of its words."""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from vitbench.commands._figures import add_drawing, drawing_of
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.commands._word_maps import add_map_settings, chosen_heads
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.requests.captions import CaptionRequest
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("captioner", metavar="RUN|MODEL", help="demo, a run (RUN@best), a checkpoint folder or file")
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", type=Path, help="picture files, or folders of them")
    parser.add_argument("--out", metavar="DIR", type=Path, help="write PICTURE.png there: a panel for each word")
    parser.add_argument("--text", metavar="TEXT", help="look at this caption instead of finding one")
    parser.add_argument("--words", action="store_true", help="print each word's probability, rank and focus")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON document")
    parser.add_argument("--arrays", action="store_true", help="with --json: the maps too")
    add_map_settings(parser)
    parser.add_argument("--one-scale", action="store_true", help="one colour scale for all words of a figure")
    parser.add_argument("--beams", type=int, metavar="N", help="width of the beam; 1 is greedy (default 4)")
    parser.add_argument("--best", type=int, metavar="N", help="how many captions (default 1)")
    parser.add_argument("--seed", type=int, metavar="N", help="draw captions at random with this seed")
    add_drawing(parser)
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Describes each picture, prints what was asked for, and writes the figures."""
    from vitbench.captions.describing import picture_files
    from vitbench.captions.figure import figure_files
    from vitbench.compose import compose
    from vitbench.compose.sources import Sources
    from vitbench.data.pictures import UnreadablePicture
    from vitbench.figures.save import sheet_bytes

    files = picture_files(arguments.pictures)
    requests = {file: _request(arguments, file) for file in files}
    drawing = drawing_of(arguments)
    targets = figure_files(arguments.out, files) if arguments.out is not None else {}
    outputs = outputs_of(arguments, inputs=[arguments.captioner, *files])
    outputs.plan(*targets.values())
    sources, progress = Sources(store_folder(arguments.store)), ConsoleProgress()
    answers: list[dict[str, Any]] = []
    unreadable = 0
    facts: dict[str, Any] = {}
    for file in files:
        try:
            sheet = compose(requests[file], sources, progress)
        except UnreadablePicture as error:
            print(f"vitbench: {clean(str(error))}", file=sys.stderr)
            unreadable += 1
            continue
        if not facts and sheet.facts["heads_said"] and (arguments.words or arguments.out is not None):
            print(clean(sheet.facts["heads_said"]), file=sys.stderr)
        facts = dict(sheet.facts)
        answer = {"file": str(file), **facts}
        if arguments.arrays:
            for word, values in zip(answer["words"], sheet.arrays["maps"], strict=True):
                word["map"] = values.round(6).tolist()
        if file in targets:
            target = targets.pop(file)
            outputs.write(target, sheet_bytes(sheet, target.suffix, drawing))
            answer["figure"] = str(target)
        answers.append(answer)
        if not arguments.json:
            _print_answer(answer, words=arguments.words)
    if arguments.json:
        document = {"captioner": facts.get("captioner"), "source": facts.get("source"), "pictures": answers}
        print_json(document, indent=None)
    return 1 if unreadable else 0


def _request(arguments: argparse.Namespace, file: Path) -> CaptionRequest:
    """What is asked of one picture; what is not given has the request's own default."""
    given = {
        "text": arguments.text,
        "beams": arguments.beams,
        "best": arguments.best,
        "seed": arguments.seed,
        "method": arguments.method,
        **chosen_heads(arguments),
        "row": arguments.row,
        "one_scale": arguments.one_scale or None,
    }
    subject = {"captioner": arguments.captioner, "picture": str(file.absolute())}
    return CaptionRequest.read(subject | {name: value for name, value in given.items() if value is not None})


def _print_answer(answer: dict[str, Any], *, words: bool) -> None:
    print(f"{clean(answer['file'])}: {clean(answer['text'])}")
    for other in answer["alternatives"]:
        print(f"  {other['score']:8.3f}  {clean(other['text'])}")
    if words:
        by_kind = any("kind" in word for word in answer["words"])
        print(f"  {'word':<16} {'probability':>11} {'rank':>6} {'entropy':>8} {'peak':>6}{'  head' * by_kind}")
        for word in answer["words"]:
            probability = math.exp(word["log_probability"])
            focus = f"{word['entropy']:8.2f} {word['peak']:5.1f}x"
            head = ("  mean" if word["layer"] is None else f"  {word['layer']}/{word['head']}") if by_kind else ""
            print(f"  {clean(word['word']):<16} {probability:>11.1%} {word['rank']:>6,} {focus}{head}")
    for warning in filter(None, (answer["told_unknown"], *answer["warnings"])):
        print(f"  {clean(warning)}")
    if "figure" in answer:
        print(f"  {clean(answer['figure'])}")
