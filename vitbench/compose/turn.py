"""Who may look into the layers of networks: one thread at a time, long work giving way between its steps."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import Tensor
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook


class Turn:
    """A lock for whoever looks into a network's layers, or moves it to another device.

    One long look goes on at a time. It lends its turn to short ones that wait, between its steps and at each module of
    a pass, forward and backward, since one pass of a large network takes a second. Each short one ends before the long
    one goes on: what hooks they set is undone in its order, and modes belong to a thread. Whoever moves networks waits
    until none goes on.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: int | None = None
        self._long: int | None = None
        self._waiting = 0
        """Short looks that wait."""

    @contextmanager
    def hold(self, long: bool = False) -> Iterator[None]:
        """Holds the turn, for a `long` look but for what it lends."""
        me = threading.get_ident()
        try:
            with self._changed:
                if long:
                    self._changed.wait_for(lambda: self._long is None)
                    self._long = me
                self._waiting += not long
                try:
                    self._changed.wait_for(lambda: self._holder is None)
                finally:
                    self._waiting -= not long
                self._holder = me
            with self._within_passes() if long else nullcontext():
                yield
        finally:
            self._leave(me)

    @contextmanager
    def _within_passes(self) -> Iterator[None]:
        def backward_too(module: object, arguments: object, output: object) -> None:
            if isinstance(output, Tensor) and output.requires_grad:
                output.register_hook(lambda gradient: self.give_way())

        hooks = (
            register_module_forward_pre_hook(lambda module, arguments: self.give_way()),
            register_module_forward_hook(backward_too),
        )
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextmanager
    def alone(self, wait: bool = True) -> Iterator[bool]:
        """Holds the turn while nobody looks; without `wait` it gives False, at once, where somebody does."""
        me = threading.get_ident()
        try:
            with self._changed:
                if wait:
                    self._changed.wait_for(self._is_free)
                free = self._is_free()
                if free:
                    self._holder = me
            yield free
        finally:
            self._leave(me)

    def give_way(self) -> None:
        """Between two steps of a long look: lets short ones go first that wait. In any other thread it does nothing."""
        me = threading.get_ident()
        with self._changed:
            if self._long != me or self._holder != me or not self._waiting:
                return
            self._holder = None
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._holder is None and not self._waiting)
            self._holder = me

    def _is_free(self) -> bool:
        return self._holder is None and self._long is None

    def _leave(self, me: int) -> None:
        with self._changed:
            if self._holder == me:
                self._holder = None
            if self._long == me:
                self._long = None
            self._changed.notify_all()
