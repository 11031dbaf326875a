"""From the trials of a sweep to the curves of charts: those that survived, with bands over seeds, and slices."""

from collections.abc import Sequence

from screens.widgets.chart import Chart, Curve, SpreadBand
from screens.widgets.chart_raster import Band
from vitbench.sweeps.curves import Slice, TrialCurve


def show_survivors(chart: Chart, found: Sequence[TrialCurve], metric: str) -> None:
    """The mean over the seeds of each trial, and behind it from the least to the greatest."""
    chart.title = f"{metric} of the best {len(found)}" if found else metric
    chart.show(
        [
            Curve(f"trial-{one.trial.number}", one.trial.words, one.steps, one.mean, colour)
            for colour, one in enumerate(found)
        ],
        spreads=[
            SpreadBand(Band(one.steps, one.low, one.high), colour)
            for colour, one in enumerate(found)
            if one.seeds > 1 and len(one.steps) > 1
        ],
        growing=False,
    )


def show_slice(chart: Chart, one: Slice | None, metric: str) -> None:
    """The score of each trial as a mark over the values of a key, and the mean of values that several trials have."""
    if one is None:
        chart.title = "A slice needs two trials with a score"
        chart.show([], growing=False)
        return
    # The curves above name the whole metric; here the names of the values need the room.
    chart.title = f"{metric.rpartition('/')[2]} over {one.key}"
    curves = [Curve(f"{one.key}/trials", "trials", one.x, one.scores, 0, linked=False)]
    if len(one.levels[0]) > 1:
        # Between names there is nothing that a line could pass through.
        curves.append(Curve(f"{one.key}/mean", "mean", *one.levels, 1, linked=not one.names))
    if chart.x_name != one.key:
        chart.x_log = one.is_log
    chart.show(curves, x_name=one.key, growing=False, places=one.names)
