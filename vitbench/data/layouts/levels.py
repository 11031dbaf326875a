"""At which depth below a split the folders are classes, and what speaks for another depth."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from vitbench.data.layouts.base import Doubt, Options
from vitbench.data.layouts.names import IMAGE_FOLDERS, is_source, readable, split_of
from vitbench.data.layouts.place import listed
from vitbench.data.layouts.tree import Folder, PictureGroup
from vitbench.errors import UserError

DEEPEST_LEVEL = 5
"""Folders down to the classes, at most."""
_CLASSES = "a folder for each class"


def children_of(groups: Sequence[PictureGroup]) -> dict[str, list[Folder]]:
    """The folders directly in those of the groups, by name."""
    found: dict[str, list[Folder]] = defaultdict(list)
    for group in groups:
        for name, child in group.folder.folders.items():
            found[name].append(child)
    return found


def class_level(
    main: Sequence[PictureGroup], options: Options, notes: list[str], doubts: list[Doubt]
) -> tuple[int, str]:
    """The depth below a split at which the folders are classes, from 1, and how labels are said then.

    What was decided is added to `notes`, what speaks for another depth to `doubts`. Raises UserError for a level that
    means nothing.
    """
    if "level" in options:
        if options["level"] not in map(str, range(1, DEEPEST_LEVEL + 1)):
            raise UserError(f"class-folders:level={options['level']} must be 1, 2, 3, 4 or 5.")
        return int(options["level"]), f"{_CLASSES}, {options['level']} levels down"
    children = children_of(main)
    unwrapped = {name: [_unwrapped(folder) for folder in folders] for name, folders in children.items()}
    below = [set(folder.folders) for folders in unwrapped.values() for folder, _ in folders]
    deep = sum(1 for folders in unwrapped.values() for folder, _ in folders for one in _inner(folder) for _ in one)
    total = sum(1 for folders in children.values() for folder in folders for _ in folder.all())
    names = Counter(name for inner in below for name in inner)
    telling = [name for name in names if name.lower() not in IMAGE_FOLDERS and not split_of(name)]
    doubts += _copies_of_all(children)
    if len(children) < 2 or deep * 2 <= total or len(telling) < 2:
        return 1, _CLASSES
    inner = _some(telling)
    level = 2 + max(depth for folders in unwrapped.values() for _, depth in folders)
    if all(len(name) == 1 and all(_begins(f, name) for f in folders) for name, folders in children.items()):
        notes.append(
            f"The folders {listed(sorted(children)[:3])} hold the classes that begin so ({_some(telling)}); --as"
            " class-folders:level=1 takes the outer ones."
        )
        return 2, f"{_CLASSES}, in folders of their first letters"
    repeated = sum(names[name] for name in telling) >= 1.5 * len(telling)
    inner_are_sources = all(is_source(name) for name in telling)
    if repeated and all(is_source(name) for name in children) and not inner_are_sources:
        outer = listed(readable(name) for name in sorted(children)[:3])
        notes.append(
            f"The folders {outer} are taken for sources and those in them ({inner}) for classes;"
            " --as class-folders:level=1 takes the outer ones."
        )
        return level, f"{_CLASSES}, in folders that tell where the pictures come from"
    if not inner_are_sources:
        # Where each outer folder holds all the inner ones, either may be the classes: a person has to say.
        crossed = all(names[name] == len(below) for name in telling)
        which = "repeat from class to class" if repeated else "lie in the folders of the classes"
        keep = ", and class-folders:level=1 if the outer ones are" if crossed else ""
        doubts.append(
            Doubt(
                f"The outer folders were taken for the classes, but folders {inner} {which}.",
                f"If those are the classes, say --as class-folders:level={level} (in a recipe: data.layout){keep}.",
                stops_training=crossed,
            )
        )
    return 1, _CLASSES


def doubts_of_class_first(groups: Sequence[PictureGroup]) -> list[Doubt]:
    """Folders of splits in each class (`bottle/train`), in which further folders repeat (`bottle/train/good`): these
    are the classes perhaps, as in MVTec AD."""
    inner: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        inner[group.label or ""] |= set(group.folder.folders)
    names = Counter(name for one in inner.values() for name in one if name.lower() not in IMAGE_FOLDERS)
    repeated = [name for name, count in names.items() if count == len(inner)]
    if len(repeated) < 2:
        return []
    first = min(inner)
    return [
        Doubt(
            f"The outer folders ({_some(list(inner))}) were taken for the classes, but folders {_some(repeated)} repeat"
            " in the splits of each.",
            f"If those are the classes, give vitbench one of the outer folders, such as {readable(first)}. If the outer"
            " ones are meant, set data.accept_doubts = true.",
            stops_training=True,
        )
    ]


def _unwrapped(folder: Folder) -> tuple[Folder, int]:
    """The folder in a chain of folders that only say that pictures are in them (`amazon/images`), and its depth."""
    depth = 0
    while len(folder.folders) == 1 and not folder.pictures:
        (inner,) = folder.folders.values()
        if inner.name.lower() not in IMAGE_FOLDERS or not inner.folders:
            break
        folder, depth = inner, depth + 1
    return folder, depth


def _inner(folder: Folder) -> Iterable[Iterable[str]]:
    return (inner.all() for inner in folder.folders.values())


def _copies_of_all(children: Mapping[str, Sequence[Folder]]) -> list[Doubt]:
    """A folder among the classes that holds folders named like them: an archive unpacked within itself."""
    for name, folders in children.items():
        inner = {one for folder in folders for one in folder.folders if one in children and one != name}
        if len(inner) > 1:
            return [
                Doubt(
                    f"The class {readable(name)} holds folders that are called like the classes beside it"
                    f" ({_some(sorted(inner))}): it seems to be a copy of all of them.",
                    f"Give vitbench the folder {readable(name)}, or take it away.",
                    stops_training=True,
                )
            ]
    return []


def _begins(folder: Folder, letter: str) -> bool:
    """Whether all folders in one begin with its name, as `a/abbey` and `a/airfield` do."""
    return not folder.pictures and all(name.lower().startswith(letter.lower()) for name in folder.folders)


def _some(names: Sequence[str]) -> str:
    return listed(readable(name) for name in sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
