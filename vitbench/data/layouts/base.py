"""What a form of data is, and what it finds: declarations only, which every form imports and which import no form."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vitbench.data.problems import Problem
from vitbench.errors import UserError

if TYPE_CHECKING:
    from vitbench.data.layouts.place import Place


@dataclass(frozen=True)
class Entry:
    """A picture as the layout names it: `label` is None for a picture without one.

    `labels` are all of a picture where several were asked for, maybe none; None elsewhere.
    """

    file: str
    label: str | None
    split: str
    labels: tuple[str, ...] | None = None
    unknown: tuple[str, ...] = ()
    """Of several labels those of which nobody knows whether the picture has them."""

    @property
    def all_labels(self) -> tuple[str, ...]:
        """Every label of the picture."""
        if self.labels is not None:
            return self.labels
        return () if self.label is None else (self.label,)


@dataclass(frozen=True)
class Doubt:
    """Something in what was recognised that looks wrong, and the way out, a sentence each.

    One that `stops_training` must be overruled (`data.accept_doubts = true`) before a run starts.
    """

    reason: str
    way_out: str = ""
    stops_training: bool = False

    def __str__(self) -> str:
        return f"{self.reason} {self.way_out}".strip()


@dataclass(frozen=True)
class Layout:
    """What was recognised: `name` is the form's, `sentence` says it to a person.

    `entries` have labels, unless the whole folder was asked for without them; `unlabelled` are pictures of splits that
    carry none, which a prediction wants and training does not. `notes` say what was set aside or decided, a sentence
    each.
    """

    root: Path
    name: str
    sentence: str
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    unlabelled: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Declined:
    """Why a form does not fit. `near`: something of the form is there, so a person may have meant it."""

    reason: str
    near: bool = False


class NotRecognised(UserError):
    """Nothing fits what is there; `near` says what was meant perhaps, and why it fails; `is_sure` whether a form says
    so, rather than the files that lie there."""

    def __init__(self, message: str, near: str = "", is_sure: bool = True) -> None:
        super().__init__(message)
        self.near = near
        self.is_sure = is_sure


Options = Mapping[str, str]
"""What a person said of the form with `--as NAME:key=value`, by key."""


def as_layout(name: str, options: Options) -> str:
    """What --as takes for a form with options."""
    settings = ",".join(f"{key}={value}" for key, value in options.items())
    return name.replace(" ", "-") + (f":{settings}" if settings else "")


@dataclass(frozen=True)
class Form:
    """One way in which people lay out labelled pictures, declared in the file that reads it.

    `phrase` completes "vitbench reads ..." in refusals and help texts. Of several forms that fit, the one of the
    highest `priority` counts. `recognise` never raises for a folder that is of another form: it declines. `choices` are
    the options that are worth a try where the meaning is open: another level, table, column or encoding.
    """

    name: str
    phrase: str
    priority: int
    recognise: Callable[["Place", Options], Layout | Declined]
    options: Mapping[str, str] = field(default_factory=dict)
    choices: Callable[["Place"], Iterable[Options]] = lambda place: ()
