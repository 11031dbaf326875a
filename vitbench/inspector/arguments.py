"""What each request takes: wrong arguments are the asker's mistake, refused before the handler sees them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vitbench.errors import UserError
from vitbench.files.parsing import json_type
from vitbench.inspector.protocol import Question
from vitbench.requests.kinds import FIGURE_KINDS
from vitbench.text import shortened

_LONGEST_TEXT = 2**18


@dataclass(frozen=True)
class Argument:
    """A value that is checked by `fits`; `words` say what it has to be."""

    words: str
    fits: Callable[[Any], bool]
    required: bool = False


def _text(required: bool = False) -> Argument:
    return Argument(
        "a text", lambda value: isinstance(value, str) and len(value) <= _LONGEST_TEXT and "\0" not in value, required
    )


_FLAG = Argument("true or false", lambda value: isinstance(value, bool))
_REQUEST = Argument("the values of a request", lambda value: isinstance(value, dict), required=True)
"""Checked whole by its type in `vitbench.requests`."""
_LAYER = Argument("a whole number from 1 on", lambda value: type(value) is int and value > 0)
_KIND = _text(required=True)
_FILE = _text(required=True)

ARGUMENTS: Mapping[str, Mapping[str, Argument]] = {
    "sheet": {"kind": _KIND, "request": _REQUEST, "arrays": _FLAG},
    "save_sheet": {
        "kind": _KIND,
        "request": _REQUEST,
        "file": _FILE,
        "drawing": Argument("the values of a drawing", lambda value: isinstance(value, dict)),
    },
    "class_names": {"network": _text(required=True)},
    "caption_words": {"captioner": _text(required=True)},
    "caption_pictures": {"path": _text(), "captioner": _text()},
    "attention_pictures": {"path": _text(), "network": _text()},
    "check_recipe": {"recipe": _text(required=True)},
    "estimate": {"recipe": _text(required=True)},
    "evaluate": {"network": _text(required=True), "data": _text()},
    "neighbours": {"network": _text(required=True), "data": _text(), "layer": _LAYER, "image_size": _text()},
    "report": {"request": _REQUEST, "folder": _FILE},
    "export_network": {"network": _text(required=True), "format": _KIND, "folder": _FILE},
    "figure_again": {"file": _FILE},
}
"""A request that reads a whole description of its own is checked by that, and is not here."""


def check_arguments(request: str, arguments: Mapping[str, object]) -> None:
    """Raises UserError naming the first argument that is missing or of another kind. null stands for none."""
    for name, argument in ARGUMENTS.get(request, {}).items():
        value = arguments.get(name)
        if value is None:
            if argument.required:
                raise UserError(f"The request {request} needs {name}, {argument.words}.")
        elif not argument.fits(value):
            shown = shortened(repr(value), 80) if isinstance(value, str | int | float) else json_type(value)
            raise UserError(f"{name} of the request {request} is {shown}; it has to be {argument.words}.")


_ALWAYS_LONG = (
    "evaluate",
    "neighbours",
    "estimate",
    "check_recipe",
    "save_sheet",
    "report",
    "export_network",
    "figure_again",
)


def takes_long(request: Question) -> bool:
    """Whether a request is answered aside, since it takes seconds or minutes."""
    if request.name != "sheet":
        return request.name in _ALWAYS_LONG
    kind, values = request.arguments.get("kind"), request.arguments.get("request")
    try:
        return isinstance(values, dict) and FIGURE_KINDS.find(str(kind)).request.read(values).takes_long
    except UserError:
        return False  # its handler says what is wrong
