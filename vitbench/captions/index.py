"""Pictures with sentences, whatever the form: what was recognised, what each part holds, and what was left out."""

import hashlib
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from vitbench.captions.formats.coco import is_coco_captions, read_coco, read_scene_truths
from vitbench.captions.formats.flickr import (
    csv_columns,
    is_token_file,
    read_captions_csv,
    read_split_lists,
    read_token_file,
)
from vitbench.captions.formats.homework import is_homework, read_homework
from vitbench.captions.formats.image_folder import has_sentences, metadata_files, read_metadata, read_sidecars
from vitbench.captions.formats.karpathy import is_karpathy, read_karpathy
from vitbench.captions.formats.rows import Region, Rows, read_json, read_text, split_of
from vitbench.data.pictures import UnreadablePicture, open_picture, picture_extensions
from vitbench.data.scenes import Word
from vitbench.errors import UserError
from vitbench.progress import Progress, silent

_LARGEST_JSON_TO_TRY = 2_000_000_000


@dataclass(frozen=True)
class CaptionedPicture:
    """A picture that opens, with at least one sentence.

    `regions` are named object masks, where the data has them; `truth` the words of a scene, whose objects count through
    the regions.
    """

    file: Path
    sentences: tuple[str, ...]
    split: str
    regions: tuple[Region, ...] = ()
    truth: tuple[Word, ...] = ()


@dataclass(frozen=True)
class CaptionIndex:
    """A caption data set. `problems` names what was left out, a sentence each; `sentence` says what was recognised."""

    root: Path
    layout: str
    sentence: str
    pictures: tuple[CaptionedPicture, ...]
    problems: tuple[str, ...]
    fingerprint: str

    def split(self, name: str) -> list[CaptionedPicture]:
        """The pictures of one part, "train", "val", "test" or "test_heldout", in a fixed order."""
        return [picture for picture in self.pictures if picture.split == name]


def open_captions(path: str | Path, *, progress: Progress = silent) -> CaptionIndex:
    """The captions in a folder, or in an annotation file with its pictures beside or below it.

    Where the data has no validation part, a twentieth of the training pictures becomes "val" (and where it names no
    parts at all, another twentieth "test"), chosen by a hash of the picture's name: the same on each machine.
    Raises UserError if nothing is recognised or no sentence finds its picture.
    """
    given = Path(path).expanduser()
    if not given.exists():
        raise UserError(f"There is no {given}; name a folder of pictures with sentences, or an annotation file.")
    root = given if given.is_dir() else given.parent
    finder = PictureFinder(root)
    layout, rows = _read_folder(root, finder) if given.is_dir() else _read_file(given, root)
    if not rows.sentences:
        detail = f": {rows.problems[0]}" if rows.problems else ""
        raise UserError(f"{given} was read as {layout}, but it holds no usable sentence{detail}.")

    found, problems = _match(rows, finder)
    pictures, unreadable = _readable(found, progress)
    problems += unreadable
    if not pictures:
        raise UserError(f"None of the {len(rows.sentences)} pictures named in {given} can be used: {problems[0]}.")
    pictures = _with_parts(pictures)
    sentences = sum(len(picture.sentences) for picture in pictures)
    described = f"{layout}: {len(pictures):,} pictures with {sentences:,} sentences"
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(repr((str(picture.file.relative_to(root)), picture.sentences, picture.split)).encode())
    return CaptionIndex(root, layout, described, tuple(pictures), tuple(rows.problems + problems), digest.hexdigest())


