"""Records of words as a table: a row a role, means with bootstrap intervals over pictures."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitbench.captions.grounding import WordRecord
from vitbench.statistics import Estimate, bootstrap_counts, clustered_mean

COLUMNS = {
    "correct": "Token accuracy",
    "auc": "AUC",
    "pointing": "Pointing",
    "chance": "Chance",
    "mass_ratio": "Mass ratio",
    "entropy": "Entropy",
    "distinctness": "Distinctness",
    "deletion_drop": "Deletion drop",
}
ROLE_ORDER = ("NOUN", "COLOUR", "SIZE", "NUMBER", "RELATION", "BACKGROUND", "DETERMINER", "PREPOSITION", "CONJUNCTION")


@dataclass(frozen=True)
class RoleRow:
    """One role: how many words, and an estimate for each column; None where no word of the role has the number."""

    role: str
    count: int
    columns: dict[str, Estimate | None]


def grounding_table(records: Sequence[WordRecord], *, seed: int = 0) -> list[RoleRow]:
    """A row for each role that occurs. Intervals come from resampling pictures, whose words belong together."""
    found = {record.role for record in records}
    roles = [role for role in ROLE_ORDER if role in found] + sorted(found - set(ROLE_ORDER))
    pictures = sorted({record.picture for record in records})
    place = {picture: number for number, picture in enumerate(pictures)}
    times = bootstrap_counts(len(pictures), seed=seed)
    rows = []
    for role in roles:
        own = [record for record in records if record.role == role]
        where = np.array([place[record.picture] for record in own])
        columns = {
            name: clustered_mean(np.array([getattr(record, name) for record in own]), where, times) for name in COLUMNS
        }
        rows.append(RoleRow(role, len(own), columns))
    return rows


def to_csv(rows: Sequence[RoleRow], facts: Mapping[str, str]) -> str:
    """Role, count, for each column its value and the ends of its interval; then `facts`, the same in each row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["role", "count", *(f"{name}{end}" for name in COLUMNS for end in ("", "_low", "_high")), *facts])
    for row in rows:
        cells: list[object] = [row.role, row.count]
        for name in COLUMNS:
            estimate = row.columns[name]
            cells += ["", "", ""] if estimate is None else [f"{v:.5g}" for v in _values(estimate)]
        writer.writerow([*cells, *facts.values()])
    return out.getvalue()


def to_markdown(rows: Sequence[RoleRow]) -> str:
    """A Markdown table, each cell `value [low, high]`."""
    lines = ["| Role | Words | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 2) + "|"]
    for row in rows:
        cells = [_cell(row.columns[name]) for name in COLUMNS]
        lines.append(f"| {row.role} | {row.count:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def to_text(rows: Sequence[RoleRow]) -> str:
    """A plain table for a terminal: values alone, or `-`."""
    titles = ["Token acc.", "AUC", "Pointing", "Chance", "Mass ratio", "Entropy", "Distinct", "Drop"]
    lines = [f"{'Role':<12}{'Words':>7}" + "".join(f"{title:>12}" for title in titles)]
    for row in rows:
        cells = ["-" if (e := row.columns[name]) is None else f"{e.value:.2f}" for name in COLUMNS]
        lines.append(f"{row.role:<12}{row.count:>7,}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


def to_dict(rows: Sequence[RoleRow]) -> list[dict[str, Any]]:
    """Plain values for JSON."""
    return [
        {"role": row.role, "count": row.count}
        | {
            name: None if e is None else {"value": e.value, "low": e.low, "high": e.high}
            for name, e in row.columns.items()
        }
        for row in rows
    ]


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    value, low, high = (f"{number:.2f}" for number in _values(estimate))
    return f"{value} [{low}, {high}]"


def _values(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high
