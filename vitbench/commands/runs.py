"""`vitbench runs`: all runs of the store."""

import argparse
import csv
import io
import sys
import time
from collections.abc import Sequence
from typing import Any

from vitbench.comparing.scores import plain_number
from vitbench.errors import UserError
from vitbench.listing.filters import parse_filter
from vitbench.listing.groups import Groups, row_spread, seeds, spread_words
from vitbench.listing.judged import SCORE, common_name
from vitbench.listing.rows import RunRow, value_words
from vitbench.listing.store_rows import StoreRows
from vitbench.listing.values import NUMBER_FIELDS, TEXT_FIELDS, is_recipe_key, metric_of, order_of, value_of
from vitbench.nearest import perhaps
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import duration
from vitbench.runs.about import read_about
from vitbench.runs.queue import attend
from vitbench.runs.store import Run, Store
from vitbench.sweeps.manager import ensure_managers
from vitbench.text import clean, counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "--tag", action="append", default=[], metavar="TAG", help="only runs with this tag; again: with both"
    )
    parser.add_argument("--all", action="store_true", help="those too that were archived (`vitbench label --archive`)")
    parser.add_argument("--filter", default="", metavar="TEXT", help="as in the app: pets, state:running, best>0.9")
    parser.add_argument("--group", action="store_true", help="runs that differ by their seed alone as one line")
    parser.add_argument(
        "--columns",
        default="",
        metavar="NAMES",
        help="with commas: best, last:SCALAR, best:SCALAR, keys of recipes (optim.lr), fields (model)",
    )
    parser.add_argument("--sort", default="", metavar="NAME", help="by one of these; runs without a value come last")
    parser.add_argument("--falling", action="store_true", help="with --sort: the greatest first")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON list, with every field of the status")
    form.add_argument("--csv", action="store_true", help="the columns as CSV; of a group mean, least and greatest")


def run(arguments: argparse.Namespace) -> int:
    """Prints a line a run, newest first."""
    store = Store(store_folder(arguments.store))
    columns = [name for name in arguments.columns.split(",") if name]
    sort = arguments.sort
    chosen = parse_filter(arguments.filter, archived=arguments.all)
    for name in [*columns, *([sort] if sort else [])]:
        if not _is_name(name):
            fields = [*TEXT_FIELDS, *NUMBER_FIELDS]
            raise UserError(
                f"There is no column {name!r}{perhaps(name, fields)}: it is a field ({', '.join(fields)}), a key of "
                "recipes such as optim.lr, or a scalar such as best:validation/loss."
            )
    table = StoreRows(store)
    polled = table.poll()
    ensure_managers(store)
    if problem := attend(store, polled.fresh):
        print(problem, file=sys.stderr)
    names = {*columns, sort, *chosen.names}
    if arguments.group or any(map(is_recipe_key, names)):
        table.read_recipes(polled.rows)
    table.read_scores(polled.rows, frozenset(metric.tag for name in names if (metric := metric_of(name)) is not None))
    known = [row for name in polled.rows if (row := table.row(name)) is not None]
    rows = [
        row
        for row in sorted(known, key=lambda row: -row.created_at)
        if set(arguments.tag) <= set(row.tags) and chosen.matches(row)
    ]
    hidden = len(known) - len(rows)
    rows = _sorted(Groups().of(rows) if arguments.group else rows, sort, arguments.falling)
    if arguments.json:
        print_json([_document(store, row, columns) for row in rows])
        return 0
    if hidden:
        print(
            f"Not shown: {hidden:,} of {counted(len(known), 'run')} (archived, without the tag, or filtered).",
            file=sys.stderr,
        )
    if arguments.csv:
        print(_csv(rows, columns), end="")
        return 0
    if known and not rows:
        return 0
    if not rows:
        print(f"No runs in {clean(str(store.folder))} yet; `vitbench train demo` starts one.")
        return 0
    _print(rows, columns)
    return 0


def _is_name(name: str) -> bool:
    return name in TEXT_FIELDS or name in NUMBER_FIELDS or is_recipe_key(name) or metric_of(name) is not None


def _sorted(rows: Sequence[RunRow], name: str, falling: bool) -> list[RunRow]:
    """By a column; rows without a value of it come last."""
    if not name:
        return list(rows)
    orders = [(order, row) for row in rows if (order := order_of(value_of(row, name))) is not None]
    missing = [row for row in rows if order_of(value_of(row, name)) is None]
    return [row for _, row in sorted(orders, key=lambda pair: pair[0], reverse=falling)] + missing


