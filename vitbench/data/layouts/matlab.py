"""What stands in MATLAB files, which scipy reads (an extra): vectors, texts and structures of archives."""

import io
import struct
import zlib
from typing import Any

from vitbench.data.layouts.place import Place
from vitbench.errors import UserError
from vitbench.files.reading import TABLE, read_bytes

_BROKEN = (
    *(ValueError, TypeError, KeyError, NotImplementedError, OSError, IndexError, OverflowError, AssertionError),
    *(EOFError, MemoryError, struct.error, zlib.error),
)
"""What scipy raises, beside its own MatReadError, for bytes that are no MATLAB file."""


def variable(place: Place, name: str, key: str) -> Any:
    """The variable `key` of a MATLAB file as numpy has it, without axes of length 1.

    Raises UserError if scipy, the file or the variable is missing, or the file is none.
    """
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise UserError(
            f"{place.root / name} is a MATLAB file, which scipy reads: pip install 'vitbench[matlab]'."
        ) from error
    content = read_bytes(place.root / name, TABLE)
    try:
        return loadmat(io.BytesIO(content), variable_names=[key], squeeze_me=True)[key]
    except (*_BROKEN, MatReadError) as error:
        raise UserError(f"{place.root / name} holds no {key!r} that can be read ({error}).") from error


def numbers(place: Place, name: str, key: str) -> list[int]:
    """A vector of whole numbers. Raises as `variable` does."""
    values = variable(place, name, key)
    try:
        return [int(value) for value in values.ravel().tolist()]
    except (*_BROKEN, AttributeError) as error:
        raise UserError(f"{place.root / name} holds no vector {key!r} of numbers ({error}).") from error


def texts(place: Place, name: str, key: str) -> list[str]:
    """A cell array of texts. Raises as `variable` does."""
    values = variable(place, name, key)
    try:
        return [str(value) for value in values.ravel().tolist()]
    except (*_BROKEN, AttributeError) as error:
        raise UserError(f"{place.root / name} holds no list {key!r} of texts ({error}).") from error


def structures(place: Place, name: str, key: str) -> list[dict[str, Any]]:
    """A vector of structures, each as its fields by name; numbers and texts as Python has them.

    Raises as `variable` does.
    """
    values = variable(place, name, key)
    try:
        fields = values.dtype.names
        return [
            {field: getattr(row[field], "item", lambda value=row[field]: value)() for field in fields}
            for row in values.reshape(-1)
        ]
    except (*_BROKEN, AttributeError) as error:
        raise UserError(f"{place.root / name} holds no structures {key!r} ({error}).") from error
