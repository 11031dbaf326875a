"""Flickr8k and Flickr30k: the token files (`name.jpg#0<tab>caption`), and the lists of pictures of each split."""

import re
from pathlib import Path

from vitbench.captions.formats.base import CaptionFormat, CaptionPlace, Recognised, merged
from vitbench.captions.formats.rows import Rows, split_of
from vitbench.data.encodings import read_decoded
from vitbench.data.layouts.base import Declined
from vitbench.files.reading import CAPTIONS

# Flickr8k in other languages has the language before the number: name.jpg#zhm#0, name.jpg#enc#0.
_TOKEN_LINE = re.compile(r"^(?P<name>.+?\.\w{3,4})(?:\.\d+)?#(?:\w+#)?(?P<number>\d+)\s+(?P<caption>.*)$")


def is_token_file(text: str) -> bool:
    """Whether the first line reads `name.jpg#0<tab>caption`."""
    return _TOKEN_LINE.match(text.split("\n", 1)[0].rstrip("\r")) is not None


def read_token_file(file: Path, text: str) -> Rows:
    """Lines `name.jpg#0<tab>caption` (Flickr8k has one `name.jpg.1#0`: the same picture)."""
    rows = Rows()
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        match = _TOKEN_LINE.match(line.rstrip("\r"))
        if match is None:
            rows.problems.append(f"{file.name}, line {number}: not of the form name.jpg#0 and a caption")
        else:
            rows.add(match["name"], match["caption"], "", f"{file.name}, line {number}")
    return rows


def read_split_lists(folder: Path) -> dict[str, str]:
    """`Flickr_8k.trainImages.txt`, `.devImages.txt`, `.testImages.txt`: the split of each picture name."""
    splits = {}
    for file in sorted(folder.glob("*[Ii]mages.txt")):
        match = re.search(r"(train|dev|val|test)Images", file.name)
        if match:
            lines = read_decoded(file, CAPTIONS).text.split("\n")
            splits.update({line.strip(): split_of(match[1]) for line in lines if line.strip()})
    return splits


def with_split_lists(place: CaptionPlace, found: Recognised) -> Recognised:
    """What was recognised, each picture in the split whose list names it."""
    splits = {} if place.file is not None else read_split_lists(place.root)
    if splits:
        found.rows.captions = {
            (splits.get(name, split), name): captions for (split, name), captions in found.rows.captions.items()
        }
    return found


def _recognise(place: CaptionPlace) -> Recognised | Declined:
    found = []
    for name in place.files(".txt", ".token", ".csv", ""):
        # Flickr8k has its lemmatised captions beside the plain ones.
        if "lemma" in name and place.file is None:
            continue
        text = place.text(name)
        if is_token_file(text.text):
            rows = read_token_file(place.root / name, text.text)
            rows.notes += [f"{name} {text.doubt}"] if text.doubt else []
            found.append(Recognised("Flickr token file", rows))
    if not found:
        return Declined("no text file has lines like 'name.jpg#0 caption'")
    return with_split_lists(place, merged(found))


FORMAT = CaptionFormat("flickr-tokens", "Flickr token files", 40, _recognise)
