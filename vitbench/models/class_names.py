"""What the classes of a network are called, from the files that people keep beside weights."""

from dataclasses import replace
from pathlib import Path

from vitbench.data.class_names import parse_class_names
from vitbench.errors import UserError
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

    Any form that `parse_class_names` knows, such as one name per line or the config.json of transformers. Raises
    UserError naming
    what does not fit.
    """
    path = expanded(file)
    found = parse_class_names(read_text(path, DESCRIPTION), str(path))
    if not found.in_order and not found.by_number:
        raise UserError(
            f"{path} names no classes: one name per line, a list in JSON, {{number: name}} or {{name: number}} was"
            " expected."
        )
    names = _numbered(found.by_number, str(path)) if found.by_number else list(found.in_order)
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise UserError(
            f"{path} names two classes {shortened(twice, 60)!r}; evaluation matches classes by their names."
        )
    return tuple(names)


def _numbered(names: dict[int, str], where: str) -> list[str]:
    if sorted(names) == list(range(1, len(names) + 1)):
        raise UserError(f"{where} counts classes from 1; a network's are counted from 0.")
    if missing := next((number for number in range(len(names)) if number not in names), None):
        raise UserError(f"{where} has no name for class {missing}.")
    if 0 not in names:
        raise UserError(f"{where} has no name for class 0.")
    return [names[number] for number in range(len(names))]
