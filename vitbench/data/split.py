"""A validation split where the data has none: stratified, from a seed, and written down."""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vitbench.data.index import DataIndex, label_order
from vitbench.data.problems import left_out
from vitbench.data.randomness import SPLIT, generator
from vitbench.errors import UserError
from vitbench.files.writing import write_whole


def with_validation(index: DataIndex, *, fraction: float, seed: int) -> DataIndex:
    """The index with a split `val`: its own, else a share of each class, drawn from the seed.

    A class of two or more pictures has at least one on either side; a single picture stays in train. What is split
    is `train`, or everything where there are no splits; a split `test` is never touched. The fingerprint stays that
    of the data. Raises UserError if there is nothing to train on.
    """
    trained = "train" if "train" in index.splits else ""
    if not len(index.positions(trained)):
        raise UserError(f"{index.root} has no pictures to train on, only the splits {', '.join(index.splits)}.")
    if "val" in index.splits:
        return index
    positions = index.positions(trained)
    labels = np.array([index.samples[position].label for position in positions])
    labels = np.where(labels < 0, len(index.classes), labels)  # of several labels a picture, none
    copies = [index.samples[position].digest for position in positions]
    chosen = set(positions[validation_part(labels, fraction=fraction, seed=seed, copies=copies)].tolist())
    samples = tuple(
        replace(sample, split="val" if position in chosen else sample.split or "train")
        for position, sample in enumerate(index.samples)
    )
    sentence = f"{index.sentence} A validation split of {len(chosen):,} pictures was drawn from train (seed {seed})."
    return replace(index, samples=samples, sentence=sentence)


def validation_part(
    labels: np.ndarray, *, fraction: float, seed: int, copies: Sequence[str] | None = None
) -> np.ndarray:
    """Which of the samples validate, bool [N]; each class is drawn by itself, from the seed and its number.

    Samples that are equal in `copies` (names of their contents) stay together; what has two labels is trained on.
    """
    chosen = np.zeros(len(labels), dtype=bool)
    if copies is not None and len(set(copies)) < len(copies):
        return _without_copies(labels, fraction=fraction, seed=seed, copies=copies)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            count = min(max(1, int(np.floor(len(members) * fraction + 0.5))), len(members) - 1)
            chosen[generator(SPLIT, seed, int(label)).permutation(members)[:count]] = True
    return chosen


def _without_copies(labels: np.ndarray, *, fraction: float, seed: int, copies: Sequence[str]) -> np.ndarray:
    """As `validation_part`: of each picture the first copy is drawn, and the others go with it."""
    several: dict[str, set[int]] = {}
    for label, name in zip(labels.tolist(), copies, strict=True):
        several.setdefault(name, set()).add(label)
    first: dict[str, int] = {}
    for number, name in enumerate(copies):
        if name and len(several[name]) == 1:
            first.setdefault(name, number)
    single = np.array(sorted(first.values()), dtype=np.int64)
    drawn = single[validation_part(labels[single], fraction=fraction, seed=seed)]
    names = {copies[number] for number in drawn.tolist()}
    return np.array([name in names for name in copies], dtype=bool)


