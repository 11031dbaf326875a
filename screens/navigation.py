"""The one place where screens are opened: each is declared in its own file, which is imported when it is asked for."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from screens.actions import Action, actions
from vitbench.declarations import Declarations
from vitbench.errors import UserError

if TYPE_CHECKING:
    from screens.base import WorkbenchScreen


@dataclass(frozen=True)
class Opening:
    """A key that opens a screen, and where: the name of the screen on which it works.

    `alone` is the key that opens it about the package's own network, where there is no run to look into. `about` makes
    the screen's arguments of the screen on which the key was pressed; None means that there is nothing to open it for.
    """

    place: str
    key: str
    alone: str = ""
    about: "Callable[[WorkbenchScreen], Mapping[str, Any] | None]" = lambda screen: {}


@dataclass(frozen=True)
class ScreenDeclaration:
    """A screen, declared as `SCREEN` in its own file `screens/NAME_screen.py`, or as an entry point `vitbench.screens`
    of a package.

    `screen` is the class, called with the arguments of `make_screen`. `help` is a sentence. `actions` are the keys on
    it: its BINDINGS are `bindings(actions)`, and it has a method `action_NAME` for each.
    """

    name: str
    title: str
    help: str
    screen: "type[WorkbenchScreen]"
    actions: tuple[Action, ...]
    opened: Opening | None = None
    within: "tuple[ScreenPart, ...]" = ()
    order: int = 1000
    """Where it stands in lists."""


@dataclass(frozen=True)
class ScreenPart:
    """A part of a screen with keys of its own, and the key of the screen that shows it."""

    name: str
    key: str


class _Screens(Declarations[ScreenDeclaration]):
    """A screen of vitbench is looked for in `screens.NAME_screen` first, so that opening one imports no other."""

    def __getitem__(self, name: str) -> ScreenDeclaration:
        return self._named(name) or super().__getitem__(name)

    def _named(self, name: str) -> ScreenDeclaration | None:
        module = f"screens.{name}_screen"
        try:
            found = getattr(importlib.import_module(module), "SCREEN", None)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            return None
        return found if isinstance(found, ScreenDeclaration) and found.name == name else None

    def _of_package(self) -> Iterator[ScreenDeclaration]:
        for module in pkgutil.iter_modules(importlib.import_module("screens").__path__, "screens."):
            if module.name.endswith("_screen"):
                yield importlib.import_module(module.name).SCREEN


SCREENS = _Screens("screen", ScreenDeclaration, "screens", "SCREEN", lambda one: one.order)


def make_screen(name: str, **subject: Any) -> "WorkbenchScreen":
    """The screen `name` about `subject`, such as `run_id="..."`. Raises KeyError for a name that there is not, and
    UserError where a package's screen cannot be made."""
    declared = SCREENS[name]
    try:
        return declared.screen(**subject)
    except Exception as error:
        if declared.screen.__module__.partition(".")[0] == "screens":
            raise
        raise UserError(f"The screen {declared.title} cannot be opened: {type(error).__name__}: {error}") from error


def from_packages() -> list[ScreenDeclaration]:
    """The screens of installed packages."""
    own = {one.name for one in SCREENS.own()}
    return [one for name, one in SCREENS.items() if name not in own]


def without_key() -> list[str]:
    """A sentence for each screen of a package whose key means something else where it is to be opened."""
    said = []
    for declared in from_packages():
        opened = declared.opened
        if opened is None:
            continue
        known = opened.place in SCREENS
        if not known or declared.name not in {one.name for one, _ in openings(opened.place)}:
            why = (
                f"{opened.key} means something else on {opened.place}"
                if known
                else f"there is no screen {opened.place}"
            )
            said.append(f"The screen {declared.title} of a package has no key: {why}.")
    return said


def openings(place: str) -> list[tuple[ScreenDeclaration, Opening]]:
    """The screens of packages that a key on the screen `place` opens, but for those whose key means something there."""
    taken = {key for action in (*SCREENS[place].actions, *actions("everywhere")) for key in action.keys.split(",")}
    found = []
    for declared in from_packages():
        opened = declared.opened
        if opened is not None and opened.place == place and opened.key not in taken:
            taken.add(opened.key)
            found.append((declared, opened))
    return found
