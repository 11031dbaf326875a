"""Pictures with masks to judge maps on: Scenes, COCO instances, or mask PNGs beside pictures."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.captions.formats.coco import read_instances
from vitbench.captions.formats.rows import Region, Rows, read_text, split_of
from vitbench.captions.index import PictureFinder
from vitbench.captions.masks import region_mask
from vitbench.data.generated import scenes_folder
from vitbench.data.pictures import open_picture
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.progress import Progress, silent

Mask = NDArray[np.bool_]
MASK_FOLDERS = ("masks", "mask", "annotations", "segmentations", "labels")
MASK_SUFFIXES = ("_mask", "-mask", ".mask", "_seg", "_gt")


@dataclass(frozen=True)
class MaskedPicture:
    """A picture and where its objects are, read only when it is looked at.

    `regions` come from COCO or Scenes, `mask_file` is a picture of the object's pixels: one of the two is given.
    `label` names the class of the picture where something says it: else it is that of the largest object.
    """

    file: Path
    split: str = ""
    regions: tuple[Region, ...] = ()
    mask_file: Path | None = None
    label: str | None = None


@dataclass(frozen=True)
class SeenPicture:
    """What the network is shown, and the truth at the same pixels.

    `pixels` uint8 [height, width, 3], before normalisation. `masks` has a bool [height, width] for each class, the
    picture's own class first; the name None stands for an object whose class nothing says.
    """

    file: Path
    pixels: NDArray[np.uint8]
    masks: dict[str | None, Mask]


@dataclass(frozen=True)
class MaskedData:
    """A data set of masks; `sentence` says what was recognised, `problems` what was left out."""

    sentence: str
    pictures: tuple[MaskedPicture, ...]
    problems: tuple[str, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """The parts that have pictures."""
        return tuple(sorted({picture.split for picture in self.pictures}))

    def part(self, split: str | None, count: int, seed: int = 0) -> list[MaskedPicture]:
        """At most `count` pictures of a part, drawn by `seed`, in the order of the files.

        None is `test`, or `val`, or what there is. Raises UserError for a part without pictures.
        """
        if count < 1:
            raise UserError(f"--count {count}: at least one picture.")
        chosen = split if split is not None else next((s for s in ("test", "val") if s in self.splits), self.splits[0])
        own = [picture for picture in self.pictures if picture.split == chosen]
        if not own:
            known = ", ".join(repr(name) for name in self.splits)
            raise UserError(f"There are no pictures with masks in the part {chosen!r}; there are {known}.")
        order = np.random.default_rng(seed).permutation(len(own))[:count]
        return [own[number] for number in sorted(order)]


def open_masks(address: str, store: Path, progress: Progress = silent) -> MaskedData:
    """The pictures with masks that `address` names: `scenes:base?count=...`, or a folder of one of the three forms.

    Raises UserError if no picture there has a mask.
    """
    if address.startswith("scenes:"):
        root, sentence = scenes_folder(address, store, progress)
    else:
        root, sentence = Path(address).expanduser().absolute(), ""
    if not root.is_dir():
        raise UserError(f"There is no folder {root}; name one with pictures and masks, or scenes:base.")
    finder = PictureFinder(root)
    instances = sorted({*root.glob("instances*.json"), *root.glob("annotations/instances*.json")})
    data = _from_instances(instances, finder) if instances else _from_mask_files(finder)
    if not data.pictures:
        why = f" ({data.problems[0]})" if data.problems else ""
        raise UserError(
            f"No picture in {root} has a mask{why}: vitbench reads COCO instances (annotations/instances_*.json), and"
            " masks/NAME.png or NAME_mask.png for a picture NAME."
        )
    return MaskedData(sentence or data.sentence, data.pictures, data.problems)


def look_at_masks(picture: MaskedPicture, preprocessing: Preprocessing) -> SeenPicture:
    """Opens a picture as the network sees it, with its masks brought through the same resize and crop.

    Objects of which the crop leaves nothing are left out, so `masks` may be empty. Raises UserError if the mask is
    not of this picture.
    """
    whole = open_picture(picture.file)
    masks: dict[str | None, Mask] = {}
    for name, mask in _masks_of(picture):
        if mask.shape != (whole.height, whole.width):
            height, width = mask.shape
            raise UserError(
                f"{picture.file.name} has {whole.width}x{whole.height} pixels, but its mask has {width}x{height}."
            )
        masks[name] = masks[name] | mask if name in masks else mask
    largest = sorted(masks, key=lambda name: (name != picture.label, -int(masks[name].sum())))
    seen = {name: _through(masks[name], preprocessing) for name in largest}
    return SeenPicture(
        picture.file,
        preprocessing.resized(whole),
        {name: mask for name, mask in seen.items() if mask.any() and not mask.all()},
    )


def _masks_of(picture: MaskedPicture) -> list[tuple[str | None, Mask]]:
    if picture.mask_file is None:
        return [(region.category, region_mask(region)) for region in picture.regions]
    with Image.open(picture.mask_file) as image:
        values = np.asarray(image)
    # A palette or grey picture says which object; transparency says nothing.
    covered: Mask = np.any(values.reshape(*values.shape[:2], -1)[:, :, :3], axis=2)
    return [(picture.label, covered)]


def _through(mask: Mask, preprocessing: Preprocessing) -> Mask:
    picture = Image.fromarray(mask.astype(np.uint8) * 255).convert("RGB")
    return np.asarray(preprocessing.resized(picture)[:, :, 0] >= 128)


def _from_instances(files: Sequence[Path], finder: PictureFinder) -> MaskedData:
    rows = Rows()
    labels: dict[tuple[str, str], str] = {}
    for file in files:
        split = split_of(file.stem)
        read_instances(file, split, rows)
        scenes = file.with_name(file.name.replace("instances", "scenes")).with_suffix(".jsonl")
        if scenes.is_file():
            labels |= {(split, name): label for name, label in _scene_labels(scenes, rows)}
    problems = list(rows.problems)
    pictures = []
    for (split, name), regions in sorted(rows.regions.items()):
        found = finder.find(name, split)
        if found is None:
            problems.append(f"{name}: no such picture below {finder.root}")
        else:
            label = labels.get((split, name))
            pictures.append(MaskedPicture(finder.root / found, split, tuple(regions), label=label))
    form = "Scenes with their instances" if labels else "COCO instances"
    return MaskedData(f"{form}: {len(pictures):,} pictures with masks.", tuple(pictures), tuple(problems))


def _scene_labels(file: Path, rows: Rows) -> Iterator[tuple[str, str]]:
    """Names and labels from the truth that Scenes writes beside its instances."""
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        try:
            entry = json.loads(line)
            yield str(entry["file_name"]), str(entry["label"])
        except (ValueError, KeyError, TypeError) as error:
            rows.problems.append(f"{file.name}, line {number}: no truth of a scene ({error})")


def _from_mask_files(finder: PictureFinder) -> MaskedData:
    """Pictures that have a mask: a PNG of the same name in a folder of masks, or NAME_mask.png beside NAME."""
    files = finder.pictures
    masks: dict[str, list[Path]] = {}
    for file in files:
        if file.suffix.lower() == ".png" and (stem := _picture_of(file)) is not None:
            masks.setdefault(stem, []).append(file)
    taken = {file for found in masks.values() for file in found}
    pictures = []
    for file in files:
        if file in taken or file.stem not in masks:
            continue
        # Between masks of equal names, the one whose folders are most alike.
        mask = max(masks[file.stem], key=lambda other: len({*other.parent.parts} & {*file.parent.parts}))
        label = file.parent.name if file.parent.name not in ("", "images", "pictures", "img") else None
        picture = MaskedPicture(finder.root / file, split_of(file.parent.as_posix()), (), finder.root / mask, label)
        pictures.append(picture)
    sentence = f"Masks beside pictures (every pixel that is not 0 is the object): {len(pictures):,} pictures."
    return MaskedData(sentence, tuple(pictures), ())


def _picture_of(file: Path) -> str | None:
    """The stem of the picture that a mask file belongs to; None if it is no mask."""
    for ending in MASK_SUFFIXES:
        if file.stem.lower().endswith(ending):
            return file.stem[: -len(ending)]
    return file.stem if any(part.lower() in MASK_FOLDERS for part in file.parent.parts) else None
