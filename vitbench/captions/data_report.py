"""A caption data set for people: what was recognised, examples, what was left out or changed; of `vitbench data`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitbench.captions.fitting import mask_problems
from vitbench.captions.formats.registry import format_names
from vitbench.captions.index import CaptionIndex, open_captions
from vitbench.captions.tokenizer import unfit_for_words
from vitbench.data.index import DataIndex, open_index
from vitbench.data.layouts import form_names, parse_choice
from vitbench.data.layouts.base import NotRecognised
from vitbench.data.summary import report, summarise
from vitbench.errors import UserError
from vitbench.progress import Progress, silent
from vitbench.text import clean, counted

_EXAMPLES = 3
_MOST = 20


def captions_report(data: CaptionIndex, of_masks: Sequence[str], *, most: int = _MOST) -> str:
    """The captions as text that is safe to print."""
    lines = [f"Recognised captions: {data.sentence}.", ""]
    counts = splits(data)
    width = max([5, *(len(name) for name in counts)])
    lines.append(f"{'split':<{width}}  {'pictures':>8}  {'captions':>8}")
    lines += [f"{name:<{width}}  {own[0]:>8,}  {own[1]:>8,}" for name, own in counts.items()]
    lines += ["", data.drawn] if data.drawn else []
    lines += ["", "For example"]
    for picture in data.pictures[:_EXAMPLES]:
        lines += [f"  {picture.file.relative_to(data.root)}", *(f"    {text}" for text in picture.captions[:2])]
    masked = sum(bool(picture.regions) for picture in data.pictures)
    if masked:
        regions = sum(len(picture.regions) for picture in data.pictures)
        objects = f"{counted(regions, 'object')} in {counted(masked, 'picture')}"
        lines += ["", f"Masks: {objects}, for vitbench ground CAPTIONER --data PATH."]
    doubt = unfit_for_words(caption for picture in data.pictures for caption in picture.captions)
    if doubt:
        lines += ["", f"! Doubtful: {doubt}"]
    lines += problem_lines([*data.problems, *of_masks], data.notes, most=most) or [
        "",
        "Every caption is used as it is.",
    ]
    return "\n".join(clean(line) for line in lines)


def problem_lines(problems: Sequence[str], notes: Sequence[str], *, most: int = _MOST) -> list[str]:
    """What was left out and what was changed, by name, as lines; none if nothing was."""
    lines: list[str] = []
    for title, said in (("Left out", problems), ("Changed or guessed", notes)):
        if said:
            lines += ["", f"{title}: {len(said):,}", *(f"  {one.rstrip('.')}" for one in said[:most])]
            if len(said) > most:
                lines.append(f"  and {len(said) - most:,} more (--json names all)")
    return lines


def captions_to_dict(data: CaptionIndex, of_masks: Sequence[str]) -> dict[str, object]:
    """The captions as plain values for JSON."""
    return {
        "path": str(data.root),
        "layout": data.layout,
        "sentence": data.sentence,
        "fingerprint": data.fingerprint,
        "splits": {name: {"pictures": own[0], "captions": own[1]} for name, own in splits(data).items()},
        "examples": {
            str(picture.file.relative_to(data.root)): list(picture.captions) for picture in data.pictures[:_EXAMPLES]
        },
        "problems": [*data.problems, *of_masks],
        "notes": list(data.notes),
        "drawn": data.drawn,
        "doubts": [
            doubt
            for doubt in [unfit_for_words(text for picture in data.pictures for text in picture.captions)]
            if doubt
        ],
    }


def splits(data: CaptionIndex) -> dict[str, tuple[int, int]]:
    """Pictures and captions of each split, train, val and test first."""
    known = ("train", "val", "test")
    names = sorted({picture.split for picture in data.pictures}, key=lambda name: (name not in known, name))
    ordered = [name for name in known if name in names] + [name for name in names if name not in known]
    return {
        name: (len(own), sum(len(picture.captions) for picture in own)) for name in ordered if (own := data.split(name))
    }


@dataclass(frozen=True)
class FoundData:
    """What a path holds: labelled pictures, captions, or both; `aside` says why one of them was passed over."""

    labels: DataIndex | None
    captions: CaptionIndex | None
    mask_problems: tuple[str, ...] = ()
    aside: str = ""

    def report(self) -> str:
        """All of it as text that is safe to print."""
        parts = []
        if self.labels is not None:
            parts.append(report(summarise(self.labels)))
        if self.captions is not None:
            parts.append(captions_report(self.captions, self.mask_problems))
        if self.aside:
            parts.append(clean(self.aside))
        return "\n\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; captions stand by themselves only if there are no labels."""
        captions = captions_to_dict(self.captions, self.mask_problems) if self.captions is not None else None
        if self.labels is None:
            return {**(captions or {}), "aside": self.aside}
        return summarise(self.labels).to_dict() | ({"captions": captions} if captions else {})


def inspect_data(path: str, store: Path, *, layout: str = "", progress: Progress = silent) -> FoundData:
    """What `path` holds, read as a person said with `layout` or as it is recognised.

    Raises UserError if it holds neither labels nor captions.
    """
    chosen, _ = parse_choice(layout)
    if path.startswith("scenes:") or chosen in form_names():
        return FoundData(open_index(path, layout=layout, store=store, progress=progress), None)
    if chosen in format_names():
        return _with_masks(None, open_captions(path, layout=layout, progress=progress), progress)
    if chosen:
        raise UserError(f"There is no layout {chosen!r}; there are {', '.join((*form_names(), *format_names()))}.")
    labels: DataIndex | None = None
    refused: UserError | None = None
    try:
        labels = open_index(path, layout=layout, store=store, progress=progress)
    except UserError as error:
        refused = error
    captions: CaptionIndex | None = None
    try:
        captions = open_captions(path, layout=layout, progress=progress)
    except UserError as error:
        if refused is not None:
            raise _better_refusal(refused, error) from None
    doubts = [doubt for doubt in labels.doubts if doubt.stops_training] if labels is not None else []
    if captions is not None and doubts:
        aside = f"As labelled pictures it would be doubtful (--as {as_name(labels)} shows it): {doubts[0].reason}"
        return _with_masks(None, captions, progress, aside)
    return _with_masks(labels, captions, progress)


def _better_refusal(labels: UserError, captions: UserError) -> UserError:
    """Of two refusals the one that found something; if both found nothing, one that says so of both."""
    if not isinstance(captions, NotRecognised):
        return captions if isinstance(labels, NotRecognised) else labels
    if not isinstance(labels, NotRecognised) or not captions.near:
        return labels
    if labels.near or not captions.is_sure:
        return UserError(f"{labels} As captions: {captions.near}.")
    return captions


def as_name(labels: DataIndex | None) -> str:
    """What --as calls the layout of an index."""
    return labels.layout.replace(" ", "-") if labels is not None else ""


def _with_masks(
    labels: DataIndex | None, captions: CaptionIndex | None, progress: Progress, aside: str = ""
) -> FoundData:
    problems: list[str] = []
    if captions is not None:
        masked = [(picture.file, picture.regions) for picture in captions.pictures if picture.regions]
        problems = mask_problems(masked, progress)
    return FoundData(labels, captions, tuple(problems), aside)
