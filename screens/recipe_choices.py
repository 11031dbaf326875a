"""What a recipe can be made of, as lists that shrink while one types: presets, data, networks."""

from collections.abc import Callable, Iterable, Sequence

from screens.paths import folders_below
from screens.widgets.picker import Choice, matching
from vitbench.progress import rough_duration
from vitbench.recipe import preset_names
from vitbench.rough_time import LONG

_SCENES = (
    Choice("scenes:new?count=5180&size=96&seed=0", "generated pictures: the 37 kinds of the demo"),
    Choice("scenes:base?count=3700&size=96&seed=0", "generated pictures: the kinds of the shipped weights"),
)
PRESET_NOTES = {
    "report": "the student's recipe, as it stands in the report",
    "report-adam": "the report's, with Adam",
    "report-adamw": "the report's, with AdamW",
    "augreg": "big_vision's fine-tuning recipe for pets",
    "fast": "the head first, then all of it: few epochs, good results",
    "scratch": "from random weights",
    "probe": "how good frozen features are; trains heads alone",
    "demo": "the package's small network, on generated pictures",
    "caption": "a captioner: a pretrained network and a new decoder",
    "caption-demo": "a small captioner; no GPU needed",
}
"""What each preset is for, in a few words."""


def presets(typed: str, time_of: Callable[[str], float | None] = lambda preset: None) -> Sequence[Choice]:
    """The presets; all of them where one stands there whole. `time_of` gives the seconds that one takes, or None.

    Times are said, and those of under an hour come first.
    """
    times = {name: time_of(name) for name in preset_names()}
    choices = []
    for name in sorted(times, key=lambda name: (times[name] or 0.0) >= LONG):
        time = f"about {rough_duration(seconds)}; " if (seconds := times[name]) else ""
        choices.append(Choice(name, time + PRESET_NOTES.get(name, "")))
    return choices if typed in times else matching(choices, typed)


def data(typed: str, used: Iterable[str]) -> Sequence[Choice]:
    """Data that were `used` before, generated scenes, and folders; of a path that is typed, what continues it."""
    known = [Choice(path, "used before") for path in dict.fromkeys(used) if path]
    if typed.startswith(("/", "~", ".")):
        return folders_below(typed)
    places = folders_below("") if not typed else []
    return [*matching([*known, *_SCENES], typed), *places]


def models(typed: str) -> Sequence[Choice]:
    """The networks of the catalogue, with their size."""
    from vitbench import catalogue

    try:
        known = [
            Choice(
                entry.name,
                f"{entry.parameters / 1e6:.1f}M parameters, {entry.image_size[0]} px"
                + (f", {entry.gflops:.1f} GFLOPs" if entry.gflops else ""),
            )
            for entry in catalogue.entries()
        ]
    except OSError:
        return []
    return matching(known, typed)
