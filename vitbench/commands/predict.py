"""`vitbench predict RUN --data DIR --csv out.csv`: a label for each picture of a folder."""

import argparse
from pathlib import Path

from vitbench.commands._labels import write_labels
from vitbench.commands._networks import add_network
from vitbench.commands._outputs import add_overwrite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_network(parser)
    parser.add_argument("--data", metavar="DIR", required=True, help="a folder of pictures")
    parser.add_argument("--csv", metavar="FILE", type=Path, required=True, help="where `filename,label` goes")
    words = "with several labels per picture: the probability from which one counts (else the best on validation)"
    parser.add_argument("--threshold", type=float, metavar="P", help=words)
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Writes the CSV."""
    return write_labels(arguments, arguments.data, arguments.csv)
