"""Which maps of which pictures, and how they are drawn."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from vitbench.errors import UserError
from vitbench.methods import DEFAULT_METHOD, METHODS, find_method, quick_methods
from vitbench.methods.base import Method, Value
from vitbench.requests.base import Figure, Request, option
from vitbench.requests.colour_maps import ColourMap
from vitbench.requests.sizes import ImageSize

Grid = Literal["heads", "layers", "methods", "classes", "checkpoints", "compare", "tutorial"]
GRIDS: tuple[Grid, ...] = ("heads", "layers", "methods", "classes", "checkpoints", "compare", "tutorial")
ALL = "all"
"""All checkpoints that a run has now; a saved figure records which these were."""

_OF_RAW_ATTENTION = ("heads", "layers", "tutorial")
"""Grids that show attention as it is, whatever the method."""


class AttentionRequest(Request):
    """Maps of pictures. Layers, heads, rows and columns count from 1.

    An option that would have no effect is refused: `without_effect` says which these are, `fitting` leaves them out.
    """

    kind: ClassVar[str] = "attention"

    network: str = Field(min_length=1)
    pictures: tuple[str, ...] = Field(min_length=1)
    method: str = DEFAULT_METHOD
    by_default: bool = False
    """Whether nobody named the method: on a network without classes raw attention stands in for it, which is said."""
    methods: tuple[str, ...] = ()
    """For `grid = "methods"`: which; none named means all that the network has, without the slow ones."""
    layer: int | None = Field(None, ge=1)
    """None is the last; of a network with an attention pool, the pool itself."""
    head: int | None = Field(None, ge=1)
    """None is the mean over heads."""
    target: str | None = None
    """A class by number or name; None is the likeliest one of each picture."""
    targets: tuple[str, ...] = ()
    """For `grid = "classes"`: which, by number or name; none named means the likeliest three, or all labels
    that a multi-label network gives."""
    query: tuple[int, int] | None = None
    """The patch (row, column) that looks; None is what the classifier reads."""
    options: dict[str, Value] = Field({})
    """What else the method is told, such as `steps` of integrated gradients; each method declares its own."""
    grid: Grid | None = None
    other: str | None = None
    """For `grid = "compare"`: the second network."""
    steps: tuple[int, ...] | Literal["all"] = ()
    """For `grid = "checkpoints"` or `"methods"`: which checkpoints of the run; `all` that there are."""
    preprocess: Literal["own", "report"] = "own"
    image_size: ImageSize = None
    """(height, width) of the pictures that the network is set to, its positions resampled; None is its own."""
    classes: str | None = None
    """A file that says what the network's classes are called."""
    mask_outliers: bool = False
    scale: Literal["full", "robust"] = "full"
    """`robust`: the last colour stands for the 98th percentile and all above it, so that one patch does not hide the
    others."""
    strength: float = Field(0.55, ge=0, le=1)
    colour_map: ColourMap = "jet"
    smooth: bool = True

    @field_validator("method")
    @classmethod
    def _known_method(cls, name: str) -> str:
        return _known(name)

    @field_validator("methods")
    @classmethod
    def _known_methods(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_known(name) for name in names))

    @field_validator("query")
    @classmethod
    def _query_from_one(cls, query: tuple[int, int] | None) -> tuple[int, int] | None:
        if query is not None and min(query) < 1:
            raise ValueError(f"--query counts rows and columns from 1, not {query[0]},{query[1]}.")
        return query

    @field_validator("steps")
    @classmethod
    def _steps_are_steps(cls, steps: tuple[int, ...] | str) -> tuple[int, ...] | str:
        if any(isinstance(step, int) and step < 0 for step in steps):
            raise ValueError(f"--steps names steps from 0, not {min(step for step in steps if step != ALL)}.")
        return steps

    @model_validator(mode="before")
    @classmethod
    def _implied(cls, values: object) -> object:
        """What follows from the grid: attention as it is for heads and layers, all checkpoints where none is named."""
        if not isinstance(values, Mapping):
            return values
        given = dict(values)
        if "method" not in given:
            given.setdefault("by_default", True)
        if given.get("grid") in _OF_RAW_ATTENTION:
            given.setdefault("method", "raw")
        if given.get("grid") == "checkpoints" and not given.get("steps"):
            given["steps"] = ALL
        if isinstance(options := given.get("options"), Mapping):
            names = given.get("methods") or (quick_methods() if given.get("grid") == "methods" else ())
            names = names or (given.get("method", DEFAULT_METHOD),)
            asked = [METHODS[_known(str(name))] for name in names]
            given["options"] = {name: _read_option(asked, str(name), value) for name, value in options.items()}
        return given

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> Self:
        if self.grid == "compare" and not self.other:
            raise ValueError("--grid compare needs --other, the second network.")
        if self.grid == "classes" and not METHODS[self.method].needs_class:
            raise ValueError(f"--grid classes needs a method that depends on a class; {self.method} does not.")
        for sentence in self.without_effect().values():
            raise ValueError(sentence)
        return self

    def shown_methods(self) -> tuple[str, ...]:
        """The methods that the request asks for; of a grid of all methods some may not exist for the network."""
        if self.grid in _OF_RAW_ATTENTION:
            return ("raw",)
        return (self.methods or quick_methods()) if self.grid == "methods" else (self.method,)

    @property
    def takes_long(self) -> bool:
        return any(METHODS[name].slow for name in self.shown_methods())

    def options_of(self, method: Method) -> dict[str, Value]:
        """Those of `options` that a method has."""
        return {name: value for name, value in self.options.items() if method.has(name)}

    def without_effect(self) -> dict[str, str]:
        """The options that are set and change nothing, each with a sentence that says why."""
        found: dict[str, str] = {}
        shown = [METHODS[name] for name in self.shown_methods()]
        names = ", ".join(method.name for method in shown)
        grid = f"--grid {self.grid}"

        def refuse(field: str, why: str) -> None:
            default = type(self).model_fields[field].default
            if getattr(self, field) != default:
                found[field] = f"{option(field)} has no effect: {why}."

        if self.grid in _OF_RAW_ATTENTION and self.method != "raw":
            found["method"] = f"--method {self.method} has no effect: {grid} shows raw attention."
        if self.grid == "methods":
            refuse("method", f"{grid} shows all methods, or those of --methods")
        else:
            refuse("methods", "it belongs to --grid methods")
        if self.grid == "classes":
            refuse("target", f"{grid} shows those of --targets, or the likeliest")
        else:
            refuse("targets", "it belongs to --grid classes")
        if self.grid != "compare":
            refuse("other", "it belongs to --grid compare")
        if self.grid not in ("checkpoints", "methods"):
            refuse("steps", "it belongs to --grid checkpoints and --grid methods")
        for field in ("layer", "head", "query"):
            if not any(method.has(field) for method in shown):
                able = [method.name for method in METHODS.values() if method.has(field)]
                refuse(field, f"{names} has no {field}; {' and '.join(able[:2])} {'does' if len(able) == 1 else 'do'}")
        for name in self.options:
            if not any(name in method.own_options() for method in shown):
                own = dict.fromkeys(one for method in shown for one in method.own_options())
                known = f"the options of {names} are {', '.join(own)}" if own else f"{names} has none"
                found["options"] = f"--option {name} has no effect: {known}."
        if not any(method.needs_class for method in shown):
            refuse("target", f"{names} does not depend on a class")
        if self.grid == "heads":
            refuse("head", f"{grid} shows each of them")
        if self.grid == "layers":
            refuse("layer", f"{grid} shows each of them")
        if self.grid == "tutorial":
            for field in ("layer", "head", "query", "mask_outliers", "scale"):
                refuse(field, "the tutorial's figure is that of token 100 in block 1")
        return found

    def changed(self, **changes: object) -> Self:
        """The request with other values; a method among them was named."""
        return super().changed(**({"by_default": False} if "method" in changes else {}), **changes)

    def fitting(self, **changes: object) -> Self:
        """The request with other values, and without the options that have no effect then."""
        values = self.record() | ({"by_default": False} if "method" in changes else {}) | changes
        if values.get("grid") in _OF_RAW_ATTENTION:
            values["method"] = "raw"
        elif values.get("grid") == "methods" or (
            values.get("grid") == "classes" and not METHODS[values["method"]].needs_class
        ):
            values["method"] = DEFAULT_METHOD
        if values.get("grid") != "compare":
            values["other"] = None
        draft = self.model_copy(update={**{name: getattr(self, name) for name in type(self).model_fields}, **values})
        for field in draft.without_effect():
            values[field] = type(self).model_fields[field].default
        return self.read(values)


def _read_option(methods: list[Method], name: str, value: Any) -> Any:
    """The value of an option as the first method that has it takes it; as it is where none has it."""
    able = next((method for method in methods if name in method.own_options()), None)
    try:
        return value if able is None else able.read_options({name: value})[name]
    except UserError as error:
        raise ValueError(str(error)) from None


def _known(name: str) -> str:
    try:
        return find_method(name)
    except UserError as error:
        raise ValueError(str(error)) from None


FIGURES = (
    Figure(
        "attention", "what a network looks at", AttentionRequest, "vitbench.compose.attention:compose_attention", 10
    ),
)