class PictureFinder:
    """The picture files below a folder, found by the last parts of their path. Nothing outside is ever found."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.by_name: dict[str, list[Path]] = defaultdict(list)
        endings = picture_extensions()
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(files):
                if Path(name).suffix.lower() in endings:
                    self.by_name[name].append((Path(folder) / name).relative_to(root))

    @property
    def pictures(self) -> list[Path]:
        """All picture files, relative to the root, sorted."""
        return sorted(path for paths in self.by_name.values() for path in paths)

    def find(self, name: str, split: str) -> Path | None:
        """The file for `name`, which may have folders before it; between equals, the one in a folder of the split."""
        wanted = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
        if not wanted:
            return None
        candidates = self.by_name.get(wanted[-1], [])
        # As many of the named folders as can be matched; a prefix of another machine is worth nothing.
        for length in range(len(wanted), 0, -1):
            matching = [path for path in candidates if list(path.parts[-length:]) == wanted[-length:]]
            of_split = [path for path in matching if split and split_of("_".join(path.parts[:-1])) == split]
            if of_split or matching:
                return (of_split or matching)[0]
        return None


def _read_folder(root: Path, finder: PictureFinder) -> tuple[str, Rows]:
    """What the folder is, and its rows. The forms are tried from the most telling to the least."""
    for recognise in (_json_files, _metadata, _text_files, _sidecars):
        recognised = recognise(root, finder)
        if recognised is not None:
            return recognised
    raise UserError(
        f"{root} holds no captions that are known: COCO or Karpathy JSON, Flickr token files or CSV, caption.txt with"
        " '### name.jpg' lines, metadata.csv or .jsonl, or a .txt beside each picture."
    )


def _read_file(file: Path, root: Path) -> tuple[str, Rows]:
    recognised: tuple[str, Rows] | None = None
    if file.suffix == ".json":
        recognised = _read_json_captions(file)
    elif file.suffix in (".csv", ".jsonl") and has_sentences(file) and "file_name" in read_text(file)[:2000]:
        recognised = "image folder with metadata", read_metadata(file, root)
    else:
        recognised = _read_text_captions(file)
    if recognised is None:
        raise UserError(f"{file} is in no form of captions that is known.")
    return recognised


def _json_files(root: Path, finder: PictureFinder) -> tuple[str, Rows] | None:
    folders = [root, root / "annotations"]
    files = [file for folder in folders if folder.is_dir() for file in sorted(folder.glob("*.json"))]
    files = [file for file in files if not file.name.startswith("instances_")]
    recognised = [found for found in map(_read_json_captions, files) if found is not None]
    # A Karpathy file repeats the sentences of the COCO files beside it, with other parts: it was put there on purpose.
    karpathy = [found for found in recognised if found[0].startswith("Karpathy")]
    return _merged(karpathy or recognised)


def _read_json_captions(file: Path) -> tuple[str, Rows] | None:
    if file.stat().st_size > _LARGEST_JSON_TO_TRY:
        return None
    document = read_json(file)
    if is_karpathy(document):
        return "Karpathy's JSON", read_karpathy(file, document)
    if is_coco_captions(document):
        instances = file.with_name(file.name.replace("captions", "instances"))
        with_masks = instances != file and instances.is_file()
        layout = "COCO captions with instances" if with_masks else "COCO captions"
        rows = read_coco(file, instances if with_masks else None, document)
        scenes = file.with_name(file.name.replace("captions", "scenes")).with_suffix(".jsonl")
        if scenes.is_file():
            layout = "Scenes"
            read_scene_truths(scenes, rows)
        return layout, rows
    return None


def _metadata(root: Path, finder: PictureFinder) -> tuple[str, Rows] | None:
    files = [file for file in metadata_files(root) if has_sentences(file)]
    return _merged([("image folder with metadata", read_metadata(file, root)) for file in files])


def _text_files(root: Path, finder: PictureFinder) -> tuple[str, Rows] | None:
    files = [file for pattern in ("*.txt", "*.token", "*.csv") for file in sorted(root.glob(pattern))]
    # Flickr8k has its lemmatised sentences beside the plain ones.
    files = [file for file in files if "lemma" not in file.name and not finder.by_name.get(file.stem + ".jpg")]
    merged = _merged([found for found in map(_read_text_captions, files) if found is not None])
    if merged is not None:
        splits = read_split_lists(root)
        if splits:
            merged[1].sentences = {
                (splits.get(name, split), name): sentences for (split, name), sentences in merged[1].sentences.items()
            }
    return merged


def _read_text_captions(file: Path) -> tuple[str, Rows] | None:
    text = read_text(file)
    if is_homework(text):
        return "homework folder (caption.txt)", read_homework(file, text)
    if is_token_file(text):
        return "Flickr token file", read_token_file(file, text)
    columns = csv_columns(text)
    return ("Flickr CSV", read_captions_csv(file, text, columns)) if columns is not None else None


def _sidecars(root: Path, finder: PictureFinder) -> tuple[str, Rows] | None:
    rows = read_sidecars(finder.pictures, root)
    return ("a .txt beside each picture", rows) if rows.sentences else None


def _merged(recognised: list[tuple[str, Rows]]) -> tuple[str, Rows] | None:
    if not recognised:
        return None
    together = Rows()
    for _, rows in recognised:
        together.merge(rows)
    return max(layout for layout, _ in recognised), together


def _match(rows: Rows, finder: PictureFinder) -> tuple[list[CaptionedPicture], list[str]]:
    found, problems = [], []
    for (split, name), sentences in rows.sentences.items():
        file = finder.find(name, split)
        if file is None:
            problems.append(f"{name}: no such picture below {finder.root}")
            continue
        part = split or split_of(file.parent.as_posix())
        regions, truth = tuple(rows.regions.get((split, name), ())), rows.truths.get((split, name), ())
        found.append(CaptionedPicture(finder.root / file, tuple(sentences), part, regions, truth))
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


def _with_parts(pictures: list[CaptionedPicture]) -> list[CaptionedPicture]:
    """Gives a part to each picture that has none, and carves out the validation part if there is none."""
    named = {picture.split for picture in pictures} - {""}
    parts = [picture.split or "train" for picture in pictures]
    for part in ("val",) if named else ("val", "test"):
        draws = {n: _draw(pictures[n].file.name, part) for n, other in enumerate(parts) if other == "train"}
        if part in named or len(draws) < 2:
            continue
        lowest = min(draws.values())
        for n, draw in draws.items():
            if draw < 0.05 or draw == lowest:
                parts[n] = part
    return [replace(picture, split=part) for picture, part in zip(pictures, parts, strict=True)]


def _draw(name: str, part: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(f"{part} {name}".encode()).digest()[:7], "big") / 2**56
