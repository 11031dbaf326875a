"""Names for classes that are numbers or synsets, from a file beside the pictures: whatever the form of the labels.

Where a file has names without numbers, the first may be that of class 0 or of class 1, and where its numbers are not
those of the labels they may count from another one. Names are given only where one way is possible; else the labels
stay what they are, and it is said.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from vitbench.data.class_names import WORDNET, ClassNames, is_code, parse_class_names
from vitbench.data.encodings import read_decoded
from vitbench.data.layouts.base import Entry, Layout, Options
from vitbench.data.layouts.names import readable, why_no_class
from vitbench.data.layouts.place import Place, listed
from vitbench.data.tables import METADATA
from vitbench.errors import UserError
from vitbench.files.reading import Kind

OPTIONS = {
    "names": "the file that names the classes; no to leave them numbers",
    "first": "the label of its first name, 0 or 1",
}
"""Options that every form has."""

_FILE = re.compile(
    r"class|label|categor|(?<!file)names?(?![a-z])|synset|words|wnid|species|breed|idx|index|map|legend|dict|codes|"
    r"dataset_info|meta|data$|readme",
    re.IGNORECASE,
)
_ENDINGS = (".txt", ".json", ".csv", ".tsv", ".names", ".yaml", ".yml", ".pbtxt", ".md", "")
_NAMES = Kind("list of class names", 64 * 1024**2)
_DEEPEST = 3
_MOST_FILES = 60
_BACKGROUND = ("background", "__background__", "_background_", "bg", "???", "unlabeled", "void", "__ignore__")
_PASSES = 2
"""A number may lead to a synset, which leads to words."""


def name_classes(place: Place, layout: Layout, options: Options) -> tuple[Layout, list[str]]:
    """The layout with the names of its classes, where a file beside the pictures has them for certain; and these files.

    Raises UserError for a file that `options` name and that does not name the classes.
    """
    chosen = options.get("names", "")
    if chosen.lower() in ("no", "none"):
        return layout, []
    first = options.get("first", "")
    if first and not first.isdigit():
        raise UserError(f"first={first} is the number of the first class, such as 0 or 1.")
    labels = _labels(layout)
    files = list(_files(place, chosen)) if chosen or _are_codes(labels) else []
    if chosen and not files:
        raise UserError(f"There is no file {chosen} in {place.root}, or it names no classes.")
    notes: list[str] = []
    used = []
    for _ in range(_PASSES):
        labels = _labels(layout)
        if not _are_codes(labels):
            break
        given = _first_that_names(labels, files, first, notes)
        if given is None:
            break
        file, names = given
        used.append(file)
        layout = _renamed(layout, names)
        notes.append(f"The classes {_some(labels)} are named by {file}: {_some([names[label] for label in labels])}.")
    # A person who names the column of the labels means what stands in it.
    if not used and not chosen and "label" not in options and (names := _folder_names(layout)):
        labels = _labels(layout)
        layout = _renamed(layout, names)
        said = _some([names[label] for label in labels])
        notes.append(
            f"The classes {_some(labels)} are named by the folders of their pictures: {said} (--as :names=no leaves"
            " them numbers)."
        )
    if chosen and not notes:
        raise UserError(f"The classes {_some(_labels(layout))} are not named by {chosen}.")
    labels = _labels(layout)
    if labels and all(map(WORDNET.fullmatch, labels)) and not notes:
        notes.append("The classes are numbers of WordNet; a words.txt (n01440764, a tab, tench) would name them.")
    return replace(layout, notes=(*layout.notes, *notes)), used


def folders_of_labels(entries: Iterable[Entry]) -> dict[str, str]:
    """The folder of the pictures of each label, where each label has one folder, and each folder one label; else none.

    Fewer than two pictures a label tell nothing.
    """
    pairs = Counter((entry.label, entry.file.rpartition("/")[0]) for entry in entries)
    labels, folders = {label for label, _ in pairs}, {folder for _, folder in pairs}
    if not len(pairs) == len(labels) == len(folders) or len(pairs) < 2 or pairs.total() < 2 * len(pairs):
        return {}
    return {label: folder for label, folder in pairs if label is not None}


def _folder_names(layout: Layout) -> dict[str, str]:
    """The folders' names for classes that tables or lists number (`clipart/cat/1.jpg 0`); empty if they are no names.

    Several sources may have a folder of the same name each.
    """
    if layout.name not in ("table", "list") or not all(map(str.isdigit, _labels(layout))):
        return {}
    inner = [replace(entry, file=f"{PurePosixPath(entry.file).parent.name}/x") for entry in layout.entries]
    names = {label: readable(folder) for label, folder in folders_of_labels(inner).items()}
    odd = any(not name or is_code(name) or why_no_class(name) for name in names.values())
    return {} if odd or any(entry.labels is not None for entry in layout.entries) else names


def _are_codes(labels: Sequence[str]) -> bool:
    return bool(labels) and all(map(is_code, labels))


def _labels(layout: Layout) -> list[str]:
    different = {label for entry in layout.entries for label in entry.all_labels}
    return sorted(different, key=lambda label: (len(label), label))


def _first_that_names(
    labels: Sequence[str], files: Sequence[tuple[str, ClassNames]], first: str, notes: list[str]
) -> tuple[str, dict[str, str]] | None:
    """The first file that has a name for each label, and these; else notes why those that come near do not count."""
    found: tuple[str, dict[str, str]] | None = None
    near: list[str] = []
    for file, names in files:
        given = _given(labels, names, first)
        if isinstance(given, str):
            near += [f"The classes stay {_some(labels)}: {file} {given}."] if given and found is None else []
        elif found is None:
            found, near = (file, given), []
        elif set(found[1].values()) & set(given.values()) and found[1] != given:
            # Files that share names but not their places contradict each other.
            near.append(f"{file} gives other names than {found[0]}; --as :names={file} takes them.")
    notes += near[:2]
    return found


def _given(labels: Sequence[str], names: ClassNames, first: str) -> dict[str, str] | str:
    """A name for each label; else why there are none, empty if the file is about something else."""
    numbers = {label: int(label) for label in labels if label.isdigit()}
    if len(set(numbers.values())) < len(numbers) or not _are_names(labels, names):
        return ""  # `1` and `01`, or a table of something else
    if first and len(numbers) == len(labels):
        given = _counted(numbers, names, int(first))
        return given or f"has no name for some of them, counted from {first}"
    if names.by_code:
        plain = {_plain(code): name for code, name in names.by_code.items()}
        if all(_plain(label) in plain for label in labels):
            return _told_apart({label: plain[_plain(label)] for label in labels})
        some = sum(_plain(label) in plain for label in labels)
        if not some:
            return ""
        missing = next(label for label in labels if _plain(label) not in plain)
        return f"has no name for {missing}{_other_count(numbers, names)}"
    return _in_order(numbers, names) if len(numbers) == len(labels) else ""


def _are_names(labels: Sequence[str], names: ClassNames) -> bool:
    """Whether these may be names of classes: nearly all different, and no numbers, though they may be synsets."""
    values = [name for code, name in names.by_code.items() if code.isdigit() == labels[0].isdigit()]
    values = values or list(names.in_order)
    if all(map(is_code, values)):
        return bool(values) and all(map(WORDNET.fullmatch, values))
    return len(set(values)) * 1.1 >= len(values)


def _in_order(numbers: Mapping[str, int], names: ClassNames) -> dict[str, str] | str:
    """Of names without numbers: those that fit in one way only, counted from 0 or from 1."""
    count, low, high = len(names.in_order), min(numbers.values()), max(numbers.values())
    if count < 2 or count * 10 < len(numbers):
        return ""
    if high > count or (low == 0 and high == count):
        return f"has {count:,} names only"
    fits = [start for start in (0, 1) if low >= start and high < count + start]
    has_background = names.in_order[0].lower() in _BACKGROUND and high < count - 1
    if len(fits) == 1 and not has_background:
        return _counted(numbers, names, fits[0])
    one, other = (names.in_order[low - start] if low >= start else "" for start in (0, 1))
    if has_background and not other:
        other = names.in_order[low + 1]
    return (
        f"has {count:,} names, so that {next(iter(numbers))} may be {one} or {other}; --as :first=0 counts them from 0,"
        " :first=1 from 1"
    )


def _counted(numbers: Mapping[str, int], names: ClassNames, first: int) -> dict[str, str]:
    """The names in their order, the first for the class `first`; nothing where one is missing."""
    in_order = names.in_order or tuple(name for _, name in sorted(names.by_number.items()))
    if not all(0 <= number - first < len(in_order) for number in numbers.values()):
        return {}
    return _told_apart({label: in_order[number - first] for label, number in numbers.items()})


def _other_count(numbers: Mapping[str, int], names: ClassNames) -> str:
    """What is to be said where labels and names are as many, but counted from different numbers."""
    known = sorted(names.by_number)
    if not numbers or not known or len(known) < len(numbers):
        return ""
    low, high = min(numbers.values()), max(numbers.values())
    if low in (0, 1) and known[0] in (0, 1) and low != known[0]:
        return (
            f" (it counts from {known[0]}, the labels go from {low} to {high}); --as :first={low} gives the first name"
            f" to {low}"
        )
    return ""


def _told_apart(names: dict[str, str]) -> dict[str, str]:
    """Names of synsets without their synonyms, and with their code where two classes share one."""
    short = {label: name.split(",")[0].strip() for label, name in names.items()}
    if all(map(WORDNET.fullmatch, names)):
        names = short
    counts = Counter(names.values())
    return {label: name if counts[name] == 1 else f"{name} ({label})" for label, name in names.items()}


def _renamed(layout: Layout, names: Mapping[str, str]) -> Layout:
    def renamed(entry: Entry) -> Entry:
        labels = None if entry.labels is None else tuple(names[label] for label in entry.labels)
        unknown = tuple(names.get(label, label) for label in entry.unknown)
        label = None if entry.label is None else names[entry.label]
        return replace(entry, label=label, labels=labels, unknown=unknown)

    return replace(layout, entries=tuple(map(renamed, layout.entries)))


def _files(place: Place, chosen: str) -> Iterator[tuple[str, ClassNames]]:
    """Files beside the pictures that may name classes, those nearest to the root and with codes first."""
    if chosen:
        names = [other for other in place.others if other == chosen or other.endswith("/" + chosen)]
    else:
        names = [other for other in place.others if _may_name(other)][:_MOST_FILES]
    found = []
    for name in names:
        try:
            text = read_decoded(place.root / name, _NAMES).text
            read = parse_class_names(text, name)
        except UserError:
            continue
        if read:
            found.append((name, read))
    yield from sorted(found, key=lambda one: (one[0].count("/"), not one[1].by_code, one[0]))


def _may_name(other: str) -> bool:
    path = PurePosixPath(other)
    if len(path.parts) > _DEEPEST or path.name in METADATA or path.suffix.lower() not in _ENDINGS:
        return False
    return bool(_FILE.search(path.stem) or path.suffix.lower() == ".names")


def _plain(code: str) -> str:
    return str(int(code)) if code.isascii() and code.isdigit() else code


def _some(labels: Sequence[str]) -> str:
    return listed(labels) if len(labels) < 5 else f"{', '.join(labels[:3])}, ... and {labels[-1]}"
