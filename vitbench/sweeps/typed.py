"""What a sweep tries of a recipe key, as a person types it: `sgd, adamw`, `1e-5 to 1e-2 log`, `8 to 64 log in 4`."""

import re
from typing import Any, get_args

from pydantic import BaseModel

from vitbench.errors import UserError
from vitbench.files.parsing import Malformed, parse_toml
from vitbench.files.toml_text import toml_value
from vitbench.recipe import Recipe
from vitbench.text import shortened

FORMS = "values with commas, or a range: 1e-5 to 1e-2 log, 8 to 64 in 4"
"""The forms in a few words."""
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"(?P<low>{_NUMBER})\s+to\s+(?P<high>{_NUMBER})(?P<words>(?:\s+\S+)*)")


def typed_values(key: str, text: str) -> object:
    """What a sweep file would hold for `key`: a list of several values, a table of a range, or else the one value.

    A range of a key that takes whole numbers alone is of whole numbers. TOML is taken as it is. Raises UserError for
    words that a range cannot have, and where there is no value.
    """
    text = text.strip()
    if not text.strip(", []"):
        raise UserError(f"{key}: no value is given; write {FORMS}.")
    found = _RANGE.fullmatch(text)
    if found:
        return _range(key, found)
    value = _toml(text)
    if value is None and "," in text:
        return [_scalar(piece) for piece in text.split(",") if piece.strip()]
    return _scalar(text) if value is None else value


def as_typed(value: object) -> str:
    """What a sweep file holds for a key, as a person types it: `typed_values` of it is the value again."""
    values = value["values"] if isinstance(value, dict) and "values" in value else value
    if isinstance(values, list) and len(values) == 1:
        return toml_value(values)
    if isinstance(values, list):
        bare = all(isinstance(one, str) and _scalar(one) == one and "," not in one for one in values)
        return ", ".join(str(one) if bare else toml_value(one) for one in values)
    if isinstance(value, dict) and "low" in value:
        words = [f"{toml_value(value['low'])} to {toml_value(value['high'])}"]
        words += ["log"] * (value.get("scale") == "log") + ["whole"] * bool(value.get("whole"))
        return " ".join(words + ([f"in {value['points']}"] if "points" in value else []))
    return value if isinstance(value, str) and _scalar(value) == value else toml_value(value)


def is_tried(value: object) -> bool:
    """Whether it stands in the space of a sweep; else it is one value for all trials."""
    return isinstance(value, list) or (isinstance(value, dict) and bool({"low", "high", "values"} & value.keys()))


def _range(key: str, found: re.Match[str]) -> dict[str, Any]:
    words = found["words"].split()
    table: dict[str, Any] = {"low": float(found["low"]), "high": float(found["high"])}
    while words:
        word = words.pop(0).lower()
        if word in ("log", "linear"):
            table["scale"] = word
        elif word == "whole":
            table["whole"] = True
        elif word == "in" and words and words[0].isdigit() and int(words[0]) > 0:
            table["points"] = int(words.pop(0))
        else:
            raise UserError(f"{key}: a range may be followed by log, linear, whole or in N, not {shortened(word)}.")
    if _takes_whole_numbers(key):
        table["whole"] = True
    if table.get("whole") and all(table[end].is_integer() for end in ("low", "high")):
        table |= {end: int(table[end]) for end in ("low", "high")}
    return table


def _toml(text: str) -> object:
    """The text as TOML, one value or several with commas; None if it is none."""
    for form in (f"value = {text}", f"value = [{text}]"):
        try:
            parsed = parse_toml(form, "the values")
        except Malformed:
            continue
        if list(parsed) == ["value"]:
            return parsed["value"]
    return None


def _scalar(text: str) -> object:
    value = _toml(text.strip())
    return text.strip() if value is None or isinstance(value, list) else value


def _takes_whole_numbers(key: str) -> bool:
    """Whether a key of a recipe is a number that has to be whole."""
    table: Any = Recipe
    *tables, name = key.split(".")
    for part in tables:
        field = table.model_fields.get(part)
        table = field.annotation if field is not None else None
        if not (isinstance(table, type) and issubclass(table, BaseModel)):
            return False
    field = table.model_fields.get(name)
    kinds = _kinds(field.annotation) if field is not None else set()
    return int in kinds and float not in kinds


def _kinds(annotation: object) -> set[object]:
    """The plain types in an annotation."""
    parts = get_args(annotation)
    return set().union(*map(_kinds, parts)) if parts else {annotation}
