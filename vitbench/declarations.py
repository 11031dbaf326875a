"""What can be added by one file: declarations, found in a package of vitbench and in installed packages.

A declaration is a value that says what something is, and names its computation as `module:function`. The app reads
declarations too, so the file that holds one never imports torch (or anything that does) at its top: the computation is
imported, by `loaded`, where it is needed.
"""

import importlib
import pkgutil
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, Protocol, TypeVar

from vitbench.errors import UserError
from vitbench.nearest import perhaps
from vitbench.text import clean

HEAVY = ("torch", "torchvision", "timm", "matplotlib")
"""Packages that take seconds to import, and that no process needs for knowing what there is."""


class Declaration(Protocol):
    """What all declarations have: a name that is theirs alone."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Declaration)

_NAME = re.compile(r"[a-z0-9][a-z0-9 _-]{0,40}")

DECLARED = (
    "vitbench.methods:METHODS",
    "vitbench.data.layouts.registry:FORMS",
    "vitbench.captions.formats.registry:CAPTION_FORMATS",
    "vitbench.augmentations:AUGMENTATIONS",
    "vitbench.schedules:SCHEDULES",
    "vitbench.model_sources:SOURCES",
    "vitbench.requests.kinds:FIGURE_KINDS",
)
"""Where the declarations of each kind are; those of screens are the app's (`screens/navigation.py`)."""

_left_out: dict[str, str] = {}


class Declarations(Mapping[str, T], Generic[T]):
    """All declarations of one kind by name, in the order in which lists show them. Found when they are first needed.

    `kind`: what a person calls one, such as "method". `attribute`: what a module of `package` calls its declaration, or
    a tuple of them.
    `order`: a key to sort by; names decide where it is equal. Installed packages add theirs as entry points of the
    group `vitbench.<kind>s`; one that is broken is left out, see `left_out`.
    """

    def __init__(
        self, kind: str, declared_as: type[T], package: str, attribute: str, order: Callable[[T], Any] = lambda one: 0
    ) -> None:
        self.kind = kind
        self.group = f"vitbench.{kind.replace(' ', '_')}s"
        self._type, self._package, self._attribute, self._order = declared_as, package, attribute, order
        self._own: dict[str, T] | None = None
        self._found: dict[str, T] | None = None
        self._packages: dict[str, str] = {}
        self._lock = threading.RLock()

    def __getitem__(self, name: str) -> T:
        own = self._of_vitbench()  # whoever names one of these does not wait for packages to be looked at
        return own[name] if name in own else self._all()[name]

    def __contains__(self, name: object) -> bool:
        return name in self._of_vitbench() or name in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def find(self, name: str) -> T:
        """The declaration of that name. Raises UserError, with the names that there are, for an unknown one."""
        if name not in self:
            raise UserError(f"There is no {self.kind} {name!r}{perhaps(name, self)}; there are {', '.join(self)}.")
        return self[name]

    def own(self) -> list[T]:
        """Those that come with vitbench, in their order; no installed package is looked at."""
        return sorted(self._of_vitbench().values(), key=lambda one: (self._order(one), one.name))

    def package_of(self, name: str) -> str:
        """The installed package that declares `name`; "vitbench" for its own."""
        return "vitbench" if name in self._of_vitbench() else self._packages.get(name, "")

    def forget(self) -> None:
        """Looks again when next asked: packages were installed or removed."""
        with self._lock:
            self._found = None
            for told in [told for told in _left_out if told.startswith(f"{self.group} ")]:
                del _left_out[told]

    def _all(self) -> dict[str, T]:
        with self._lock:
            if self._found is None:
                known = dict(self._of_vitbench())
                for point in sorted(entry_points(group=self.group), key=lambda point: point.name):
                    try:
                        one = self._of_entry_point(point, known)
                    except _Unfit as unfit:
                        whose = f" of the package {point.dist.name}" if point.dist is not None else ""
                        said = f"The {self.kind} {point.name}{whose} is left out: {unfit}."
                        _left_out[f"{self.group} {point.name}"] = clean(said)
                    else:
                        known[one.name] = one
                        self._packages[one.name] = point.dist.name if point.dist is not None else ""
                ordered = sorted(known.values(), key=lambda one: (self._order(one), one.name))
                self._found = {one.name: one for one in ordered}
            return self._found

    def _of_vitbench(self) -> dict[str, T]:
        with self._lock:
            if self._own is None:
                self._own = {one.name: one for one in self._of_package()}
            return self._own

    def _of_package(self) -> Iterator[T]:
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__, f"{self._package}."):
            one = getattr(importlib.import_module(module.name), self._attribute, None)
            yield from one if isinstance(one, tuple) else [one] if isinstance(one, self._type) else []

    def _of_entry_point(self, point: EntryPoint, known: Mapping[str, T]) -> T:
        try:
            with _nothing_heavy():
                one = point.load()
        except (Exception, SystemExit) as error:
            raise _Unfit(f"{point.value} cannot be imported ({_said(error)})") from error
        if not isinstance(one, self._type):
            raise _Unfit(f"{point.value} is {type(one).__name__}, and no {self._type.__name__}")
        if not _NAME.fullmatch(str(one.name)):
            raise _Unfit(f"its name {str(one.name)!r} is not of small letters, digits, - and _")
        if one.name in known:
            raise _Unfit(f"there is a {self.kind} {one.name} already")
        return one


class _Unfit(Exception):
    """Why a declaration is not taken."""


def all_kinds() -> "list[Declarations[Any]]":
    """The declarations of each kind."""
    return [loaded(name) for name in DECLARED]


def any_packages() -> bool:
    """Whether an installed package adds anything."""
    return any(group.startswith("vitbench.") for group in entry_points().groups)


def left_out() -> tuple[str, ...]:
    """A sentence for each declaration of an installed package that is broken, of the kinds asked for so far."""
    return tuple(_left_out.values())


def loaded(name: str) -> Any:
    """What `module:attribute` names, imported now. Raises UserError if it cannot be."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        if module.partition(".")[0] in ("vitbench", "screens"):
            raise
        raise UserError(f"{name} cannot be imported ({_said(error)}); reinstall or remove its package.") from error


def one_of(names: Sequence[str]) -> str:
    """Names as a message of a validation lists them: `'a', 'b' or 'c'`."""
    shown = [repr(name) for name in names]
    return "".join(shown) if len(shown) < 2 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _said(error: BaseException) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


class _HeavyFinder:
    """Refuses heavy packages, in one thread, while a declaration of a stranger is imported."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] in HEAVY and threading.get_ident() == self.thread:
            raise ImportError(f"it imports {name} where it is declared; that belongs into the function that computes")
        return None


@contextmanager
def _nothing_heavy() -> Iterator[None]:
    finder = _HeavyFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
