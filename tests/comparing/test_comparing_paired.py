"""The paired test against counting, simulation and scipy."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binomtest

from vitbench.comparing.paired import Paired, exact_sign_test, holm, pair


def test_the_sign_test_is_the_share_of_all_coin_tosses():
    for total in range(1, 11):
        heads = np.array([sum(tosses) for tosses in itertools.product((0, 1), repeat=total)])
        for one in range(total + 1):
            as_uneven = np.minimum(heads, total - heads) <= min(one, total - one)
            assert exact_sign_test(one, total - one) == pytest.approx(min(1.0, as_uneven.mean()))


@pytest.mark.parametrize(("one", "other"), [(0, 0), (0, 9), (13, 40), (500, 600), (30_000, 31_000)])
def test_the_sign_test_is_scipy_s(one, other):
    expected = binomtest(one, one + other).pvalue if one + other else 1.0
    assert exact_sign_test(one, other) == pytest.approx(expected, rel=1e-6, abs=1e-300)


def test_a_pair_counts_each_picture_once():
    first = np.array([1, 1, 1, 0, 0, 0, 1], dtype=bool)
    second = np.array([1, 0, 0, 1, 0, 0, 1], dtype=bool)
    found = pair(first, second)
    assert (found.both, found.first, found.second, found.neither) == (2, 2, 1, 2)
    assert found.difference == pytest.approx(first.mean() - second.mean())


def test_the_interval_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(0)
    chances = np.array([0.70, 0.12, 0.06, 0.12])
    covered = 0
    for both, one, two, _ in random.multinomial(120, chances, size=1500):
        low, high = Paired(120, int(both), int(one), int(two)).interval
        covered += low <= 0.06 <= high
    assert 0.93 < covered / 1500 < 0.985


def test_the_interval_is_narrower_where_the_same_pictures_are_hard():
    together = Paired(200, 150, 12, 8).interval
    apart = Paired(200, 125, 37, 33).interval  # the same accuracies, less in common
    assert together[1] - together[0] < 0.7 * (apart[1] - apart[0])
    assert Paired(10, 10, 0, 0).interval[0] < 0 < Paired(10, 10, 0, 0).interval[1]


def test_the_interval_turns_with_the_order():
    low, high = Paired(90, 60, 14, 5).interval
    assert Paired(90, 60, 5, 14).interval == pytest.approx((-high, -low))


@pytest.mark.parametrize(
    ("paired", "words"),
    [
        (Paired(100, 100, 0, 0), "right on the same pictures"),
        (Paired(100, 80, 5, 5), "are level"),
        (Paired(1500, 1400, 21, 18), "A is ahead of B by 0.2 points .* which chance explains as well"),
        (Paired(1500, 1400, 9, 40), r"B is better than A by 2\.1 points .* p < 0\.001"),
    ],
)
def test_the_sentence_says_what_the_numbers_say(paired, words):
    import re

    assert re.search(words, paired.sentence("A", "B"))


def test_the_better_one_s_interval_is_said_from_its_side():
    sentence = Paired(1500, 1400, 9, 40).sentence("A", "B")
    low, high = Paired(1500, 1400, 40, 9).interval
    assert f"{100 * low:+.1f} to {100 * high:+.1f}" in sentence


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert all(math.isclose(p, 1.0) for p in holm([0.6, 0.9]))
