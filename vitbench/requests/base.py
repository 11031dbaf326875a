"""What all requests share: they are immutable, know their kind, and refuse what does not fit in one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from vitbench.errors import UserError


class Request(BaseModel):
    """One question about a network, its pictures or its runs. `kind` names it in a saved figure."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    kind: ClassVar[str] = ""

    @property
    def takes_long(self) -> bool:
        """Whether its sheet takes seconds or minutes on a CPU: what asks a network many times, or reads a data set."""
        return False

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Self:
        """The request that `values` describe. Raises UserError for what does not fit."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise UserError(_sentence(error)) from None

    def record(self) -> dict[str, Any]:
        """Plain values for JSON, from which `read` makes an equal request."""
        return self.model_dump(mode="json")

    def given(self) -> dict[str, Any]:
        """What was asked for by name, without what has its default."""
        return self.model_dump(mode="json", exclude_unset=True)

    def changed(self, **changes: object) -> Self:
        """The request with other values, validated again. Raises UserError if these do not fit."""
        return self.read({**self.record(), **changes})


@dataclass(frozen=True)
class Figure:
    """A kind of figure, declared beside its request in a file of `vitbench/requests/`, as one of the tuple `FIGURES`,
    or as an entry point `vitbench.figures` of a package.

    `name` is the request's kind. `compose` is `module:function`: `(request, sources, progress) -> Sheet`; `sources` is
    None where no network is needed.
    """

    name: str
    summary: str
    request: type[Request]
    compose: str
    order: int = 1000
    """Where it stands in lists."""
    networks: bool = True
    """Whether composing it takes networks. Without, PyTorch is not loaded: a chart is drawn at once."""


def option(field: str) -> str:
    """A field as a person names it on the command line."""
    return "--" + field.replace("_", "-")


def _sentence(error: ValidationError) -> str:
    """The first thing that does not fit, in one sentence."""
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    given = first.get("input")
    match first["type"]:
        case "value_error":
            return str(first["ctx"]["error"])
        case "greater_than_equal" if first["ctx"]["ge"] == 1:
            return f"{option(field)} counts from 1; {given} is below."
        case "extra_forbidden":
            return f"There is no option {field!r}."
        case "missing":
            return f"{option(field)} is missing."
        case _:
            return f"{option(field)}: {first['msg']}, not {given!r}."
