"""Karpathy's `dataset_coco.json`, `dataset_flickr8k.json`, `dataset_flickr30k.json`; `restval` joins train."""

from pathlib import Path

from vitbench.captions.formats.base import CaptionFormat, CaptionPlace, Recognised, merged
from vitbench.captions.formats.rows import Rows, dictionaries
from vitbench.data.layouts.base import Declined


def is_karpathy(document: object) -> bool:
    """Whether a JSON document lists images of which the first has its captions with it."""
    images = document.get("images") if isinstance(document, dict) else None
    return bool(isinstance(images, list) and images and isinstance(images[0], dict) and "sentences" in images[0])


def read_karpathy(file: Path, document: object) -> Rows:
    """The captions of each picture, in its split; the picture's name has the folder `filepath` before it if given.

    A caption that has its tokens only is those with blanks between them.
    """
    rows = Rows()
    from_tokens = 0
    for where, entry in dictionaries(document, "images", file, rows):
        name, folder = entry.get("filename"), entry.get("filepath")
        captions = entry.get("sentences")
        split = rows.split_named(entry.get("split", ""))
        if not isinstance(name, str) or not isinstance(captions, list):
            rows.problems.append(f"{where}: no filename or no sentences")
            continue
        path = f"{folder}/{name}" if isinstance(folder, str) and folder else name
        for number, caption in enumerate(captions):
            raw = caption.get("raw") if isinstance(caption, dict) else caption
            tokens = caption.get("tokens") if isinstance(caption, dict) else None
            if raw is None and isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
                raw = " ".join(tokens)
                from_tokens += 1
            rows.add(path, raw, split, f"{where}.sentences[{number}]")
    if from_tokens:
        rows.notes.append(f"{file.name}: {from_tokens:,} captions have tokens only, which are joined with blanks")
    return rows


def _recognise(place: CaptionPlace) -> Recognised | Declined:
    found = [
        Recognised("Karpathy's JSON", read_karpathy(place.root / name, document.value))
        for name, document in place.documents.items()
        if is_karpathy(document.value)
    ]
    return merged(found) if found else Declined("no JSON file lists images with captions in them")


# It repeats the captions of the COCO files beside it, with other splits: it was put there on purpose.
FORMAT = CaptionFormat("karpathy", "Karpathy's JSON", 90, _recognise)
