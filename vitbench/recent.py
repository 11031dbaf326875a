"""Recently used values: what was not asked for longest is forgotten."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

Value = TypeVar("Value")


class Recent:
    """The last values of a kind, at most `most` of them, and with `size` at most `most_bytes` but for one."""

    def __init__(self, most: int, *, most_bytes: int = 0, size: Callable[[object], int] | None = None) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self._size = size
        self._values: OrderedDict[Hashable, object] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key`, made if it is not there; two threads that ask at once may both make it."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]  # type: ignore[return-value]  # a key names what the same `make` made
        made = make()
        with self._lock:
            self._values[key] = made
            self._values.move_to_end(key)
            while len(self._values) > 1 and self._too_many():
                self._values.popitem(last=False)
        return made

    def _too_many(self) -> bool:
        if len(self._values) > self.most:
            return True
        return self._size is not None and sum(map(self._size, self._values.values())) > self.most_bytes

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def keys(self) -> list[Hashable]:
        """The keys, the one used last at the end."""
        return list(self._values)

    def values(self) -> list[object]:
        """The values, in the order of `keys`."""
        return list(self._values.values())

    def clear(self) -> None:
        """Forgets all."""
        self._values.clear()
