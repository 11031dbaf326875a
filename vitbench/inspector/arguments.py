"""What each request takes: wrong arguments are the asker's mistake, refused before the handler sees them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vitbench.errors import UserError
from vitbench.files.parsing import json_type
from vitbench.text import shortened

_LONGEST_TEXT = 2**18
_MOST_IDS = 4096


@dataclass(frozen=True)
class Argument:
    """A value that is checked by `fits`; `words` say what it has to be."""

    words: str
    fits: Callable[[Any], bool]
    required: bool = False


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _text(required: bool = False) -> Argument:
    return Argument(
        "a text", lambda value: isinstance(value, str) and len(value) <= _LONGEST_TEXT and "\0" not in value, required
    )


def _whole(low: int, high: int, required: bool = False) -> Argument:
    return Argument(f"a whole number from {low:,} to {high:,}", lambda value: _is_whole(value, low, high), required)


_FLAG = Argument("true or false", lambda value: isinstance(value, bool))
_IDS = Argument(
    "a list of words' numbers",
    lambda value: (
        isinstance(value, list) and len(value) <= _MOST_IDS and all(_is_whole(number, 0, 2**31) for number in value)
    ),
)
_MAPS = {"method": _text(), "layer": _whole(-1000, 1000), "head": _whole(-1000, 1000), "row": _text()}
_READ = {"captioner": _text(required=True), "picture": _text(required=True), "text": _text(), "ids": _IDS}

ARGUMENTS: Mapping[str, Mapping[str, Argument]] = {
    "caption": {**_READ, "beams": _whole(1, 1000), "best": _whole(1, 1000)},
    "caption_maps": {**_READ, **_MAPS},
    "caption_export": {
        **_READ,
        **_MAPS,
        "folder": _text(required=True),
        "what": _text(required=True),
        "one_scale": _FLAG,
        "word": _whole(0, _MOST_IDS),
    },
    "caption_pictures": {"path": _text(), "captioner": _text()},
    "pictures": {"path": _text(), "network": _text()},
    "check_recipe": {"recipe": _text(required=True)},
    "estimate": {"recipe": _text(required=True)},
    "evaluate": {"network": _text(required=True), "data": _text()},
}
"""Requests that read a whole description of their own (a figure's, say) are checked by it and are not here."""


def check_arguments(request: str, arguments: Mapping[str, Any]) -> None:
    """Raises UserError naming the first argument that is missing or of another kind. null stands for none."""
    for name, argument in ARGUMENTS.get(request, {}).items():
        value = arguments.get(name)
        if value is None:
            if argument.required:
                raise UserError(f"The request {request} needs {name}, {argument.words}.")
        elif not argument.fits(value):
            shown = shortened(repr(value), 80) if isinstance(value, str | int | float) else json_type(value)
            raise UserError(f"{name} of the request {request} is {shown}; it has to be {argument.words}.")
