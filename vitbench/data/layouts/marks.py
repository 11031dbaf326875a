"""Marked columns of a table: a column a class, and cells that say 1, 0, nothing, or -1 where nobody was sure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vitbench.data.layouts.base import Doubt, Options
from vitbench.data.layouts.place import listed
from vitbench.data.layouts.several import SEVERAL
from vitbench.data.tables import Table
from vitbench.errors import UserError
from vitbench.text import counted

UNCERTAIN, BLANK = "uncertain", "blank"
UNKNOWN = "unknown"
"""The choice that takes such a mark out of the loss and the scores of its label, and leaves the others."""
OPTIONS = {
    UNCERTAIN: "what a mark of -1 beside 0 or blank means (CheXpert): no, yes, unknown (no part of loss and scores), or"
    " left-out for its pictures",
    BLANK: "what an empty mark means: no, unknown, or left-out for its pictures",
}
_ONES, _ZEROS, _MINUS = ("1", "1.0", "true"), ("0", "0.0", "false"), ("-1", "-1.0")
_WORDS_OF_ONES, _WORDS_OF_ZEROS = ("yes", "y", "x"), ("no", "n")
_BLANKS = ("", "nan", "na", "n/a", "none", "null")
_CHOICES = {UNCERTAIN: ("no", "yes", UNKNOWN, "left-out"), BLANK: ("no", UNKNOWN, "left-out")}


def is_one(cell: str, words: bool = False) -> bool:
    """Whether a cell says that its class is there; `words`: `yes` and `x` do, too."""
    said = cell.strip().lower()
    return said in _ONES or (words and said in _WORDS_OF_ONES)


def is_blank(cell: str) -> bool:
    """Whether a cell says nothing."""
    return cell.strip().lower() in _BLANKS


def _is_minus(cell: str) -> bool:
    return cell.strip() in _MINUS


def is_mark(cell: str, words: bool = False) -> bool:
    """Whether a cell may stand in a marked column."""
    said = cell.strip().lower()
    known = (*_ONES, *_ZEROS, *_MINUS, *_BLANKS)
    return said in known or (words and said in (*_WORDS_OF_ONES, *_WORDS_OF_ZEROS))


@dataclass
class Marks:
    """The marked columns of a table, by number and class, and what their cells mean.

    `signed`: there is neither 0 nor blank, so that -1 says no, as in CelebA. Else -1 is uncertain: `uncertain` is what
    a person said of it, empty if nothing.
    """

    columns: tuple[int, ...]
    classes: tuple[str, ...]
    signed: bool = False
    words: bool = False
    uncertain: str = ""
    blank: str = ""
    open_marks: Counter[str] = field(default_factory=Counter)
    """How many cells of each class are uncertain, in the rows that were read."""
    open_pictures: list[str] = field(default_factory=list)
    blanks: int = 0
    zeros: int = 0

    def read(self, cells: Sequence[str], picture: str) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        """The classes that a row marks, those that it leaves unknown, and why its picture is left out; the reason is
        empty where it is not."""
        found, unknown, reason, is_open = [], [], "", False
        for column, name in zip(self.columns, self.classes, strict=True):
            cell = cells[column] if column < len(cells) else ""
            if is_one(cell, self.words):
                found.append(name)
            elif _is_minus(cell) and not self.signed:
                is_open = True
                self.open_marks[name] += 1
                if self.uncertain == "yes":
                    found.append(name)
                elif self.uncertain == UNKNOWN:
                    unknown.append(name)
                elif self.uncertain == "left-out":
                    reason = reason or f"is uncertain ({name} is -1)"
            elif is_blank(cell):
                self.blanks += 1
                if self.blank == UNKNOWN:
                    unknown.append(name)
                elif self.blank == "left-out":
                    reason = reason or f"has an empty mark ({name})"
            elif is_mark(cell, self.words):
                self.zeros += 1
            else:
                reason = reason or f"has a mark that is neither 1 nor 0 ({name}: {cell[:40]})"
        if is_open:
            self.open_pictures.append(picture)
        return tuple(found), tuple(unknown), reason

    def notes(self, table: str) -> list[str]:
        """What cells were taken for that say neither yes nor no."""
        said = []
        if self.open_marks and self.uncertain:
            means = _means(self.uncertain)
            said.append(f"{counted(self.open_marks.total(), 'mark')} of -1 in {table} {means}: {self._most_open()}.")
        if self.blanks and self.blank != "left-out":
            ways = f" (--as :{BLANK}={UNKNOWN} leaves them out of loss and scores, {BLANK}=left-out their pictures)"
            means = _means(self.blank or "no")
            said.append(f"{counted(self.blanks, 'empty mark')} in {table} {means}{'' if self.blank else ways}.")
        return said

    def doubt(self, table: str) -> Doubt | None:
        """That -1 is there and nobody said what it means."""
        if not self.open_marks or self.uncertain:
            return None
        pictures = len(self.open_pictures)
        return Doubt(
            f"{counted(self.open_marks.total(), 'mark')} of {counted(pictures, 'picture')} in {table} are -1 beside 0"
            f" or blank, which CheXpert writes where a report is uncertain: {self._most_open()}; such as"
            f" {self.open_pictures[0]}.",
            f'Say what they mean: data.layout = ":{UNCERTAIN}={UNKNOWN}" (no part of the loss and scores of that label)'
            f" or no, yes, or left-out for their pictures (vitbench data PATH --as :several=yes,{UNCERTAIN}={UNKNOWN});"
            " with data.accept_doubts = true they count as no.",
            stops_training=True,
        )

    def _most_open(self) -> str:
        return listed(f"{name} {count:,}" for name, count in self.open_marks.most_common(3))


def _means(chosen: str) -> str:
    if chosen == UNKNOWN:
        return "are unknown: no part of loss and scores"
    return "leave their pictures out" if chosen == "left-out" else f"count as {chosen}"


def find_marks(
    table: Table, values: Sequence[Sequence[str]], free: Iterable[int], options: Options, words: bool
) -> Marks | None:
    """The columns of `free` whose cells are all marks, two at least; None if there are none.

    `values` are the first cells of each column; one that is empty there may have marks further down. Columns of 1 and
    -1 alone count by themselves if most are such, unless another one has 0 or blank beside -1. Raises UserError for an
    option that is none of its choices.
    """
    for key, choices in _CHOICES.items():
        if key in options and options[key] not in choices:
            raise UserError(f"{key}={options[key]} is no choice: {', '.join(choices)}.")
        if options.get(key) == UNKNOWN and SEVERAL not in options:
            raise UserError(
                f'{key}={UNKNOWN} needs several labels a picture: task = "multilabel", or --as :several=yes.'
            )
    if not table.names:
        return None
    found = [n for n in free if _are_marks(values[n], table, n, words)]
    minus = {n for n in found if any(_is_minus(cell) for cell in values[n])}
    signs = [n for n in found if all(_is_minus(cell) or is_one(cell) for cell in values[n])]
    signed = minus <= set(signs) and len(signs) > max(1, len(found) - len(signs))
    columns = signs if signed else found
    if len(columns) < 2:
        return None
    classes = tuple(table.names[n].strip() for n in columns)
    return Marks(tuple(columns), classes, signed, words, options.get(UNCERTAIN, ""), options.get(BLANK, ""))


def _are_marks(first: Sequence[str], table: Table, number: int, words: bool) -> bool:
    if not all(is_mark(cell, words) for cell in first):
        return False
    if not all(map(is_blank, first)):
        return True
    later = [cell for cell in table.column(number) if not is_blank(cell)]
    return bool(later) and all(is_mark(cell, words) for cell in later)
