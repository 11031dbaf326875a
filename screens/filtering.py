"""The filter language of the runs table: words, `key:value`, comparisons, and `-` for not.

pets -crashed              a name, model, data set or state has "pets" in it, none has "crashed"
state:running model:vit    the field has the text in it
tag:paper archived:yes      runs that were put away are hidden unless the filter speaks of them
accuracy>0.9 age<2h        a number is compared; ages and ETAs take s, m, h, d
"two words"                quotes keep a space
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from screens.snapshot import RunRow
from vitbench.errors import UserError

_TEXT_FIELDS: dict[str, Callable[[RunRow], str]] = {
    "state": lambda run: run.state,
    "name": lambda run: run.title,
    "id": lambda run: run.id,
    "model": lambda run: run.model,
    "data": lambda run: run.data,
    "preset": lambda run: run.preset,
    "task": lambda run: run.task,
    "gpu": lambda run: f"{run.device} {run.gpus}",
    "error": lambda run: run.error,
    "tag": lambda run: " ".join(f"#{tag}" for tag in run.tags),
    "archived": lambda run: "yes" if run.archived else "no",
}
_NUMBER_FIELDS: dict[str, Callable[[RunRow], float | None]] = {
    "accuracy": lambda run: run.accuracy,
    "loss": lambda run: run.loss,
    "epoch": lambda run: run.epoch,
    "epochs": lambda run: run.epochs,
    "step": lambda run: float(run.step),
    "rate": lambda run: run.rate,
    "eta": lambda run: run.eta_seconds,
    "age": lambda run: run.age(),
    "progress": lambda run: run.progress,
}
_SHORT = {"acc": "accuracy", "s": "state", "m": "model", "d": "data", "steps": "step", "device": "gpu"}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "%": 0.01, "k": 1000.0}
_WORD = re.compile(r'(-?)((?:[^\s"]|"[^"]*")+)')
_COMPARED = re.compile(r"^([A-Za-z_]+)(>=|<=|!=|>|<|=)(.+)$")
_NUMBER = re.compile(r"^(-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?)([smhdk%]?)$")

Test = Callable[[RunRow], bool]


@dataclass(frozen=True)
class Filter:
    """All tests must hold. Runs that were put away are hidden unless the text of the filter speaks of them."""

    tests: tuple[Test, ...] = (lambda run: not run.archived,)

    def matches(self, run: RunRow) -> bool:
        """Whether this run is to be shown."""
        return all(test(run) for test in self.tests)

    def of(self, runs: Sequence[RunRow]) -> list[RunRow]:
        """The runs that are to be shown, in their order."""
        return [run for run in runs if self.matches(run)]


def parse_filter(text: str) -> Filter:
    """The filter that `text` describes. Raises UserError, naming the word that cannot be understood."""
    if text.count('"') % 2:
        raise UserError('A quote (") in the filter has no partner.')
    tests = [
        _negated(_test(word.replace('"', ""))) if minus else _test(word.replace('"', ""))
        for minus, word in _WORD.findall(text)
    ]
    if not re.search(r"\barchived[:=!]", text.lower()):
        tests.append(lambda run: not run.archived)
    return Filter(tuple(tests))


def _negated(test: Test) -> Test:
    return lambda run: not test(run)


def _test(word: str) -> Test:
    if compared := _COMPARED.match(word):
        return _comparison(*compared.groups())
    key, colon, value = word.partition(":")
    if colon and value and _SHORT.get(key.lower(), key.lower()) in (*_TEXT_FIELDS, *_NUMBER_FIELDS):
        return _field_test(_SHORT.get(key.lower(), key.lower()), value.lower())
    wanted = word.lower()
    return lambda run: any(
        wanted in text.lower() for text in (run.id, run.name, run.model, run.data, run.state, _TEXT_FIELDS["tag"](run))
    )


def _field_test(key: str, wanted: str) -> Test:
    if key in _NUMBER_FIELDS:
        return _comparison(key, "=", wanted)
    read = _TEXT_FIELDS[key]
    return lambda run: wanted in read(run).lower()


def _comparison(name: str, sign: str, value: str) -> Test:
    key = _SHORT.get(name.lower(), name.lower())
    if key in _TEXT_FIELDS and sign in ("=", "!="):
        text, wanted = _TEXT_FIELDS[key], value.lower()
        return lambda run: (text(run).lower() == wanted) == (sign == "=")
    if key not in _NUMBER_FIELDS:
        raise UserError(f"The filter knows no number named {name}; it knows {', '.join(_NUMBER_FIELDS)}.")
    number = _NUMBER.match(value.lower())
    if not number:
        raise UserError(f"The filter compares {name} with a number such as 0.9 or 2h, not with {value}.")
    wanted_number = float(number[1]) * _UNITS[number[2]]
    read, compare = _NUMBER_FIELDS[key], _COMPARISONS[sign]

    def test(run: RunRow) -> bool:
        found = read(run)
        return found is not None and compare(found, wanted_number)

    return test


def field_names() -> list[str]:
    """Every key that the filter knows, for the help."""
    return [*_TEXT_FIELDS, *_NUMBER_FIELDS]
