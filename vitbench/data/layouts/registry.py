"""All forms of labelled pictures, and the one that fits a folder; refusals and help texts come from their phrases."""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vitbench.data.files_that_are_no_pictures import picture_by_bytes
from vitbench.data.layouts.base import Declined, Doubt, Entry, Form, Layout, NotRecognised
from vitbench.data.layouts.class_doubts import class_doubts
from vitbench.data.layouts.columns import PIXELS, holds_pixels
from vitbench.data.layouts.label_table import BEGINNINGS
from vitbench.data.layouts.lists import unused_lists
from vitbench.data.layouts.names import parts_of_one_set, why_no_class
from vitbench.data.layouts.naming import OPTIONS as COMMON
from vitbench.data.layouts.naming import name_classes
from vitbench.data.layouts.place import Place, listed, not_pictures
from vitbench.data.tables import first_cells
from vitbench.declarations import Declarations
from vitbench.errors import UserError
from vitbench.files.reading import CAPTIONS, PICTURE, open_file
from vitbench.nearest import perhaps, perhaps_path

FORMS = Declarations("layout", Form, "vitbench.data.layouts", "FORM", lambda one: -one.priority)
"""Each is one file here, or comes with an installed package; those that are tried first come first."""

_MANY_CLASSES = 10
"""From here on classes of one picture each are doubted: a person's first try of a folder may well have three."""
_INSIDE = {
    ".zip": "unpack it first",
    ".tar": "unpack it first",
    ".tgz": "unpack it first",
    ".rar": "unpack it first",
    ".7z": "unpack it first",
    ".parquet": "the pictures are inside these tables: write them out as files first",
    ".arrow": "the pictures are inside these tables: write them out as files first",
    ".tfrecord": "the pictures are inside these records: write them out as files first",
    ".npz": "the pictures are inside these arrays: write them out as files first",
    ".npy": "the pictures are inside these arrays: write them out as files first",
    ".h5": "the pictures are inside these arrays: write them out as files first",
    ".hdf5": "the pictures are inside these arrays: write them out as files first",
    ".meta": "the pictures are inside pickles or databases: write them out as files first",
    "data_batch_1": "the pictures are inside pickles (CIFAR): write them out as files first",
    "-ubyte": "the pictures are inside these arrays (MNIST): write them out as files first",
    ".nii.gz": "medical pictures: convert them to PNG of 8 or 16 bits first",
    ".gz": "unpack it first",
    ".pkl": "the pictures are inside pickles, which are not opened: write them out as files first",
    **dict.fromkeys(
        (".dcm", ".dicom", ".nii", ".mha", ".nrrd"),
        "medical pictures, whose window of grey values you choose: convert them to PNG of 8 or 16 bits first",
    ),
    **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv", ".webm"), "films: write their frames out as pictures first"),
    ".mdb": "the pictures are inside this database: write them out as files first",
}


def forms() -> tuple[Form, ...]:
    """All forms, in the order in which they are tried."""
    return tuple(FORMS.values())


def phrases() -> str:
    """What vitbench reads, for a refusal or a help text."""
    general = [form.phrase for form in reversed(forms()) if form.priority < 70]
    known = [form.phrase.removesuffix(" as it unpacks") for form in forms() if form.priority >= 70]
    return f"{', '.join(general)}, and the archives of {listed(known)} as they unpack"


def form_names() -> tuple[str, ...]:
    """What --as takes: names without blanks."""
    return tuple(form.name.replace(" ", "-") for form in forms())


