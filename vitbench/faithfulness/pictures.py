"""Pictures with masks to judge maps on: Scenes, COCO instances, or mask PNGs beside pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.captions.fitting import fitted, fitted_masks, frame_of
from vitbench.captions.formats.base import CaptionPlace
from vitbench.captions.formats.coco import read_instances
from vitbench.captions.formats.instances import PHRASE as INSTANCES
from vitbench.captions.formats.instances import instance_files, read_labelme
from vitbench.captions.formats.rows import Region, Rows, split_of
from vitbench.captions.mask_files import PHRASE as OBJECT_OF_A_MASK
from vitbench.captions.mask_files import is_trimap, mask_in, seems_inverted
from vitbench.data.encodings import read_decoded
from vitbench.data.generated import scenes_folder
from vitbench.data.layouts.names import IMAGE_FOLDERS, is_mask_folder, pictured_by
from vitbench.data.layouts.tree import mask_files
from vitbench.data.pictures import open_picture
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.tables import first_cells
from vitbench.errors import UserError
from vitbench.files.parsing import Malformed, parse_json
from vitbench.files.reading import CAPTIONS
from vitbench.nearest import perhaps_path
from vitbench.paths import expanded
from vitbench.progress import Progress, silent
from vitbench.text import counted

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MaskedPicture:
    """A picture and where its objects are, read only when it is looked at.

    `regions` come from COCO or Scenes, `mask_file` is a picture of the object's pixels: one of the two is given.
    `more_masks` are of further objects of the picture, each in a file of its own.
    `label` names the class of the picture where something says it: else it is that of the largest object.
    """

    file: Path
    split: str = ""
    regions: tuple[Region, ...] = ()
    mask_file: Path | None = None
    label: str | None = None
    more_masks: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SeenPicture:
    """What the network is shown, and the truth at the same pixels.

    `pixels` uint8 [height, width, 3], before normalisation. `masks` has a bool [height, width] for each class, the
    picture's own class first; the name None stands for an object whose class nothing says.
    """

    file: Path
    pixels: NDArray[np.uint8]
    masks: dict[str | None, Mask]
    problems: tuple[str, ...] = ()
    """Masks that were left out, or are not as their file says."""


@dataclass(frozen=True)
class MaskedData:
    """A data set of masks; `sentence` says what was recognised, `problems` what was left out."""

    sentence: str
    pictures: tuple[MaskedPicture, ...]
    problems: tuple[str, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have pictures."""
        return tuple(sorted({picture.split for picture in self.pictures}))

    def split(self, split: str | None, count: int, seed: int = 0) -> list[MaskedPicture]:
        """At most `count` pictures of a split, drawn by `seed`, in the order of the files.

        None is `test`, or `val`, or what there is. Raises UserError for a split without pictures.
        """
        if count < 1:
            raise UserError(f"--count {count}: at least one picture.")
        chosen = split if split is not None else next((s for s in ("test", "val") if s in self.splits), self.splits[0])
        own = [picture for picture in self.pictures if picture.split == chosen]
        if not own:
            known = ", ".join(repr(name) for name in self.splits)
            raise UserError(f"There are no pictures with masks in the split {chosen!r}; there are {known}.")
        order = np.random.default_rng(seed).permutation(len(own))[:count]
        return [own[number] for number in sorted(order)]


def open_masks(address: str, store: Path, progress: Progress = silent) -> MaskedData:
    """The pictures with masks that `address` names: `scenes:base?count=...`, or a folder of one of the three forms.

    Raises UserError if no picture there has a mask.
    """
    if address.startswith("scenes:"):
        root, sentence = scenes_folder(address, store, progress)
    else:
        root, sentence = expanded(address).absolute(), ""
    if not root.is_dir():
        raise UserError(
            f"There is no folder {root}{perhaps_path(root)}; name one with pictures and masks, or scenes:base."
        )
    place = CaptionPlace(root, address)
    instances = sorted(root / name for name in instance_files(place))
    data = _from_instances(instances, place) if instances else _from_mask_files(place)
    if not data.pictures:
        data = _from_labelme(place, data.problems)
    if not data.pictures:
        problem = data.problems[0] if data.problems else _not_read(place)
        why = f" ({problem})" if problem else ""
        raise UserError(
            f"No picture in {root} has a mask{why}: vitbench reads {INSTANCES}, and"
            " masks/NAME.png, trimaps/NAME.png or NAME_mask.png for a picture NAME."
        )
    return MaskedData(sentence or data.sentence, data.pictures, data.problems)


