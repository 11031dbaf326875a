"""The first update of the weights in a process takes the memory of the optimizer's state, and may fail half-way."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from vitbench.training.memory import copied_to_cpu


class HasState(Protocol):
    """A module, an optimizer, what scales losses."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


class FirstUpdate:
    """Keeps what the first update changes in main memory until it is done, so that it can be taken back."""

    def __init__(self, parts: Mapping[str, HasState]) -> None:
        self._parts = parts
        self._before: dict[str, dict[str, object]] | None = None
        self._is_over = False
        self.is_broken_off = False
        """Whether an update, the first or a later one, was begun and has not ended."""

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Around each update; of a later one nothing is kept."""
        if not self._is_over and self._before is None:
            self._before = {name: copied_to_cpu(part.state_dict()) for name, part in self._parts.items()}
        self.is_broken_off = True
        yield
        self.is_broken_off, self._is_over, self._before = False, True, None

    def take_back(self) -> bool:
        """Undoes an update that was broken off; False for a later one, of which nothing was kept."""
        self.is_broken_off = False
        if self._before is None:
            return False
        for name, part in self._parts.items():
            part.load_state_dict(self._before[name])
        return True
