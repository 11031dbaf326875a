"""What a format of captions is: declarations only, which every format imports and which import no format."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from vitbench.captions.formats.rows import Rows, split_of
from vitbench.data.encodings import Decoded, read_decoded
from vitbench.data.layouts.base import Declined
from vitbench.data.layouts.place import Place
from vitbench.errors import UserError
from vitbench.files.parsing import Malformed, parse_json
from vitbench.files.reading import CAPTIONS
from vitbench.text import counted

_MOST_FILES = 60
_DEEPEST = 2
_NUMBER = re.compile(r"(\d{1,18})(?:\.0+)?")
"""Of a picture; a table program writes 7.0 for it where another row has none."""
_NUMBER_AT_END = re.compile(r"\d{1,18}$")


@dataclass(frozen=True)
class Recognised:
    """`title` names to a person what was recognised; `rows` are what it says."""

    title: str
    rows: Rows


@dataclass(frozen=True)
class CaptionFormat:
    """One way in which people write captions, declared in the file that reads it.

    `phrase` completes "vitbench reads ..."; of several formats that fit, the one of the highest `priority` counts.
    """

    name: str
    phrase: str
    priority: int
    recognise: Callable[["CaptionPlace"], Recognised | Declined]


@dataclass
class JsonFile:
    """A JSON file: its value, or why it has none."""

    value: Any = None
    problem: str = ""


class CaptionPlace(Place):
    """A folder, or an annotation file in it, whose captions are being recognised; files are read once for all formats.

    `encoding` is the one that a person named.
    """

    def __init__(self, path: Path, said: str | None = None, encoding: str = "") -> None:
        super().__init__(path, said)
        self.encoding = encoding
        self._texts: dict[str, Decoded] = {}
        self._by_number: dict[str, str] = {}

    def text(self, name: str) -> Decoded:
        """A file of the place as text. Raises UserError if it cannot be read."""
        if name not in self._texts:
            self._texts[name] = read_decoded(self.root / name, CAPTIONS, self.encoding)
        return self._texts[name]

    def files(self, *endings: str, deepest: int = 0) -> list[str]:
        """The file that was named, or the files with one of the `endings` (lower case) down to so many folders."""
        if self.file is not None:
            return [self.file.name] if self.file.suffix.lower() in endings else []
        found = [
            other
            for other in self.others
            if PurePosixPath(other).suffix.lower() in endings and other.count("/") <= deepest
        ]
        return found[:_MOST_FILES]

    @cached_property
    def documents(self) -> dict[str, JsonFile]:
        """The JSON files that may hold captions, parsed; those that lie beside a picture of their name do not."""
        stems = {picture.rpartition(".")[0] for picture in self.pictures}
        found = {}
        for name in self.files(".json", deepest=_DEEPEST):
            if name.rpartition(".")[0] in stems:
                continue
            found[name] = self._document(name)
        return found

    def _document(self, name: str) -> JsonFile:
        try:
            return JsonFile(parse_json(self.text(name).text, str(self.root / name), allow_nan=True))
        except Malformed as error:
            return JsonFile(problem=f"{self.root / name} is not valid JSON ({error.place}{error.reason})")
        except UserError as error:
            return JsonFile(problem=str(error).rstrip("."))

    def find(self, name: str, split: str) -> str | list[str] | None:
        """The picture for `name`; several if nothing tells them apart, None if it is not there."""
        found = self.finder.find(
            name, (split, f"{split}/images", "images", "Images") if split else ("images", "Images")
        )
        if len(found) > 1 and split:
            found = [path for path in found if split_of("_".join(path.split("/")[:-1])) == split] or found
        if not found and (match := _NUMBER.fullmatch(name.strip())):
            found = self._numbered.get(int(match[1]), [])
            if len(found) == 1:
                self._by_number[name] = found[0]
        if len(found) > 1:
            return found
        return found[0] if found else None

    def decided(self) -> list[str]:
        """What was decided while pictures were looked for, a sentence each."""
        if not self._by_number:
            return []
        name, picture = next(iter(self._by_number.items()))
        count = counted(len(self._by_number), "picture")
        return [f"found by the number at the end of the name: {count}, as {name} is {picture}"]

    @cached_property
    def _numbered(self) -> dict[int, list[str]]:
        """Pictures by the number at the end of their names: COCO_val2014_000000000042.jpg by 42."""
        found: dict[int, list[str]] = {}
        for picture in self.pictures:
            if match := _NUMBER_AT_END.search(PurePosixPath(picture).stem):
                found.setdefault(int(match[0]), []).append(picture)
        return found


def merged(parts: list[Recognised]) -> Recognised:
    """What several files of one format say together."""
    together = Rows()
    for part in parts:
        together.merge(part.rows)
    return Recognised(max(part.title for part in parts), together)


@dataclass(frozen=True)
class Keys:
    """Names under which people keep the picture and its captions in tables and objects, the likeliest first."""

    picture: tuple[str, ...] = (
        *("image", "image_name", "filename", "file_name", "image_path", "img_path", "filepath", "file_path", "path"),
        *("image_file", "img", "file", "picture", "photo", "fig_uri", "image_id", "img_id", "id", "name", "key"),
    )
    caption: tuple[str, ...] = (
        *("caption", "captions", "comment", "comments", "text", "sentence", "sentences", "description", "caption_text"),
        *("caption_str", "overall_caption", "paragraph", "s2_caption", "summary", "alt", "alt_text"),
        *("raw", "title", "prompt", "additional_feature", "blip_caption", "references", "refs", "report"),
    )
    split: tuple[str, ...] = ("split", "subset", "set", "partition")


KEYS = Keys()


def are_tokens(value: object) -> bool:
    """Whether a list holds the words of one caption, and no captions: four at least, none with a blank in it."""
    return isinstance(value, list) and len(value) > 3 and all(isinstance(w, str) and len(w.split()) == 1 for w in value)


def captions_in(value: Any) -> list[Any]:
    """The captions in a value: a text, a list of texts or of objects, a list of the words of one caption, or a text
    that is a list in JSON."""
    if are_tokens(value):
        return [" ".join(value)]
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        try:
            listed = parse_json(value, "a caption")
        except Malformed:
            listed = None
        if isinstance(listed, list) and all(isinstance(one, str) for one in listed):
            return listed
    if isinstance(value, Mapping):
        value = next((value[key] for key in KEYS.caption if key in value), None)
    if isinstance(value, list):
        return [caption for one in value for caption in captions_in(one)]
    return [value]


def found_keys(value: Mapping[str, object]) -> str:
    """The keys of an object as a person reads them."""
    return ", ".join(str(key)[:30] for key in list(value)[:8]) or "none"
