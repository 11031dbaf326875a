"""Two classifiers on the same pictures: is one better, or were a few pictures luck?"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitbench.statistics import wilson_interval

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Paired:
    """Of `pictures`, both were right on `both`, only the first on `first`, only the second on `second`."""

    pictures: int
    both: int
    first: int
    second: int

    @property
    def neither(self) -> int:
        """On which both were wrong."""
        return self.pictures - self.both - self.first - self.second

    @property
    def difference(self) -> float:
        """Accuracy of the first less that of the second."""
        return (self.first - self.second) / self.pictures

    @property
    def p_value(self) -> float:
        """McNemar's exact test (1947), two-sided: how often chance (0 to 1) splits the pictures on which they
        differ this unevenly."""
        return exact_sign_test(self.first, self.second)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the difference, which knows that the pictures are the same.

        Newcombe (1998), "Improved confidence intervals for the difference between binomial proportions based on paired
        data", method 10: Wilson's intervals, with the correlation of the two.
        """
        a, b, c, d, n = self.both, self.first, self.second, self.neither, self.pictures
        low_1, high_1 = wilson_interval(a + b, n)
        low_2, high_2 = wilson_interval(a + c, n)
        one, two = (a + b) / n, (a + c) / n
        margins = (a + b) * (c + d) * (a + c) * (b + d)
        product = float(a * d - b * c)
        if product > 0:
            product = max(product - n / 2, 0.0)
        phi = product / math.sqrt(margins) if margins else 0.0
        below, above = one - low_1, high_1 - one
        other_below, other_above = two - low_2, high_2 - two
        low = math.sqrt(max(below**2 - 2 * phi * below * other_above + other_above**2, 0.0))
        high = math.sqrt(max(above**2 - 2 * phi * above * other_below + other_below**2, 0.0))
        return max(-1.0, self.difference - low), min(1.0, self.difference + high)

    def sentence(self, first: str, second: str) -> str:
        """The result in words, for networks of these names."""
        if not self.first and not self.second:
            return f"{first} and {second} are right on the same pictures."
        low, high = self.interval
        better, worse = (first, second) if self.difference >= 0 else (second, first)
        if self.difference < 0:
            low, high = -high, -low
        points = f"by {100 * abs(self.difference):.1f} points (95% interval {100 * low:+.1f} to {100 * high:+.1f})"
        chance = "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.3f}"
        counts = f"only {first} is right on {self.first}, only {second} on {self.second} of {self.pictures:,} pictures"
        if self.difference == 0:
            return f"{first} and {second} are level: {counts}."
        test = f"{counts} (McNemar, exact: {chance})."
        if self.p_value < 0.05:
            return f"{better} is better than {worse} {points}; {test}"
        return f"{better} is ahead of {worse} {points}, which chance explains as well; {test}"


def pair(first: Flags, second: Flags) -> Paired:
    """From what each got right, bool [N], of the same pictures in the same order; N is at least 1."""
    return Paired(
        pictures=len(first),
        both=int((first & second).sum()),
        first=int((first & ~second).sum()),
        second=int((~first & second).sum()),
    )


def exact_sign_test(one: int, other: int) -> float:
    """The two-sided p-value of `one` against `other` of one + other fair coins: 2 P(X <= min), at most 1."""
    total, fewer = one + other, min(one, other)
    if total == 0:
        return 1.0
    counts = np.arange(fewer + 1)
    logs = np.array([math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) for k in counts])
    largest = logs.max()
    tail = math.exp(largest + math.log(np.exp(logs - largest).sum()) - total * math.log(2))
    return min(1.0, 2 * tail)


def holm(p_values: list[float]) -> list[float]:
    """P-values in their order, corrected for there being several (Holm 1979); at most 1."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected
