"""The columns of the table of runs: those that are always known, and any scalar or recipe key that a person chooses."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from screens import wording
from screens.look import glyphs
from screens.snapshot import SPARKLINE_POINTS, RunRow
from vitbench.comparing.scores import smaller_is_better
from vitbench.listing.groups import row_spread, seeds, spread_words
from vitbench.listing.judged import SCORE, common_name, score_name
from vitbench.listing.rows import is_share, value_words
from vitbench.listing.values import Metric, is_recipe_key, metric_of, order_of, value_of

GAP = 2
_NAMED = 12
"""Cells of a score that says its own name, `BLEU-4 0.312`."""
_WIDEST_CHOSEN = 26

Order = tuple[int, float, str]


@dataclass(frozen=True)
class Column:
    """One column: `need` says how early it gives way (small stays longest), `order` is what it sorts by, None last.

    `text` is given the run, the time now and the width; a column grows from `width` to `widest` where there is room.
    """

    name: str
    title: str
    width: int
    need: int
    text: Callable[[RunRow, float, int], str]
    order: Callable[[RunRow], Order | None]
    right: bool = False
    widest: int = 0
    descending: bool = False
    """Whether the greatest comes first when one begins to sort by it."""


def _state(run: RunRow, width: int) -> str:
    """Sign and word; of a place in the queue the number is kept whole, which a person waits to see fall."""
    words = f"{glyphs().states[run.state]} {run.state_word}"
    return words if len(words) <= width else words.replace("queue", "q")


def _eta(run: RunRow) -> str:
    return wording.short_time(run.eta_seconds) if run.state == "running" else ""


def _best(run: RunRow, width: int) -> str:
    """The best value with its step; of a group the mean with the least and the greatest."""
    if run.members:
        found = row_spread(run.members, lambda row: row.best_value)
        words = spread_words(run.best_metric, found) if found is not None else ""
        return words if len(words) <= width else run.best_words
    words = f"{run.best_words} @{run.best_step:,}" if run.best_value is not None else ""
    return words if len(words) <= width else run.best_words


def _score(run: RunRow, width: int) -> str:
    """The score with its name: runs of several tasks stand above each other."""
    words = f"{score_name(run.score_metric).short} {_score_alone(run)}" if run.score is not None else ""
    return words if cell_len(words) <= width else _score_alone(run)


def _score_alone(run: RunRow, *_: object) -> str:
    """A share in per cent, anything else in five characters."""
    if run.score is None or is_share(run.score_metric):
        return wording.percent(run.score)
    return f"{run.score:.3f}" if abs(run.score) < 10 else run.score_words


def _by(name: str) -> Callable[[RunRow], Order | None]:
    return lambda run: order_of(value_of(run, name))


def _number(value: float | None) -> Order | None:
    return order_of(None if value != value else value)


COLUMNS = (
    Column(
        "state",
        "State",
        10,
        1,
        lambda run, _, width: _state(run, width),
        lambda run: (1, 0.0, f"{run.state}{run.place:06}"),
    ),
    Column("name", "Run", 20, 0, lambda run, *_: run.title, _by("name"), widest=40),
    Column("model", "Model", 22, 9, lambda run, *_: wording.model(run.model), _by("model"), widest=34),
    Column("data", "Data", 14, 11, lambda run, *_: wording.data(run.data), _by("data"), widest=30),
    Column("epoch", "Epoch", 7, 4, lambda run, *_: wording.epochs(run.epoch, run.epochs), _by("epoch"), True, 0, True),
    Column("loss", "Loss", 7, 3, lambda run, *_: wording.loss(run.loss), lambda run: _number(run.loss), True),
    Column("score", "Score", _NAMED, 2, lambda run, _, width: _score(run, width), _by("score"), True, 0, True),
    Column("best", "Best", 13, 7, lambda run, _, width: _best(run, width), _by("best"), True, 23, True),
    Column("rate", "Rate", 7, 10, lambda run, *_: wording.rate(run.rate), _by("rate"), True, 0, True),
    Column("eta", "ETA", 6, 5, lambda run, *_: _eta(run), lambda run: order_of(run.eta_seconds), True),
    Column("device", "GPU", 5, 12, lambda run, *_: run.gpus or run.device.partition(" ")[0], _by("gpu")),
    Column(
        "age", "Age", 6, 8, lambda run, now, _: wording.age(run.age(now)), lambda run: (0, -run.created_at, ""), True
    ),
    Column(
        "curve",
        "Curve",
        8,
        6,
        lambda run, _, width: wording.sparkline(run.sparkline, width),
        lambda run: _number(run.loss),
        widest=SPARKLINE_POINTS,
    ),
)
_USUAL = {column.name: column for column in COLUMNS}
_ACCURACY = "accuracy"
"""What the column `score` was called before there were tasks without an accuracy; remembered columns may be."""


def score_column(tags: Iterable[str]) -> Column:
    """The column `score` for runs that are judged by these scalars: headed by the name that they share, or else each
    score says its own."""
    name = common_name(tags)
    if name is SCORE:
        return _USUAL["score"]
    return replace(
        _USUAL["score"],
        title=name.short,
        width=max(6, cell_len(name.short) + 1),
        text=_score_alone,
    )


def column_named(name: str) -> Column | None:
    """A column by its name: one of `COLUMNS`, a scalar, or a recipe key; None for what is none of these."""
    name = "score" if name == _ACCURACY else name
    if name in _USUAL:
        return _USUAL[name]
    if (metric := metric_of(name)) is not None:
        return _metric_column(name, metric)
    return _key_column(name) if is_recipe_key(name) else None


def _metric_column(name: str, metric: Metric) -> Column:
    title = f"{metric.which} {metric.tag.removeprefix('validation/')}"

    def text(run: RunRow, _: float, width: int) -> str:
        if run.members:
            found = row_spread(run.members, lambda row: None if (at := metric.at(row)) is None else at.value)
            words = spread_words(metric.tag, found) if found is not None else ""
            return words if len(words) <= width or found is None else value_words(metric.tag, found.mean)
        if (at := metric.at(run)) is None:
            return ""
        value = value_words(metric.tag, at.value)
        words = f"{value} @{at.step:,}"
        return words if len(words) <= width else value

    falling = not smaller_is_better(metric.tag)
    return Column(name, title, max(14, min(cell_len(title) + 1, 18)), 0, text, _by(name), True, _WIDEST_CHOSEN, falling)


def _key_column(name: str) -> Column:
    def text(run: RunRow, *_: object) -> str:
        if run.members and name == "train.seed":
            return seeds(run)
        value = run.keys.get(name)
        if value is None or isinstance(value, bool):
            return {None: "", True: "yes", False: "no"}[value]
        return f"{value:g}" if isinstance(value, float) else str(value)

    return Column(name, name, max(8, min(cell_len(name) + 1, 18)), 0, text, _by(name), False, _WIDEST_CHOSEN)


def fitting_columns(
    width: int, chosen: Sequence[Column] = (), usual: bool = True, tags: Iterable[str] = (), longest: int = 0
) -> list[tuple[Column, int]]:
    """The columns that `width` has room for, with their widths; of the room that is left the runs' names take first
    what the `longest` of them needs, in characters.

    `tags` are the scalars by which the runs are judged, which name the column `score`.

    Columns that a person has chosen stand behind state and name, in their order; then the usual ones, if they stay.
    """
    score = score_column(tags)
    usuals = [score if column.name == "score" else column for column in COLUMNS]
    chosen = [score if column.name == "score" else column for column in chosen]
    first = [_USUAL["name"], _USUAL["state"], *(column for column in chosen if column.name not in ("state", "name"))]
    if not chosen:
        first = []
    rest = sorted(usuals, key=lambda column: column.need) if usual else []
    offered = list(dict.fromkeys([*first, *rest]))
    order = list(dict.fromkeys([_USUAL["state"], _USUAL["name"], *first, *usuals]))
    taken: list[Column] = []
    left = width - 2
    for column in offered:
        if column.width + GAP <= left or not taken:
            taken.append(column)
            left -= column.width + GAP
        else:
            break
    widths = {column.name: column.width for column in taken}
    growing = [column.name for column in chosen] if chosen else ["best", "curve"]
    for name, wanted in (("name", longest), *((name, width) for name in (*growing, "name", "model", "data"))):
        wide = next((column for column in taken if column.name == name), None)
        if wide is not None:
            more = max(0, min(left, min(wide.widest, wanted) - widths[name]))
            widths[name] += more
            left -= more
    return [(column, widths[column.name]) for column in order if column.name in widths]