def write_split(index: DataIndex, file: Path) -> None:
    """Writes `file,label,split,left_out,digest`: a row a sample, then a row a file that is left out."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["file", "label", "split", "left_out", "digest"])
    rows.writerows([sample.file, index.label_text(sample), sample.split, "", sample.digest] for sample in index.samples)
    rows.writerows([problem.file, "", "", problem.reason, ""] for problem in left_out(index.problems))
    # Names of files are bytes, and come back as such.
    write_whole(file, text.getvalue().encode("utf-8", "surrogateescape"))


def read_split(index: DataIndex, file: Path) -> DataIndex:
    """The index with the splits that `write_split` wrote, as a resumed run needs them.

    Raises UserError if the pictures or their labels are no longer the same.
    """
    written = _written(file)
    if set(written) != {sample.file for sample in index.samples}:
        gone = sorted(set(written) - {sample.file for sample in index.samples})
        come = sorted({sample.file for sample in index.samples} - set(written))
        raise UserError(
            f"The pictures in {index.root} are not those of {file}: {len(gone):,} are gone or unreadable, "
            f"{len(come):,} are new (first: {(gone or come)[0]})."
        )
    for sample in index.samples:
        if written[sample.file]["label"] != index.label_text(sample):
            raise UserError(f"The label of {sample.file} is not the one in {file}; restore it, or start a new run.")
    samples = tuple(replace(sample, split=written[sample.file]["split"]) for sample in index.samples)
    return replace(index, samples=samples)


def read_own_split(index: DataIndex, file: Path, split: str | None) -> tuple[DataIndex, str]:
    """The samples of one split that `write_split` wrote, where these are still what they were; and what else changed.

    `split` None is test, else val. The sentence is empty if nothing changed. Raises UserError if a picture of the split
    is gone or changed, or its label is another one.
    """
    written = _written(file)
    splits = {row["split"] for row in written.values()}
    chosen = split if split is not None else next((name for name in ("test", "val") if name in splits), "train")
    if chosen not in splits:
        raise UserError(f"The run in {file.parent} has no split {chosen!r}; it has {', '.join(sorted(splits))}.")
    there = {sample.file: sample for sample in index.samples}
    own = {name: row for name, row in written.items() if row["split"] == chosen}
    for name, row in own.items():
        sample = there.get(name)
        digest = row.get("digest") or ""
        what = (
            "is gone or unreadable"
            if sample is None
            else f"had the label {row['label']}"
            if index.label_text(sample) != row["label"]
            else "has other contents"
            if digest and digest != sample.digest
            else ""
        )
        if what:
            raise UserError(
                f"The {chosen} split of {index.root} is not what the run was trained beside: {name} {what}. Restore it,"
                " or evaluate what is there now with --data."
            )
    several = index.has_several
    classes = label_order(label for row in written.values() for label in _labels_in(row, several)[0])
    numbers = {name: number for number, name in enumerate(classes)}
    samples = tuple(
        replace(there[name], split=chosen, **_numbered(*_labels_in(row, several), numbers, several))
        for name, row in sorted(own.items())
    )
    return replace(index, classes=classes, samples=samples), _changes(index, written, chosen)


def pictures_of_splits(file: Path) -> dict[str, int]:
    """How many pictures each split has in what `write_split` wrote. Raises OSError where there is no such file."""
    return dict(Counter(row["split"] for row in _written(file).values()))


def _labels_in(row: dict[str, str], several: bool) -> tuple[list[str], list[str]]:
    """The labels of a row, and those that are unknown."""
    if not several:
        return [row["label"]], []
    said = json.loads(row["label"])
    labels, unknown = (said["labels"], said["unknown"]) if isinstance(said, dict) else (said, [])
    return list(map(str, labels)), list(map(str, unknown))


def _numbered(labels: list[str], unknown: list[str], numbers: dict[str, int], several: bool) -> dict[str, Any]:
    """The fields of a sample that hold its labels."""
    found = tuple(sorted(numbers[label] for label in labels))
    open_labels = tuple(sorted(numbers[label] for label in unknown if label in numbers))
    return {"label": found[0] if found else -1, **({"labels": found, "unknown": open_labels} if several else {})}


def _changes(index: DataIndex, written: dict[str, dict[str, str]], chosen: str) -> str:
    """What is not as it was when the run began, outside the split `chosen`, as a sentence."""
    there = {sample.file: sample for sample in index.samples}
    come = sorted(set(there) - set(written))
    gone = sorted(set(written) - set(there))
    other = sorted(
        name
        for name, sample in there.items()
        if name in written
        and (
            index.label_text(sample) != written[name]["label"]
            or (written[name].get("digest") or sample.digest) != sample.digest
        )
    )
    kinds = ((come, "new"), (gone, "gone or unreadable"), (other, "changed"))
    said = [f"{len(names):,} {'picture is' if len(names) == 1 else 'pictures are'} {kind} ({names[0]}"
            f"{', ...' if len(names) > 1 else ''})" for names, kind in kinds if names]  # fmt: skip
    return f"Since the run began, {', '.join(said)}; its {chosen} split is unchanged." if said else ""


def _written(file: Path) -> dict[str, dict[str, str]]:
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return {row["file"]: row for row in csv.DictReader(stream) if not row["left_out"]}
