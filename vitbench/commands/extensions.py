"""`vitbench extensions`: all that can be added to, what it is, and which installed package added it."""

import argparse

from vitbench.declarations import left_out
from vitbench.output import print_json
from vitbench.reference import lines, records


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Prints; what is left out is said at the end by the command line itself."""
    if arguments.json:
        declared = list(records())
        print_json({"declared": declared, "left_out": list(left_out())}, indent=2)
    else:
        print("\n".join(lines()).strip())
    return 0
