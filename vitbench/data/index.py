"""What a data set holds: its classes, its samples, and by name every file that is left out."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from vitbench.data.depths import depth_doubts, depth_notes
from vitbench.data.generated import scenes_folder
from vitbench.data.layouts import Doubt, Entry, Layout, parse_choice, recognise, unlabelled
from vitbench.data.layouts.base import NotRecognised
from vitbench.data.layouts.names import readable
from vitbench.data.layouts.several import SEVERAL
from vitbench.data.pictures import allow_pictures
from vitbench.data.problems import Problem
from vitbench.data.scan import ProbedPicture, check_pictures
from vitbench.data.value_range import ValueRange, common_range
from vitbench.errors import UserError
from vitbench.paths import expanded
from vitbench.progress import Progress, silent
from vitbench.recipe import Recipe
from vitbench.text import counted


@dataclass(frozen=True)
class Sample:
    """One labelled picture. `label` counts into the classes; -1 where there is none (a folder to predict).

    `labels` are all of a picture where several were asked for, maybe none; `label` is then the rarest of them.

    `file` is relative to the data set's root, with `/` between its parts. `width` and `height` are those of the
    picture as it is seen, EXIF rotation applied; `digest` names the file's bytes.
    """

    file: str
    label: int
    split: str
    width: int
    height: int
    mode: str = "RGB"
    rotated: bool = False
    digest: str = ""
    labels: tuple[int, ...] | None = None
    unknown: tuple[int, ...] = ()
    """Of several labels those of which nobody knows whether the picture has them."""

    @property
    def all_labels(self) -> tuple[int, ...]:
        """Every label of the picture."""
        if self.labels is not None:
            return self.labels
        return (self.label,) if self.label >= 0 else ()


@dataclass(frozen=True)
class DataIndex:
    """A data set after a look at every file.

    `layout` is the short name of what was recognised and `sentence` says it to a person; `notes` say what was set aside
    or decided, `doubts` what looks wrong. `unlabelled` are files of splits without labels, by split: they are for a
    prediction. `value_range` are the grey values that become black and white, where files hold more than 8 bits.
    `fingerprint` is a hash of names, labels, splits and contents. Samples are in the order of their files' names.
    """

    root: Path
    layout: str
    sentence: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    unlabelled: tuple[tuple[str, tuple[str, ...]], ...] = ()
    value_range: ValueRange | None = None

    @property
    def has_several(self) -> bool:
        """Whether it was read with several labels a picture."""
        return any(sample.labels is not None for sample in self.samples)

    def label_text(self, sample: Sample) -> str:
        """The label of a sample as a table writes it; of several a list in JSON."""
        if sample.labels is not None:
            names = [self.classes[number] for number in sample.labels]
            unknown = [self.classes[number] for number in sample.unknown]
            return json.dumps({"labels": names, "unknown": unknown} if unknown else names, ensure_ascii=False)
        return self.classes[sample.label] if sample.label >= 0 else ""

    def targets(self, positions: np.ndarray) -> np.ndarray:
        """Which classes the samples at `positions` have, bool [N, classes]."""
        found = np.zeros((len(positions), len(self.classes)), dtype=bool)
        for row, position in enumerate(positions.tolist()):
            found[row, list(self.samples[position].all_labels)] = True
        return found

    def known(self, positions: np.ndarray) -> np.ndarray:
        """Of which classes it is known whether the samples at `positions` have them, bool [N, classes]."""
        found = np.ones((len(positions), len(self.classes)), dtype=bool)
        for row, position in enumerate(positions.tolist()):
            found[row, list(self.samples[position].unknown)] = False
        return found

    def path(self, sample: Sample) -> Path:
        """Where the picture of a sample lies."""
        return self.root / sample.file

    def split(self, name: str) -> list[Sample]:
        """The samples of one split: `train`, `val`, `test`, or `""` where the data set has no splits."""
        return [self.samples[position] for position in self.positions(name)]

    def positions(self, split: str) -> np.ndarray:
        """Where the samples of one split stand in `samples`: int64 [N], ascending."""
        return self._positions.get(split, np.empty(0, dtype=np.int64))

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits that hold samples: train, val, test, then others."""
        known = ["train", "val", "test"]
        return tuple(sorted(self._positions, key=lambda name: (known.index(name) if name in known else 3, name)))

    @cached_property
    def _positions(self) -> dict[str, np.ndarray]:
        names = np.array([sample.split for sample in self.samples], dtype=object)
        return {str(name): np.flatnonzero(names == name) for name in set(names)}


