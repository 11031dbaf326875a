"""A study as a table: a row a method, means with bootstrap intervals over pictures."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.faithfulness.scores import pixel_accuracy_and_miou
from vitbench.faithfulness.study import Record, Study
from vitbench.statistics import Estimate, bootstrap_counts, clustered_mean, percentile_interval

GROUPS = {
    "correct": "each picture's own class, where the network names it first",
    "all": "each picture's own class",
    "second": "other classes in the picture",
}
_Value = Callable[[Record], float | None]


@dataclass(frozen=True)
class Measure:
    """A column: its short title, what it says, and whether more is better (None: it is no contest)."""

    title: str
    sentence: str
    higher_is_better: bool | None
    value: _Value | None
    """None for what is pooled over pictures."""


def _curve(name: str) -> _Value:
    return lambda record: None if record.curves is None else float(getattr(record.curves, name))


MEASURES: dict[str, Measure] = {
    "pointing": Measure("point", "the highest pixel lies on the object", True, lambda r: r.scores.pointing),
    "chance": Measure("area", "the object's share of the picture: pointing by chance", None, lambda r: r.scores.chance),
    "pixel_accuracy": Measure("pixel", "pixel accuracy at the mean threshold, pooled (Chefer)", True, None),
    "miou": Measure("mIoU", "mean IoU of object and background at the mean threshold, pooled (Chefer)", True, None),
    "map": Measure("mAP", "average precision of object and background together (Chefer)", True, lambda r: r.scores.ap),
    "foreground_ap": Measure("AUPRC", "average precision of the object alone", True, lambda r: r.scores.foreground_ap),
    "mass": Measure("mass", "share of positive relevance on the object", True, lambda r: r.scores.mass),
    "rank": Measure("rank", "share of the highest pixels that are the object's", True, lambda r: r.scores.rank),
    "leak": Measure("leak", "share of relevance on objects that is on another class", False, lambda r: r.leak),
    "leak_chance": Measure("even", "leak of an even map", None, lambda r: r.leak_chance),
    "positive": Measure("pos", "perturbation AUC, highest pixels first, 0 to 90", False, _curve("positive")),
    "negative": Measure("neg", "perturbation AUC, lowest pixels first, 0 to 90", True, _curve("negative")),
    "deletion": Measure("del", "area of the probability while the highest go", False, _curve("deletion")),
    "insertion": Measure("ins", "area of the probability while the highest come", True, _curve("insertion")),
    "completeness_error": Measure(
        "compl", "what the map's sum misses of what it should be", False, lambda r: r.completeness_error
    ),
    "randomised": Measure(
        "shuf", "rank correlation with the map of shuffled weights; 0 is good", None, lambda r: r.randomised
    ),
}
_TABLES = (
    ("pointing", "chance", "pixel_accuracy", "miou", "map", "foreground_ap", "mass", "rank"),
    ("leak", "leak_chance", "positive", "negative", "deletion", "insertion", "completeness_error", "randomised"),
)


@dataclass(frozen=True)
class MethodRow:
    """A method in a group: how many maps, and an estimate a measure; None where no map has the number."""

    method: str
    group: str
    count: int
    columns: dict[str, Estimate | None]


def method_table(study: Study, *, seed: int = 0) -> list[MethodRow]:
    """A row for each group and method that has maps. Intervals come from resampling pictures, the same draws for all
    methods."""
    pictures = len(study.pictures)
    times = bootstrap_counts(pictures, seed=seed)
    methods = list(dict.fromkeys(record.method for record in study.records))
    rows = []
    for group in GROUPS:
        for method in methods:
            own = [r for r in study.records if r.method == method and in_group(r, group)]
            if own:
                rows.append(MethodRow(method, group, len(own), _columns(own, times)))
    return rows


def in_group(record: Record, group: str) -> bool:
    """Whether a record counts in "correct", "all" or "second"."""
    if group == "second":
        return not record.target.first
    return record.target.first and (group == "all" or record.target.correct is True)


def _columns(records: Sequence[Record], times: NDArray[np.int64]) -> dict[str, Estimate | None]:
    where = np.array([record.target.picture for record in records])
    columns: dict[str, Estimate | None] = {}
    counts = np.zeros((times.shape[1], 5))
    np.add.at(counts, where, np.array([record.scores.counts for record in records]))
    resampled = times @ counts
    pooled = pixel_accuracy_and_miou(counts.sum(axis=0))
    drawn = pixel_accuracy_and_miou(resampled[resampled.any(axis=1)])
    whole = dict(zip(("pixel_accuracy", "miou"), zip(pooled, drawn, strict=True), strict=True))
    for name, measure in MEASURES.items():
        if measure.value is None:
            columns[name] = percentile_interval(float(whole[name][0]), whole[name][1])
        else:
            values = [measure.value(record) for record in records]
            known = np.array([np.nan if value is None else value for value in values], dtype=float)
            columns[name] = clustered_mean(known, where, times)
    return columns


def to_text(rows: Sequence[MethodRow], group: str) -> str:
    """The group's numbers for a terminal of 80 columns, two tables of eight measures; `-` where there is none."""
    own = [row for row in rows if row.group == group]
    lines = []
    for table in _TABLES:
        names = [name for name in table if any(row.columns[name] is not None for row in own)]
        if not names:
            continue
        lines += ["", f"{'method':<21}{'maps':>5}" + "".join(f"{MEASURES[name].title:>6}" for name in names)]
        for row in own:
            lines.append(f"{row.method:<21}{row.count:>5}" + "".join(f"{_short(row.columns[n]):>6}" for n in names))
    return "\n".join(lines[1:])


