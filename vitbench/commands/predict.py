"""`vitbench predict RUN --data DIR --csv out.csv`: a label for each picture of a folder."""

import argparse
import sys
from pathlib import Path

from vitbench.commands._networks import add_network, open_chosen
from vitbench.commands._outputs import add_overwrite, outputs_of, say
from vitbench.places import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_network(parser)
    parser.add_argument("--data", metavar="DIR", required=True, help="a folder of pictures")
    parser.add_argument("--csv", metavar="FILE", type=Path, required=True, help="where `filename,label` goes")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Writes the CSV; names the pictures that have no row because they cannot be read."""
    from vitbench.data.index import open_pictures
    from vitbench.data.problems import LeftOut
    from vitbench.training.memory import memory_told
    from vitbench.training.prediction import predict, predictions_csv

    outputs = outputs_of(arguments, inputs=[arguments.network], data=[arguments.data])
    outputs.plan(arguments.csv)
    progress = ConsoleProgress()
    chosen = open_chosen(arguments, progress)
    data = open_pictures(arguments.data, store=store_folder(arguments.store), progress=progress)
    gone = LeftOut()
    size, device = chosen.batch_size, chosen.device
    with memory_told(f"{size} pictures at once are too many for {device}; give a smaller --batch-size"):
        rows = list(predict(chosen.network, data, batch_size=size, device=device, left_out=gone, progress=progress))
    progress.close()
    outputs.write(arguments.csv, predictions_csv(rows))
    say(f"{arguments.csv}: {len(rows)} labels", file=arguments.csv)
    for problem in (*data.problems, *gone.news()):
        if problem.left_out:
            print(f"no label for {clean(problem.file)}: {clean(problem.reason)}", file=sys.stderr)
    return 0
