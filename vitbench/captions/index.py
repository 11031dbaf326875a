"""Pictures with captions, whatever the form: what was recognised, what each split holds, and what was left out."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from vitbench.captions.formats.base import CaptionPlace
from vitbench.captions.formats.registry import recognise_captions
from vitbench.captions.formats.rows import Region, Rows, split_of
from vitbench.data.generated import scenes_folder
from vitbench.data.layouts.registry import parse_choice
from vitbench.data.pictures import UnreadablePicture, open_picture
from vitbench.data.scenes import Word
from vitbench.errors import UserError
from vitbench.nearest import perhaps_path
from vitbench.paths import expanded
from vitbench.progress import Progress, silent
from vitbench.text import counted


@dataclass(frozen=True)
class CaptionedPicture:
    """A picture that opens, with at least one caption.

    `regions` are named object masks, where the data has them; `truth` the words of a scene, whose objects count through
    the regions.
    """

    file: Path
    captions: tuple[str, ...]
    split: str
    regions: tuple[Region, ...] = ()
    truth: tuple[Word, ...] = ()


@dataclass(frozen=True)
class CaptionIndex:
    """A caption data set. `problems` names what was left out, `notes` what was changed or guessed, a sentence each;
    `sentence` says what was recognised."""

    root: Path
    layout: str
    sentence: str
    pictures: tuple[CaptionedPicture, ...]
    problems: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()
    drawn: str = ""
    """Which splits the data lack and were drawn, and which pictures were in none; a sentence, or empty."""

    def split(self, name: str) -> list[CaptionedPicture]:
        """The pictures of one split, "train", "val", "test" or "test_heldout", in a fixed order."""
        return [picture for picture in self.pictures if picture.split == name]


def open_captions(path: str | Path, *, layout: str = "", progress: Progress = silent) -> CaptionIndex:
    """The captions in a folder, or in an annotation file with its pictures beside or below it.

    `layout` is the format that a person named, `NAME:encoding=...`. Where the data has no validation split, a twentieth
    of the training pictures becomes "val" (and where it names no splits at all, another twentieth "test"), chosen by a
    hash of the picture's name: the same on each machine. Raises UserError if nothing is recognised or no caption finds
    its picture.
    """
    given = expanded(path)
    if not given.exists():
        raise UserError(
            f"There is no {given}{perhaps_path(given)}; name a folder of pictures with captions, or an annotation file."
        )
    name, options = parse_choice(layout)
    unknown = [key for key in options if key != "encoding"]
    if unknown:
        raise UserError(f"A format of captions has no option {unknown[0]!r}; it has encoding.")
    finder = CaptionPlace(given, str(path), options.get("encoding", ""))
    root = finder.root
    recognised = recognise_captions(finder, name)
    title, rows = recognised.title, recognised.rows
    if not rows.captions:
        detail = f": {rows.problems[0]}" if rows.problems else ""
        raise UserError(f"{given} was read as {title}, but it holds no usable caption{detail}.")

    found, problems = _match(rows, finder)
    pictures, unreadable = _readable(found, progress)
    problems += unreadable
    if not pictures:
        raise UserError(f"No picture that {given} names can be used: {problems[0]}.")
    pictures, drawn = _with_parts(pictures)
    captions = sum(len(picture.captions) for picture in pictures)
    described = f"{title}: {counted(len(pictures), 'picture')} with {counted(captions, 'caption')}"
    digest = hashlib.sha256()
    for picture in pictures:
        seen = repr((str(picture.file.relative_to(root)), picture.captions, picture.split))
        digest.update(seen.encode("utf-8", "surrogateescape"))
    return CaptionIndex(
        root,
        title,
        described,
        tuple(pictures),
        tuple(rows.problems + problems),
        digest.hexdigest(),
        tuple(rows.said() + finder.decided()),
        drawn,
    )


def open_caption_data(path: str, store: Path, progress: Progress = silent, layout: str = "") -> CaptionIndex:
    """`open_captions`, also for `scenes:` addresses, which are written below the store when first asked for."""
    if path.startswith("scenes:"):
        folder, _ = scenes_folder(path, store, progress)
        return open_captions(folder, progress=progress)
    return open_captions(path, layout=layout, progress=progress)


def _match(rows: Rows, place: CaptionPlace) -> tuple[list[CaptionedPicture], list[str]]:
    found, problems = [], []
    for (split, name), captions in rows.captions.items():
        file = place.find(name, split)
        if file is None:
            problems.append(f"{name}: no such picture below {place.root}")
            continue
        if isinstance(file, list):
            problems.append(f"{name}: may be {len(file)} pictures ({', '.join(file[:3])})")
            continue
        split = split or split_of(file.rpartition("/")[0])
        regions, truth = tuple(rows.regions.get((split, name), ())), rows.truths.get((split, name), ())
        found.append(CaptionedPicture(place.root / file, tuple(captions), split, regions, truth))
    return sorted(found, key=lambda picture: (picture.split, str(picture.file))), problems


def _readable(pictures: list[CaptionedPicture], progress: Progress) -> tuple[list[CaptionedPicture], list[str]]:
    """The pictures that decode, and a problem for each that does not."""
    kept, problems = [], []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        checked = zip(pictures, pool.map(_why_unreadable, pictures), strict=True)
        for done, (picture, problem) in enumerate(checked, start=1):
            if problem:
                problems.append(f"{picture.file.name}: {problem}")
            else:
                kept.append(picture)
            progress(done, len(pictures), "opening pictures")
    return kept, problems


def _why_unreadable(picture: CaptionedPicture) -> str:
    try:
        open_picture(picture.file)
    except UnreadablePicture as error:
        return error.reason
    return ""


def _with_parts(pictures: list[CaptionedPicture]) -> tuple[list[CaptionedPicture], str]:
    """Gives a split to each picture that has none, and carves out the validation split if there is none; says so."""
    named = {picture.split for picture in pictures} - {""}
    none = [picture.file.name for picture in pictures if not picture.split]
    said = []
    if named and none:
        said.append(f"{counted(len(none), 'picture')} of no split count as train, such as {none[0]}.")
    drawn = []
    splits = [picture.split or "train" for picture in pictures]
    for split in ("val",) if named else ("val", "test"):
        draws = {n: _draw(pictures[n].file.name, split) for n, other in enumerate(splits) if other == "train"}
        if split in named or len(draws) < 2:
            continue
        lowest = min(draws.values())
        for n, draw in draws.items():
            if draw < 0.05 or draw == lowest:
                splits[n] = split
        drawn.append(f"{counted(splits.count(split), 'picture')} for {split}")
    if drawn:
        said.append(f"Drawn from train by the pictures' names, since the data have no such split: {', '.join(drawn)}.")
    return [replace(picture, split=split) for picture, split in zip(pictures, splits, strict=True)], " ".join(said)


def _draw(name: str, split: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(f"{split} {name}".encode()).digest()[:7], "big") / 2**56
