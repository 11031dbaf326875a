"""What answers a question to the inspector, and with what."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vitbench.progress import Progress


@dataclass
class Reply:
    """What a handler gives back: values that JSON can carry, and arrays."""

    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    constant: frozenset[str] = frozenset()
    """Names of arrays that other answers have, too: each is sent once."""


Handler = Callable[[dict[str, Any], Progress], Reply]
