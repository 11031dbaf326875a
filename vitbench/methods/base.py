"""What a method of explaining is: a declaration without torch, which commands, screens and documentation read."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vitbench.declarations import loaded
from vitbench.errors import UserError

Value = str | int | float | bool


@dataclass(frozen=True)
class Option:
    """A keyword argument of the computation. `default` decides its type.

    A value is one of `choices`, or from `least` to below `below`, where these are given.
    """

    name: str
    help: str
    default: Value | None = None
    choices: tuple[str, ...] = ()
    least: float | None = None
    below: float | None = None

    def read(self, value: Value) -> Value:
        """The value as the computation takes it, of the default's type. Raises UserError for one that does not fit."""
        kind = type(self.default)
        found = _READERS[kind](value) if kind in _READERS else value
        if found is None:
            raise UserError(f"{self.name}={value} is not {_KINDS[kind]}: {self.help}.")
        if self.choices and found not in self.choices:
            raise UserError(f"{self.name}={value} is none of {', '.join(self.choices)}: {self.help}.")
        if isinstance(found, int | float):
            if self.least is not None and found < self.least:
                raise UserError(f"{self.name}={value} must be at least {self.least:g}: {self.help}.")
            if self.below is not None and found >= self.below:
                raise UserError(f"{self.name}={value} must be below {self.below:g}: {self.help}.")
        return found

    def described(self) -> str:
        """`name=default: help`, as a help text has it."""
        return f"{self.name}{'' if self.default is None else f'={self.default}'}: {self.help}"


def _number(value: Value) -> float | None:
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _whole(value: Value) -> int | None:
    found = _number(value)
    return int(found) if found is not None and found == int(found) else None


def _truth(value: Value) -> bool | None:
    return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())


_READERS: Mapping[type, Callable[[Value], Value | None]] = {int: _whole, float: _number, bool: _truth, str: str}
_KINDS: Mapping[type, str] = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}

LAYER = Option("layer", "the layer whose attention is shown; the last where none is named")
HEAD = Option("head", "the head whose attention is shown; the mean of all where none is named")
QUERY = Option("query", "the patch (row, column) that looks; what the classifier reads where none is named")
START_LAYER = Option("start_layer", "how many of the first layers are left out of the product", 0, least=0)
OF_REQUESTS = (LAYER, HEAD, QUERY)
"""Options that a request has fields for; all others are given as `--option NAME=VALUE`."""


@dataclass(frozen=True)
class Method:
    """A way to explain. Each is one file of `vitbench/methods/`, or an entry point `vitbench.methods` of a package.

    `title` is what a figure says, `summary` one sentence for help and documentation, `compute` is `module:function`:
    the function takes a `Subject` and the options as keyword arguments, and returns a `MethodResult`.
    """

    name: str
    title: str
    summary: str
    compute: str
    options: tuple[Option, ...] = ()
    needs_class: bool = True
    """Whether the map depends on the class that it is asked about; attention as it is does not."""
    signed: bool = False
    """Whether values below 0 are evidence against the class; such maps are drawn from 0 up."""
    slow: bool = False
    """Whether it asks the network many times: it is not computed unless it is named."""
    needs_attention: bool = True
    """Whether it reads attention maps of the whole picture, which windowed networks do not have."""
    needs_blocks: bool = True
    """Whether it looks into the network; one that only asks for its answers works on any."""
    may_be_empty: bool = False
    """Whether its map can be 0 everywhere."""
    quantity: str = "Attribution"
    """What the values of its map are, for a colour bar."""
    order: int = 1000
    """Where it stands in lists; those of packages stand last."""
    caution: str = ""
    """What was measured that a person should know before trusting it, a sentence; it is then offered last."""

    @property
    def function(self) -> Callable[..., Any]:
        """The function that computes it, imported now. Raises UserError if a stranger's cannot be."""
        found: Callable[..., Any] = loaded(self.compute)
        return found

    def has(self, option: str) -> bool:
        """Whether the computation takes an option of this name."""
        return any(one.name == option for one in self.options)

    def own_options(self) -> dict[str, Option]:
        """The options that are given as `--option NAME=VALUE`: those that a request has no field for."""
        return {one.name: one for one in self.options if one not in OF_REQUESTS}

    def read_options(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """The options as the computation takes them. Raises UserError for an unknown one, and for what does not fit."""
        own = self.own_options()
        for name in given:
            if name not in own:
                known = f"it has {', '.join(own)}" if own else "it has none"
                raise UserError(f"The method {self.name} has no option {name!r}; {known}.")
        return {name: own[name].read(value) for name, value in given.items()}