def open_index(
    path: str,
    *,
    layout: str = "",
    value_range: ValueRange | None = None,
    store: Path,
    progress: Progress = silent,
) -> DataIndex:
    """The index of labelled pictures: a folder, a table of names and labels, or `scenes:new?count=3700&size=96`.

    `layout` is the form that a person named (see `recognise`), `value_range` what they set it to. Every file is opened
    once; what was seen is remembered in the store. Raises UserError if there is nothing to use.
    """
    sentence = ""
    if path.startswith("scenes:"):
        folder, sentence = scenes_folder(path, store, progress)
    else:
        folder = expanded(path).absolute()
    found = recognise(folder, layout, said=path)
    if sentence:  # generated here: a small set may well lack a class in a split
        found = replace(found, doubts=())
    return _index(found, store, progress, sentence, value_range)


def open_recipe_data(recipe: Recipe, store: Path, progress: Progress = silent) -> DataIndex:
    """The index of what a recipe names, read as it and its task say. Raises as `open_index` does."""
    data = recipe.data
    allow_pictures(data.largest_picture)
    value_range = (data.value_range[0], data.value_range[1]) if data.value_range else None
    layout = layout_of(recipe)
    if recipe.task == "multilabel":
        try:
            return open_index(data.path, layout=layout, value_range=value_range, store=store, progress=progress)
        except NotRecognised as error:
            raise UserError(
                f'{data.path} holds no table of several labels per picture (task = "multilabel" reads a CSV, or'
                f" metadata.csv or metadata.jsonl of an imagefolder): {error.near or error}"
            ) from error
    return open_index(data.path, layout=layout, value_range=value_range, store=store, progress=progress)


def layout_of(recipe: Recipe) -> str:
    """How the data of a recipe are read, as --as takes it.

    Raises UserError for several labels per picture where the task learns one.
    """
    if recipe.task == "multilabel":
        return with_several(recipe.data.layout)
    if SEVERAL in parse_choice(recipe.data.layout)[1]:
        raise UserError(
            f'data.layout = "{recipe.data.layout}" reads several labels per picture; a network learns one of them,'
            ' unless task = "multilabel".'
        )
    return recipe.data.layout


def with_several(layout: str) -> str:
    """A layout that reads several labels a picture, whatever else it says."""
    name, options = parse_choice(layout)
    if SEVERAL in options:
        return layout
    settings = ",".join(f"{key}={value}" for key, value in (options | {SEVERAL: "yes"}).items())
    return f"{name}:{settings}"


def open_pictures(path: str, *, store: Path, progress: Progress = silent) -> DataIndex:
    """The index of a folder of pictures whose labels are unknown: each label is -1, and there are no classes."""
    return _index(unlabelled(expanded(path).absolute()), store, progress)


def label_order(labels: Iterable[str]) -> tuple[str, ...]:
    """The classes in their order: by number where all are numbers, else by name."""
    different = set(labels)
    if all(label.isascii() and label.isdigit() for label in different):
        return tuple(sorted(different, key=lambda label: (int(label), label)))
    return tuple(sorted(different))


def head_labels(num_classes: int | None, classes: Sequence[str], root: Path) -> tuple[str, ...]:
    """A name for each output of a head of `num_classes` (None: as many as there are classes).

    Raises UserError if the data in `root` has more classes than that.
    """
    if num_classes is not None and num_classes < len(classes):
        raise UserError(
            f"model.num_classes = {num_classes}, but {root} has {len(classes)} classes; "
            f"leave it out, or set it to {len(classes)}."
        )
    unused = range(len(classes), num_classes or 0)
    return (*classes, *(f"unused {number}" for number in unused))


def refuse_doubts(root: Path, doubts: Iterable[Doubt], accepted: bool) -> None:
    """Raises UserError for the first doubt that stops training, unless a person `accepted` them."""
    for doubt in doubts:
        if doubt.stops_training and not accepted:
            raise UserError(f"{root} is not trained on as it was understood: {doubt}")


