"""Files of object masks, whatever they are called: COCO instances, and labelme's JSON beside each picture."""

from collections.abc import Sequence
from math import cos, pi, sin
from pathlib import PurePosixPath
from typing import Any

from vitbench.captions.formats.base import CaptionPlace
from vitbench.captions.formats.coco import side_of
from vitbench.captions.formats.rows import Region, Rows
from vitbench.data.encodings import read_decoded
from vitbench.errors import UserError
from vitbench.files.parsing import parse_json
from vitbench.files.reading import CAPTIONS

PHRASE = "COCO instances (annotations/instances_*.json, _annotations.coco.json), labelme's JSON beside pictures"
_MOST_CORNERS = 64
"""Of the polygon that stands for a circle."""


def is_coco_instances(document: Any) -> bool:
    """Whether a JSON document lists images, and annotations of which one of the first twenty has a segmentation."""
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        return False
    annotations = document.get("annotations")
    return isinstance(annotations, list) and any(isinstance(a, dict) and "segmentation" in a for a in annotations[:20])


def instance_files(place: CaptionPlace) -> list[str]:
    """The files of COCO instances of a place: those of its own names (instances_val.json), else any that are some."""
    named = [name for name in place.files(".json", deepest=2) if PurePosixPath(name).name.startswith("instances")]
    if named:
        return named
    return [name for name, document in place.documents.items() if is_coco_instances(document.value)]


def read_labelme(place: CaptionPlace, rows: Rows) -> None:
    """Adds the objects of labelme's files, each beside its picture (`cat.json` beside `cat.jpg`), to `rows.regions`.

    A file that is no labelme's is passed over; an object that is none is a problem.
    """
    by_stem = {picture.rpartition(".")[0]: picture for picture in place.pictures}
    for name in place.others:
        picture = by_stem.get(name.rpartition(".")[0])
        if picture is None or not name.lower().endswith(".json"):
            continue
        try:
            document = parse_json(read_decoded(place.root / name, CAPTIONS).text, name)
        except UserError as error:
            rows.problems.append(str(error).rstrip("."))
            continue
        if not (isinstance(document, dict) and isinstance(document.get("shapes"), list)):
            continue
        height, width = side_of(document.get("imageHeight")), side_of(document.get("imageWidth"))
        for number, shape in enumerate(document["shapes"]):
            where = f"{name}: shapes[{number}]"
            try:
                polygon = _polygon(shape)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                rows.problems.append(f"{where}: it is not a shape with an area ({error})")
                continue
            region = Region(str(shape.get("label") or "object"), [polygon], height, width, where)
            rows.regions.setdefault(("", picture), []).append(region)


def _polygon(shape: Any) -> Sequence[float]:
    """The corners x, y, x, y, ... of a shape of labelme. Raises ValueError for one without an area."""
    points = [(float(x), float(y)) for x, y in shape["points"]]
    kind = shape.get("shape_type") or "polygon"
    if kind == "rectangle":
        (left, top), (right, bottom) = points
        points = [(left, top), (right, top), (right, bottom), (left, bottom)]
    elif kind == "circle":
        (x, y), (edge_x, edge_y) = points
        radius = ((edge_x - x) ** 2 + (edge_y - y) ** 2) ** 0.5
        points = [_on_circle(x, y, radius, step / _MOST_CORNERS) for step in range(_MOST_CORNERS)]
    elif kind != "polygon":
        raise ValueError(f"a {kind}")
    if len(points) < 3:
        raise ValueError("a polygon with fewer than three corners")
    return [number for point in points for number in point]


def _on_circle(x: float, y: float, radius: float, turn: float) -> tuple[float, float]:
    return x + radius * cos(2 * pi * turn), y + radius * sin(2 * pi * turn)
