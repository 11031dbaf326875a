"""The axes of a chart: which part is seen, where the ticks stand and how their numbers read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from screens import wording
from vitbench.text import clean

_STEPS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_TICK_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_LEAST_NAME = 4
"""Cells below which what is left of a name says nothing."""
_CLOCK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


@dataclass(frozen=True)
class AxisRange:
    """A closed interval of an axis."""

    low: float
    high: float

    @property
    def span(self) -> float:
        return self.high - self.low


def stepped_end(value: float) -> float:
    """The end of an axis that has to reach `value`: it grows in steps, so that most updates move nothing.

    The next of 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10 times a power of ten.
    """
    if not value > 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (*_STEPS, 12.5) if step * power >= value * (1 - 1e-12))


def stepped_clock_end(seconds: float) -> float:
    """As `stepped_end`, in whole minutes, hours or days where the axis shows them."""
    unit = next((unit for unit in (86400.0, 3600.0, 60.0) if seconds > unit), 1.0)
    return unit * stepped_end(seconds / unit)


def fitted(low: float, high: float, log: bool, previous: AxisRange | None = None) -> AxisRange:
    """Round bounds around the data from `low` to `high`.

    `previous` is kept while the data fit into it and fill more than half of it: an axis that moves with
    every new point cannot be read, and is sent whole over the line each time.
    """
    if log:
        low, high = math.log10(low), math.log10(high)
    if high - low < 1e-12 * max(1.0, abs(high)):
        margin = 0.5 if log else (abs(high) * 0.1 or 0.5)
        low, high = low - margin, high + margin
    step = nice_step(high - low, 8)
    if log:
        step = min(step, 1.0)
    bounds = AxisRange(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)
    if previous is not None:
        kept = AxisRange(math.log10(previous.low), math.log10(previous.high)) if log and previous.low > 0 else previous
        if kept.low <= low and high <= kept.high and (high - low) > 0.5 * kept.span:
            return previous
    return AxisRange(10**bounds.low, 10**bounds.high) if log else bounds


def nice_step(span: float, wanted: int) -> float:
    """The round number nearest above `span / wanted`: 1, 2, 2.5 or 5 times a power of ten."""
    rough = span / max(1, wanted)
    if not rough > 0 or not math.isfinite(rough):
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (*_TICK_STEPS, 20.0) if step * power >= rough * (1 - 1e-9))


def ticks(bounds: AxisRange, wanted: int, log: bool) -> list[float]:
    """Round values inside `bounds`, about `wanted` of them."""
    if wanted < 1 or not bounds.span > 0:
        return []
    if log and bounds.low > 0:
        first, last = math.log10(bounds.low), math.log10(bounds.high)
        if last - first >= 1.5:
            stride = max(1, math.ceil((last - first) / wanted))
            powers = range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1, stride)
            if stride > 1 or 3 * len(powers) > wanted:
                return [10.0**power for power in powers]
        for factors in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
            candidates = [f * 10.0**power for power in range(math.floor(first), math.ceil(last) + 1) for f in factors]
            inside = [value for value in candidates if bounds.low * (1 - 1e-9) <= value <= bounds.high * (1 + 1e-9)]
            if len(inside) >= min(3, wanted):
                return inside[:: max(1, math.ceil(len(inside) / wanted))]
    step = nice_step(bounds.span, wanted)
    first_index = math.ceil(bounds.low / step - 1e-9)
    last_index = math.floor(bounds.high / step + 1e-9)
    return [index * step for index in range(first_index, last_index + 1)]


def clock_ticks(bounds: AxisRange, wanted: int) -> list[float]:
    """Times inside `bounds` at round seconds, minutes, hours or days, about `wanted` of them."""
    if wanted < 1 or not bounds.span > 0:
        return []
    rough = bounds.span / wanted
    step = next((step for step in _CLOCK_STEPS if step >= rough), 86400.0 * nice_step(rough / 86400, 1))
    first, last = math.ceil(bounds.low / step - 1e-9), math.floor(bounds.high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def place(x: float) -> str:
    """Where on the horizontal axis a value was measured: a step is written whole, as in the log, `1,767`."""
    return f"{x:,.0f}" if x.is_integer() else number(x)


def named_ticks(names: Sequence[str], room: int) -> list[str]:
    """Names as they stand below an axis, each in at most `room` cells; none where they could not be told apart."""
    short = [wording.fit(name, min(room, cell_len(clean(name)))) for name in names]
    told_apart = len(set(short)) == len(set(names)) and all(name.strip() for name in short)
    return short if (told_apart and room >= _LEAST_NAME) or short == list(names) else []


def number(value: float, step: float | None = None) -> str:
    """A tick's or a cursor's number, short: `0.25`, `1.2k`, `3M`, `1e-5`. With `step`, no more digits than it needs."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    size = abs(value)
    if size == 0:
        return "0"
    if step is not None and size < step * 1e-6:
        return "0"
    if size < 1e-3 or size >= 1e9:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    for limit, letter in ((1e6, "M"), (1e4, "k")):
        if size >= limit:
            scale = 1e6 if letter == "M" else 1e3
            return _trimmed(value / scale, None if step is None else step / scale) + letter
    return _trimmed(value, step)


def _trimmed(value: float, step: float | None) -> str:
    if not step:  # not known, or an axis of one moment
        digits = max(0, 3 - math.floor(math.log10(abs(value))) - 1) if value else 0
        return _strip(f"{value:.{min(digits, 4)}f}")
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
        digits += 1
    return f"{value:.{min(digits, 6)}f}"


def _strip(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def clock(seconds: float) -> str:
    """A span of time as an axis writes it: `45s`, `3m20`, `2h05`, `3d4h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}" if whole % 60 else f"{whole // 60}m"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}" if whole % 3600 else f"{whole // 3600}h"
    return f"{whole // 86400}d{whole % 86400 // 3600}h" if whole % 86400 else f"{whole // 86400}d"