def recognise(path: Path, chosen: str = "", said: str | None = None) -> Layout:
    """The layout of a folder, or of a table, that holds labelled pictures.

    `chosen` is the form that a person named, as `NAME:option=value,...` (the name may be left out); `said` the path as
    the person wrote it. Raises UserError with what is there instead, if nothing fits.
    """
    word, given = parse_choice(chosen)
    options = {key: value for key, value in given.items() if key not in COMMON}
    name = word.replace("-", " ") if word.replace("-", " ") in {form.name for form in forms()} else word
    place = Place(path, said)
    known = {form.name: form for form in forms()}
    if name and name not in known:
        raise UserError(f"There is no layout {name!r}{perhaps(name, form_names())}; there are {listed(form_names())}.")
    if place.file is None and not place.pictures and not name:
        raise UserError(f"There are no pictures in {path}{_what_is_there(place)}.")
    declined: dict[str, Declined] = {}
    for form in [known[name]] if name else forms():
        unknown = [key for key in options if key not in form.options]
        if unknown:
            if name:
                has = f"; it has {listed([*form.options, *COMMON])}"
                raise UserError(f"The layout {name} has no option {unknown[0]!r}{has}.")
            declined[form.name] = Declined(f"it has no option {unknown[0]!r}")
            continue
        found = form.recognise(place, options)
        if isinstance(found, Layout):
            found, named_by = name_classes(place, found, given)
            near = [
                f"{other}: {why.reason}"
                for other, why in declined.items()
                if why.near and not any(file in why.reason for file in named_by)
            ]
            notes = (*found.notes, *(f"{reason}." for reason in near), *_documents_not_used(place, found))
            notes = (*notes, *unused_lists(place, replace(found, notes=notes)))
            doubts = (*found.doubts, *_table_of_beginnings(found, declined), *_doubts(found))
            return replace(found, notes=notes, doubts=doubts)
        declined[form.name] = found
    if name:
        raise UserError(f"{path} cannot be read as {name} ({known[name].phrase}): {declined[name].reason}.")
    meant = "; ".join(f"{other}: {why.reason}" for other, why in declined.items() if why.near)
    raise NotRecognised(_refusal(place, declined), meant)


def parse_choice(chosen: str) -> tuple[str, dict[str, str]]:
    """`NAME:option=value,option=value` taken apart. Raises UserError if it is not of that form."""
    name, _, rest = chosen.partition(":")
    options = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise UserError(f"The layout {chosen!r} is not of the form NAME:option=value, such as table:label=breed.")
        options[key.strip()] = value.strip()
    return name.strip(), options


def unlabelled(path: Path) -> Layout:
    """Every picture below a folder, without labels, whatever the names: what a prediction wants. Raises UserError
    where there is none."""
    if not path.is_dir():
        raise UserError(f"There is no folder {path}{perhaps_path(path)}.")
    place = Place(path)
    if not place.pictures:
        raise UserError(f"There are no pictures in {path}{_what_is_there(place)}.")
    entries = tuple(Entry(file, None, "") for file in place.pictures)
    return Layout(path, "pictures", "A folder of pictures without labels.", entries, not_pictures(place.others))


def _refusal(place: Place, declined: dict[str, Declined]) -> str:
    near = [f"{name}: {why.reason}" for name, why in declined.items() if why.near]
    found = f"; {'; '.join(near)}" if near else ""
    if place.file is not None:
        return f"{place.file} carries no labels that are understood{found}: vitbench reads {phrases()}."
    others = "" if near else _other_files(place)
    return (
        f"The {len(place.pictures):,} pictures in {place.root} carry no labels that are understood{found}{others}:"
        f" vitbench reads {phrases()}."
    )


def _other_files(place: Place) -> str:
    """Files beside the pictures that may say the labels in a form that is not known."""
    kinds = (
        *(".mat", ".json", ".xml", ".h5", ".hdf5", ".pkl", ".npy", ".npz", ".parquet", ".arrow", ".db", ".sqlite"),
        *(".xlsx", ".gz", ".md", ".html", ".yaml", ".yml"),
    )
    found = [other for other in place.others if other.lower().endswith(kinds)]
    if not found:
        return ""
    more = f" and {len(found) - 2:,} more" if len(found) > 3 else ""
    which = ", ".join(found[:2]) + more if more else listed(found)
    return f" (if the labels are in {which}, write a CSV of filename and label)"


def _documents_not_used(place: Place, found: Layout) -> Iterable[str]:
    """JSON that describes the pictures of class folders, as iNaturalist's `train2019.json` does."""
    if found.name not in ("class folders", "flat names") or place.file is not None:
        return
    names = []
    for other in place.others:
        if other.lower().endswith(".json") and other.count("/") < 2:
            try:
                with open_file(place.root / other, CAPTIONS) as stream:
                    head = stream.read(65536)
            except UserError:
                continue
            if b'"file_name"' in head and (b'"images"' in head or b'"annotations"' in head):
                names.append(other)
    if names:
        verb = "is" if len(names) == 1 else "are"
        yield f"{listed(names[:3])} {verb} not used; --as objects reads the labels and splits there."