def legend(rows: Sequence[MethodRow]) -> str:
    """What the short titles of the columns that have numbers mean, one line each."""
    used = [name for name in MEASURES if any(row.columns[name] is not None for row in rows)]
    better = {True: " (higher is better)", False: " (lower is better)", None: ""}
    return "\n".join(
        f"  {MEASURES[n].title:<6}{MEASURES[n].sentence}{better[MEASURES[n].higher_is_better]}" for n in used
    )


def to_markdown(rows: Sequence[MethodRow]) -> str:
    """A Markdown table a group: a row a measure, a column a method, each cell `value [low, high]`."""
    lines = []
    for group, sentence in GROUPS.items():
        own = [row for row in rows if row.group == group]
        if not own:
            continue
        lines += [f"## {group}: {sentence} ({max(row.count for row in own)} maps)", ""]
        lines += ["| Measure | " + " | ".join(row.method for row in own) + " |", "|---" * (len(own) + 1) + "|"]
        for name, measure in MEASURES.items():
            if any(row.columns[name] is not None for row in own):
                cells = " | ".join(_cell(row.columns[name]) for row in own)
                lines.append(f"| {name}: {measure.sentence} | {cells} |")
        lines.append("")
    return "\n".join(lines)


def to_csv(rows: Sequence[MethodRow]) -> str:
    """Group, method, maps, and for each measure its value and the ends of its interval."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["group", "method", "maps", *(f"{n}{end}" for n in MEASURES for end in ("", "_low", "_high"))])
    for row in rows:
        cells: list[object] = [row.group, row.method, row.count]
        for name in MEASURES:
            e = row.columns[name]
            cells += ["", "", ""] if e is None else [f"{v:.5g}" for v in (e.value, e.low, e.high)]
        writer.writerow(cells)
    return out.getvalue()


def to_dict(rows: Sequence[MethodRow]) -> list[dict[str, Any]]:
    """Plain values for JSON."""
    return [
        {"group": row.group, "method": row.method, "maps": row.count}
        | {n: None if e is None else {"value": e.value, "low": e.low, "high": e.high} for n, e in row.columns.items()}
        for row in rows
    ]


def _short(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    value = estimate.value
    if value != 0 and abs(value) < 0.0005:
        return f"{value:.0e}".replace("e-0", "e-")
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}".replace("0.", ".", 1)


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"