def _index(
    layout: Layout,
    store: Path,
    progress: Progress,
    sentence: str = "",
    value_range: ValueRange | None = None,
) -> DataIndex:
    entries = sorted(layout.entries, key=lambda entry: entry.file)
    memory = store / "indexes" / f"{hashlib.sha256(os.fsencode(layout.root)).hexdigest()[:32]}.json"
    looks = check_pictures(layout.root, [entry.file for entry in entries], memory, progress)

    good = [(entry, look) for entry, look in zip(entries, looks, strict=True) if not look.reason]
    problems = list(layout.problems)
    problems += [Problem(entry.file, look.reason) for entry, look in zip(entries, looks, strict=True) if look.reason]
    problems += _lonely_labels([entry for entry, _ in good]) + _shared_pictures(good)
    problems += _copies(good)
    problems += [
        Problem(entry.file, "has several frames or pages, of which the first one is used", False)
        for entry, look in good
        if look.is_sequence
    ]
    problems += [
        Problem(
            entry.file, f"holds {counted(look.not_finite, 'value')} that are no finite numbers: black, or white", False
        )
        for entry, look in good
        if look.not_finite
    ]
    if not good:
        first = f"; {problems[0].file}: {problems[0].reason}" if problems else ""
        raise UserError(f"None of the {len(entries):,} pictures in {layout.root} can be read{first}.")

    classes = label_order(label for entry, _ in good for label in entry.all_labels)
    numbers: dict[str | None, int] = {name: number for number, name in enumerate(classes)}
    counts = Counter(label for entry, _ in good for label in entry.all_labels)
    samples = tuple(
        Sample(
            entry.file,
            numbers.get(min(entry.all_labels, key=lambda label: (counts[label], label), default=None), -1),
            entry.split,
            look.width,
            look.height,
            look.mode,
            look.rotated,
            look.digest,
            None if entry.labels is None else tuple(sorted(numbers[label] for label in entry.labels)),
            tuple(sorted(numbers[label] for label in entry.unknown if label in numbers)),
        )
        for entry, look in good
    )
    looks_of_good = [look for _, look in good]
    return DataIndex(
        root=layout.root,
        layout=layout.name,
        sentence=sentence or layout.sentence,
        classes=classes,
        samples=samples,
        problems=tuple(problems),
        fingerprint=_fingerprint(samples, classes),
        notes=(*layout.notes, *_names_that_are_bytes(samples), *depth_notes(looks_of_good)),
        doubts=(*layout.doubts, *depth_doubts(looks_of_good, value_range)),
        unlabelled=_by_split(layout.unlabelled),
        value_range=value_range or common_range([(look.mode, look.low, look.high) for look in looks_of_good]),
    )


def _by_split(entries: Iterable[Entry]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: dict[str, list[str]] = {}
    for entry in entries:
        found.setdefault(entry.split, []).append(entry.file)
    return tuple((split, tuple(files)) for split, files in sorted(found.items()))


def _names_that_are_bytes(samples: Sequence[Sample]) -> list[str]:
    odd = [sample.file for sample in samples if not _is_text(sample.file)]
    if not odd:
        return []
    return [
        f"Not UTF-8: the {'name' if len(odd) == 1 else 'names'} of {counted(len(odd), 'file')}; such bytes are shown as"
        f" {readable(odd[0])} shows them."
    ]


def _is_text(name: str) -> bool:
    return name.isascii() or not any("\udc80" <= character <= "\udcff" for character in name)


def _copies(good: Sequence[tuple[Entry, ProbedPicture]]) -> list[Problem]:
    """Pictures that are there more than once within a split, and those that have two labels."""
    first: dict[str, Entry] = {}
    problems = []
    for entry, look in good:
        known = first.setdefault(look.digest, entry)
        if known is entry:
            continue
        if known.all_labels != entry.all_labels:
            reason = (
                f"is the same picture as another with a different label ({entry.label}; {known.file}: {known.label})"
            )
            problems.append(Problem(entry.file, reason, False))
        elif known.split == entry.split:
            problems.append(Problem(entry.file, f"is a copy of another picture ({known.file})", False))
    return problems


def _lonely_labels(entries: Sequence[Entry]) -> list[Problem]:
    """Labels that training and evaluation do not share, one problem each, at the first file that has it."""
    first: dict[tuple[str | None, str], str] = {}
    counts: dict[tuple[str | None, str], int] = {}
    for entry in entries:
        for label in entry.all_labels or (None,) * (entry.labels is None):
            pair = label, entry.split
            first.setdefault(pair, entry.file)
            counts[pair] = counts.get(pair, 0) + 1
    splits = {split for _, split in counts}
    if "train" not in splits or len(splits) == 1:
        return []
    trained = {label for label, split in counts if split == "train"}
    evaluated = {label for label, split in counts if split != "train"}
    problems = []
    for (label, split), file in sorted(first.items(), key=lambda item: item[1]):
        number = f"({counted(counts[label, split], 'picture')} of {label})"
        if split != "train" and label not in trained:
            problems.append(Problem(file, f"its label is not in train, so it cannot be learned {number}", False))
        elif split == "train" and label not in evaluated:
            problems.append(Problem(file, f"its label is in train only, so it is never tested {number}", False))
    return problems


def _shared_pictures(good: Sequence[tuple[Entry, ProbedPicture]]) -> list[Problem]:
    """Pictures of another split that training has seen byte for byte: an evaluation on them proves nothing."""
    trained = {look.digest: entry.file for entry, look in good if entry.split == "train"}
    return [
        Problem(entry.file, f"is the same picture as one of the split train ({trained[look.digest]})", False)
        for entry, look in good
        if entry.split != "train" and look.digest in trained
    ]


def _fingerprint(samples: Sequence[Sample], classes: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for sample in samples:
        label = "\0".join(classes[number] for number in sample.all_labels)
        unknown = ["\0".join(classes[number] for number in sample.unknown)] * bool(sample.unknown)
        for text in (sample.file, label, sample.split, sample.digest, *unknown):
            data = os.fsencode(text)
            digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
