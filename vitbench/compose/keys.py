"""By what values that were computed are found again: a file by its bytes, a network by its module."""

import itertools
from collections.abc import Hashable
from pathlib import Path
from weakref import WeakKeyDictionary

from vitbench.models.weight_files import SUFFIXES
from vitbench.models.weight_folders import snapshot_of
from vitbench.paths import expanded

_OF_NETWORKS = frozenset((*SUFFIXES, ".json", ".txt"))
_numbers = itertools.count()
_modules: WeakKeyDictionary[object, int] = WeakKeyDictionary()


def file_key(file: str) -> tuple[str, int, int, int]:
    """Names a file with the bytes that it has now (its times and size); zeros where there is none."""
    try:
        found = Path(file).stat()
    except OSError:
        return file, 0, 0, 0
    return file, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def module_key(module: object) -> int:
    """A number that no other module of this process has, or will have: its `id` may be another's once it is gone."""
    if module not in _modules:
        _modules[module] = next(_numbers)
    return _modules[module]


def reference_key(reference: str) -> tuple[Hashable, ...]:
    """A reference of a network with the files that it names now (itself, or what stands behind the `@`), so that
    weights which were written anew are opened again. Raises UserError for a folder that may mean several networks."""
    keys: list[tuple[str, int, int, int]] = []
    for text in filter(None, (reference, reference.partition("@")[2])):
        path = expanded(text)
        if path.is_dir():
            keys += _keys_of_folder(snapshot_of(path))
        elif path.is_file():
            keys.append(file_key(str(path)))
    return (reference, *keys)


def _keys_of_folder(folder: Path) -> list[tuple[str, int, int, int]]:
    """The files that a network may be in; a folder of pictures that was named by mistake has none."""
    try:
        return sorted(file_key(str(file)) for file in folder.iterdir() if file.suffix in _OF_NETWORKS)
    except OSError:
        return []  # whoever opens it says why it cannot be read
