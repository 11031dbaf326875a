"""By what values that were computed are found again: a file by its bytes, a network by its module."""

import itertools
from collections.abc import Hashable
from pathlib import Path
from weakref import WeakKeyDictionary

from vitbench.paths import expanded

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
    weights which were written anew are opened again."""
    keys: list[tuple[str, int, int, int]] = []
    for text in (reference, reference.partition("@")[2]):
        path = expanded(text) if text else None
        if path is not None and path.is_dir():
            keys += sorted(file_key(str(file)) for file in path.iterdir() if file.is_file())
        elif path is not None and path.is_file():
            keys.append(file_key(str(path)))
    return (reference, *keys)
