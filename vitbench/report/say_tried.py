"""What else was tried, in sentences: other runs beside this one, and sweeps."""

from collections.abc import Iterator

from vitbench.listing.rows import is_share
from vitbench.report.document import Block, Listing, Paragraph, TableBlock
from vitbench.report.facts import KeyFacts, SweepFacts, SweptRow, TriedFacts, TriedRow
from vitbench.report.wording import listed, number, share

_MOST_ROWS = 12
_FEW_TRIALS = 20
_METHODS = {"grid": "all combinations", "random": "random draws", "tpe": "chosen by a Parzen estimator (TPE)"}


def say_tried(tried: TriedFacts) -> Iterator[Block]:
    """The whole subsection."""
    for sweep in tried.sweeps:
        yield from _sweep(sweep)
    if tried.rows:
        yield Paragraph(_best(tried))
        keys = list(dict.fromkeys(key for row in tried.rows for key in row.differs))
        shown = keys[:3]
        head = ("runs", *shown, tried.measure, "spread", "pictures")
        yield TableBlock(
            head,
            tuple(
                (
                    listed(row.names),
                    *(_value(row.differs.get(key, "")) for key in shown),
                    share(mean(row)),
                    _spread(row),
                    f"{row.pictures:,} ({row.split})",
                )
                for row in tried.rows[:_MOST_ROWS]
            ),
            "Runs that differ by their seed alone stand in one row, with the mean and the spread of their accuracies.",
        )
        if len(tried.rows) > _MOST_ROWS:
            yield Paragraph(f"The table shows the best {_MOST_ROWS} of {len(tried.rows)} settings.")
        if len(keys) > len(shown):
            yield Paragraph(f"The recipes also differ in {listed(keys[len(shown) :])}.")
        if tried.not_tested:
            yield Listing((f"There is no paired test: {tried.not_tested}",))
    yield from tried.missing


def mean(row: TriedRow) -> float:
    """The mean accuracy of a row."""
    return sum(row.accuracies) / len(row.accuracies)


def _spread(row: TriedRow) -> str:
    if len(row.accuracies) < 2:
        return "one seed"
    return f"{share(min(row.accuracies))} to {share(max(row.accuracies))} over {len(row.accuracies)} seeds"


def _best(tried: TriedFacts) -> str:
    best = tried.rows[0]
    if tried.not_tested and len(tried.rows) > 1:
        return f"{len(tried.rows)} settings stand side by side; their accuracies are not of the same pictures."
    equal = [row for row in tried.rows if mean(row) == mean(best)]
    said = f"Best of {len(tried.rows)} settings was {listed(best.names)} with {share(mean(best))}."
    if len(equal) > 1:
        names = listed(["; ".join(row.names) for row in equal[:_MOST_ROWS]])
        said = f"Of {len(tried.rows)} settings {len(equal):,} are equally good, with {share(mean(best))}: {names}."
    if len(tried.rows) == 1:
        said = f"{listed(best.names)}: the same recipe, {share(mean(best))} on average."
    return f"{said} {tried.test}".strip()


def _sweep(sweep: SweepFacts) -> Iterator[Block]:
    yield Paragraph(" ".join(_sweep_sentences(sweep)))
    if not sweep.rows:
        return
    keys = list(dict.fromkeys(key for row in sweep.rows for key in row.values))
    metric = sweep.metric.rpartition("/")[2].replace("_", " ")
    shown = list(enumerate(sweep.rows, start=1))[:_MOST_ROWS]
    own = next(((place, row) for place, row in enumerate(sweep.rows, start=1) if row.own), None)
    if own is not None and own not in shown:
        shown.append(own)
    rows = tuple(
        (
            f"{place}{' (this run)' * row.own}",
            *(_value(row.values.get(key)) for key in keys),
            _score(sweep, _mean(row)),
            _range(sweep, row),
        )
        for place, row in shown
    )
    words = f"Trials by {metric}, its best over the training; the mean and the spread over the seeds."
    if len(sweep.rows) > len(shown):
        words += f" {len(shown)} of {len(sweep.rows)} are shown."
    yield TableBlock(("place", *keys, metric, "spread"), rows, words)
    if sweep.keys:
        yield Listing(tuple(key_sentence(sweep, one) for one in sweep.keys))
        if len(sweep.rows) < _FEW_TRIALS:
            yield Paragraph(f"With {len(sweep.rows)} trials such shares are large by chance alone.")


