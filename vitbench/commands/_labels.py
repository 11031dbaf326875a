"""Labels for a folder of pictures as a CSV: what `predict` and `homework p1` do."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vitbench.commands._networks import open_chosen
from vitbench.commands._outputs import outputs_of, say
from vitbench.errors import UserError
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.text import clean, counted

if TYPE_CHECKING:
    from vitbench.training.chosen import Chosen


def write_labels(arguments: argparse.Namespace, folder: str, file: Path) -> int:
    """Writes `filename,label` for the pictures in `folder`; names those that have no row since they cannot be read.

    `arguments` name the network, its device and the batch size; of a network of several labels maybe the `threshold`.
    Its table is `filename,labels`.
    """
    from vitbench.data.index import open_pictures
    from vitbench.data.problems import LeftOut
    from vitbench.training.memory import memory_told
    from vitbench.training.prediction import predict, predict_labels, predictions_csv

    outputs = outputs_of(arguments, inputs=[arguments.network], data=[folder])
    outputs.plan(file)
    progress = ConsoleProgress()
    chosen = open_chosen(arguments, progress)
    data = open_pictures(folder, store=store_folder(arguments.store), progress=progress)
    gone = LeftOut()
    several = chosen.network.multilabel
    thresholds, said = _thresholds(getattr(arguments, "threshold", None), chosen)
    size, device = chosen.batch_size, chosen.device
    with memory_told(f"{size} pictures at once are too many for {device}; give a smaller --batch-size"):
        if several:
            found = predict_labels(
                chosen.network, data, thresholds, batch_size=size, device=device, left_out=gone, progress=progress
            )
        else:
            found = predict(chosen.network, data, batch_size=size, device=device, left_out=gone, progress=progress)
        rows = list(found)
    progress.close()
    outputs.write(file, predictions_csv(rows, "labels" if several else "label"))
    if several:
        print(f"A label counts from {said} on.", file=sys.stderr)
    say(f"{file}: {counted(len(rows), 'label')}", file=file)
    for problem in (*data.problems, *gone.news()):
        if problem.left_out:
            print(f"no label for {clean(problem.file)}: {clean(problem.reason)}", file=sys.stderr)
    return 0


def _thresholds(asked: float | None, chosen: "Chosen") -> tuple[dict[str, float], str]:
    """From which probability on each label counts, and that in words. Raises UserError for one that is none."""
    from vitbench.training.multilabel_evaluation import THRESHOLD
    from vitbench.training.prediction import own_thresholds

    if asked is None:
        own = own_thresholds(chosen) if chosen.network.multilabel else {}
        return own, "the probability that was best for it on the validation split" if own else f"{THRESHOLD:g}"
    if not chosen.network.multilabel:
        raise UserError("--threshold is for networks that give several labels per picture; this one gives one.")
    if not 0 < asked < 1:
        raise UserError(f"--threshold {asked:g} must be between 0 and 1.")
    return dict.fromkeys(chosen.network.labels or (), asked), f"{asked:g}"
