"""The filter language of the runs table: words, `key:value`, comparisons, and `-` for not.

pets -crashed              a name, model, data set or state has "pets" in it, none has "crashed"
state:running model:vit    the field has the text in it
tag:paper archived:yes      runs that were put away are hidden unless the filter speaks of them
accuracy>0.9 age<2h        a number is compared; ages and ETAs take s, m, h, d
score>0.5                  the accuracy, or what a task has in the place of one
best>0.9                    the best value of the scalar by which a run is judged
validation/loss<0.3        the best value of any scalar; last:validation/loss the last one
optim.lr=0.001 optim.name:adam    a key of the recipe
"two words"                quotes keep a space
"""

import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import filterfalse
from operator import attrgetter

from vitbench.errors import UserError
from vitbench.listing.recipe_keys import known_keys
from vitbench.listing.rows import RunRow
from vitbench.listing.values import NUMBER_FIELDS, SHORT, TEXT_FIELDS, is_recipe_key, metric_of, value_of

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "%": 0.01, "k": 1000.0}
_WORDS = re.compile(r'(-?)((?:[^\s"]|"[^"]*")+)')
_COMPARED = re.compile(r"^([A-Za-z_][\w./:-]*?)(>=|<=|!=|>|<|=)(.+)$")
_NUMBER = re.compile(r"^(-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)([smhdk%]?)$")
_MOST_VALUES = 50

Test = Callable[[RunRow], bool]


@dataclass(frozen=True)
class Filter:
    """All tests must hold. Runs that were put away are hidden unless it is `archived`: its text speaks of them."""

    tests: tuple[Test, ...] = ()
    names: frozenset[str] = frozenset()
    """The keys of recipes and the scalars of which it speaks, as they are written."""
    archived: bool = False
    """Whether runs that were put away pass it too."""

    def matches(self, run: RunRow) -> bool:
        """Whether this run is to be shown."""
        return (self.archived or not run.archived) and all(test(run) for test in self.tests)

    def of(self, runs: Sequence[RunRow]) -> list[RunRow]:
        """The runs that are to be shown, in their order."""
        passed = list(runs) if self.archived else list(filterfalse(attrgetter("archived"), runs))
        for test in self.tests:
            passed = [run for run in passed if test(run)]
        return passed


def parse_filter(text: str, archived: bool = False) -> Filter:
    """The filter that `text` describes; with `archived`, runs that were put away pass it too.

    Raises UserError, naming the word that cannot be understood.
    """
    if text.count('"') % 2:
        raise UserError('A quote (") in the filter has no partner.')
    tests: list[Test] = []
    names: set[str] = set()
    for minus, word in _WORDS.findall(text):
        test, name = _test(word.replace('"', ""))
        tests.append(_negated(test) if minus else test)
        names.add(name)
    archived = archived or re.search(r"\barchived[:=!]", text.lower()) is not None
    spoken_of = frozenset(name for name in names if metric_of(name) or is_recipe_key(name))
    return Filter(tuple(tests), spoken_of, archived)


def _negated(test: Test) -> Test:
    return lambda run: not test(run)


def _test(word: str) -> tuple[Test, str]:
    """The test that a word asks for, and the name of which it speaks."""
    if compared := _COMPARED.match(word):
        name, sign, value = compared.groups()
        return _comparison(_full(name), sign, value), _full(name)
    key, colon, value = word.rpartition(":")
    name = _full(key)
    if colon and value and (name in TEXT_FIELDS or name in NUMBER_FIELDS or is_recipe_key(key) or metric_of(key)):
        return _field_test(name, value.lower()), name
    wanted = word.lower()
    tagged = TEXT_FIELDS["tag"]

    def has_it(run: RunRow) -> bool:
        return any(wanted in text.lower() for text in (run.id, run.name, run.model, run.data, run.state, tagged(run)))

    return has_it, ""


def _full(name: str) -> str:
    return SHORT.get(name.lower(), name.lower() if name.lower() in (*TEXT_FIELDS, *NUMBER_FIELDS) else name)


