"""Attacks on pictures, tables of labels, captions, masks, the app's settings, and the inspector's frames."""

import csv
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from attack import Harm
from hostile import NO_FILES, VALUES, changed, damaged, json_bytes, put, remove
from PIL import Image

from vitbench.captions.formats.rows import Region
from vitbench.captions.index import open_captions
from vitbench.captions.masks import region_mask
from vitbench.data.index import open_index
from vitbench.data.pictures import open_picture
from vitbench.errors import UserError
from vitbench.inspector.arguments import ARGUMENTS, check_arguments
from vitbench.inspector.protocol import BadFrame, read_question

Attempt = Callable[[random.Random, Path], str]
_NAMES = [f"{label}_{number}.png" for label in ("cat", "dog") for number in range(3)]


def _pictures(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(_NAMES):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)


def pictures(place: Path) -> Attempt:
    """Picture files of many formats, damaged, or no files."""
    good = []
    for form, mode in [
        *(("PNG", mode) for mode in ("RGB", "RGBA", "P", "L", "I;16", "1", "LA")),
        *(("TIFF", mode) for mode in ("RGB", "F", "I", "CMYK", "1")),
        *(("JPEG", "RGB"), ("JPEG", "CMYK"), ("GIF", "P"), ("BMP", "RGB"), ("WEBP", "RGBA"), ("PPM", "RGB")),
        *(
            ("TGA", "RGB"),
            ("ICO", "RGBA"),
            ("JPEG2000", "RGB"),
            ("PCX", "L"),
            ("SGI", "RGB"),
            ("DDS", "RGBA"),
            ("IM", "F"),
        ),
    ]:
        content = io.BytesIO()
        grey = Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32))
        picture = Image.new("I;16", (32, 32), 300) if mode == "I;16" else grey.convert("RGB").convert(mode)
        picture.save(content, form, **({"compression": "tiff_lzw"} if form == "TIFF" and mode == "RGB" else {}))
        good.append(content.getvalue())

    def attempt(seed: random.Random, place: Path) -> str:
        what = put(place / "picture.png", damaged(seed.choice(good), seed), seed)
        if open_picture(place / "picture.png").mode != "RGB":
            raise Harm("no RGB")
        return what

    return attempt


def tables(place: Path) -> Attempt:
    """Tables of labels in CSV, TSV and JSON lines, beside pictures that are whole."""
    data = place / "data"
    _pictures(data)

    def attempt(seed: random.Random, place: Path) -> str:
        for name in ("labels.csv", "labels.tsv", "metadata.jsonl", "metadata.csv"):
            remove(data / name)
        rows = [{"file_name": name, "label": name.partition("_")[0]} for name in _NAMES]
        name = seed.choice(["labels.csv", "labels.tsv", "metadata.jsonl", "metadata.csv"])
        if name.endswith("jsonl"):
            content = b"\n".join(
                json_bytes(row, seed) if seed.random() < 0.3 else json.dumps(row).encode() for row in rows
            )
        else:
            text = io.StringIO()
            writer = csv.writer(text, delimiter="\t" if name.endswith("tsv") else ",")
            writer.writerow(["file_name", "label"])
            for row in rows:
                values = list(row.values())
                if seed.random() < 0.3:
                    values[seed.randrange(2)] = str(seed.choice(VALUES))
                writer.writerow(values)
            content = text.getvalue().encode(errors="replace")
        what = put(data / name, damaged(content, seed) if seed.random() < 0.5 else content, seed)
        index = open_index(str(data), store=place / "store")
        if any(".." in Path(sample.file).parts or Path(sample.file).is_absolute() for sample in index.samples):
            raise Harm("a picture outside the folder")
        return what

    return attempt


def odd_folders(place: Path) -> Attempt:
    """Folders of pictures with things in them that are no files, under the names of pictures."""
    data = place / "data"
    _pictures(data)

    def attempt(seed: random.Random, place: Path) -> str:
        odd = data / seed.choice(
            ["cat_9.png", "dog_9.jpg", "labels.csv", "metadata.jsonl", "dog_0.txt", "x.json", "caption.txt"]
        )
        remove(odd)
        kind = seed.choice(list(NO_FILES))
        NO_FILES[kind](odd)
        try:
            seed.choice([lambda: open_index(str(data), store=place / "store"), lambda: open_captions(data)])()
        finally:
            remove(odd)
        return kind

    return attempt


