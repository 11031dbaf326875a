"""`vitbench evaluate RUN|MODEL`: loss and accuracy on a data set, in the report's form."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vitbench.commands._figures import announce
from vitbench.commands._networks import add_network, check_batch_size, chosen_device
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.errors import UserError
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.text import clean, counted

if TYPE_CHECKING:
    from vitbench.training.evaluation import Evaluation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_network(parser)
    parser.add_argument("--data", metavar="DIR", help="labelled pictures; without it, a run's own")
    words = "how --data is read, instead of what is recognised, as vitbench data --as"
    parser.add_argument("--as", dest="layout", metavar="LAYOUT", default="", help=words)
    parser.add_argument("--split", metavar="NAME", help="train, val or test; without it test, else val")
    words = "save the confusion matrix as PNG, PDF, SVG or CSV"
    parser.add_argument("--confusion", metavar="FILE", type=Path, help=words)
    parser.add_argument("--json", action="store_true", help="every figure, the confusion matrix and the worst mistakes")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the student's line, then what it does not say: loss a picture, interval, top 5."""
    from vitbench.figures.confusion import check_ending, confusion_bytes
    from vitbench.training.evaluating import evaluate
    from vitbench.training.evaluation import Evaluation

    check_batch_size(arguments)
    if arguments.confusion:
        check_ending(arguments.confusion)
        outputs = outputs_of(arguments, inputs=[arguments.network, arguments.classes], data=[arguments.data])
        outputs.plan(arguments.confusion)
    progress = ConsoleProgress()
    evaluated = evaluate(
        arguments.network,
        store_folder(arguments.store),
        data=arguments.data,
        layout=arguments.layout,
        split=arguments.split,
        batch_size=arguments.batch_size,
        classes=arguments.classes,
        device=chosen_device(arguments),
        progress=progress,
    )
    progress.close()
    evaluation = evaluated.evaluation
    if arguments.confusion and not isinstance(evaluation, Evaluation):
        raise UserError(f"{arguments.network} gives several labels per picture, which have no confusion matrix.")
    if arguments.confusion:
        matrix = confusion_bytes(arguments.confusion.suffix, evaluated.document(), arguments.network, evaluated.file)
        outputs.write(arguments.confusion, matrix)
    if arguments.json:
        print_json(evaluation.document())
        return 0
    print(evaluation.sentence())
    if evaluated.where:
        print(f"This was measured {clean(evaluated.where)}.")
    if evaluated.changed:
        print(clean(evaluated.changed))
    if isinstance(evaluation, Evaluation):
        _print_more(evaluation)
    else:
        thresholds = evaluation.thresholds()
        for name, value in evaluation.average_precisions().items():
            print(f"  {clean(name)}: average precision {value:.1%}, F1 is highest from {thresholds[name]:.2f} on")
    left_out = [*evaluation.left_out, *(problem for problem in evaluated.data.problems if problem.left_out)]
    if left_out:
        first = left_out[0]
        print(f"Left out: {counted(len(left_out), 'file')}, such as {clean(first.file)} ({clean(first.reason)})")
    if arguments.confusion:
        announce(arguments.confusion)
    return 0


def _print_more(evaluation: "Evaluation") -> None:
    """What the student's line does not say."""
    low, high = evaluation.interval
    print(
        f"The student's report would say {evaluation.report_batch_mean_loss:.4f}: means of batches of"
        f" {evaluation.batch_size}, summed and divided by the pictures"
    )
    print(f"95% interval of the accuracy: {low:.1%} to {high:.1%}; top 5: {evaluation.accuracy_top5:.1%}")
    print(f"Each class alike: mean class accuracy {evaluation.mean_class_accuracy:.1%}, F1 {evaluation.macro_f1:.3f}")
    if absent := evaluation.classes_without_pictures:
        said = clean(", ".join(absent[:3]) + (", ..." if len(absent) > 3 else ""))
        verb = "has" if len(absent) == 1 else "have"
        print(f"{len(absent):,} of the {len(evaluation.classes):,} classes {verb} no picture here: {said}")
