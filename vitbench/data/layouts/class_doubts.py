"""Names of classes that say themselves that they are none, whatever layout they come from."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from vitbench.data.layouts.base import Doubt
from vitbench.data.layouts.names import equal_but_for_form, looks_same
from vitbench.data.layouts.place import listed
from vitbench.text import counted

_DOMAIN = re.compile(r"(?i)(train|test|val)[ _-]?[ab]")
_NOTHING = frozenset(
    {"nan", "null", "none", "n/a", "na", "nil", "undefined", "missing", "#n/a", "unlabeled", "unlabelled", "unknown"}
    | {"unsorted", "unclassified", "uncategorized", "uncategorised", "uncertain", "unsure", "todo", "to_do", "?", "-"}
)
_REST = frozenset({"other", "others", "misc", "miscellaneous", "rest", "ignore", "trash", "junk", "invalid", "void"})
"""Classes of what is left, which may be meant."""
_WORDS_OF_A_SENTENCE = 4
_FRACTION = re.compile(r"[-+]?\d*[.,]\d+(e[-+]?\d+)?", re.IGNORECASE)
_WHOLE = re.compile(r"[-+]?\d+")
_MADE_FROM = re.compile(
    r"(?i)(?P<name>.+?)[ _-]?\(?(augmented|augmentation|aug|flipped|rotated|copy|resized|cropped)\)?"
)


def class_doubts(classes: Sequence[str], counts: Mapping[str, int], overrule: str) -> Iterator[Doubt]:
    """What looks wrong in the names alone; `overrule` says how to train all the same."""
    if len(classes) > 1 and all(_DOMAIN.fullmatch(label) for label in classes):
        yield Doubt(
            f"The classes {listed(classes)} are splits of two kinds of pictures, as CycleGAN has them.",
            f"To tell A from B, put them into folders train/A, train/B, test/A and test/B. {overrule}",
            stops_training=True,
        )
    fractions = [label for label in classes if _FRACTION.fullmatch(label.strip())]
    numbers = [label for label in classes if _WHOLE.fullmatch(label.strip())]
    whole = [label for label in fractions if float(label.replace(",", ".")).is_integer()]
    if len(fractions) > max(2, len(whole)) and len(fractions) + len(numbers) == len(classes):
        yield Doubt(
            f"The {len(classes):,} classes are numbers with fractions, such as {listed(fractions[:3])}: that is"
            " measured and no class, and networks here learn classes.",
            f"Put them into ranges, or choose another column. {overrule}",
            stops_training=True,
        )
    sentences = [label for label in classes if len(label.split()) >= _WORDS_OF_A_SENTENCE]
    if len(sentences) * 2 > len(classes) and len(classes) * 2 > sum(counts.values()):
        yield Doubt(
            f"Most of the {len(classes):,} classes are sentences of one picture each, such as {sentences[0][:60]!r}:"
            ' these are captions and no labels; task = "caption" learns them.',
            overrule,
            stops_training=True,
        )
    if nothing := [label for label in classes if label.strip().casefold() in _NOTHING]:
        said = listed(f"{label} ({counted(counts[label], 'picture')})" for label in nothing)
        yield Doubt(
            f"{said} among the classes is taken for a class like the others, though it may stand for no label: leave it"
            " empty in a table, or call its folder unlabelled, and its pictures are left out of training."
        )
    if rest := [label for label in classes if label.strip().casefold() in _REST]:
        said = listed(f"{label} ({counted(counts[label], 'picture')})" for label in rest)
        yield Doubt(f"{said} is taken for a class like the others; take it away if it is what was not sorted.")
    made = [label for label in classes if (own := _MADE_FROM.fullmatch(label)) and own["name"] in counts]
    if made:
        yield Doubt(
            f"The classes {listed(made[:3])} seem to be made from others ({listed(_of(label) for label in made[:3])}):"
            " such copies belong into the same class, and in training only."
        )
    yield from _alike(classes, counts)
    yield from _equal_numbers(classes, counts)


def _alike(classes: Sequence[str], counts: Mapping[str, int]) -> Iterator[Doubt]:
    """Classes that a person takes for one."""
    alike: dict[str, list[str]] = {}
    for label in classes:
        alike.setdefault(looks_same(label), []).append(label)
    for labels in alike.values():
        if len(labels) > 1:
            names = listed(f"{label} ({counted(counts[label], 'picture')})" for label in labels)
            same = len({equal_but_for_form(label) for label in labels}) == 1
            why = (
                "are equal but for case, blanks or Unicode form"
                if same
                else f"look the same in letters of different scripts ({listed(map(_codes, labels))})"
            )
            yield Doubt(f"The classes {names} {why}; they stay different classes.")


def _equal_numbers(classes: Sequence[str], counts: Mapping[str, int]) -> Iterator[Doubt]:
    """Classes that are one number, written with other zeros."""
    found: dict[float, list[str]] = {}
    for label in classes:
        if _WHOLE.fullmatch(label.strip()) or _FRACTION.fullmatch(label.strip()):
            found.setdefault(float(label.strip().replace(",", ".")), []).append(label)
    for labels in found.values():
        if len(labels) > 1:
            names = listed(f"{label} ({counted(counts[label], 'picture')})" for label in labels)
            yield Doubt(f"The classes {names} are the same number; they stay different classes.")


def _codes(label: str) -> str:
    """The first letter of a name that is not ASCII, by its code point and Unicode name."""
    odd = next((letter for letter in label if not letter.isascii()), "")
    return f"{label}: U+{ord(odd):04X} {unicodedata.name(odd, '')}".rstrip() if odd else f"{label}: all ASCII"


def _of(label: str) -> str:
    found = _MADE_FROM.fullmatch(label)
    return found["name"] if found else label