def _not_read(place: CaptionPlace) -> str:
    """Masks in a form that is not read, with what to do; empty if there are none."""
    for name in place.others:
        folders, ending = PurePosixPath(name).parts[:-1], PurePosixPath(name).suffix.lower()
        if ending in (".npy", ".npz", ".mat", ".nii", ".h5") and any(is_mask_folder(part) for part in folders):
            return f"{name} holds arrays: save each mask as a PNG, 0 for the background"
        if ending == ".txt" and "labels" in folders:
            return f"{name} may hold YOLO's polygons: export them as COCO's"
        if ending == ".csv" and any("pixels" in cell.lower() for cell in first_cells(place.root / name)):
            return f"{name} holds run lengths: write each mask as a PNG, or all of them as COCO's"
    return ""


def seen_masks(picture: MaskedPicture, preprocessing: Preprocessing) -> SeenPicture:
    """Opens a picture as the network sees it, with its masks brought through the same resize and crop.

    Objects of which the crop leaves nothing are left out, so `masks` may be empty. Raises UserError if the mask is
    not of this picture.
    """
    whole = open_picture(picture.file, preprocessing.value_range)
    masks: dict[str | None, Mask] = {}
    named, problems = masks_of(picture)
    if not named:
        raise UserError(f"{picture.file.name}: {problems[0] if problems else 'it has no mask'}.")
    for name, mask in named:
        masks[name] = masks[name] | mask if name in masks else mask
    largest = sorted(masks, key=lambda name: (name != picture.label, -int(masks[name].sum())))
    seen = {name: _through(masks[name], preprocessing) for name in largest}
    kept = {name: mask for name, mask in seen.items() if mask.any() and not mask.all()}
    for name in seen if kept else ():  # a picture without any is named by who asked for it
        if name not in kept:
            covers = "all" if seen[name].all() else "none"
            problems.append(
                f"{picture.file.name}: the object {name} covers {covers} of what the network sees, and is left out"
            )
    return SeenPicture(picture.file, preprocessing.resized(whole), kept, tuple(problems))


def masks_of(picture: MaskedPicture) -> tuple[list[tuple[str | None, Mask]], list[str]]:
    """Class and pixels of each object that can be read, and a sentence for each that cannot."""
    if picture.mask_file is None:
        found = fitted_masks(picture.file, picture.regions)
        pairs = zip(picture.regions, found.masks, strict=True)
        return [(region.category, mask) for region, mask in pairs if mask is not None], found.problems
    frame = frame_of(picture.file)
    covered: list[Mask] = []
    problems = []
    for file in (picture.mask_file, *picture.more_masks):
        try:
            covered.append(fitted(mask_in(file), frame))
        except UserError as error:
            problems.append(f"{file.name}: {str(error).rstrip('.')}")
    if not covered:
        return [], problems
    together = np.asarray(np.logical_or.reduce(covered))
    if seems_inverted(together):
        problems.append(
            f"{picture.mask_file.name}: its object covers {together.mean():.0%} of the picture and all of its edge; if"
            " black is the object there, invert the mask"
        )
    return [(picture.label, together)], problems


def _through(mask: Mask, preprocessing: Preprocessing) -> Mask:
    picture = Image.fromarray(mask.astype(np.uint8) * 255).convert("RGB")
    return np.asarray(preprocessing.resized(picture)[:, :, 0] >= 128)


