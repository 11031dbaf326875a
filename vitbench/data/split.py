"""A validation part where the data has none: stratified, from a seed, and written down."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from vitbench.data.index import DataIndex
from vitbench.data.problems import left_out
from vitbench.data.randomness import SPLIT, generator
from vitbench.errors import UserError
from vitbench.runs.files import write_whole


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
    chosen = set(positions[validation_part(labels, fraction=fraction, seed=seed)].tolist())
    samples = tuple(
        replace(sample, split="val" if position in chosen else sample.split or "train")
        for position, sample in enumerate(index.samples)
    )
    sentence = f"{index.sentence} A validation part of {len(chosen):,} pictures was drawn from train (seed {seed})."
    return replace(index, samples=samples, sentence=sentence)


def validation_part(labels: np.ndarray, *, fraction: float, seed: int) -> np.ndarray:
    """Which of the samples validate, bool [N]; each class is drawn by itself, from the seed and its number."""
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            count = min(max(1, int(np.floor(len(members) * fraction + 0.5))), len(members) - 1)
            chosen[generator(SPLIT, seed, int(label)).permutation(members)[:count]] = True
    return chosen


def write_split(index: DataIndex, file: Path) -> None:
    """Writes `file,label,split,left_out`: a row a sample, then a row a file that is left out, with the reason."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["file", "label", "split", "left_out"])
    rows.writerows([sample.file, index.classes[sample.label], sample.split, ""] for sample in index.samples)
    rows.writerows([problem.file, "", "", problem.reason] for problem in left_out(index.problems))
    # Names of files are bytes, and come back as such.
    write_whole(file, text.getvalue().encode("utf-8", "surrogateescape"))


def read_split(index: DataIndex, file: Path) -> DataIndex:
    """The index with the splits that `write_split` wrote, as a resumed run needs them.

    Raises UserError if the pictures or their labels are no longer the same.
    """
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        rows = list(csv.DictReader(stream))
    written = {row["file"]: row for row in rows if not row["left_out"]}
    if set(written) != {sample.file for sample in index.samples}:
        gone = sorted(set(written) - {sample.file for sample in index.samples})
        come = sorted({sample.file for sample in index.samples} - set(written))
        raise UserError(
            f"The pictures in {index.root} are not those of {file}: {len(gone):,} are gone or unreadable, "
            f"{len(come):,} are new (first: {(gone or come)[0]})."
        )
    for sample in index.samples:
        if written[sample.file]["label"] != index.classes[sample.label]:
            raise UserError(f"The label of {sample.file} is not the one in {file}; restore it, or start a new run.")
    samples = tuple(replace(sample, split=written[sample.file]["split"]) for sample in index.samples)
    return replace(index, samples=samples)
