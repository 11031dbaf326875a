"""What may follow on a command line, from the commands' own parsers. No torch: it is asked at each Tab."""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice, pairwise

from vitbench import catalogue
from vitbench.errors import UserError
from vitbench.paths import store_folder
from vitbench.recipe import Recipe, preset_names
from vitbench.runs.status import read_status
from vitbench.runs.store import Store
from vitbench.settings import Settings
from vitbench.sweeps.plan import plan_names
from vitbench.text import clean, shortened

_MOST = 400
"""Runs whose names are read, and networks that are offered, at a Tab."""
_FILES = {"FILE", "DIR", "PATH", "IMAGE", "PICTURE", "IMAGES", "OUTDIR", "RECIPE"}
"""Metavars that a path may stand for; so does one with a dot, such as FILE.csv."""

Candidate = tuple[str, str]
"""A word, and what it is; empty where there is nothing to say."""


@dataclass(frozen=True)
class Offer:
    """What may stand at the cursor: words, and also paths where `files` says so, which the shell itself completes."""

    words: list[Candidate] = field(default_factory=list)
    files: bool = False


def candidates(typed: Sequence[str]) -> Offer:
    """What may stand in the place of the last of the `typed` words, the name of the program not among them.

    Nothing where the line cannot be understood, or the store cannot be read: a Tab is no place for a complaint.
    """
    from vitbench.cli import COMMANDS, build_parser

    *before, word = typed or [""]
    chosen = next((one for one in _without_store(before) if not one.startswith("-")), None)
    if chosen is None:
        if before[-1:] == ["--store"]:
            return Offer(files=True)
        options = [("--help", "what there is"), ("--version", ""), ("--store", "where runs are kept")]
        return _fitting(word, options if word.startswith("-") else list(COMMANDS.items()))
    if chosen not in COMMANDS:
        return Offer()
    commands = next(one for one in build_parser(chosen)._actions if isinstance(one, argparse._SubParsersAction))
    with suppress(UserError, OSError):
        return _Line(commands.choices[chosen], before).offer(word, before[before.index(chosen) + 1 :])
    return Offer()


def _without_store(words: Sequence[str]) -> list[str]:
    return list(words[2:] if words[:1] == ["--store"] else words)


def _fitting(word: str, offered: Sequence[Candidate], files: bool = False) -> Offer:
    return Offer([(name, clean(meaning)) for name, meaning in offered if name.startswith(word)], files)


