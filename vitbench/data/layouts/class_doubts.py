"""Names of classes that say themselves that they are none, whatever layout they come from."""

import re
from collections.abc import Iterator, Mapping, Sequence

from vitbench.data.layouts.base import Doubt
from vitbench.data.layouts.place import listed
from vitbench.text import counted

_DOMAIN = re.compile(r"(?i)(train|test|val)[ _-]?[ab]")
_NOTHING = frozenset(
    {"nan", "null", "none", "n/a", "na", "nil", "undefined", "missing", "#n/a", "unlabeled", "unlabelled"}
)
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
    if nothing := [label for label in classes if label.strip().casefold() in _NOTHING]:
        said = listed(f"{label} ({counted(counts[label], 'picture')})" for label in nothing)
        yield Doubt(f"{said} among the classes may stand for no label; leave it empty, and its pictures are left out.")
    made = [label for label in classes if (own := _MADE_FROM.fullmatch(label)) and own["name"] in counts]
    if made:
        yield Doubt(
            f"The classes {listed(made[:3])} seem to be made from others ({listed(_of(label) for label in made[:3])}):"
            " such copies belong into the same class, and in training only."
        )


def _of(label: str) -> str:
    found = _MADE_FROM.fullmatch(label)
    return found["name"] if found else label