def captions(place: Path) -> Attempt:
    """Annotation files in every form that is known."""
    data = place / "data"
    _pictures(data)
    coco = {
        "images": [{"id": number, "file_name": name, "height": 8, "width": 8} for number, name in enumerate(_NAMES)],
        "annotations": [
            {"id": number, "image_id": number, "caption": f"A {name[:3]}."} for number, name in enumerate(_NAMES)
        ],
    }
    instances = {
        **coco,
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [
            {
                "id": n,
                "image_id": n,
                "category_id": 1,
                "segmentation": [[0, 0, 8, 0, 8, 8]],
                "bbox": [0, 0, 8, 8],
                "iscrowd": 0,
            }
            for n in range(len(_NAMES))
        ],
    }
    karpathy = {
        "images": [
            {"filename": name, "split": "train", "sentences": [{"raw": "A thing.", "tokens": ["a", "thing"]}]}
            for name in _NAMES
        ]
    }
    texts = {
        "captions.txt": "image,caption\n" + "".join(f"{name},A thing.\n" for name in _NAMES),
        "results.csv": "image_name| comment_number| comment\n" + "".join(f"{name}| 0| A thing.\n" for name in _NAMES),
        "Flickr8k.token.txt": "".join(f"{name}#0\tA thing.\n" for name in _NAMES),
        "caption.txt": "".join(f"### {name}\nA thing.\n" for name in _NAMES),
        "metadata.csv": "file_name,text\n" + "".join(f"{name},A thing.\n" for name in _NAMES),
    }
    lines = [{"file_name": name, "text": "A thing."} for name in _NAMES]
    documents = {"captions_train.json": coco, "dataset_coco.json": karpathy, "instances_train.json": instances}

    def attempt(seed: random.Random, place: Path) -> str:
        for name in (*texts, *documents, "metadata.jsonl"):
            remove(data / name)
        name = seed.choice([*texts, *documents, "metadata.jsonl"])
        if name in texts:
            content = damaged(texts[name].encode(), seed)
        elif name == "metadata.jsonl":
            content = b"\n".join(
                json_bytes(line, seed) if seed.random() < 0.3 else json.dumps(line).encode() for line in lines
            )
        else:
            content = json_bytes(documents[name], seed)
        if name == "instances_train.json":
            (data / "captions_train.json").write_text(json.dumps(coco))
        what = put(data / name, content, seed)
        index = open_captions(data)
        for picture in index.pictures:
            if data.resolve() not in picture.file.resolve().parents:
                raise Harm("a picture outside the folder")
            for region in picture.regions:
                region_mask(region)
        return what

    return attempt


def masks(place: Path) -> Attempt:
    """COCO segmentations: polygons, run lengths and compressed run lengths."""
    forms = [
        [[0, 0, 8, 0, 8, 8]],
        {"size": [8, 8], "counts": [10, 20, 34]},
        {"size": [8, 8], "counts": ":2"},
    ]

    def attempt(seed: random.Random, place: Path) -> str:
        segmentation = changed(seed.choice(forms), seed)
        if seed.random() < 0.2:
            segmentation = {
                "size": [8, 8],
                "counts": "".join(chr(seed.randint(40, 120)) for _ in range(seed.choice([5, 4000]))),
            }
        size = seed.choice([8, 8, 8, 1, 2**31, 10**12])
        region_mask(Region("thing", segmentation, size, seed.choice([8, size])))
        return repr(segmentation)[:200]

    return attempt


def settings(place: Path) -> Attempt:
    """The app's remembered settings. A file with content that does not fit may be set aside, and never vanishes."""
    from screens.remembered import Remembered

    document = {"theme": "vitbench", "ascending": True, "seen_crashes": ["a", "b"], "colours": "auto"}

    def attempt(seed: random.Random, place: Path) -> str:
        for file in place.iterdir():
            remove(file)
        what = put(place / "screens.json", json_bytes(document, seed), seed)
        remembered = Remembered(place)
        values = (remembered.text("theme", "x"), remembered.flag("ascending", False), remembered.texts("seen_crashes"))
        if not (isinstance(values[0], str) and isinstance(values[1], bool) and isinstance(values[2], list)):
            raise Harm(f"settings of other types: {values!r}")
        remembered.set("theme", "vitbench")
        return what

    return attempt


def frames(place: Path) -> Attempt:
    """Lines to the inspector, and arguments of requests that it knows."""
    frame = {
        "id": 7,
        "request": "caption",
        "arguments": {"captioner": "demo", "picture": "a.png", "ids": [1]},
        "replaces": "x",
    }

    def attempt(seed: random.Random, place: Path) -> str:
        lines = b"\n".join(json_bytes(seed.choice([frame, {"cancel": 7}]), seed) for _ in range(seed.randint(1, 4)))
        stream = io.BytesIO(lines + b'\n{"id": 1, "request": "last"}\n')
        refused, last = [], None
        for _ in range(5000):
            try:
                request = read_question(stream)
            except BadFrame as error:
                refused.append(str(error))
                continue
            if request is None:
                break
            last = request
            if getattr(request, "name", "") in ARGUMENTS:
                try:
                    check_arguments(request.name, request.arguments)
                except UserError as error:
                    refused.append(str(error))
        if getattr(last, "name", "") != "last":
            raise Harm("the last request was not read")
        if refused:
            raise UserError(refused[0])
        return repr(lines[:200])

    return attempt
