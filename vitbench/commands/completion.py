"""`vitbench completion SHELL`: the script that completes commands, options, runs, networks and presets in a shell."""

import argparse
from pathlib import Path

from vitbench.completion.candidates import candidates

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("shell", choices=SHELLS, help="whose script is printed")
    # What the scripts ask with: the words behind `vitbench`, the last one unfinished.
    parser.add_argument("--for", dest="words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Prints the script; or, for a line, whether paths fit (`files` or `words`) and then a candidate a line."""
    if arguments.words is None:
        folder = Path(__file__).resolve().parent.parent / "completion"
        print((folder / f"vitbench.{arguments.shell}").read_text(encoding="utf-8"), end="")
        return 0
    offer = candidates(arguments.words)
    print("files" if offer.files else "words")
    for word, meaning in offer.words:
        if word == "".join(word.split()):  # a name with blanks cannot be offered unquoted
            print(f"{word}\t{meaning}")
    return 0
