"""What a data set holds, counted: the answer of `vitbench data` and of the data screen."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitbench.data.folders import folder_tree
from vitbench.data.index import DataIndex, Sample
from vitbench.data.problems import Problem, by_reason, left_out
from vitbench.data.value_range import said_range
from vitbench.text import clean

EXAMPLES = 3
"""Files of each class that are shown, so that a person sees what was taken for a label."""
MOST_CLASSES_SHOWN = 40


@dataclass(frozen=True)
class Sizes:
    """Smallest, median and largest of widths and heights, in pixels, each by itself."""

    width: tuple[int, int, int]
    height: tuple[int, int, int]

    @classmethod
    def of(cls, samples: tuple[Sample, ...]) -> "Sizes":
        """Of at least one sample."""
        widths, heights = ([getattr(sample, side) for sample in samples] for side in ("width", "height"))
        return cls(_spread(widths), _spread(heights))


@dataclass(frozen=True)
class Summary:
    """`counts[label][split]` is a number of pictures; `modes` are those of the files, before they became RGB."""

    index: DataIndex
    counts: dict[str, dict[str, int]]
    sizes: Sizes
    modes: dict[str, int]
    rotated: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        index = self.index
        return {
            "path": str(index.root),
            "layout": index.layout,
            "sentence": index.sentence,
            "fingerprint": index.fingerprint,
            "pictures": {split: len(index.positions(split)) for split in index.splits},
            "classes": self.counts,
            "width": dict(zip(("min", "median", "max"), self.sizes.width, strict=True)),
            "height": dict(zip(("min", "median", "max"), self.sizes.height, strict=True)),
            "examples": examples(index),
            "notes": list(index.notes),
            "doubts": [{"doubt": str(doubt), "stops_training": doubt.stops_training} for doubt in index.doubts],
            "unlabelled": {split: len(files) for split, files in index.unlabelled},
            "value_range": list(index.value_range) if index.value_range else None,
            "modes": self.modes,
            "rotated": self.rotated,
            "left_out": len(left_out(index.problems)),
            "problems": [
                {"file": problem.file, "reason": problem.reason, "left_out": problem.left_out}
                for problem in index.problems
            ],
        }


def summarise(index: DataIndex) -> Summary:
    """Counts over an index."""
    counts = {name: dict.fromkeys(index.splits, 0) for name in index.classes}
    modes: dict[str, int] = {}
    for sample in index.samples:
        for number in sample.all_labels:
            counts[index.classes[number]][sample.split] += 1
        modes[sample.mode] = modes.get(sample.mode, 0) + 1
    rotated = sum(sample.rotated for sample in index.samples)
    return Summary(index, counts, Sizes.of(index.samples), modes, rotated)


def examples(index: DataIndex) -> dict[str, list[str]]:
    """The first three files of each class."""
    found: dict[str, list[str]] = {name: [] for name in index.classes}
    for sample in index.samples:
        for number in sample.all_labels:
            if len(found[index.classes[number]]) < EXAMPLES:
                found[index.classes[number]].append(sample.file)
    return found


def noted(index: DataIndex) -> list[str]:
    """What was set aside, decided or doubted, a sentence each; doubts first."""
    doubts = [f"Doubtful: {doubt}" for doubt in index.doubts]
    apart = [
        f"{len(files):,} pictures of the split {split} have no labels, such as {files[0]}: they are for"
        f" vitbench predict RUN --data {index.root / _common_folder(files)} --csv out.csv."
        for split, files in index.unlabelled
    ]
    deep = [] if index.value_range is None else [
        f"Pictures of more than 8 bits: {said_range(index.value_range)}, found for all of them together;"
        " data.value_range = [black, white] sets it."
    ]  # fmt: skip
    return [*doubts, *index.notes, *apart, *deep]


def brief(index: DataIndex) -> list[str]:
    """What was recognised, in a few lines: the sentence, the splits, three examples a class, what is doubtful or was
    set aside, and how many files have which problem."""
    parts = ", ".join(f"{name or 'all'} {len(index.positions(name)):,}" for name in index.splits)
    lines = [
        index.sentence,
        f"{len(index.classes):,} {'class' if len(index.classes) == 1 else 'classes'}; pictures: {parts}.",
    ]
    shown = list(examples(index).items())
    if shown:
        some = "; ".join(f"{name}: {', '.join(map(_name, files))}" for name, files in shown[:3])
        lines.append(f"For example {some}{'; ...' if len(shown) > 3 else '.'}")
    lines += noted(index)
    gone, kept = left_out(index.problems), [problem for problem in index.problems if not problem.left_out]
    for title, problems in (("Left out", gone), ("Kept, but worth knowing", kept)):
        if problems:
            reasons = ", ".join(f"{count:,} x {reason}" for reason, count in by_reason(problems)[:3])
            lines.append(f"{title}: {len(problems):,}, such as {problems[0].file} ({reasons}).")
    return lines


def report(summary: Summary, *, most_problems: int = 20) -> str:
    """The summary as text that is safe to print: what was recognised, the folders as a tree, a table of classes with
    three examples each, what is doubtful, sizes, problems by name."""
    index = summary.index
    (narrow, width, wide), (low, height, high) = summary.sizes.width, summary.sizes.height
    modes = ", ".join(f"{count:,} {mode}" for mode, count in sorted(summary.modes.items(), key=lambda item: -item[1]))
    said = noted(index)
    lines = [
        index.sentence,
        "",
        *folder_tree(index),
        "",
        *_table(summary),
        *(
            ["", *(f"{'!' if sentence.startswith('Doubtful') else '-'} {sentence}" for sentence in said)]
            if said
            else []
        ),
        "",
        f"Sizes: {narrow} to {wide} wide (median {width}), {low} to {high} high (median {height}).",
        f"Modes: {modes}. Turned by EXIF: {summary.rotated:,}.",
    ]
    gone = left_out(index.problems)
    kept = [problem for problem in index.problems if not problem.left_out]
    if gone:
        lines += _problems("Left out", gone, most_problems)
    elif not kept and not index.doubts:
        lines.append("Every file is good.")
    else:
        lines.append("Every file can be read.")
    if kept:
        lines += _problems("Kept, but worth knowing", kept, most_problems)
    return "\n".join(clean(line) for line in lines)


def _problems(title: str, problems: list[Problem], most: int) -> list[str]:
    lines = ["", f"{title}: {len(problems):,} {'file' if len(problems) == 1 else 'files'}"]
    lines += [f"  {count:,} x {reason}" for reason, count in by_reason(problems)]
    lines += ["", *(f"  {problem.file}: {problem.reason}" for problem in problems[:most])]
    if len(problems) > most:
        lines.append(f"  and {len(problems) - most:,} more (--json names all)")
    return lines


def _name(file: str) -> str:
    return file.rpartition("/")[2]


def _common_folder(files: Sequence[str]) -> str:
    folders = {file.rpartition("/")[0] for file in files}
    return os.path.commonpath(folders) if "" not in folders else ""


def _table(summary: Summary) -> list[str]:
    splits = summary.index.splits
    shown = examples(summary.index)
    names = [split or "pictures" for split in splits]
    label_width = max([len("all"), len("class"), *(len(name) for name in summary.counts)])
    widths = [max(len(name), 9) for name in names]

    def row(label: str, cells: list[str]) -> str:
        return f"{label:<{label_width}}" + "".join(
            f"{cell:>{width + 2}}" for cell, width in zip(cells, widths, strict=True)
        )

    many = len(summary.counts) > MOST_CLASSES_SHOWN
    lines = [row("class", names) + "   such as"]
    for name, counts in list(summary.counts.items())[: MOST_CLASSES_SHOWN if many else None]:
        files = ", ".join(map(_name, shown[name]))
        lines.append(
            row(name, [f"{counts[split]:,}" for split in splits])
            + f"   {files if len(files) <= 66 else files[:63] + '...'}"
        )
    if many:
        lines.append(f"... and {len(summary.counts) - MOST_CLASSES_SHOWN:,} more classes (--json names all)")
    return [*lines, row("all", [f"{len(summary.index.positions(split)):,}" for split in splits])]


def _spread(values: list[int]) -> tuple[int, int, int]:
    return min(values), int(np.median(values)), max(values)
