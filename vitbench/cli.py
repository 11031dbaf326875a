"""The headless commands. Every screen has its twin here; each command is one file of `vitbench/commands/`.

A command module has `add_arguments(parser)` and `run(arguments) -> int` and holds no logic of its own:
it calls the function that the screen calls too, and prints. It is imported only when it is asked for,
so `vitbench --help` never waits for torch.
"""

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from vitbench import __version__
from vitbench.commands._examples import epilog
from vitbench.declarations import left_out
from vitbench.errors import UserError
from vitbench.exhausted import exhausted
from vitbench.output import clean_streams, complain, os_error_sentence
from vitbench.text import clean, shortened

COMMANDS: dict[str, str] = {
    "demo": "train, evaluate and look inside, on what comes with the package",
    "train": "start a run from a recipe or a preset",
    "runs": "list the runs",
    "show": "one run in detail",
    "sweep": "many runs from one plan: a grid, seeded draws or TPE, losers stopped early",
    "compare": "runs beside each other: recipes, scores, and a paired test on the same pictures",
    "log": "the log of a run",
    "metrics": "the scalars of a run, or of anybody's TensorBoard logs, as CSV or JSON",
    "watch": "other tools' TensorBoard logs in the app, beside your runs, or as a list; only read",
    "queue": "what waits for a GPU or a CPU slot, why, and in which order",
    "label": "a run's name, tags and note, and whether it is put away",
    "pause": "save a run and free its GPU",
    "resume": "go on with a run, bit for bit",
    "stop": "finish the step, save, and end a run",
    "kill": "end a run's processes at once",
    "rm": "delete runs",
    "evaluate": "loss and accuracy of a run on a data set",
    "knn": "how good a network's features are, by nearest neighbours",
    "predict": "labels for a folder of pictures, as CSV",
    "export": "a network as a folder that timm, transformers, pytorch_pretrained_vit or onnxruntime loads",
    "report": "what a run has to tell: a page of sentences with numbers, figures, Markdown and PDF",
    "homework": "the two scripts of a course: labels as CSV (p1), captions as figures (p2)",
    "recipe": "print a recipe, draw its learning rate, or check it against its data",
    "data": "what a data set holds, and what is wrong with it",
    "scenes": "write a data set of generated scenes",
    "models": "the networks one can train or open",
    "fetch": "published weights, for machines without internet",
    "du": "what runs, caches and weights take on disk",
    "prune": "free disk space: delete what can be spared, after a question",
    "attention": "what a network looks at, as a figure and as numbers",
    "faithfulness": "how good the maps of each method are, on pictures with masks",
    "positions": "what a network knows about place, as a figure and a scorecard",
    "features": "what a network makes of each patch: colours, likeness, nearest pictures",
    "figure": "make a saved figure again from what it records",
    "caption": "a caption for each picture, and a figure of its words",
    "gpus": "this machine's GPUs, who holds them, and what waits",
    "settings": "your own settings: what is run when a run has ended, the bell",
    "extensions": "methods, layouts, augmentations, ...: all that there is, and what installed packages add",
    "doctor": "what this machine, terminal and store are good for, and what to do",
    "ground": "how well the maps of words find what they mean",
    "completion": "completion of commands, runs, networks and paths in bash, zsh and fish",
}

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "done in part: a run that did not finish, pictures that were left out, a finding of doctor to mend",
    2: "a mistake that the sentence on stderr says how to mend; nothing was done",
    130: "interrupted by ^C; a run that was followed is paused",
}


class _Help(argparse.HelpFormatter):
    """Fills paragraphs, and leaves what has lines of its own (examples, methods) as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" not in text:
            return super()._fill_text(text, width, indent)
        return "".join(indent + line for line in text.splitlines(keepends=True))


class _Parser(argparse.ArgumentParser):
    """argparse repeats what was typed in its messages, as it is."""

    def error(self, message: str) -> NoReturn:
        super().error(clean(shortened(message, 1000)))

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse hides it when the help cannot be written.
        (file or sys.stderr).write(message)


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser; only the arguments of the `chosen` command are filled in."""
    parser = _Parser(
        prog="vitbench",
        description="The terminal workbench for Vision Transformers. Without a command it opens the app.",
        formatter_class=_Help,
        epilog=_first_steps(),
    )
    parser.add_argument("--version", action="version", version=f"vitbench {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        words = summary[0].upper() + summary[1:] + "."
        command = commands.add_parser(name, help=summary, description=words, formatter_class=_Help)
        _add_store(command)
        if name == chosen:
            importlib.import_module(f"vitbench.commands.{name}").add_arguments(command)
            for part in _parts(command):
                _add_store(part, default=argparse.SUPPRESS)  # what stands before the part counts too
            command.epilog = "\n\n".join(filter(None, (command.epilog, epilog(name))))
    return parser


def _add_store(parser: argparse.ArgumentParser, **how: Any) -> None:
    parser.add_argument("--store", metavar="DIR", help="where runs are kept (else VITBENCH_HOME)", **how)


def _parts(command: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The commands of a command, such as p1 and p2 of homework."""
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def _first_steps() -> str:
    """What stands below the list of commands."""
    codes = "\n".join(f"  {code:>3}  {words}" for code, words in EXIT_CODES.items())
    return f"""first steps:
  vitbench demo                         train, watch and look inside, on what comes with the package
  vitbench train fast --data pictures/  your own pictures
  vitbench COMMAND --help               its options, and examples

exit codes:
{codes}"""


def main(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code: 2 after a person's mistake, 130 after an interrupt."""
    try:
        with clean_streams():
            try:
                code = _run(arguments)
                for sentence in left_out():
                    complain(sentence)
            except SystemExit:  # argparse has printed its help
                sys.stdout.flush()
                raise
            sys.stdout.flush()
            return code
    except UserError as error:
        complain(str(error))
        _drop_output_that_cannot_be_written()
        return 2
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except BrokenPipeError:
        # The reader of our output left (`vitbench runs | head`).
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        complain(exhausted(error) or os_error_sentence(error))
        return 2
    except (MemoryError, RuntimeError, ImportError) as error:
        if (lacking := exhausted(error)) is None:
            raise
        complain(lacking)
        return 2


def _run(arguments: Sequence[str]) -> int:
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    parsed = build_parser(chosen).parse_args(arguments)
    return int(importlib.import_module(f"vitbench.commands.{parsed.command}").run(parsed))


def _drop_output_that_cannot_be_written() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()


def _drop_output() -> None:
    """What is still waiting to be printed goes nowhere: Python would complain once more at its exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
