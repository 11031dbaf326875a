"""The ways in which data can be read, where their meaning is open: which layout, level, table, column, encoding."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitbench.captions.formats.base import CaptionPlace
from vitbench.captions.formats.registry import formats
from vitbench.data.layouts.base import Declined, Layout, Options, as_layout
from vitbench.data.layouts.place import Place, listed
from vitbench.data.layouts.registry import forms
from vitbench.errors import UserError
from vitbench.text import counted

MOST_READINGS = 24
_MOST_PICTURES = 200_000
"""Of a folder that is read in every way: each takes as long as the first look at it."""


@dataclass(frozen=True)
class Reading:
    """One way: `layout` is what --as and `data.layout` take; `words` say to a person what the labels then are."""

    layout: str
    words: str


def readings(path: str | Path, task: str = "classify") -> list[Reading]:
    """The ways in which a folder or a table can be read that differ in what they say; the recognised one first.

    For `task` "caption" they are formats of captions. Raises UserError if there is nothing at `path`.
    """
    if task == "caption":
        return _of_captions(Path(path))
    place = Place(Path(path))
    if len(place.pictures) > _MOST_PICTURES:
        return []
    found: dict[object, Reading] = {}
    telling: set[str] = set()
    for name, options in _tries(place):
        (form,) = [form for form in forms() if form.name == name]
        try:
            layout = form.recognise(place, options)
        except UserError:
            continue
        if isinstance(layout, Declined) or len(found) >= MOST_READINGS:
            continue
        labels = sorted({label for entry in layout.entries for label in entry.all_labels})
        said = frozenset((entry.file, entry.all_labels, entry.split) for entry in layout.entries)
        if len(labels) > 1:
            telling.add(as_layout(name, options))
        pictures = counted(len(layout.entries), "picture")
        words = f"{_classes(layout, labels)}, {pictures}: {layout.sentence.removeprefix('Recognised ')}"
        found.setdefault(said, Reading(as_layout(name, options), words))
    # One class is no reading that somebody means, where others find several.
    return [one for one in found.values() if one.layout in telling or not telling]


def open_reading(said: Iterable[str], layout: str) -> bool:
    """Whether what was recognised was a choice between readings: something that was `said` of it names --as, and nobody
    has chosen yet."""
    return not layout and any("--as " in sentence for sentence in said)


def _classes(layout: Layout, labels: Sequence[str]) -> str:
    some = listed(labels[:3]) + (", ..." if len(labels) > 3 else "")
    if any(entry.labels is not None for entry in layout.entries):
        return f"several labels per picture, of {len(labels):,} ({some})"
    return f"{counted(len(labels), 'class')} ({some})"


def _tries(place: Place) -> Iterator[tuple[str, Options]]:
    """Forms with the options that are worth a try: as recognised first, then each choice of each form."""
    for form in forms():
        yield form.name, {}
    for form in forms():
        for options in form.choices(place):
            yield form.name, options


def _of_captions(path: Path) -> list[Reading]:
    place = CaptionPlace(path)
    found: dict[object, Reading] = {}
    for form in formats():
        try:
            recognised = form.recognise(place)
        except UserError:
            continue
        if isinstance(recognised, Declined) or not recognised.rows.captions:
            continue
        captions = recognised.rows.captions
        first = next(iter(captions.values()))[0]
        words = f"{recognised.title}: {counted(len(captions), 'picture')}, such as {first[:60]}"
        key = frozenset((name, tuple(own)) for name, own in captions.items())
        found.setdefault(key, Reading(form.name, words))
    return list(found.values())
