"""Labels that folders or file names tell: at which level they lie, split by split; shared by the two forms."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from vitbench.data.layouts.base import Doubt, Entry, Options
from vitbench.data.layouts.levels import children_of, class_level, doubts_of_class_first
from vitbench.data.layouts.names import is_generic, is_source, readable
from vitbench.data.layouts.place import Place, listed
from vitbench.data.layouts.tree import PictureGroup, Tree, read_tree
from vitbench.data.problems import Problem

_ID = r"(?P<id>\d+)"
_FEWEST = 2
"""Pictures a word that names of files share, at least."""
_PATTERNS = {
    "{label}_{id}": re.compile(r"(?P<label>.*)_(?P<id>[^_]*)"),
    "{label}.{id}": re.compile(rf"(?P<label>.+?)\.{_ID}"),
    "{label} ({id})": re.compile(rf"(?P<label>.+?)\s*\({_ID}\)"),
    "{label}-{id}": re.compile(rf"(?P<label>.+?)-{_ID}"),
    "{label} {id}": re.compile(rf"(?P<label>.+?)\s+{_ID}"),
    "{label}{id}": re.compile(rf"(?P<label>\D+?){_ID}"),
    "{id}_{label}": re.compile(r"(?P<id>[^_]*\d[^_]*)_(?P<label>.*[^\W\d_].*)"),
}
"""How file names carry labels; the first that most names follow counts. `{label}_{id}` is the course's."""


@dataclass
class Labels:
    """What was read: `how` completes "Recognised ..."; `unlabelled` are pictures of splits without labels."""

    by_folder: bool
    how: str = ""
    entries: list[Entry] = field(default_factory=list)
    unlabelled: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)


def labels_lie_in_folders(tree: Tree) -> bool:
    """Whether most of the pictures that training sees lie in folders of classes; else their names carry labels."""
    if tree.class_first:
        return True
    main = _main_groups(tree)
    pictures = [group.folder.within(picture) for group in main for picture in group.folder.all()]
    inside = sum(len(within.parts) > 1 for within in pictures)
    if inside * 2 <= len(pictures):
        return False
    return len(children_of(main)) > 1 or _pattern_that_parts(main) is None


def labels_from_folders(place: Place, options: Options) -> Labels:
    """The folders' names as labels. Raises UserError for an option that means nothing."""
    tree = read_tree(place)
    found = Labels(by_folder=True, how="a folder for each class")
    main = _main_groups(tree)
    level = 1
    if tree.class_first:
        found.doubts += doubts_of_class_first(tree.groups)
    else:
        level, found.how = class_level(main, options, found.notes, found.doubts)
    ordered = [*main, *(group for group in tree.groups if group not in main)]
    for group in ordered:
        known = {entry.label for entry in found.entries}
        if group not in main and group.label is None and not _has_classes(group, known, level):
            _read_unlabelled(group, known, found)
            continue
        for picture in group.folder.all():
            parts = group.folder.within(picture).parts
            if group.label is not None:
                found.entries.append(Entry(picture, readable(group.label), group.split))
            elif len(parts) > level:
                found.entries.append(Entry(picture, readable(parts[level - 1]), group.split))
            else:
                found.problems.append(Problem(picture, "lies outside the class folders"))
    if "level" not in options:
        found.doubts += _names_across_folders(found.entries)
    return found


def labels_from_names(place: Place) -> Labels:
    """What the files' names begin (or end) with as labels."""
    tree = read_tree(place)
    main = _main_groups(tree)
    name = _best_pattern([_stem(picture) for group in main for picture in _flat_pictures(group)])
    found = Labels(by_folder=False, how=f"the label in each file's name ({name})")
    ordered = [*main, *(group for group in tree.groups if group not in main)]
    for group in ordered:
        flat = _flat_pictures(group)
        known = {entry.label for entry in found.entries}
        labels = {picture: _label(_stem(picture), name) for picture in flat}
        if group not in main and known and _are_unknown(labels.values(), known):
            _unlabelled(group, flat, found)
        else:
            # Where other words are labels too, `frame` is one among them.
            words = not all(is_generic(label) for label in labels.values())
            for picture, label in labels.items():
                if label and not (is_generic(label) and not (words and label.isalpha())):
                    found.entries.append(Entry(picture, readable(label), group.split))
                else:
                    why = "what cameras and programs write" if label else f"{name} is expected"
                    found.problems.append(Problem(picture, f"has no label in its name ({why})"))
        flat_set = set(flat)
        found.problems += [
            Problem(picture, "lies in a folder, while the others carry their label in the name")
            for picture in group.folder.all()
            if picture not in flat_set
        ]
    found.doubts += _doubts_of_names(found.entries)
    return found


def _main_groups(tree: Tree) -> list[PictureGroup]:
    """What training sees: it decides how labels are said, and which there are."""
    return [group for group in tree.groups if group.split in ("", "train")] or tree.groups


def _has_classes(group: PictureGroup, known: set[str | None], level: int) -> bool:
    """Whether a split other than train has class folders: more than one, or one that training has too."""
    names = {
        readable(parts[level - 1])
        for picture in group.folder.all()
        if len(parts := group.folder.within(picture).parts) > level
    }
    return bool(names & known) or (len(names) > 1 and not all(is_source(name) for name in names))


