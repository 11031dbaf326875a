"""A comparison in lines, as the command prints them and the screen shows them."""

from vitbench.comparing.report import Comparison
from vitbench.comparing.scores import At, Spread
from vitbench.runs.evaluations import ScoredLabels
from vitbench.text import clean, split_name


def lines(found: Comparison) -> list[str]:
    """What differs in the recipes, the scores, the seeds, and the paired tests."""
    said = _table(["", *found.names], [[key, *map(_value, values)] for key, values in found.differences.items()])
    if not found.differences:
        said.append("Their recipes are the same.")
    said.append("")
    rows = [
        [f"{tag} {which}", *(_at(getattr(score, which)) for score in scores)]
        for tag, scores in found.scores.items()
        for which in ("best", "last")
    ]
    said += [*_table(["", *found.names], rows), *_groups(found), ""]
    return [*said, *tests(found)]


def tests(found: Comparison) -> list[str]:
    """The paired tests, or why there is none."""
    if found.shared is None:
        return [clean(found.not_tested)]
    count, gone = len(found.shared.files), found.shared.left_out
    rest = f"; {gone:,} that only some were given are left out" if gone else ""
    said = [clean(f"On the same {count:,} pictures of the {split_name(found.shared.split)}{rest}:")]
    if any(isinstance(answers.scored, ScoredLabels) for answers in found.shared.answers):
        said.append("  (right is a picture with all of its labels right, each from a probability of 0.5 on)")
    for test in found.tests:
        corrected = f" Among {len(found.tests)} pairs, corrected: p = {test.corrected:.3g}."
        sentence = test.paired.sentence(found.names[test.first], found.names[test.second])
        said.append(clean(f"  {sentence}{corrected if len(found.tests) > 1 else ''}"))
    return said


def _groups(found: Comparison) -> list[str]:
    said = []
    for place, group in enumerate(found.groups):
        if len(group) > 1:
            names = ", ".join(found.names[number] for number in group)
            said += ["", clean(f"{len(group)} seeds: {names}")]
            said += [f"  {clean(tag)}: {_spread(spreads[place])}" for tag, spreads in found.spreads.items()]
    return said


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    if not rows:
        return []
    cells = [[clean(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _value(value: object) -> str:
    return "-" if value is None else str(value)


def _at(at: At | None) -> str:
    return "-" if at is None else f"{at.value:.4g} at {at.step:,}"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    deviation = f", deviation {spread.deviation:.2g}" if spread.deviation is not None else ""
    return f"mean {spread.mean:.4g}, {spread.low:.4g} to {spread.high:.4g}{deviation} (best values)"
