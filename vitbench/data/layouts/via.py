"""VGG's image annotator (VIA): regions and whole pictures with attributes, as JSON, as a project, or as CSV."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from vitbench.data.layouts.column_names import LABEL_COLUMNS
from vitbench.data.tables import Table
from vitbench.files.parsing import Malformed, parse_json

CSV_COLUMNS = ("filename", "region_shape_attributes", "region_attributes", "file_attributes")
"""The columns that tell VIA's CSV from other tables."""


@dataclass
class ViaPicture:
    """A picture of VIA: attributes of each of its regions, and of the whole."""

    name: str
    regions: list[dict[str, object]] = field(default_factory=list)
    whole: dict[str, Any] = field(default_factory=dict)


def pictures_of_document(document: dict[str, object]) -> list[ViaPicture]:
    """Those of a JSON export, or of a project with its settings; empty if it is no VIA."""
    entries = document.get("_via_img_metadata", document)
    if not isinstance(entries, dict) or not entries:
        return []
    found = []
    for one in entries.values():
        if not isinstance(one, dict) or "regions" not in one or not isinstance(one.get("filename"), str):
            return []
        regions = one["regions"]
        # Version 1 numbers the regions, version 2 lists them.
        listed = list(regions.values()) if isinstance(regions, dict) else regions if isinstance(regions, list) else []
        attributes = [_object(region.get("region_attributes")) for region in listed if isinstance(region, dict)]
        found.append(ViaPicture(one["filename"], attributes, _object(one.get("file_attributes"))))
    return found


def is_via_table(header: list[str]) -> bool:
    """Whether the columns of a CSV are those of VIA."""
    return set(CSV_COLUMNS) <= {name.strip().lstrip("#") for name in header}


def pictures_of_table(table: Table) -> list[ViaPicture]:
    """Those of a CSV export, a region a row; the header is among the rows."""
    header = [name.strip().lstrip("#") for name in table.rows[0][1]] if table.rows else []
    if not is_via_table(header):
        return []
    file, region, whole = (header.index(name) for name in ("filename", "region_attributes", "file_attributes"))
    found: dict[str, ViaPicture] = {}
    for _, cells in table.rows[1:]:
        if len(cells) > max(file, region, whole) and cells[file]:
            one = found.setdefault(cells[file], ViaPicture(cells[file]))
            if attributes := _object(_parsed(cells[region])):
                one.regions.append(attributes)
            one.whole |= _object(_parsed(cells[whole]))
    return list(found.values())


def attribute_of(pictures: list[ViaPicture]) -> tuple[str, bool] | list[str]:
    """The attribute that is the label, and whether it is one of regions; else the names of those that may be."""
    for of_regions in (True, False):
        used = [own for picture in pictures for own in (picture.regions if of_regions else [picture.whole]) if own]
        counts = Counter(name for own in used for name, value in own.items() if values_of(value))
        # Texts that are all different say something of each picture and are no classes.
        for name in list(counts):
            said = [value for own in used for value in values_of(own.get(name))]
            if len(said) > 10 and len(set(said)) * 1.2 > len(said):
                del counts[name]
        if len(counts) == 1:
            return next(iter(counts)), of_regions
        certain = [name for name in counts if name.lower() in (*LABEL_COLUMNS, "name", "object")]
        if len(certain) == 1:
            return certain[0], of_regions
        if counts:
            return list(counts)
    return []


def values_of(value: object) -> tuple[str, ...]:
    """What an attribute says: a text, or the boxes that are ticked."""
    if isinstance(value, dict):
        return tuple(str(name) for name, ticked in value.items() if ticked is True or ticked == "true")
    text = str(value).strip() if isinstance(value, str | int) else ""
    return (text,) if text else ()


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _parsed(cell: str) -> object:
    try:
        return parse_json(cell, "an attribute")
    except Malformed:
        return None
