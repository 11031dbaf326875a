"""Text files whose lines name a picture and its label, as Caffe, mmpretrain and FGVC-Aircraft write them."""

import re
from collections import Counter
from pathlib import PurePosixPath

from vitbench.data.layouts.base import Declined, Entry, Form, Layout, Options
from vitbench.data.layouts.lists import SplitList, other_lists, read_list, split_lists
from vitbench.data.layouts.names import readable, split_of
from vitbench.data.layouts.naming import folders_of_labels
from vitbench.data.layouts.place import Place, listed
from vitbench.data.layouts.tree import entries_sentence, mask_files
from vitbench.data.problems import Problem
from vitbench.text import counted

_LONGEST = 60
"""Characters of a label, where a file is not called like a list of a split."""


def _recognise(place: Place, options: Options) -> Layout | Declined:
    if place.file is not None:
        if place.file.suffix.lower() not in (".txt", ".lst", ".list"):
            return Declined("the file that was named is not a list (.txt or .lst)")
        one = read_list(place, place.file.name, split_of(place.file.stem) or "")
        lists = [one] if one else []
    else:
        lists = split_lists(place)
    labelled = [one for one in lists if _has_labels(one)]
    if not labelled and place.file is None:
        labelled = [one for one in other_lists(place) if _has_labels(one) and _are_short(one)]
    if not labelled:
        return Declined("no text file names a picture and a label in each line", near=place.file is not None)
    return _layout(place, labelled, [one for one in lists if one.split and not any(line.rest for line in one.lines)])


def _has_labels(one: SplitList) -> bool:
    labels = {line.rest for line in one.lines}
    if re.search(r"partition|split", one.file.rpartition("/")[2], re.IGNORECASE) and labels <= {"0", "1", "2"}:
        return False  # which part a picture is of
    if "-1" in labels and labels <= {"-1", "0", "1"}:
        return False  # whether one class is there (Pascal VOC's cat_train.txt): the class stands in the list's name
    if all(len(label.split()) > 1 and re.fullmatch(r"[-\d., ]+", label) for label in labels):
        return False  # several numbers are classes, kinds and boxes: whose names lie elsewhere
    return "" not in labels and (len(labels) < len(one.lines) or len(one.lines) < 3)


def _are_short(one: SplitList) -> bool:
    """Whether what stands behind the pictures are labels rather than sentences or numbers of the pictures."""
    labels = {line.rest for line in one.lines}
    return len(labels) * 2 <= len(one.lines) and max(map(len, labels)) <= _LONGEST


def _layout(place: Place, lists: list[SplitList], bare: list[SplitList]) -> Layout:
    """The layout of lists with labels; `bare` are those of splits that name pictures alone."""
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    used: list[str] = []
    # FGVC-Aircraft says variant, family and manufacturer in lists of their own: the one that parts most counts.
    for one in sorted(lists, key=lambda one: (-len({line.rest for line in one.lines}), one.file)):
        if any(line.picture in entries for line in one.lines):
            continue
        used.append(one.file)
        problems += one.missing
        for line in one.lines:
            where = f"{PurePosixPath(one.file).name}, line {line.number}"
            if line.picture in entries:
                again = f"named twice ({where}; the first row counts)"
                problems.append(Problem(line.picture, again, left_out=False))
            else:
                entries[line.picture] = Entry(line.picture, readable(line.rest), one.split)
    notes = [f"{one.file} is not used: it names pictures of {used[0]} again." for one in lists if one.file not in used]
    unlabelled = _take_bare(bare, entries, notes)
    there = {*entries, *(entry.file for entry in unlabelled), *mask_files(place.pictures)}
    if place.file is None and (rest := [picture for picture in place.pictures if picture not in there]):
        notes.append(f"Left out: {counted(len(rest), 'picture')} in none of the lists, such as {rest[0]}.")
    found = tuple(entries.values())
    how = f"a list of pictures and labels ({listed(used)})"
    sentence = entries_sentence(how, Counter(entry.split for entry in found), {})
    return Layout(
        place.root, FORM.name, sentence, found, tuple(problems), notes=tuple(notes), unlabelled=tuple(unlabelled)
    )


def _take_bare(bare: list[SplitList], entries: dict[str, Entry], notes: list[str]) -> list[Entry]:
    """Adds the pictures of lists without labels (UCF's `testlist01.txt`) where their folders tell the labels; returns
    those whose folders do not."""
    labels = folders_of_labels(entries.values())
    by_folder = {folder: label for label, folder in labels.items()}
    unlabelled = []
    for one in bare:
        new = [line.picture for line in one.lines if line.picture not in entries]
        known = {picture: label for picture in new if (label := by_folder.get(picture.rpartition("/")[0]))}
        entries |= {picture: Entry(picture, label, one.split) for picture, label in known.items()}
        unlabelled += [Entry(picture, None, one.split) for picture in new if picture not in known]
        if known:
            notes.append(f"{one.file} names no labels; those of its pictures are told by their folders.")
    return unlabelled


FORM = Form(
    name="list",
    phrase="a text file with a picture and its label in each line",
    priority=40,
    recognise=_recognise,
)
