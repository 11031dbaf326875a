"""`vitbench evaluate RUN|MODEL`: loss and accuracy on a data set, in the report's form."""

import argparse
import json

from vitbench.commands._networks import add_network, open_chosen
from vitbench.places import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_network(parser)
    parser.add_argument("--data", metavar="DIR", help="labelled pictures; without it, a run's own")
    parser.add_argument("--split", metavar="NAME", help="train, val or test; without it the last of these there is")
    parser.add_argument("--json", action="store_true", help="every figure, the confusion matrix and the worst mistakes")


def run(arguments: argparse.Namespace) -> int:
    """Prints the student's line, then what it does not say: loss a picture, interval, top 5."""
    from vitbench.data.index import open_index
    from vitbench.errors import UserError
    from vitbench.training.evaluation import evaluate_network, open_own_data

    progress = ConsoleProgress()
    chosen = open_chosen(arguments, progress)
    if arguments.data is not None:
        data = open_index(arguments.data, store=store_folder(arguments.store), progress=progress)
    elif chosen.run is not None:
        data = open_own_data(chosen.run, store_folder(arguments.store), progress)
    else:
        raise UserError(f"Name the pictures to evaluate {arguments.network} on: --data DIR.")
    evaluation = evaluate_network(
        chosen.network,
        data,
        split=arguments.split,
        batch_size=chosen.batch_size,
        device=chosen.device,
        progress=progress,
    )
    progress.close()
    if arguments.json:
        print(json.dumps(evaluation.document(), indent=1))
        return 0
    low, high = evaluation.interval
    print(evaluation.sentence())
    print(
        f"Mean loss a picture: {evaluation.mean_loss:.4f} (the average above: batch means of {evaluation.batch_size})"
    )
    print(f"95% interval of the accuracy: {low:.1%} to {high:.1%}; top 5: {evaluation.accuracy_top5:.1%}")
    left_out = [problem for problem in data.problems if problem.left_out]
    if left_out:
        print(f"Left out: {len(left_out)} files, such as {clean(left_out[0].file)} ({clean(left_out[0].reason)})")
    return 0
