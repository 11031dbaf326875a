"""Keeps torch's compiler out of processes that only look at a network: it is half of what `import timm` takes.

`torchvision.ops.roi_align` imports one function of `torch._dynamo`, and with it the whole compiler;
`torchvision.tv_tensors` and `timm.layers.typing` do so by the decorator `torch.compiler.disable`. While these three are
executed, the function is looked up with its first call, and the decorator is the one by which torch's own optimizers
put the compiler off. Whoever imports `torch._dynamo` gets it.
"""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_USERS = ("torchvision.ops.roi_align", "torchvision.tv_tensors", "timm.layers.typing")
_WANTED = "torch._dynamo.utils"


class _Deferred(ModuleType):
    """Stands for `torch._dynamo.utils` while one module is executed."""

    def is_compile_supported(self, device_type: object) -> object:
        return _real().is_compile_supported(device_type)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real(), name)  # another version of torchvision needs more of it


class _Loader:
    """Executes a module with the stand-ins in their places, and takes them away again."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        with _without_compiler():
            self._loader.exec_module(module)

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)


@contextmanager
def _without_compiler() -> Iterator[None]:
    import torch

    later = getattr(getattr(torch, "_compile", None), "_disable_dynamo", None)
    if _WANTED in sys.modules or later is None:
        yield
        return

    def disable(fn: object = None, recursive: bool = True, *, reason: str | None = None) -> object:
        return later(fn, recursive)

    now = torch.compiler.disable
    stand_in = sys.modules[_WANTED] = _Deferred(_WANTED)
    torch.compiler.disable = disable
    try:
        yield
    finally:
        torch.compiler.disable = now
        if sys.modules.get(_WANTED) is stand_in:
            del sys.modules[_WANTED]


class _Finder:
    """Finds those modules as Python does, with our loader around its own."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in _USERS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]  # it stands for the loader that it wraps
        return spec


def defer_compiler() -> None:
    """From now on timm and torchvision do not import torch's compiler. Call it before they are imported."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


def _real() -> ModuleType:
    if isinstance(sys.modules.get(_WANTED), _Deferred):
        del sys.modules[_WANTED]
    return importlib.import_module(_WANTED)
