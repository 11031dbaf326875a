"""Text files that list the pictures of a split, one a line: `train.txt`, `meta/test.txt`, `TrainImages.txt`."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

from vitbench.data.encodings import read_decoded
from vitbench.data.layouts import matlab
from vitbench.data.layouts.base import Entry, Layout
from vitbench.data.layouts.column_names import FILE_COLUMNS, ID_COLUMNS, plain
from vitbench.data.layouts.labels import Labels
from vitbench.data.layouts.names import split_in_name
from vitbench.data.layouts.place import Place, listed
from vitbench.data.layouts.tree import Tree, entries_sentence
from vitbench.data.pictures import picture_extensions
from vitbench.data.problems import Problem
from vitbench.errors import UserError
from vitbench.files.reading import TABLE, open_file
from vitbench.text import counted

_LIST_ENDINGS = (".txt", ".lst", ".list", "", ".yaml", ".yml")
_SEPARATOR = re.compile(r"\s*(?:->|=>|[,;|=]|:(?=\s))\s*|\s+")
_SIGN = re.compile(r"^(->|=>|[:=|])\s*")
"""What people write between a picture and its label."""
_DEEPEST = 3
_MOST_LISTS = 40
_FEW = 20
_SAMPLED = 200
"""Lines at the beginning of a file that tell whether it lists pictures."""


@dataclass(frozen=True)
class ListLine:
    """A line of a list: the picture, and what stands behind its name (empty in most lists)."""

    picture: str
    rest: str
    number: int


@dataclass(frozen=True)
class SplitList:
    """A file that lists pictures; `missing` are lines whose picture is not there."""

    file: str
    split: str
    lines: tuple[ListLine, ...]
    missing: tuple[Problem, ...]


def split_lists(place: Place) -> list[SplitList]:
    """The lists of splits below a place, read once for it; of numbered ones (train1, train2, ...) the first."""
    return place.once(_split_lists)


def _split_lists(place: Place) -> list[SplitList]:
    read = (read_list(place, file, split) for file, split in _first_of_numbered(place.others))
    return [one for one in read if one is not None] + _matlab_lists(place)


def other_lists(place: Place) -> list[SplitList]:
    """Text files that list pictures and are called like no split, such as `labels.txt`."""
    known = {one.file for one in split_lists(place)}
    files = [file for file in _texts(place) if file not in known and _lists_pictures(place, file)]
    return [one for file in files if (one := read_list(place, file, "")) is not None]


def _texts(place: Place) -> list[str]:
    """Files that may be lists by their names, near the root, and belong to no single picture."""
    stems = {PurePosixPath(picture).stem for picture in place.pictures}
    near = [other for other in place.others if other.count("/") < _DEEPEST and PurePosixPath(other).stem not in stems]
    return [other for other in near if PurePosixPath(other).suffix.lower() in _LIST_ENDINGS][:_MOST_LISTS]


def _matlab_lists(place: Place) -> list[SplitList]:
    """The lists of Stanford Dogs: `file_list` in train_list.mat and test_list.mat. Raises UserError without scipy."""
    found = []
    for file in place.others:
        path = PurePosixPath(file)
        if path.suffix.lower() != ".mat" or not path.stem.lower().endswith("_list"):
            continue
        split = split_in_name(path.stem)
        names = matlab.texts(place, file, "file_list") if split else []
        folders = ["Images", "images", ""]
        named = [(number, name, place.finder.find(name, folders)) for number, name in enumerate(names, start=1)]
        lines = tuple(ListLine(there[0], "", number) for number, _, there in named if len(there) == 1)
        missing = [Problem(name, f"no such picture ({path.name}, entry {n})") for n, name, there in named if not there]
        if len(lines) * 2 > len(names):
            found.append(SplitList(file, split, lines, tuple(missing)))
    return found


def read_list(place: Place, file: str, split: str) -> SplitList | None:
    """A file of the place as a list of pictures; None if most of its first lines name none."""
    try:
        decoded = read_decoded(place.root / file, TABLE)
    except UserError:
        return None
    rows = [(number, line.strip()) for number, line in enumerate(decoded.text.split("\n"), start=1)]
    rows = [(number, line) for number, line in rows if line and not line.startswith("#")]
    if rows and plain(_SEPARATOR.split(rows[0][1])[0]) in (*FILE_COLUMNS, *ID_COLUMNS):
        rows = rows[1:]  # names of columns
    folder = file.rpartition("/")[0]
    lines, missing = [], []
    for tried, (number, line) in enumerate(rows, start=1):
        name, rest, pictures = _named(place, line, folder, split, decoded.encoding)
        if len(pictures) == 1:
            lines.append(ListLine(pictures[0], rest, number))
        else:
            why = "no such picture" if not pictures else f"{len(pictures)} pictures have this name"
            missing.append(Problem(name, f"{why} ({PurePosixPath(file).name}, line {number})"))
        if tried == min(_SAMPLED, len(rows)) and len(lines) * 2 <= tried:
            return None
    return SplitList(file, split, tuple(lines), tuple(missing)) if lines else None


def with_split_lists(place: Place, found: Labels, tree: Tree, form: str) -> Layout:
    """The layout of labels from folders or names, with the splits that lists tell where folders tell none."""
    entries, problems, notes = found.entries, [*tree.problems, *found.problems], [*tree.notes(place), *found.notes]
    lists = [] if tree.splits or tree.class_first else lists_of(place, entries)
    folders = dict(tree.splits)
    if lists:
        splits, missing, said = splits_of_lists(lists, entries)
        problems, notes = [*problems, *missing], [*notes, *said]
        entries = [replace(entry, split=splits[entry.file]) for entry in entries if entry.file in splits]
    used = {one.file for one in lists}
    # Beside the folders of the splits lie annotations and notes, which are nobody's mistake.
    inside = list(tree.splits)
    problems += [
        Problem(other, "is not a picture by its name")
        for other in place.others
        if other not in used and _matters(other, inside, tree, lists, found.by_folder)
    ]
    return Layout(
        root=place.root,
        name=form,
        sentence=entries_sentence(found.how, Counter(entry.split for entry in entries), folders),
        entries=tuple(entries),
        problems=tuple(problems),
        notes=tuple(notes),
        doubts=tuple(found.doubts),
        unlabelled=tuple(found.unlabelled),
    )


def lists_of(place: Place, entries: Sequence[Entry]) -> list[SplitList]:
    """The lists of splits most of whose pictures are among the entries."""
    labelled = {entry.file for entry in entries}
    lists = [one for one in split_lists(place) if one.split]
    return [one for one in lists if sum(line.picture in labelled for line in one.lines) * 2 > len(one.lines)]


def splits_of_lists(
    lists: Sequence[SplitList], entries: Sequence[Entry]
) -> tuple[dict[str, str], list[Problem], list[str]]:
    """Picture to split for those that count, what is wrong with lists and pictures, and what was decided."""
    splits: dict[str, str] = {}
    problems: list[Problem] = []
    notes: list[str] = []
    for one in sorted(lists, key=lambda one: one.split == "train"):  # val and test count before trainval
        for line in one.lines:
            splits.setdefault(line.picture, one.split)
        problems += one.missing
    unlisted = [entry.file for entry in entries if entry.file not in splits]
    if any(one.split == "train" for one in lists):
        problems += [Problem(file, "is in no list of a split") for file in unlisted]
    else:  # a list of what is held out: the rest is to train on
        splits |= dict.fromkeys(unlisted, "train")
        notes.append(f"{counted(len(unlisted), 'picture')} in no list count as train.")
    notes.append(f"The splits are those of {listed(one.file for one in lists)}.")
    return splits, problems, notes


def unused_lists(place: Place, layout: Layout) -> Iterator[str]:
    """A sentence on text files that list pictures and of which the layout says nothing."""
    said = " ".join((layout.sentence, *layout.notes))
    found = [file for file in _texts(place) if file.rpartition("/")[2] not in said and _lists_pictures(place, file)]
    if found:
        some = listed(found) if len(found) < 4 else f"{', '.join(found[:3])} and {len(found) - 3:,} more"
        verb = "is" if len(found) == 1 else "are"
        yield (
            f"{some} {'names' if verb == 'is' else 'name'} pictures and {verb} not used; lists of splits are called"
            " train.txt, val.txt and test.txt, and of numbered ones the first counts."
        )


def _lists_pictures(place: Place, file: str) -> bool:
    """Whether most of the first lines of a file name pictures of the place."""
    try:
        with open_file(place.root / file, TABLE) as stream:
            head = stream.read(16_384)
    except UserError:
        return False
    if b"\0" in head:
        return False
    lines = [line.strip() for line in head.decode("utf-8", "surrogateescape").splitlines()[:_FEW]]
    lines = [line for line in lines if line]
    folder = file.rpartition("/")[0]
    named = sum(len(_named(place, line, folder, "", "utf-8")[2]) == 1 for line in lines)
    return named > 1 and named * 2 > len(lines)


def _matters(other: str, splits: list[str], tree: Tree, lists: list[SplitList], by_folder: bool) -> bool:
    """Whether a file that is not a picture lies among the pictures, where a person would expect it to count."""
    if by_folder and not any(
        other.startswith(f"{folder.path}/") for group in tree.groups for folder in group.folder.folders.values()
    ):
        return False
    if splits:
        return any(other.startswith(path + "/") for path in splits)
    below = [group.folder.path for group in tree.groups]
    return not lists and any(not path or other.startswith(path + "/") for path in below)


def _named(place: Place, line: str, folder: str, split: str, encoding: str) -> tuple[str, str, list[str]]:
    """The name in a line that was read in an `encoding`, what follows it, and the pictures that may be meant."""
    find = partial(place.finder.find, encoding=encoding)
    folders = [folder, f"{folder}/../images" if folder else "images", "images", split, ""]
    cells = re.split(r"[\s,;]+", line)
    if len(cells) > 1 and _ends_as_picture(cells[-1]) and not _ends_as_picture(cells[0]):
        # MXNet's .lst: number, label, path; or label and path.
        last = find(cells[-1], folders)
        if len(last) == 1:
            return cells[-1], " ".join(cells[1:-1]) or cells[0], last
    words = re.split(r"[\s,;]+", line, maxsplit=1)
    pictures = find(words[0], folders)
    if not pictures and len(parted := _SEPARATOR.split(line, maxsplit=1)) > 1:
        name = parted[0].strip("\"'")
        if pictures := find(name, folders):
            words = [name, parted[1].strip("\"'")]
    if pictures or len(words) == 1:
        return words[0], _SIGN.sub("", words[1].strip()) if len(words) > 1 else "", pictures
    whole = find(line, folders)
    if whole:
        return line, "", whole
    name, _, rest = line.rpartition(" ")
    return name or line, rest, find(name, folders) if name else []


def _ends_as_picture(word: str) -> bool:
    return PurePosixPath(word).suffix.lower() in picture_extensions()


def _first_of_numbered(others: list[str]) -> list[tuple[str, str]]:
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for other in others:
        path = PurePosixPath(other)
        if path.suffix.lower() not in _LIST_ENDINGS or path.name.lower().startswith("readme"):
            continue
        split = split_in_name(path.stem)
        kind = str(path.parent), re.sub(r"\d+", "", path.stem)
        if split and kind not in found:
            found[kind] = (other, split)
    return list(found.values())