def _table_of_beginnings(found: Layout, declined: dict[str, Declined]) -> Iterable[Doubt]:
    """A table whose pictures are in several files each (`1_red.png`, `1_green.png`), where the files' names were taken
    for labels."""
    reasons = [why.reason for why in declined.values() if BEGINNINGS in why.reason]
    if reasons and found.name == "flat names":
        yield Doubt(
            f"The labels were taken from the files' names, though a table seems to have them: {reasons[0]}, so that its"
            " rows mean several files.",
            "Make one picture of them, or a table with a row for each file. If the names are meant, set"
            " data.accept_doubts = true.",
            stops_training=True,
        )


def _what_is_there(place: Place) -> str:
    said = place.what_is_there()
    for other in place.others[:1]:
        with suppress(UserError), open_file(place.root / other, PICTURE) as stream:
            if kind := picture_by_bytes(stream.read(16)):
                ending = f".{kind.lower().replace('jpeg', 'jpg')}"
                return f"{said} ({other} is a {kind} by its bytes: give such files the ending {ending})"
    for other in place.others:
        if other.lower().endswith(".csv") and holds_pixels(first_cells(place.root / other)):
            return f"{said} ({other}: {PIXELS})"
        for ending, advice in _INSIDE.items():
            if other.lower().endswith(ending):
                return f"{said} ({other}: {advice})"
    return said


def _doubts(layout: Layout) -> Iterable[Doubt]:
    """What looks wrong with labels, whatever the form."""
    counts = Counter(label for entry in layout.entries for label in entry.all_labels)
    classes = list(counts)
    several = any(entry.labels is not None for entry in layout.entries)
    overrule = "If this is meant, set data.accept_doubts = true."
    if len(classes) == 1 and not several:
        yield Doubt(
            f"There is only one class, {classes[0]}: a network that says it always is right.",
            f"{_other_levels(layout)}{overrule}",
            stops_training=True,
        )
    single = sum(count == 1 for count in counts.values())
    if not several and len(classes) >= _MANY_CLASSES and single * 2 > len(classes):
        yield Doubt(
            f"{single:,} of the {len(classes):,} classes have a single picture, such as {listed(classes[:2])}: these"
            " seem to be names of pictures, patients or series, and no classes.",
            overrule,
            stops_training=True,
        )
    yield from _untrained(layout, overrule)
    parts = list(parts_of_one_set(classes)) if layout.name == "class folders" and len(classes) < 8 else []
    if parts:
        yield Doubt(
            f"The classes {listed(parts)} are named like the splits of one set: their labels stand elsewhere, such as"
            " in their names, in a table or a .mat file. A CSV of filename and label beside the folders is read.",
            overrule,
            stops_training=True,
        )
    if layout.name in ("class folders", "flat names"):
        odd = {label: why for label in classes if (why := why_no_class(label))}
        if odd and (len(odd) > 1 or len(classes) < 4 or not classes[0].isdigit()):
            which = listed(f"{label} (like {why})" for label, why in list(odd.items())[:3])
            doubt = f"{len(odd)} of the {len(classes):,} classes have names that seem to be none: {which}."
            all_odd = len(odd) == len(classes)
            yield Doubt(doubt, f"{_other_levels(layout)}{overrule}" if all_odd else "", stops_training=all_odd)
    yield from class_doubts(classes, counts, overrule)


def _untrained(layout: Layout, overrule: str) -> Iterable[Doubt]:
    trained = {label for entry in layout.entries if entry.split in ("", "train") for label in entry.all_labels}
    missing = sorted({label for entry in layout.entries for label in entry.all_labels} - trained)
    if trained and missing:
        some = listed(missing[:5]) if len(missing) < 6 else f"{', '.join(missing[:5])}, ..."
        yield Doubt(
            f"{len(missing):,} {'class has' if len(missing) == 1 else 'classes have'} no pictures to train on, so"
            f" {'it' if len(missing) == 1 else 'they'} cannot be learned: {some}.",
            overrule,
            stops_training=True,
        )


def _other_levels(layout: Layout) -> str:
    first = layout.entries[0].file
    if layout.name == "class folders" and first.count("/") > 1:
        return "--as class-folders:level=2 takes the folders one level down. "
    return ""
