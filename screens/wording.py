"""Numbers, times and outside text as the screens write them."""

import math

from rich.cells import cell_len, set_cell_size

from screens.look import glyphs
from vitbench.text import clean


def loss(value: float | None) -> str:
    """A loss with three digits that count."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return "nan"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.4g}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share such as an accuracy, in per cent."""
    return "" if share is None else ("nan" if not math.isfinite(share) else f"{share * 100:.{digits}f}%")


def rate(value: float | None) -> str:
    """So many a second; of what is said beside it where it is not pictures."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:.0f}/s" if value >= 10 else f"{value:.1f}/s"


def short_time(seconds: float | None) -> str:
    """A span of time in at most six characters: `42s`, `12m`, `5h12`, `3d4h`."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def epochs(done: float, total: float) -> str:
    """How many epochs are done, of how many."""
    if not total:
        return f"{done:.1f}" if done else ""
    return f"{done:.0f}/{total:g}" if abs(done - round(done)) < 0.005 else f"{done:.1f}/{total:g}"


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Outside text in exactly `width` cells: cleaned, cut with an ellipsis, or filled with spaces."""
    text = clean(text)
    if cell_len(text) > width:
        sign = glyphs().ellipsis
        text = set_cell_size(text, max(0, width - 1)) + sign if width > 0 else ""
    missing = width - cell_len(text)
    return " " * missing + text if right else text + " " * missing


def fit_start(text: str, width: int) -> str:
    """As `fit`, but the end of a long text is kept: of a path the last folders tell most."""
    text = clean(text)
    if cell_len(text) <= width:
        return fit(text, width)
    kept = text
    while kept and cell_len(kept) > width - 1:
        kept = kept[1:]
    return fit(glyphs().ellipsis + kept, width)


def sparkline(values: tuple[float, ...], width: int) -> str:
    """All of `values` as at most `width` bars from lowest to highest, each the mean of the values that fall into it."""
    signs = glyphs().spark
    known = _averaged(values, width)
    finite = [value for value in known if math.isfinite(value)]
    if not finite:
        return " " * width
    low, high = min(finite), max(finite)
    span = (high - low) or 1.0
    bars = [
        signs[min(len(signs) - 1, int((value - low) / span * len(signs)))] if math.isfinite(value) else glyphs().nan
        for value in known
    ]
    return "".join(bars).rjust(width)


def _averaged(values: tuple[float, ...], cells: int) -> list[float]:
    """The means of `cells` neighbouring groups of values; those that are no numbers count only where all are such."""
    if len(values) <= cells:
        return list(values)
    means = []
    for cell in range(cells):
        group = values[cell * len(values) // cells : (cell + 1) * len(values) // cells]
        known = [value for value in group if math.isfinite(value)]
        means.append(sum(known) / len(known) if known else math.nan)
    return means


def bar(share: float, width: int) -> tuple[str, str]:
    """A progress bar as its full and its empty part."""
    full = round(min(1.0, max(0.0, share)) * width)
    return glyphs().full * full, glyphs().empty * (width - full)


def age(seconds: float) -> str:
    """As `short_time`, without seconds: a table that ticks is sent over the line for nothing."""
    return "now" if seconds < 60 else short_time(seconds)


def model(name: str) -> str:
    """A network's name without the door that most come through."""
    return name.removeprefix("timm:")


def device(name: str, gpus: str) -> str:
    """Where a run runs, in a word or two: `GPU 0`, `cpu`, `cpu, 2 processes`."""
    if gpus:
        return f"GPU {gpus}"
    several = name.rpartition(", ")[2]
    return name.partition(" ")[0] + (f", {several}" if several.endswith(" processes") else "")


def data(path: str) -> str:
    """The last folder of a path; a generated set whole."""
    return path if ":" in path else path.rstrip("/").rpartition("/")[2]
