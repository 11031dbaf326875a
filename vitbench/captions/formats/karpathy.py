"""Karpathy's `dataset_coco.json`, `dataset_flickr8k.json`, `dataset_flickr30k.json`; `restval` joins train."""

from pathlib import Path
from typing import Any

from vitbench.captions.formats.rows import SPLIT_NAMES, Rows, dictionaries


def is_karpathy(document: Any) -> bool:
    """Whether a JSON document lists images of which the first has its sentences with it."""
    images = document.get("images") if isinstance(document, dict) else None
    return bool(isinstance(images, list) and images and isinstance(images[0], dict) and "sentences" in images[0])


def read_karpathy(file: Path, document: Any) -> Rows:
    """The sentences of each picture, in its split; the picture's name has the folder `filepath` before it if given."""
    rows = Rows()
    for where, entry in dictionaries(document, "images", file, rows):
        name, folder = entry.get("filename"), entry.get("filepath")
        sentences = entry.get("sentences")
        split = SPLIT_NAMES.get(str(entry.get("split", "")), "")
        if not isinstance(name, str) or not isinstance(sentences, list):
            rows.problems.append(f"{where}: no filename or no sentences")
            continue
        path = f"{folder}/{name}" if isinstance(folder, str) and folder else name
        for number, sentence in enumerate(sentences):
            raw = sentence.get("raw") if isinstance(sentence, dict) else None
            rows.add(path, raw, split, f"{where}.sentences[{number}]")
    return rows
