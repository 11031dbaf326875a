"""Axes: round bounds that hold the data, ticks inside them, and an end that grows in steps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screens.look import glyphs
from screens.widgets.chart_axis import AxisRange, clock, fitted, named_ticks, number, stepped_end, ticks


@given(st.floats(1e-6, 1e12))
def test_stepped_end_reaches_the_value_and_no_more_than_a_third_beyond(value: float) -> None:
    end = stepped_end(value)
    assert value * (1 - 1e-9) <= end <= value * 1.34


def test_stepped_end_moves_seldom() -> None:
    assert len({stepped_end(step) for step in range(1000, 10001)}) == 11


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_fitted_bounds_hold_the_data(low: float, span: float) -> None:
    bounds = fitted(low, low + span, log=False)
    assert bounds.low <= low + 1e-6 * span
    assert bounds.high >= low + span - 1e-6 * span
    assert bounds.span <= 3 * span


@given(st.floats(-8, 6), st.floats(0, 8))
def test_fitted_log_bounds_hold_the_data(power: float, decades: float) -> None:
    low, high = 10**power, 10 ** (power + decades)
    bounds = fitted(low, high, log=True)
    assert 0 < bounds.low <= low * (1 + 1e-6)
    assert bounds.high >= high * (1 - 1e-6)


def test_fitted_keeps_the_axis_while_the_data_fill_half_of_it() -> None:
    first = fitted(0.0, 1.0, log=False)
    assert fitted(0.1, 0.9, log=False, previous=first) is first
    assert fitted(0.4, 0.6, log=False, previous=first) != first
    assert fitted(0.0, 1.1, log=False, previous=first).high > 1.0


def test_a_constant_gets_room() -> None:
    assert fitted(0.5, 0.5, log=False).low < 0.5 < fitted(0.5, 0.5, log=False).high
    assert fitted(0.0, 0.0, log=False).span > 0


@given(st.floats(-1e3, 1e3), st.floats(1e-2, 1e4), st.integers(2, 8))
def test_ticks_lie_inside(low: float, span: float, wanted: int) -> None:
    bounds = AxisRange(low, low + span)
    found = ticks(bounds, wanted, log=False)
    assert 1 <= len(found) <= wanted + 1
    assert all(bounds.low - 1e-9 * span <= tick <= bounds.high + 1e-9 * span for tick in found)


def test_log_ticks_are_powers_of_ten_or_1_2_5() -> None:
    assert ticks(AxisRange(1e-4, 1.0), 8, log=True) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert ticks(AxisRange(1.0, 10.0), 8, log=True) == pytest.approx([1, 2, 5, 10])
    assert len(ticks(AxisRange(1e-12, 1.0), 4, log=True)) <= 5


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0.0, None, "0"),
        (0.25, 0.25, "0.25"),
        (0.5, 0.25, "0.50"),
        (2.0, 0.5, "2.0"),
        (1500, 500, "1500"),
        (12_500, 2_500, "12.5k"),
        (20_000, 10_000, "20k"),
        (3_000_000, 1_000_000, "3M"),
        (1e-5, None, "1e-5"),
        (0.94733, None, "0.947"),
        (math.nan, None, "nan"),
        (-math.inf, None, "-inf"),
    ],
)
def test_numbers_read_short(value: float, step: float | None, text: str) -> None:
    assert number(value, step) == text


def test_clock() -> None:
    assert [clock(s) for s in (0, 59, 60, 200, 7500, 273600)] == ["0s", "59s", "1m", "3m20", "2h05", "3d4h"]


def test_names_below_an_axis_are_cut_only_as_far_as_they_can_be_told_apart():
    names = ["vit_small_patch14", "vit_small_patch16", "demo"]
    assert named_ticks(names, 20) == names
    assert named_ticks(names[1:], 9) == ["vit_smal" + glyphs().ellipsis, "demo"]
    assert named_ticks(names, 9) == [], "two would read alike: the axis has numbers, and the head says what they are"
    assert named_ticks(["1", "2", "3"], 2) == ["1", "2", "3"]
    assert named_ticks(["true", "false"], 3) == []
