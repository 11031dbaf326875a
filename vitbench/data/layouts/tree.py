"""How folders of pictures nest: wrappers, splits in every spelling, and masks beside pictures; shared by the forms
that read labels off folders and off names."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from vitbench.data.layouts.base import Entry
from vitbench.data.layouts.names import (
    ASIDE_FOLDERS,
    IMAGE_FOLDERS,
    holds_only_masks,
    is_mask_folder,
    parts_of_one_set,
    pictured_by,
    split_of,
)
from vitbench.data.layouts.place import Place, listed
from vitbench.data.problems import Problem

_MASKED_SHARE = 0.5
"""The least share of pictures that a folder of masks must have masks of."""


@dataclass
class Folder:
    """A folder with pictures in it: `path` is relative to the root ("" is the root), `pictures` lie directly in it."""

    path: str = ""
    folders: dict[str, "Folder"] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def all(self) -> Iterator[str]:
        """The pictures in it and in the folders below."""
        yield from self.pictures
        for folder in self.folders.values():
            yield from folder.all()

    def within(self, picture: str) -> PurePosixPath:
        """The path of one of its pictures from here."""
        return PurePosixPath(picture[len(self.path) + 1 :] if self.path else picture)


@dataclass(frozen=True)
class PictureGroup:
    """Pictures that are read alike: those of one split; `label` is set where the class's folder came first."""

    folder: Folder
    split: str
    label: str | None = None


@dataclass
class Tree:
    """What the folders say before any label is read."""

    groups: list[PictureGroup] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    mask_folders: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    wrappers: list[str] = field(default_factory=list)
    splits: dict[str, str] = field(default_factory=dict)
    """Path of a folder to the split it stands for."""

    @property
    def class_first(self) -> bool:
        """Whether each class has folders of splits in it."""
        return any(group.label is not None for group in self.groups)

    def notes(self, place: Place) -> list[str]:
        """What was set aside or passed through, a sentence each."""
        found = []
        if self.wrappers:
            found.append(f"The labels lie below {self.wrappers[-1]}/, which is not a class itself.")
        if self.masks:
            where = listed(f"{folder}/" for folder in self.mask_folders) or "files named like NAME_mask"
            found.append(
                f"{len(self.masks):,} masks of these pictures ({where}) are not a class; "
                f"vitbench faithfulness RUN --data {place.said} uses them."
            )
        return found


def read_tree(place: Place) -> Tree:
    """The tree of a place, read once for it."""
    return place.once(_tree)


def _tree(place: Place) -> Tree:
    found = Tree()
    pictures = _without_masks(place.pictures, found)
    _resolve(_nested(pictures), "", found)
    return found


def mask_files(pictures: list[str]) -> dict[str, str]:
    """Mask to picture, for each picture file that is the mask of another by its folder and name."""
    by_stem: dict[str, list[str]] = defaultdict(list)
    for picture in pictures:
        by_stem[_stem(picture)].append(picture)
    masks: dict[str, str] = {}
    for picture in pictures:
        stem = pictured_by(_stem(picture))
        same_folder = [other for other in by_stem.get(stem or "", ()) if _folder(other) == _folder(picture)]
        if same_folder:
            masks[picture] = same_folder[0]
    for folder, members in _mask_folders(pictures).items():
        outside = {
            stem: others[0]
            for stem, found in by_stem.items()
            if (others := [other for other in found if not _is_below(other, folder) and other not in masks])
        }
        matches = {member: _masked(_stem(member), outside) for member in members}
        found = {member: match for member, match in matches.items() if match}
        if len(found) >= _MASKED_SHARE * len(members) and _may_be_masks(folder, pictures):
            masks |= found
    return masks


def _masked(stem: str, pictures: dict[str, str]) -> str | None:
    return pictures.get(stem) or pictures.get(pictured_by(stem) or "")


def _mask_folders(pictures: list[str]) -> dict[str, list[str]]:
    """The outermost folders that may hold masks, with the pictures below them."""
    found: dict[str, list[str]] = defaultdict(list)
    for picture in pictures:
        parts = picture.split("/")[:-1]
        number = next((n for n, part in enumerate(parts) if is_mask_folder(part)), None)
        if number is not None:
            found["/".join(parts[: number + 1])].append(picture)
    return found


