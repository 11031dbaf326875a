"""What each run answered, picture by picture, on the pictures that all were given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitbench.errors import UserError
from vitbench.files.reading import EVALUATION, check_file
from vitbench.runs.evaluations import Scored, ScoredLabels, evaluations, label_evaluations
from vitbench.runs.store import Run
from vitbench.text import split_name


@dataclass(frozen=True)
class Answers:
    """The rows of one evaluation. `predicted` and `labels` are names of classes, text [N]; `correct` is bool [N].

    Of several labels a picture, they are all of its names, parted by `|`, and right are those with all labels right;
    `confidence` is then that in the least certain label.
    """

    scored: Scored | ScoredLabels
    files: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    correct: np.ndarray


@dataclass(frozen=True)
class Shared:
    """The same pictures in the same order for each run. `left_out` counts those that only some were given."""

    split: str
    answers: tuple[Answers, ...]
    left_out: int

    @property
    def files(self) -> np.ndarray:
        """The pictures, relative to the data's folder: text [N]."""
        return self.answers[0].files

    @property
    def labels(self) -> np.ndarray:
        """What is right, text [N]."""
        return self.answers[0].labels

    def disagreeing(self) -> np.ndarray:
        """The rows on which some are right and others wrong, int64."""
        right = np.stack([answers.correct for answers in self.answers]).sum(axis=0)
        return np.flatnonzero((right > 0) & (right < len(self.answers)))


def read_answers(scored: Scored | ScoredLabels) -> Answers:
    """The rows beside an evaluation. Raises UserError if they cannot be read."""
    try:
        check_file(scored.rows, EVALUATION)
        with np.load(scored.rows, allow_pickle=False) as rows:
            if isinstance(scored, ScoredLabels):
                return _answers_of_labels(scored, rows)
            classes, top, label = np.asarray(rows["classes"]), rows["top5"][:, 0], rows["label"]
            return Answers(
                scored,
                files=np.asarray(rows["file"]).astype(str),
                labels=classes[label],
                predicted=classes[top],
                confidence=np.asarray(rows["probability"])[:, 0],
                correct=top == label,
            )
    except (OSError, ValueError, LookupError, TypeError, EOFError, MemoryError) as error:
        raise UserError(f"{scored.rows.name} cannot be read as the rows of an evaluation: {error}.") from error


def _answers_of_labels(scored: ScoredLabels, rows: Any) -> Answers:
    classes, truth, probability = np.asarray(rows["classes"]), np.asarray(rows["truth"]), rows["probability"]
    known = np.asarray(rows["known"]) if "known" in rows else np.ones_like(truth)
    said = probability >= 0.5
    return Answers(
        scored,
        files=np.asarray(rows["file"]).astype(str),
        labels=_names_of(classes, truth),
        predicted=_names_of(classes, said),
        confidence=np.maximum(probability, 1 - probability).min(axis=1),
        correct=((said == truth) | ~known).all(axis=1),
    )


def _names_of(classes: np.ndarray, marks: np.ndarray) -> np.ndarray:
    order = np.argsort(classes)  # two networks may have their classes in another order
    return np.array(["|".join(classes[k] for k in order if row[k]) for row in marks], dtype=np.str_)


def all_evaluations(run: Run, step: int | None = None) -> Sequence[Scored | ScoredLabels]:
    """Those of either kind, the test split first, then newest first."""
    return [*evaluations(run, step)[0], *label_evaluations(run, step)[0]]


def shared_answers(runs: Sequence[Run], split: str = "") -> Shared:
    """The newest evaluation of each run on one split of one data set.

    Without `split` it is the first that all have, the test split before the others. Raises UserError where there is
    none, where the data are not the same, or where one picture has two labels.
    """
    found = [all_evaluations(run) for run in runs]
    splits = [{scored.split for scored in of_run} for of_run in found]
    common = [scored.split for scored in found[0] if all(scored.split in known for known in splits)]
    if (split and split not in common) or not common:
        raise UserError(_nothing_shared(runs, splits, split))
    chosen = split or common[0]
    answers = [read_answers(next(scored for scored in of_run if scored.split == chosen)) for of_run in found]
    places = [{file: row for row, file in enumerate(one.files.tolist())} for one in answers]
    files = [file for file in places[0] if all(file in known for known in places)]
    if not files:
        raise UserError(
            f"The runs were evaluated on different pictures ({chosen}): "
            f"{_name(runs[0])} on {answers[0].scored.root}, {_name(runs[-1])} on {answers[-1].scored.root}."
        )
    aligned = tuple(_taken(one, [known[file] for file in files]) for one, known in zip(answers, places, strict=True))
    for run, one in zip(runs[1:], aligned[1:], strict=True):
        other = np.flatnonzero(one.labels != aligned[0].labels)
        if len(other):
            row = int(other[0])
            raise UserError(
                f"{files[row]} is {aligned[0].labels[row]!r} for {_name(runs[0])} and {one.labels[row]!r} for "
                f"{_name(run)}: their data are labelled differently."
            )
    everything = set().union(*(known.keys() for known in places))
    return Shared(chosen, aligned, len(everything) - len(files))


def _taken(answers: Answers, rows: list[int]) -> Answers:
    columns = ("files", "labels", "predicted", "confidence", "correct")
    return Answers(answers.scored, **{name: getattr(answers, name)[rows] for name in columns})


def _nothing_shared(runs: Sequence[Run], splits: Sequence[set[str]], split: str) -> str:
    known = "; ".join(
        f"{_name(run)}: {', '.join(sorted(of_run)) or 'none'}" for run, of_run in zip(runs, splits, strict=True)
    )
    wanted = f"of the {split_name(split)}" if split else "of the same split"
    return f"The runs have no evaluation {wanted} ({known}); `vitbench evaluate RUN` makes one."


def _name(run: Run) -> str:
    return run.status().name or run.id


def table(shared: Shared, names: Sequence[str]) -> list[list[Any]]:
    """The pictures on which the runs disagree, as rows under `header`."""
    rows = []
    for row in shared.disagreeing().tolist():
        cells: list[Any] = [shared.files[row], shared.labels[row]]
        for answers in shared.answers:
            cells += [answers.predicted[row], round(float(answers.confidence[row]), 6)]
        rows.append(cells)
    assert len(names) == len(shared.answers)
    return rows


def header(names: Sequence[str]) -> list[str]:
    """The columns of `table`."""
    return ["file", "label", *(f"{what} of {name}" for name in names for what in ("prediction", "confidence"))]
