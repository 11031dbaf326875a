"""Numbers in sentences."""

from collections.abc import Sequence

from vitbench.statistics import Estimate


def share(value: float) -> str:
    """A share as per cent: `97.9%`; 100% and 0% are said only of all and of none."""
    text = f"{100 * value:.1f}%"
    if text == "100.0%" and value < 1 - 1e-9:
        return "over 99.9%"
    return "under 0.1%" if text == "0.0%" and value > 1e-9 else "0.0%" if text == "-0.0%" else text


def number(value: float, digits: int = 2) -> str:
    """A number with a proper minus, and no minus before what rounds to zero."""
    text = f"{value:.{digits}f}"
    return f"−{text[1:]}" if text.startswith("-") and float(text) else text.lstrip("-")


def chance(p_value: float) -> str:
    """A p-value: `p = 0.002`."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}".rstrip("0").rstrip(".") if p_value < 1 else "p = 1"


def interval(estimate: Estimate, *, percent: bool = False) -> str:
    """`0.98 (95% interval 0.97 to 0.99)`."""
    said = share if percent else number
    return f"{said(estimate.value)} (95% interval {said(estimate.low)} to {said(estimate.high)})"


def listed(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