def _may_be_masks(folder: str, pictures: list[str]) -> bool:
    """Whether a folder is one of masks and no class: what lies beside it are pictures, not other classes.

    `mask/` beside `no_mask/` is a class, `mask/` beside `images/` is not.
    """
    if holds_only_masks(folder.rpartition("/")[2]):
        return True
    parent = folder.rpartition("/")[0]
    prefix = f"{parent}/" if parent else ""
    beside = {
        picture[len(prefix) :].partition("/")[0]
        for picture in pictures
        if picture.startswith(prefix) and "/" in picture[len(prefix) :] and not _is_below(picture, folder)
    }
    inner = any("/" in picture[len(folder) + 1 :] for picture in pictures if _is_below(picture, folder))
    return inner or all(name.lower() in IMAGE_FOLDERS or is_mask_folder(name) or split_of(name) for name in beside)


def _without_masks(pictures: list[str], tree: Tree) -> list[str]:
    masks = mask_files(pictures)
    left = [picture for picture in pictures if picture not in masks]
    if not masks or not left:
        return pictures
    # In a folder of masks, those whose pictures are gone are masks too.
    folders = {folder for folder in _mask_folders(pictures) if any(_is_below(mask, folder) for mask in masks)}
    stray = [picture for picture in left if any(_is_below(picture, folder) for folder in folders)]
    tree.masks = sorted([*masks, *stray])
    tree.mask_folders = sorted({_folder(mask) for mask in masks if any(_is_below(mask, f) for f in folders)})
    gone = set(stray)
    return [picture for picture in left if picture not in gone]


def _nested(pictures: list[str]) -> Folder:
    root = Folder()
    for picture in pictures:
        here = root
        for part in picture.split("/")[:-1]:
            if part not in here.folders:
                here.folders[part] = Folder(f"{here.path}/{part}" if here.path else part)
            here = here.folders[part]
        here.pictures.append(picture)
    return root


def _resolve(folder: Folder, split: str, tree: Tree) -> None:
    """Goes down through wrappers and splits to the folders at whose level the labels lie."""
    within = _splits_in_one(folder)
    if within is not None:
        _resolve_beside(folder, within, split, tree)
        return
    splits = _split_folders(folder)
    if splits:
        for name, child in folder.folders.items():
            if name in splits:
                tree.splits[child.path] = splits[name]
                _resolve(child, _nested_split(split, splits[name]), tree)
            else:
                tree.problems += [Problem(file, "lies outside the folders of the splits") for file in child.all()]
        tree.problems += [Problem(file, "lies outside the folders of the splits") for file in folder.pictures]
        return
    wrapped = _wrapped(folder)
    if wrapped is not None:
        tree.wrappers.append(wrapped.path)
        beside = [file for other in folder.folders.values() if other is not wrapped for file in other.all()]
        tree.problems += [Problem(file, f"lies beside {wrapped.path}/, which holds the classes") for file in beside]
        tree.problems += [Problem(file, "lies outside the class folders") for file in folder.pictures]
        _resolve(wrapped, split, tree)
        return
    by_class = _splits_in_classes(folder) if not split else {}
    for name, parts in by_class.items():
        for part, inner in parts.items():
            tree.groups.append(PictureGroup(folder.folders[name].folders[part], inner, name))
    if not by_class:
        tree.groups.append(PictureGroup(folder, split))


def _resolve_beside(folder: Folder, within: Folder, split: str, tree: Tree) -> None:
    """The splits in `within`, somewhere below a folder, and those beside it that it lacks."""
    tree.wrappers.append(within.path)
    there = {split_of(name) for name in within.folders}
    for name, child in folder.folders.items():
        if f"{within.path}/".startswith(f"{child.path}/"):
            continue
        own = split_of(name) or ""
        if own in there:
            reason = f"lies beside {within.path}/, which has {own}"
            tree.problems += [Problem(file, reason) for file in child.all()]
        else:
            tree.splits[child.path] = own
            _resolve(child, _nested_split(split, own), tree)
    tree.problems += [Problem(file, "lies outside the folders of the splits") for file in folder.pictures]
    _resolve(within, split, tree)


