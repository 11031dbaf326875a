"""What the classes of a network are called, from the files that people keep beside weights."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.files.parsing import parse_json
from vitbench.files.reading import DESCRIPTION, read_text
from vitbench.models.network import Network
from vitbench.paths import expanded
from vitbench.text import shortened


def with_class_names(network: Network, file: str) -> Network:
    """The network with the class names of `file`. Raises UserError where there are not as many as classes."""
    names = read_class_names(file)
    if len(names) != network.num_classes:
        raise UserError(f"{file} names {len(names):,} classes, but {network.name} has {network.num_classes:,}.")
    source = network.source.partition(" Its ")[0] if "taken to be ImageNet's" in network.source else network.source
    return replace(network, labels=names, source=f"{source} Its classes are named by {Path(file).name}.")


def read_class_names(file: str) -> tuple[str, ...]:
    """The class names, in the order of their numbers.

    A text has a name a line, or a number and a name (apart by comma, tab or space) in any order of lines. JSON is a
    list of names, `{number: name}` or `{name: number}` (torchvision's `class_to_idx`), or an object with one of these
    under `id2label`, `label2id`, `labels`, `classes`, `class_names` or `class_to_idx`, such as transformers'
    config.json. Raises UserError naming what does not fit.
    """
    path = expanded(file)
    text = read_text(path, DESCRIPTION)
    if path.suffix.lower() == ".json" or text.lstrip()[:1] in ("{", "["):
        names = _from_json(parse_json(text, str(path)), str(path))
    else:
        names = _from_lines(text, str(path))
    if not names:
        raise UserError(f'{path} names no classes: one name per line, or JSON such as {{"0": "cat"}}.')
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise UserError(
            f"{path} names two classes {shortened(twice, 60)!r}; evaluation matches classes by their names."
        )
    return tuple(names)


_HOLDERS = ("id2label", "label2id", "labels", "classes", "class_names", "class_to_idx", "idx_to_class")


def _from_json(value: Any, where: str) -> list[str]:
    if isinstance(value, dict):
        for holder in _HOLDERS:
            if isinstance(value.get(holder), list | dict) and value[holder]:
                return _from_json(value[holder], where)
        if all(str(key).isdecimal() for key in value):
            return _numbered({int(key): _name(name) for key, name in value.items()}, where)
        if all(isinstance(number, int) and not isinstance(number, bool) for number in value.values()):
            numbered = {number: str(name) for name, number in value.items()}
            if len(numbered) == len(value):
                return _numbered(numbered, where)
    if isinstance(value, list) and all(isinstance(name, str | int) for name in value):
        return [str(name) for name in value]
    raise UserError(f"{where} names no classes: a list, {{number: name}} or {{name: number}} was expected.")


def _name(value: Any) -> str:
    """A name; of `["n01440764", "tench"]`, as ImageNet's index has them, the last part."""
    return str(value[-1] if isinstance(value, list) and value else value)


def _from_lines(text: str, where: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    split = [_parts(line) for line in lines]
    if lines and all(len(parts) == 2 and parts[0].isdecimal() for parts in split):
        return _numbered({int(number): name for number, name in split}, where)
    header = split[0] if split else []
    rest = split[1:]
    if len(header) == 2 and rest and all(len(parts) == 2 and parts[0].isdecimal() for parts in rest):
        return _numbered({int(number): name for number, name in rest}, where)
    return lines


def _parts(line: str) -> list[str]:
    """A line at its first comma, tab or space; quotes as CSV has them."""
    for separator in ("\t", ","):
        if separator in line:
            return [part.strip() for part in next(csv.reader(io.StringIO(line), delimiter=separator))]
    return line.split(None, 1)


def _numbered(names: dict[int, str], where: str) -> list[str]:
    if sorted(names) == list(range(1, len(names) + 1)):
        raise UserError(f"{where} counts classes from 1; a network's are counted from 0.")
    if missing := next((number for number in range(len(names)) if number not in names), None):
        raise UserError(f"{where} has no name for class {missing}.")
    if 0 not in names:
        raise UserError(f"{where} has no name for class 0.")
    return [names[number] for number in range(len(names))]