class _Line:
    """The words of one command, followed as argparse would."""

    def __init__(self, parser: argparse.ArgumentParser, typed: Sequence[str]) -> None:
        self.parser = parser
        stores = [then for one, then in pairwise(typed) if one == "--store"]
        self.store = stores[-1] if stores else None

    def offer(self, word: str, before: Sequence[str]) -> Offer:
        """What may stand in the place of `word`."""
        action, taken = self._place(before)
        option, equals, value = word.partition("=")
        if word.startswith("--") and equals and (named := self._option(option)) is not None:
            offer = self._values(named, value)
            return Offer([(f"{option}={name}", meaning) for name, meaning in offer.words], offer.files)
        if word.startswith("-") and (action is None or not action.option_strings):
            return _fitting(word, self._options(before))
        if action is None:
            return _fitting(word, self._options(before))
        offer = self._values(action, word)
        known = [one for one in offer.words if one[0] not in taken or not _is_many(action)]
        return Offer(known, offer.files)

    def _place(self, before: Sequence[str]) -> tuple[argparse.Action | None, list[str]]:
        """The argument that the next word belongs to, and the words that it has already."""
        positionals = [one for one in self.parser._actions if not one.option_strings]
        waiting: argparse.Action | None = None
        taken: list[str] = []
        for number, word in enumerate(before):
            if word.startswith("-") and word != "-":
                waiting = None if "=" in word else self._option(word)
                if waiting is not None and waiting.nargs == 0:
                    waiting = None
                taken = []
                continue
            if waiting is not None:
                taken.append(word)
                if not _is_many(waiting):
                    waiting, taken = None, []
                continue
            if not positionals:
                continue
            first = positionals[0]
            if isinstance(first, argparse._SubParsersAction):
                if word not in first.choices:
                    raise UserError(f"There is no {word}.")  # `candidates` then offers nothing
                self.parser = first.choices[word]
                return self._place(before[number + 1 :])
            if _is_many(first):
                taken.append(word)
            else:
                positionals.pop(0)
        return waiting or (positionals[0] if positionals else None), taken

    def _option(self, word: str) -> argparse.Action | None:
        return next((one for one in self.parser._actions if word in one.option_strings), None)

    def _options(self, before: Sequence[str]) -> list[Candidate]:
        """The options that may still be given, with the first sentence of their help."""
        return [
            (one.option_strings[-1], shortened(one.help or "", 70))
            for one in self.parser._actions
            if one.option_strings
            and one.help is not argparse.SUPPRESS
            and (_repeats(one) or not set(one.option_strings) & set(before))
        ]

    def _values(self, action: argparse.Action, word: str) -> Offer:
        """The values of an argument that begin with `word`."""
        if isinstance(action, argparse._SubParsersAction):
            helps = {one.dest: one.help or "" for one in action._choices_actions}
            return _fitting(word, [(name, helps.get(name, "")) for name in action.choices])
        if action.choices is not None:
            return _fitting(word, [(str(one), "") for one in action.choices])
        metavars = str(action.metavar or "").strip("[]").split("|")
        offered = [one for name in metavars for one in self._of_kind(name, action, word)]
        files = any(name in _FILES or "." in name for name in metavars) or "MODEL" in metavars
        return _fitting(word, offered, files and not word.startswith("timm:"))

    def _of_kind(self, metavar: str, action: argparse.Action, word: str) -> Iterator[Candidate]:
        command = self.parser.prog.split()[1]
        makers: dict[str, Callable[[], Iterator[Candidate]]] = {
            "RUN": lambda: self._runs(word),
            "OTHER": lambda: self._runs(word),
            "CAPTIONER": lambda: self._runs(word),
            "RUN[@CHECKPOINT": lambda: self._runs(word),
            "MODEL": lambda: _networks(word),
            "RECIPE": _presets,
            "SWEEP": self._sweeps,
        }
        if metavar in makers:
            yield from makers[metavar]()
        elif metavar == "NAME" and command == "recipe":
            yield from _presets()
        elif metavar == "NAME" and command == "sweep":
            yield from ((name, "a sweep of vitbench") for name in plan_names())
        elif metavar == "KEY=VALUE" and action.dest == "set":
            yield from _recipe_keys()
        elif metavar == "NAME=VALUE" and command == "settings":
            yield from ((f"{name}=", field.description or "") for name, field in Settings.model_fields.items())
        elif metavar == "M" and action.dest == "method":
            from vitbench.methods import METHODS

            yield from ((name, method.summary) for name, method in METHODS.items())

    def _runs(self, word: str) -> Iterator[Candidate]:
        """Runs, newest first, by id and by name; behind an @ the checkpoints of one."""
        store = Store(store_folder(self.store))
        name, at, _ = word.partition("@")
        if at:
            steps = [str(entry.step) for entry in store.find(name).checkpoints()]
            yield from ((f"{name}@{which}", "a checkpoint") for which in ("best", "last", *reversed(steps)))
            return
        yield "last", "the newest run"
        for run in islice(reversed(store.runs()), _MOST):
            status = read_status(run.folder)
            yield run.id, f"{status.state} {status.name}"
            if status.name:
                yield status.name, f"{status.state} {run.id}"

    def _sweeps(self) -> Iterator[Candidate]:
        folder = store_folder(self.store) / "sweeps"
        with suppress(OSError):
            yield from ((entry.name, "a sweep") for entry in os.scandir(folder) if entry.is_dir())


def _is_many(action: argparse.Action) -> bool:
    return action.nargs in ("+", "*")


def _repeats(action: argparse.Action) -> bool:
    return isinstance(action, argparse._AppendAction)


def _networks(word: str) -> Iterator[Candidate]:
    """The package's network, the sources, and what begins with `word`, a name of timm without `timm:` too."""
    if not word or "demo".startswith(word):
        yield "demo", "the package's own network"
    names = [name for name in catalogue.model_names() if name != "demo"]
    if ":" not in word:
        yield from ((f"{source}:", "networks") for source in sorted({name.partition(":")[0] for name in names}))
        names = [name.removeprefix("timm:") for name in names if word and name.startswith("timm:")]
    yield from islice(((name, "") for name in names if name.startswith(word)), _MOST)


def _presets() -> Iterator[Candidate]:
    yield from ((name, "a preset") for name in preset_names())


def _recipe_keys() -> Iterator[Candidate]:
    """Every key of a recipe with `=` behind it."""
    for name, table in Recipe.model_fields.items():
        keys = getattr(table.annotation, "model_fields", None)
        for key, one in (keys or {name: table}).items():
            yield (f"{name}.{key}=" if keys else f"{name}="), one.description or ""
