"""Styles are parsed once for all apps of a test process, which opens hundreds of them: a fifth of each start."""

from functools import wraps
from typing import Any

from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

_parsed: dict[tuple[Any, ...], list[RuleSet]] = {}
_parse_rules = Stylesheet._parse_rules


@wraps(_parse_rules)
def _parse_rules_once(stylesheet: Stylesheet, *arguments: Any, **options: Any) -> list[RuleSet]:
    key = (arguments, tuple(options.items()), frozenset(stylesheet._variables.items()))
    if key not in _parsed:
        _parsed[key] = _parse_rules(stylesheet, *arguments, **options)
    return _parsed[key]


Stylesheet._parse_rules = _parse_rules_once