def _from_instances(files: Sequence[Path], place: CaptionPlace) -> MaskedData:
    rows = Rows()
    labels: dict[tuple[str, str], str] = {}
    for file in files:
        split = split_of(file.stem) or split_of(file.parent.name)
        read_instances(file, split, rows)
        scenes = file.with_name(file.name.replace("instances", "scenes")).with_suffix(".jsonl")
        if scenes.is_file():
            labels |= {(split, name): label for name, label in _scene_labels(scenes, rows)}
    problems = list(rows.problems)
    pictures = []
    for (split, name), regions in sorted(rows.regions.items()):
        found = place.find(name, split)
        if found is None:
            problems.append(f"{name}: no such picture below {place.root}")
        elif isinstance(found, list):
            problems.append(f"{name}: may be {len(found)} pictures ({', '.join(found[:3])})")
        else:
            label = labels.get((split, name))
            pictures.append(MaskedPicture(place.root / found, split, tuple(regions), label=label))
    form = "Scenes with their instances" if labels else "COCO instances"
    return MaskedData(f"{form}: {counted(len(pictures), 'picture')} with masks.", tuple(pictures), tuple(problems))


def _from_labelme(place: CaptionPlace, problems: Sequence[str]) -> MaskedData:
    rows = Rows()
    read_labelme(place, rows)
    pictures = [
        MaskedPicture(place.root / name, split_of(PurePosixPath(name).parent.as_posix()), tuple(regions))
        for (_, name), regions in sorted(rows.regions.items())
    ]
    sentence = f"labelme's JSON beside pictures: {counted(len(pictures), 'picture')} with masks."
    return MaskedData(sentence, tuple(pictures), (*problems, *rows.problems))


def _scene_labels(file: Path, rows: Rows) -> Iterator[tuple[str, str]]:
    """Names and labels from the truth that Scenes writes beside its instances."""
    for number, line in enumerate(read_decoded(file, CAPTIONS).text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = parse_json(line, file.name, number)
            yield str(entry["file_name"]), str(entry["label"])
        except (UserError, KeyError, TypeError) as error:
            why = error.reason if isinstance(error, Malformed) else str(error)
            rows.problems.append(f"{file.name}, line {number}: no truth of a scene ({why})")


def _from_mask_files(place: CaptionPlace) -> MaskedData:
    """Pictures that have a mask: a picture of the same name in a folder of masks, or NAME_mask.png beside NAME."""
    masks = mask_files(place.pictures)
    of_picture: dict[str, list[str]] = {}
    for mask, file in masks.items():
        of_picture.setdefault(file, []).append(mask)
    stems: dict[str, list[str]] = {}
    for mask in masks:
        stems.setdefault(_bare_stem(mask), []).append(mask)
    pictures = []
    for file in place.pictures:
        own = of_picture.get(file) or stems.get(PurePosixPath(file).stem)
        if file in masks or not own:
            continue
        # Between masks of equal names, the one whose folders are most alike.
        folders = set(PurePosixPath(file).parent.parts)
        mask = max(own, key=lambda other: len(folders & set(PurePosixPath(other).parent.parts)))
        more = [other for other in own if other != mask and PurePosixPath(other).parent == PurePosixPath(mask).parent]
        folder = PurePosixPath(file).parent
        says_nothing = not folder.name or folder.name.lower() in IMAGE_FOLDERS or split_of(folder.name)
        label = None if says_nothing else folder.name
        split = split_of(folder.as_posix())
        pictures.append(
            MaskedPicture(place.root / file, split, (), place.root / mask, label, tuple(place.root / m for m in more))
        )
    trimaps = any(picture.mask_file is not None and is_trimap(picture.mask_file) for picture in pictures)
    object_ = "1 is the object, 3 its border" if trimaps else OBJECT_OF_A_MASK
    return MaskedData(f"Masks beside pictures ({object_}): {counted(len(pictures), 'picture')}.", tuple(pictures), ())


def _bare_stem(mask: str) -> str:
    stem = PurePosixPath(mask).stem
    return pictured_by(stem) or stem