def _field_test(key: str, wanted: str) -> Test:
    if key in NUMBER_FIELDS or metric_of(key):
        return _comparison(key, "=", wanted)
    if key in TEXT_FIELDS:
        read = TEXT_FIELDS[key]
        return lambda run: wanted in read(run).lower()

    def has_it(run: RunRow) -> bool:
        value = value_of(run, key)
        if isinstance(value, int | float) and not isinstance(value, bool) and _NUMBER.match(wanted):
            return value == _number(key, wanted)
        return value is not None and wanted in _text(value)

    return has_it


def _comparison(name: str, sign: str, value: str) -> Test:
    compare = _COMPARISONS[sign]
    recipe = is_recipe_key(name) and name not in TEXT_FIELDS and name not in NUMBER_FIELDS
    if sign in ("=", "!=") and (name in TEXT_FIELDS or (recipe and not _NUMBER.match(value.lower()))):
        wanted = value.lower()

        def same(run: RunRow) -> bool:
            found = value_of(run, name)
            return found is not None and (_text(found) == wanted) == (sign == "=")

        return same
    if name not in NUMBER_FIELDS and not metric_of(name) and not recipe:
        raise UserError(
            f"The filter knows no number named {name}; it knows {', '.join(NUMBER_FIELDS)}, scalars such as "
            "validation/loss, and keys of recipes such as optim.lr."
        )
    wanted_number = _number(name, value)

    def test(run: RunRow) -> bool:
        found = value_of(run, name)
        return isinstance(found, int | float) and compare(float(found), wanted_number)

    return test


def _number(name: str, value: str) -> float:
    number = _NUMBER.match(value.lower())
    if not number:
        raise UserError(f"The filter compares {name} with a number such as 0.9 or 2h, not with {value}.")
    return float(number[1]) * _UNITS[number[2]]


def _text(value: object) -> str:
    return str(value).lower()


def completions(typed: str, rows: Sequence[RunRow], scalars: Iterable[str] = ()) -> list[tuple[str, str]]:
    """What the last word of a filter may become, and what is said beside it: keys, then the values that occur.

    The whole line is given, so that it can be taken as it is. Values are the most frequent first, with how many runs
    have each.
    """
    head, _, last = typed.rpartition(" ")
    before = f"{head} " if head else ""
    minus, word = ("-", last[1:]) if last.startswith("-") else ("", last)
    key, sign, start = _parted(word)
    if sign:
        found = [(f"{before}{minus}{key}{sign}{_quoted(value)}", said) for value, said in _values(key, start, rows)]
        return [choice for choice in found if choice[0] != typed]
    names = [*TEXT_FIELDS, *NUMBER_FIELDS, *(key for key in known_keys() if "." in key), *sorted(scalars)]
    fitting = [name for name in names if word.lower() in name.lower()]
    fitting.sort(key=lambda name: not name.lower().startswith(word.lower()))
    return [(f"{before}{minus}{name}{_usual_sign(name)}", _kind(name)) for name in fitting]


def names_in(typed: str) -> frozenset[str]:
    """The keys and scalars of which a filter speaks, also where it is not complete."""
    return frozenset(_parted(word)[0] for _, word in _WORDS.findall(typed))


def _parted(word: str) -> tuple[str, str, str]:
    if compared := re.match(r"^([A-Za-z_][\w./:-]*?)(>=|<=|!=|>|<|=)(.*)$", word):
        return _full(compared[1]), compared[2], compared[3]
    key, colon, start = word.rpartition(":")
    return (key, colon, start) if key not in ("best", "last") else (word, "", "")


def _values(key: str, start: str, rows: Sequence[RunRow]) -> list[tuple[str, str]]:
    if _full(key) in ("age", "eta", "progress"):
        return []
    if _full(key) == "tag":
        found = Counter(f"#{tag}" for row in rows for tag in row.tags)
    else:
        read = (value_of(row, _full(key)) for row in rows)
        found = Counter(f"{value:g}" if isinstance(value, float) else str(value) for value in read if value is not None)
    fitting = [(value, count) for value, count in found.most_common() if value and start.lower() in value.lower()]
    return [(value, "1 run" if count == 1 else f"{count:,} runs") for value, count in fitting[:_MOST_VALUES]]


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


def _usual_sign(name: str) -> str:
    return ":" if name in TEXT_FIELDS else "=" if is_recipe_key(name) else ">"


def _kind(name: str) -> str:
    return "a scalar" if "/" in name else "a key of the recipe" if is_recipe_key(name) else ""
