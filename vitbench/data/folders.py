"""The folders of a data set as a tree for people: what each holds, and what was taken for what."""

from collections import Counter
from dataclasses import dataclass, field

from vitbench.data.index import DataIndex
from vitbench.data.layouts.place import files_below
from vitbench.data.layouts.tree import mask_files
from vitbench.text import counted

_MOST_LINES = 14
_CHILDREN_SHOWN = 3


@dataclass
class _Node:
    folders: dict[str, "_Node"] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)


def folder_tree(index: DataIndex) -> list[str]:
    """The folders with pictures, one line each: how many there are, and whether they are a class, a split or masks.

    Of many folders alike a few are shown and the others counted.
    """
    root = _Node()
    labelled = {sample.file: sample for sample in index.samples}
    apart = {file: split for split, files in index.unlabelled for file in files}
    pictures, _ = files_below(index.root)
    masks = mask_files(pictures)
    for picture in pictures:
        here = root
        nodes = [root]
        for part in picture.split("/")[:-1]:
            here = here.folders.setdefault(part, _Node())
            nodes.append(here)
        sample = labelled.get(picture)
        kind = (
            "labelled" if sample else "unlabelled" if picture in apart else "masks" if picture in masks else "not used"
        )
        for node in nodes:
            node.counts[kind] += 1
            if sample is not None and (sample.all_labels or sample.labels is not None):
                node.labels.update(index.classes[number] for number in sample.all_labels)
                node.splits[sample.split] += 1
            elif picture in apart:
                node.splits[apart[picture]] += 1
    lines = [f"{index.root.name}/"]
    _draw(root, 1, lines)
    width = max(len(left) for left, *_ in (line.split("\t") for line in lines))
    return [f"  {line.replace(chr(9), ' ' * (width - len(line.partition(chr(9))[0]) + 3))}".rstrip() for line in lines]


def _draw(node: _Node, depth: int, lines: list[str]) -> None:
    names = sorted(node.folders)
    shown = names if len(names) <= _CHILDREN_SHOWN + 1 else names[:_CHILDREN_SHOWN]
    for name in shown:
        child, path = node.folders[name], name
        while len(child.folders) == 1 and not _own(child):
            (inner,) = child.folders
            path, child = f"{path}/{inner}", child.folders[inner]
        lines.append(f"{'  ' * depth}{path}/\t{_what(child, path)}")
        if len(lines) < _MOST_LINES:
            _draw(child, depth + 1, lines)
    if len(shown) < len(names):
        rest = [node.folders[name] for name in names[len(shown) :]]
        count = sum(sum(other.counts.values()) for other in rest)
        lines.append(f"{'  ' * depth}... {counted(len(rest), 'more folder')}\t{counted(count, 'picture')}")


def _own(node: _Node) -> bool:
    return sum(node.counts.values()) > sum(sum(child.counts.values()) for child in node.folders.values())


def _what(node: _Node, path: str) -> str:
    """What a folder holds, in words."""
    said = []
    if node.counts["labelled"]:
        word = counted(node.counts["labelled"], "picture")
        last = path.rpartition("/")[2]
        if len(node.labels) == 1:
            (label,) = node.labels
            word += "" if label == last else f" of {label}"
            word += ", a class" if label == last else ""
        else:
            word += f" of {len(node.labels):,} classes"
        said.append(word)
    if node.counts["unlabelled"]:
        said.append(counted(node.counts["unlabelled"], "picture") + " without labels")
    if node.counts["masks"]:
        said.append(counted(node.counts["masks"], "mask"))
    if node.counts["not used"]:
        said.append(counted(node.counts["not used"], "picture") + " left out")
    splits = [split for split in node.splits if split]
    if len(splits) == 1 and len(node.folders) != 0:
        said.append(f"split {splits[0]}")
    return ", ".join(said)
