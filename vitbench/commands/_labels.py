"""Labels for a folder of pictures as a CSV: what `predict` and `homework p1` do."""

import argparse
import sys
from pathlib import Path

from vitbench.commands._networks import open_chosen
from vitbench.commands._outputs import outputs_of, say
from vitbench.places import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.text import clean


def write_labels(arguments: argparse.Namespace, folder: str, file: Path) -> int:
    """Writes `filename,label` for the pictures in `folder`; names those that have no row since they cannot be read.

    `arguments` name the network, its device and the batch size.
    """
    from vitbench.data.index import open_pictures
    from vitbench.data.problems import LeftOut
    from vitbench.training.memory import memory_told
    from vitbench.training.prediction import predict, predictions_csv

    outputs = outputs_of(arguments, inputs=[arguments.network], data=[folder])
    outputs.plan(file)
    progress = ConsoleProgress()
    chosen = open_chosen(arguments, progress)
    data = open_pictures(folder, store=store_folder(arguments.store), progress=progress)
    gone = LeftOut()
    size, device = chosen.batch_size, chosen.device
    with memory_told(f"{size} pictures at once are too many for {device}; give a smaller --batch-size"):
        rows = list(predict(chosen.network, data, batch_size=size, device=device, left_out=gone, progress=progress))
    progress.close()
    outputs.write(file, predictions_csv(rows))
    say(f"{file}: {len(rows)} labels", file=file)
    for problem in (*data.problems, *gone.news()):
        if problem.left_out:
            print(f"no label for {clean(problem.file)}: {clean(problem.reason)}", file=sys.stderr)
    return 0