def _sweep_sentences(sweep: SweepFacts) -> Iterator[str]:
    seeds = f", {sweep.repeats} seeds each" * (sweep.repeats > 1)
    method = _METHODS.get(sweep.method, sweep.method)
    yield f"The sweep {sweep.name} has {sweep.planned:,} trials ({method}{seeds}); {sweep.ended:,} have ended."
    if not sweep.rows:
        yield "None has a score yet."
        return
    best = sweep.rows[0]
    metric = sweep.metric.replace("/", " ").replace("_", " ")
    ties = sum(_mean(row) == _mean(best) for row in sweep.rows)
    if ties > 1:
        score = _score(sweep, _mean(best))
        yield f"{ties:,} settings share the best {metric}, {score}; the first of them is {_setting(best)}."
    else:
        yield f"Best by {metric} is {_setting(best)}, with {_score(sweep, _mean(best))}."
    if any(row.own for row in sweep.rows[:ties]):
        yield "The setting of this run is one of them." if ties > 1 else "That is the setting of this run."
    elif (place := next((place for place, row in enumerate(sweep.rows, start=1) if row.own), None)) is not None:
        yield f"This run's setting is in place {place:,} of {len(sweep.rows):,}, with {_own(sweep, place)}."
    if len(sweep.rows) > ties:
        yield _margin(sweep, best, sweep.rows[ties])
    if sweep.metric.startswith("validation/") and len(sweep.rows) > 1:
        yield "The best of many is chosen by the validation split, so its number there flatters."


def _own(sweep: SweepFacts, place: int) -> str:
    return _score(sweep, _mean(sweep.rows[place - 1]))


def _margin(sweep: SweepFacts, best: SweptRow, other: SweptRow) -> str:
    """Whether the best is apart from the next one, by the spread of the seeds of both."""
    ahead = f"The next one has {_score(sweep, _mean(other))}"
    if len(best.scores) < 2 or len(other.scores) < 2:
        return f"{ahead}; with one seed each it cannot be told whether that is chance."
    apart = max(best.scores) < min(other.scores) if sweep.goal == "min" else min(best.scores) > max(other.scores)
    return f"{ahead}; {'every seed of the best is better' if apart else 'the seeds of the two overlap'}."


def key_sentence(sweep: SweepFacts, key: KeyFacts) -> str:
    """What a key contributed."""
    return (
        f"{key.key}: {share(key.share)} of the variance of the scores lies between its values; the best is {key.best},"
        f" with {_score(sweep, key.score.value)} on average over {key.trials:,} trial{'s' * (key.trials != 1)}."
    )


def _setting(row: SweptRow) -> str:
    return listed([f"{key} = {_value(value)}" for key, value in row.values.items()]) or f"trial {row.number:,}"


def _mean(row: SweptRow) -> float:
    return sum(row.scores) / len(row.scores)


def _score(sweep: SweepFacts, value: float) -> str:
    return share(value) if is_share(sweep.metric) else number(value, 4)


def _range(sweep: SweepFacts, row: SweptRow) -> str:
    notes = ["stopped early"] * row.stopped + ["not ended"] * (not row.complete and not row.stopped)
    said = f"{_score(sweep, min(row.scores))} to {_score(sweep, max(row.scores))}"
    return ", ".join(["one seed" if len(row.scores) < 2 else f"{said} over {len(row.scores)} seeds", *notes])


def _value(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
