"""What a data set holds, counted: the answer of `vitbench data` and of the data screen."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vitbench.data.index import DataIndex, Sample
from vitbench.data.problems import Problem, by_reason, left_out
from vitbench.text import clean


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
        if sample.label >= 0:
            counts[index.classes[sample.label]][sample.split] += 1
        modes[sample.mode] = modes.get(sample.mode, 0) + 1
    rotated = sum(sample.rotated for sample in index.samples)
    return Summary(index, counts, Sizes.of(index.samples), modes, rotated)


def brief(index: DataIndex) -> list[str]:
    """What was recognised, in a line or three: the sentence, the parts, and how many files have which problem."""
    parts = ", ".join(f"{name or 'all'} {len(index.positions(name)):,}" for name in index.splits)
    lines = [index.sentence, f"{len(index.classes):,} classes; pictures: {parts}."]
    gone, noted = left_out(index.problems), [problem for problem in index.problems if not problem.left_out]
    for title, problems in (("Left out", gone), ("Kept, but worth knowing", noted)):
        if problems:
            reasons = ", ".join(f"{count:,} x {reason}" for reason, count in by_reason(problems)[:3])
            lines.append(f"{title}: {len(problems):,}, such as {problems[0].file} ({reasons}).")
    return lines


def report(summary: Summary, *, most_problems: int = 20) -> str:
    """The summary as text that is safe to print: a sentence, a table of classes and splits, sizes, problems by name."""
    index = summary.index
    (narrow, width, wide), (low, height, high) = summary.sizes.width, summary.sizes.height
    modes = ", ".join(f"{count:,} {mode}" for mode, count in sorted(summary.modes.items(), key=lambda item: -item[1]))
    lines = [
        index.sentence,
        "",
        *_table(summary),
        "",
        f"Sizes: {narrow} to {wide} wide (median {width}), {low} to {high} high (median {height}).",
        f"Modes: {modes}. Turned by EXIF: {summary.rotated:,}.",
    ]
    gone = left_out(index.problems)
    noted = [problem for problem in index.problems if not problem.left_out]
    lines += _problems("Left out", gone, most_problems) if gone else ["Every file is good."]
    if noted:
        lines += _problems("Kept, but worth knowing", noted, most_problems)
    return "\n".join(clean(line) for line in lines)


def _problems(title: str, problems: list[Problem], most: int) -> list[str]:
    lines = ["", f"{title}: {len(problems):,} {'file' if len(problems) == 1 else 'files'}"]
    lines += [f"  {count:,} x {reason}" for reason, count in by_reason(problems)]
    lines += ["", *(f"  {problem.file}: {problem.reason}" for problem in problems[:most])]
    if len(problems) > most:
        lines.append(f"  and {len(problems) - most:,} more (--json names all)")
    return lines


def _table(summary: Summary) -> list[str]:
    splits = summary.index.splits
    names = [split or "pictures" for split in splits]
    label_width = max([len("all"), len("class"), *(len(name) for name in summary.counts)])
    widths = [max(len(name), 9) for name in names]

    def row(label: str, cells: list[str]) -> str:
        return f"{label:<{label_width}}" + "".join(
            f"{cell:>{width + 2}}" for cell, width in zip(cells, widths, strict=True)
        )

    lines = [row("class", names)]
    lines += [row(name, [f"{counts[split]:,}" for split in splits]) for name, counts in summary.counts.items()]
    return [*lines, row("all", [f"{len(summary.index.positions(split)):,}" for split in splits])]


def _spread(values: list[int]) -> tuple[int, int, int]:
    return min(values), int(np.median(values)), max(values)