def _print(rows: Sequence[RunRow], columns: Sequence[str]) -> None:
    names = [clean(row.name if row.members else row.id) for row in rows]
    width = max(3, *map(len, names))
    cells = [[clean(_words(row, column)) for column in columns] for row in rows]
    widths = [max(len(title), *(len(row[place]) for row in cells)) for place, title in enumerate(columns)]
    more = "".join(f"  {title:<{room}}" for title, room in zip(columns, widths, strict=True))
    name = common_name(row.score_metric for row in rows)
    scores = [row.named_score if name is SCORE else row.score_words for row in rows]
    score_width = max(8, *map(len, scores))
    title = name.within(score_width).upper()
    head = f"{'RUN':<{width}}  {'STATE':<9} {'EPOCH':>9} {'LOSS':>8} {title:>{score_width}}"
    print(f"{head}  {'AGE':<6}{more}".rstrip())
    for row, shown, own, score in zip(rows, names, cells, scores, strict=True):
        age = duration(time.time() - row.created_at)
        tags = "".join(f"  #{tag}" for tag in row.tags)
        more = "".join(f"  {cell:<{room}}" for cell, room in zip(own, widths, strict=True))
        age = f"{age:<6}" if more else age
        figures = f"{_figures(row)} {clean(score):>{score_width}}"
        print(f"{shown:<{width}}  {row.state:<9} {figures}  {age}{more.rstrip()}{clean(tags)}")


def _words(row: RunRow, column: str) -> str:
    """A cell: a scalar with its step, a group's value with the least and the greatest."""
    metric = metric_of(column)
    tag = metric.tag if metric is not None else row.best_metric if column == "best" else column
    if row.members and column == "train.seed":
        return seeds(row)
    value = value_of(row, column)
    if value is None:
        return "-"
    if row.members and (metric is not None or column == "best"):
        found = row_spread(row.members, lambda one: value_of(one, column))
        return spread_words(tag, found) if found is not None else "-"
    if metric is not None:
        at = metric.at(row)
        return "-" if at is None else f"{value_words(tag, at.value)} at {at.step:,}"
    if column == "best":
        return f"{row.best_words} at {row.best_step:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _csv(rows: Sequence[RunRow], columns: Sequence[str]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    wanted = columns or ["loss", "accuracy", "score", "best", "best_step"]
    grouped = any(row.members for row in rows)
    writer.writerow(
        [
            "run",
            "state",
            "seeds",
            *(f"{name}{end}" for name in wanted for end in (("", " lowest", " highest") if grouped else ("",))),
        ]
    )
    for row in rows:
        cells: list[Any] = [row.name if row.members else row.id, row.state, len(row.members) or 1]
        for name in wanted:
            value = value_of(row, name)
            cells.append(value)
            if grouped:
                numbers = [
                    one for member in (row.members or (row,)) if isinstance(one := value_of(member, name), int | float)
                ]
                cells += [min(numbers), max(numbers)] if numbers else ["", ""]
        writer.writerow([_cell(cell) for cell in cells])
    return stream.getvalue()


def _cell(value: Any) -> Any:
    return "" if value is None else plain_number(value) if isinstance(value, float) else value


def _document(store: Store, row: RunRow, columns: Sequence[str]) -> dict[str, Any]:
    """A run with its status; of a group the runs in it and their values."""
    values = {"columns": {name: value_of(row, name) for name in columns}} if columns else {}
    if row.members:
        found = row_spread(row.members, lambda one: one.best_value)
        best = None if found is None else {"mean": found.mean, "low": found.low, "high": found.high}
        members = [one.id for one in row.members]
        return {"group": row.name, "runs": members, "state": row.state, "best": best, **values}
    own = Run(store.runs_folder / row.id)
    about = read_about(own).model_dump(mode="json")
    return {"id": row.id, **own.status().model_dump(mode="json"), **about, **values}


def _figures(row: RunRow) -> str:
    loss = "" if row.loss is None else f"{row.loss:.4g}"
    epochs = f"{row.epoch:.1f}/{row.epochs}" if row.epochs else ""  # unknown where the status cannot be read
    return f"{epochs:>9} {loss:>8}"
