"""Run by itself (`python -P matlab_process.py`): a MATLAB file on standard input, its variables as JSON on standard
output. scipy's reader is compiled code that a damaged file can crash, and a small file can ask for all memory: here
that ends this process alone.

The answer is `{"variables": {name: value}, "left_out": {name: reason}}` or `{"error": text}`. Arrays are flat lists, in
the order of rows; structures are objects; what is neither number nor text is null.
"""

import json
import os
import sys
from typing import Any

SECONDS = 60
"""The most time that reading a file may take."""
MEMORY = 4 * 1024**3
MOST_VALUES = 5_000_000
"""Numbers and texts in a variable; the largest one of the archives that are read has some 100,000."""
_DEEPEST = 12


def _plain(value: object, budget: list[int], depth: int = 0) -> Any:
    """A value that scipy gives, as JSON has it; takes what it holds off `budget`."""
    import numpy as np

    if depth > _DEEPEST:
        raise ValueError(f"structures lie in each other more than {_DEEPEST} levels deep")
    if isinstance(value, np.ndarray):
        budget[0] -= value.size
        if budget[0] < 0:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values")
        if value.dtype.names is None and value.ndim == 0:
            return _plain(value.item(), budget, depth + 1)
        return [_plain(one, budget, depth + 1) for one in value.reshape(-1)]
    if isinstance(value, np.void) and value.dtype.names is not None:
        return {name: _plain(value[name], budget, depth + 1) for name in value.dtype.names}
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, str | int | float) else None


def _answer(content: bytes) -> dict[str, object]:
    import io

    try:
        from scipy.io import loadmat
    except ImportError:
        return {"error": "scipy is missing"}
    try:
        found = loadmat(io.BytesIO(content), squeeze_me=True)
    except Exception as error:  # noqa: BLE001 - scipy raises errors of all kinds for bytes that are no MATLAB file
        return {"error": f"{error or type(error).__name__}"}
    variables, left_out = {}, {}
    for key, value in found.items():
        if not key.startswith("__"):
            try:
                variables[key] = _plain(value, [MOST_VALUES])
            except ValueError as error:
                left_out[key] = str(error)
    return {"variables": variables, "left_out": left_out}


def _main() -> None:
    import resource

    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each thread would take its share of the memory that is allowed
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    json.dump(_answer(sys.stdin.buffer.read()), sys.stdout)


if __name__ == "__main__":
    _main()