def _nested_split(outer: str, inner: str) -> str:
    """`train/train` is train; in `trainval/val` the inner one counts, and so does the outer in `test/train`."""
    return inner if outer in ("", "train") else outer


def _split_folders(folder: Folder) -> dict[str, str]:
    """Folder name to split; empty if they are no splits.

    They are when all folders with pictures are named so, or two different splits are there. One folder `train` between
    `bus` and `car` is a class. All named `signs_train`, `signs_test` are splits where that of training holds classes.
    """
    splits = {name: split for name in folder.folders if (split := split_of(name))}
    found = set(splits.values())
    if found & {"train", "val", "test"} and (len(found) > 1 or len(splits) == len(folder.folders)):
        return splits
    parts = parts_of_one_set(folder.folders)
    training = [folder.folders[name] for name, split in parts.items() if split == "train"]
    if len(parts) == len(folder.folders) and training and len(_within_wrappers(training[0]).folders) > 1:
        return parts
    return {}


def _within_wrappers(folder: Folder) -> Folder:
    """The first folder, from one down, that holds pictures or several folders."""
    while len(folder.folders) == 1 and not folder.pictures:
        (folder,) = folder.folders.values()
    return folder


def _splits_in_one(folder: Folder) -> Folder | None:
    """The folder, through wrappers, that holds train and others, where all that lies beside it are more splits.

    `New Plant Diseases Dataset(Augmented)/.../train` beside `test/`.
    """
    rest = [child for name, child in folder.folders.items() if not split_of(name)]
    if len(rest) != 1 or len(folder.folders) < 2:
        return None
    inner = _within_wrappers(rest[0])
    return inner if "train" in _split_folders(inner).values() else None


def _wrapped(folder: Folder) -> Folder | None:
    """The one folder that holds the classes, where the others in it (if any) hold none."""
    children = list(folder.folders.values())
    inner = [child for child in children if child.name.lower() not in ASIDE_FOLDERS] or children
    if len(inner) != 1 or not inner[0].folders:
        return None
    (child,) = inner
    below = sum(1 for _ in child.all())
    if len(folder.pictures) >= below or len(child.pictures) * 2 > below:
        return None
    # A class may have folders of its own, so one that holds one folder only may be it; what is in that tells.
    return child


def _splits_in_classes(folder: Folder) -> dict[str, dict[str, str]]:
    """Class to folder to split, where the folders in each class are splits (`cat/train/1.jpg`); else empty."""
    found = {}
    for name, child in folder.folders.items():
        splits = {inner: split for inner in child.folders if (split := split_of(inner))}
        if not splits or len(splits) != len(child.folders) or child.pictures:
            return {}
        found[name] = splits
    together = {split for splits in found.values() for split in splits.values()}
    return found if len(found) > 1 and len(together) > 1 else {}


def entries_sentence(how: str, counts: Counter[str], folders: dict[str, str]) -> str:
    """What was recognised: `how` labels are said, and the splits, with the folders that stand for them."""
    if set(counts) <= {""}:
        return f"Recognised {how}, without splits."
    names = []
    for split in counts:
        own = sorted({path for path, other in folders.items() if other == split})
        said = f" ({own[0]}/)" if own and own[0] != split else ""
        names.append(f"{split or 'no split'}{said}")
    return f"Recognised {how}, in {'the split' if len(names) == 1 else 'splits'} {listed(names)}."


def split_counts(entries: list[Entry]) -> Counter[str]:
    """Pictures of each split, in the order of their first entries."""
    return Counter(entry.split for entry in entries)


def _stem(picture: str) -> str:
    return picture.rpartition("/")[2].rpartition(".")[0]


def _folder(picture: str) -> str:
    return picture.rpartition("/")[0]


def _is_below(picture: str, folder: str) -> bool:
    return picture.startswith(folder + "/")
