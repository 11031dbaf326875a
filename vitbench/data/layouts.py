"""Recognising how a data set is laid out: which files it names, their labels and splits. No picture is opened here.

The forms, told apart without asking: class folders, flat `{label}_{id}.jpg`, both with or without train/val/test;
a CSV of filename and label; a Hugging Face imagefolder with metadata.csv or metadata.jsonl.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vitbench.data.pictures import picture_extensions
from vitbench.data.problems import Problem
from vitbench.data.tables import METADATA, has_labels, read_table
from vitbench.errors import UserError

_SPLITS = {"train": "train", "training": "train", "trn": "train"}
_SPLITS |= dict.fromkeys(("val", "valid", "validation", "dev"), "val")
_SPLITS |= dict.fromkeys(("test", "testing"), "test")
_SPLIT_NAME = re.compile(r"(?P<split>[a-z]+)(?:[-_]?\d+)?(?P<variant>_[a-z]\w*)?")


@dataclass(frozen=True)
class Entry:
    """A picture as the layout names it: `label` is None for a picture without one."""

    file: str
    label: str | None
    split: str


@dataclass(frozen=True)
class Layout:
    """What was recognised: `name` in a word or two, `sentence` for a person."""

    root: Path
    name: str
    sentence: str
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]


def recognise(path: Path) -> Layout:
    """The layout of a folder, or of a CSV or JSON lines file, that holds labelled pictures.

    Raises UserError with what is there instead, if nothing fits.
    """
    if path.is_file():
        return _from_tables(path.parent, [(path, split_of(path.stem) or "")], "table")
    if not path.exists():
        raise UserError(f"There is no folder or file {path}.")
    if not os.access(path, os.R_OK | os.X_OK):
        raise UserError(f"The folder {path} may not be read by you; ask its owner.")
    metadata = [file for file in _metadata(path) if has_labels(file)]
    if metadata:
        return _from_tables(path, [(file, split_of(file.parent.name) or "") for file in metadata], "imagefolder")
    tables = _label_tables(path)
    if tables:
        return _from_tables(path, tables, "table")
    files, others = _pictures_below(path)
    if not files:
        raise UserError(f"There are no pictures in {path}{_what_is_there(others)}.")
    return _from_names(path, files, others)


def unlabelled(path: Path) -> Layout:
    """Every picture below a folder, without labels, whatever the names: what a prediction wants."""
    if not path.is_dir():
        raise UserError(f"There is no folder {path}.")
    files, others = _pictures_below(path)
    if not files:
        raise UserError(f"There are no pictures in {path}{_what_is_there(others)}.")
    entries = tuple(Entry(file, None, "") for file in files)
    return Layout(path, "pictures", "A folder of pictures without labels.", entries, _not_pictures(others))


def split_of(name: str) -> str | None:
    """The split that a folder or table of this name stands for: train, val, test, test_heldout; None if none.

    Sizes and years do not matter (`train_50`, `val2017`).
    """
    match = _SPLIT_NAME.fullmatch(name.lower())
    if not match or match["split"] not in _SPLITS:
        return None
    split = _SPLITS[match["split"]]
    if not match["variant"]:
        return split
    # Only a test part has variants of its own: a class may well be called train_station.
    return f"test{match['variant']}" if split == "test" else None


def _from_names(root: Path, files: list[str], others: list[str]) -> Layout:
    """Class folders or flat names, whichever most of the pictures follow; the others are problems."""
    splits = _split_folders(files)
    # Beside the folders of the splits lie annotations and notes, which are nobody's mistake.
    problems = list(_not_pictures(other for other in others if not splits or other.partition("/")[0] in splits))
    inside: list[tuple[str, str, PurePosixPath]] = []
    for file in files:
        first, _, rest = file.partition("/")
        if not splits:
            inside.append((file, "", PurePosixPath(file)))
        elif rest and first in splits:
            inside.append((file, splits[first], PurePosixPath(rest)))
        else:
            problems.append(Problem(file, "lies outside the folders of the splits"))
    in_class_folders = sum(len(within.parts) > 1 for _, _, within in inside)
    by_folder = in_class_folders * 2 > len(inside)

    entries = []
    for file, split, within in inside:
        if by_folder and len(within.parts) == 1:
            problems.append(Problem(file, "lies outside the class folders"))
        elif not by_folder and len(within.parts) > 1:
            problems.append(Problem(file, "lies in a folder, while the others carry their label in the name"))
        else:
            label = within.parts[0] if by_folder else within.stem.rpartition("_")[0]
            if label:
                entries.append(Entry(file, label, split))
            else:
                problems.append(Problem(file, "has no label in its name ({label}_{id} is expected)"))
    if not entries:
        raise UserError(
            f"The {len(files):,} pictures in {root} carry no labels: vitbench reads class folders, names like "
            f"{{label}}_{{id}}.jpg, a CSV of filename and label, and metadata.csv or metadata.jsonl."
        )
    how = "a folder for each class" if by_folder else "the label in each file's name ({label}_{id})"
    name = "class folders" if by_folder else "flat names"
    return Layout(root, name, _sentence(how, entries, splits), tuple(entries), tuple(problems))


def _split_folders(files: list[str]) -> dict[str, str]:
    """Folder name to split, for the first folders of the `files`; empty if they are no splits.

    They are when all folders with pictures are named so, or two different splits are there. One folder `train`
    between `bus` and `car` is a class.
    """
    folders = {file.partition("/")[0] for file in files if "/" in file}
    splits = {folder: split for folder in sorted(folders) if (split := split_of(folder))}
    found = set(splits.values())
    if found & {"train", "val", "test"} and (len(found) > 1 or len(splits) == len(folders)):
        return splits
    return {}


def _from_tables(root: Path, tables: list[tuple[Path, str]], kind: str) -> Layout:
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    for path, split in tables:
        table = read_table(path)
        problems += table.problems
        for row in table.rows:
            where = f"{path.name}, line {row.line}"
            file = _locate(root, path, row.file, split)
            if file is None:
                problems.append(Problem(row.file, f"leads out of the folder ({where})"))
            elif not row.label:
                problems.append(Problem(file, f"has no label ({where})"))
            elif file in entries:
                again = "named twice" if entries[file].label == row.label else "named twice, with different labels"
                problems.append(Problem(file, f"{again} ({where}; the first row counts)"))
            else:
                first = file.partition("/")[0] if "/" in file else ""
                named = split_of(row.split) or row.split or split or split_of(first) or ""
                entries[file] = Entry(file, row.label, named)
    if not entries:
        first = f" ({problems[0].file}: {problems[0].reason})" if problems else ""
        raise UserError(f"{_names(path for path, _ in tables)} in {root} names no labelled pictures{first}.")
    what = "a table of file names and labels" if kind == "table" else "a Hugging Face imagefolder"
    how = f"{what} ({_names(path for path, _ in tables)})"
    found = tuple(entries.values())
    return Layout(root, kind, _sentence(how, found, {}), found, tuple(problems))


def _metadata(folder: Path) -> list[Path]:
    """The metadata files of a Hugging Face imagefolder: in the folder itself, or in those of its splits."""
    below = sorted(child for child in folder.iterdir() if not child.name.startswith(".") and split_of(child.name))
    return [place / name for place in (folder, *below) for name in METADATA if (place / name).is_file()]


def _label_tables(folder: Path) -> list[tuple[Path, str]]:
    """The CSV files of a folder that say labels: those named after splits, else the only one."""
    candidates = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".csv", ".tsv"))
    tables = [path for path in candidates if has_labels(path)]
    named = [(path, split) for path in tables if (split := split_of(re.sub(r"_?(labels?|gt)$", "", path.stem)))]
    if named:
        return named
    return [(tables[0], "")] if len(tables) == 1 else []


def _locate(root: Path, table: Path, name: str, split: str) -> str | None:
    """The file that a row means, relative to the root; None if it leads out of it.

    The name is relative to the table; failing that to the folder of the split, or to `images` in either.
    """
    first = _within(root, table.parent / name)
    if first is None:
        return None
    folders = dict.fromkeys((table.stem, split, "images", f"{table.stem}/images"))
    candidates = [first, *(_within(root, table.parent / folder / name) for folder in folders if folder)]
    return next((file for file in candidates if file and _is_file(root / file)), first)


def _within(root: Path, path: Path) -> str | None:
    """The path relative to the root; None if it is not inside. Judged by the words: links may point anywhere."""
    inside = os.path.relpath(os.path.normpath(path), root)
    return None if inside in ("..", ".") or inside.startswith("../") else inside


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _pictures_below(folder: Path) -> tuple[list[str], list[str]]:
    """Names of pictures and of other files below a folder, sorted, relative to it; hidden ones are passed over.

    Links to folders are followed, each real folder once, so a link to a parent ends.
    """
    endings = picture_extensions()
    pictures: list[str] = []
    others: list[str] = []
    seen: set[tuple[int, int]] = set()

    def unreadable(error: OSError) -> None:
        raise UserError(f"The folder {error.filename} cannot be read: {error.strerror}.") from error

    for here, folders, files in os.walk(folder, followlinks=True, onerror=unreadable):
        facts = Path(here).stat()
        if (facts.st_dev, facts.st_ino) in seen:
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        prefix = "" if here == str(folder) else os.path.relpath(here, folder) + "/"
        for name in files:
            if not name.startswith("."):
                wanted = pictures if PurePosixPath(name).suffix.lower() in endings else others
                wanted.append(prefix + name)
    return sorted(pictures), sorted(others)


def _not_pictures(files: Iterable[str]) -> tuple[Problem, ...]:
    return tuple(Problem(file, "is not a picture by its name") for file in files)


def _sentence(how: str, entries: Iterable[Entry], splits: dict[str, str]) -> str:
    counts = Counter(entry.split for entry in entries)
    folders = {split: folder for folder, split in splits.items()}
    if set(counts) == {""}:
        return f"Recognised {how}, without splits."
    names = [f"{split or 'no split'}" + (f" ({folders[split]}/)" if folders.get(split, split) != split else "")
             for split in counts]  # fmt: skip
    return f"Recognised {how}, in {'the split' if len(names) == 1 else 'splits'} {_listed(names)}."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _names(paths: Iterable[Path]) -> str:
    return ", ".join(dict.fromkeys(path.name for path in paths))


def _what_is_there(others: list[str]) -> str:
    endings = Counter(PurePosixPath(name).suffix.lower() or "no ending" for name in others)
    if not endings:
        return ": it is empty"
    return f", only {', '.join(f'{count:,} files of {ending}' for ending, count in endings.most_common(3))}"