def _read_unlabelled(group: PictureGroup, known: set[str | None], found: Labels) -> None:
    """A split without class folders: its names may carry the labels that train's folders have."""
    pictures = list(group.folder.all())
    for name in _PATTERNS:
        labels = {picture: readable(_label(_stem(picture), name)) for picture in pictures}
        if sum(label in known for label in labels.values()) * 2 > len(pictures):
            found.notes.append(f"In {group.folder.path}/ the label is in each file's name ({name}).")
            for picture, label in labels.items():
                if label in known:
                    found.entries.append(Entry(picture, label, group.split))
                else:
                    found.problems.append(Problem(picture, f"has no label in its name ({name} is expected)"))
            return
    _unlabelled(group, pictures, found)


def _unlabelled(group: PictureGroup, pictures: Iterable[str], found: Labels) -> None:
    found.unlabelled += [Entry(picture, None, group.split) for picture in pictures]


def _are_unknown(labels: Iterable[str], known: set[str | None]) -> bool:
    """Whether the names of a split say nothing: no labels, or one and the same that training does not have."""
    said = [readable(label) for label in labels if label and not is_generic(label)]
    return not said or (len(said) > 2 and len(set(said)) == 1 and said[0] not in known)


def _flat_pictures(group: PictureGroup) -> list[str]:
    """The pictures whose names may carry labels: those in the folder itself, or in the only one in it."""
    children = list(group.folder.folders.values())
    if len(children) == 1 and len(children[0].pictures) > len(group.folder.pictures):
        return children[0].pictures
    return group.folder.pictures


def _pattern_that_parts(main: Sequence[PictureGroup]) -> str | None:
    """How the names in the only folder of a split carry labels: several ones, each of several pictures."""
    stems = [_stem(picture) for group in main for picture in _flat_pictures(group)]
    name = _best_pattern(stems)
    counts = Counter(label for stem in stems if (label := _label(stem, name)) and not is_generic(label))
    several = sum(count for count in counts.values() if count > 1)
    return name if len(counts) > 1 and several * 2 > len(stems) else None


def _best_pattern(stems: Sequence[str]) -> str:
    """The first pattern that most names follow, and under which labels repeat; the course's if there is none."""
    best, course = None, next(iter(_PATTERNS))
    for name in _PATTERNS:
        labels = Counter(label for stem in stems if (label := _label(stem, name)) and not is_generic(label))
        if sum(labels.values()) * 2 <= len(stems):
            continue
        best = best or name
        if name == course and all(label.isdigit() for label in labels) and _ends_in_words(stems):
            return "{id}_{label}"
        if len(labels) * 2 <= len(stems):
            return name
    return best or course


def _ends_in_words(stems: Sequence[str]) -> bool:
    """Whether names are like 0007_cat: a number of the picture, and then a word that others have too."""
    labels = Counter(label for stem in stems if (label := _label(stem, "{id}_{label}")) and label.isalpha())
    return sum(labels.values()) == len(stems) and len(labels) * 2 <= len(stems)


def _label(stem: str, pattern: str) -> str:
    match = _PATTERNS[pattern].fullmatch(stem)
    return match["label"].strip() if match else ""


def _names_across_folders(entries: Sequence[Entry]) -> list[Doubt]:
    """Files in all class folders whose names carry the same few words (`a/cat_1.jpg`, `b/cat_2.jpg`): these may be the
    labels, and the folders where the pictures come from."""
    stems = [_stem(entry.file) for entry in entries]
    pattern = _best_pattern(stems)
    words = [_label(stem, pattern) for stem in stems]
    classes = {entry.label for entry in entries}
    known = {word for word in words if word and not is_generic(word) and re.search(r"[^\W\d_]", word)} - classes
    pairs = {(word, entry.label) for word, entry in zip(words, entries, strict=True) if word in known}
    crossed = len(known) > 1 and len(classes) > 1 and len(pairs) == len(known) * len(classes)
    if not crossed or sum(word in known for word in words) < len(words) or len(known) * _FEWEST > len(words):
        return []
    some = listed(sorted(known)[:3]) + (", ..." if len(known) > 3 else "")
    return [
        Doubt(
            f"The folders were taken for the classes, but in each of them names of files begin with {some}.",
            "If those are the classes, put the pictures into one folder, or write a CSV of filename and label.",
        )
    ]


def _doubts_of_names(entries: Sequence[Entry]) -> list[Doubt]:
    classes = {entry.label for entry in entries}
    if len(entries) > 10 and len(classes) * 2 > len(entries):
        return [
            Doubt(
                f"Nearly every picture has a label of its own ({len(classes):,} labels for {len(entries):,} pictures,"
                f" such as {entries[0].label}): what stands before the number may not be a label.",
                "Give a table of filename and label, or set data.accept_doubts = true.",
                stops_training=True,
            )
        ]
    return []


def _stem(picture: str) -> str:
    return PurePosixPath(picture).stem
