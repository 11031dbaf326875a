"""Grey values of more than 8 bits as 8: one range for a whole data set, so that equal values look equal everywhere."""

from collections.abc import Iterable

import numpy as np

ValueRange = tuple[float, float]
"""The values that become black and white."""

_BITS = (8, 10, 12, 14, 16)


def common_range(found: Iterable[tuple[str, float, float]]) -> ValueRange | None:
    """The range for files of these modes, lowest and highest values; None if none has more than 8 bits.

    Whole numbers span the fewest bits that hold them all, of 8, 10, 12, 14 and 16: a camera's 12 bits in a file of 16
    are black to white from 0 to 4095. Other values span 0 to 1, or -1 to 1, or 0 to 255 where they lie within, else
    what they span.
    """
    deep = [(mode, low, high) for mode, low, high in found if mode.startswith(("I", "F"))]
    if not deep:
        return None
    low, high = min(low for _, low, _ in deep), max(high for _, _, high in deep)
    if any(mode.startswith("F") for mode, _, _ in deep):
        nice = [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)]
        # A few bits of rounding beyond 1 are still meant as 1.
        fitting = [span for span in nice if span[0] - 1e-3 <= low and high <= span[1] + 1e-3 and high > span[1] / 100]
    else:
        fitting = [(0.0, float(2**bits - 1)) for bits in _BITS if low >= 0 and high <= 2**bits - 1]
    return fitting[0] if fitting else (low, max(high, low + 1e-12))


def values_of(numbers: np.ndarray) -> ValueRange:
    """The lowest and the highest finite value of an array of any shape; 0 and 0 if there is none."""
    finite = numbers[np.isfinite(numbers)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def own_range(kind: str, low: float, high: float) -> ValueRange:
    """The range of one picture by itself, whose numbers are of a `kind` of numpy's dtypes.

    Whole numbers within 16 bits have all 16, as a file of 16 bits means them; floating point within 0 and 1 those.
    """
    if kind in "iu" and low >= 0 and high <= 65535:
        return 0.0, 65535.0
    return (0.0, 1.0) if kind == "f" and low >= 0 and high <= 1 else (low, high)


def eight_bits(values: np.ndarray, value_range: ValueRange) -> np.ndarray:
    """Grey values of 16 or 32 bits or floating point, of any shape, as uint8: black to white over `value_range`."""
    low, high = value_range
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=high, neginf=low)
    scaled = (np.clip(numbers, low, high) - low) * (255 / max(high - low, 1e-12))
    return scaled.round().astype(np.uint8)


def said_range(value_range: ValueRange) -> str:
    """The range in words."""
    low, high = value_range
    bits = next((bits for bits in _BITS if low == 0 and high == 2**bits - 1 and bits > 8), None)
    of_bits = f", {bits} bits" if bits else ""
    return f"grey values from {low:g} (black) to {high:g} (white{of_bits})"
