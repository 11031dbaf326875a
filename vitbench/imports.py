"""Importing large libraries without Python's search for garbage among what they define."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Imports define hundreds of thousands of objects that stay: looking for garbage among them again and again is a
    tenth of the time that an import of PyTorch, pydantic or Textual takes. What was defined is not looked at later."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
