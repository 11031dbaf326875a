"""Pictures of several depths in one data set: what one range of values cannot make right is said."""

from collections.abc import Sequence

from vitbench.data.layouts.base import Doubt
from vitbench.data.scan import ProbedPicture
from vitbench.data.value_range import ValueRange
from vitbench.text import counted

_DARK = 63
"""Of 255: what 14 bits in a channel of 16 leave at most. Below it files hold fewer bits than they have room for."""
_FAR = 16.0
"""Whole numbers so many times as large as those in floating point are of another scale."""


def depth_notes(looks: Sequence[ProbedPicture]) -> list[str]:
    """What is to be known of the depths of the pictures that can be read."""
    deep = sum(look.mode.startswith(("I", "F")) for look in looks)
    notes = []
    if 0 < deep < len(looks):
        notes.append(
            f"{counted(deep, 'picture')} of more than 8 bits beside {len(looks) - deep:,} of 8: black and white of the"
            " latter are 0 and 255, of the former those of their common range."
        )
    if colours := sum(look.is_deep_colour for look in looks):
        notes.append(f"{counted(colours, 'picture')} in colour with 16 bits a channel: the upper 8 are read.")
    return notes


def depth_doubts(looks: Sequence[ProbedPicture], chosen: ValueRange | None) -> list[Doubt]:
    """What would make pictures nearly black; `chosen` is the range that a person set."""
    doubts = []
    floats = [look for look in looks if look.mode.startswith("F")]
    wholes = [look for look in looks if look.mode.startswith("I")]
    if floats and wholes and chosen is None:
        high_float, high_whole = (max(look.high for look in own) for own in (floats, wholes))
        if high_whole > _FAR * max(high_float, 1e-12):
            doubts.append(
                Doubt(
                    f"{counted(len(floats), 'picture')} in floating point (up to {high_float:g}) and {len(wholes):,} in"
                    f" whole numbers (up to {high_whole:g}) have no range in common: the former would be black.",
                    "Write all of them in one form, or set data.value_range = [black, white] for those that matter.",
                    stops_training=True,
                )
            )
    brightest = max((look.high for look in looks if look.is_deep_colour), default=255.0)
    if brightest <= _DARK:
        doubts.append(
            Doubt(
                f"No colour of the pictures with 16 bits a channel is brighter than {brightest:g} of 255, so they hold"
                f" fewer bits than that, and {brightest + 1:g} shades are left of them.",
                "Write them with 8 bits a channel, or with values up to 65535.",
                stops_training=True,
            )
        )
    return doubts
