"""One language of keys: what each key means on every screen, and which keys are kept for what comes.

`screens/actions.py` and the screens follow the table below, which a test checks. `python -m
screens.key_language` writes docs/keys.md from both.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from screens.actions import Action, actions, places
from screens.navigation import SCREENS

VERBS: dict[str, str] = {
    "enter": "open or accept",
    "escape": "back one step",
    "backspace": "back one step",
    "slash": "search",
    "question_mark": "help",
    "f1": "help",
    "ctrl+p": "find an action",
    "ctrl+o": "jump to a panel",
    "ctrl+t": "theme",
    "ctrl+s": "start",
    "f5": "start",
    "ctrl+n": "new sweep",
    "ctrl+r": "estimate",
    "ctrl+l": "read the data in another way",
    "ctrl+e": "export one panel",
    "q": "leave",
    "space": "mark",
    "asterisk": "mark all",
    "delete": "delete",
    "D": "delete",
    "0": "all of them",
    **{str(digit): "by number" for digit in range(1, 10)},
    "right_square_bracket": "next of a row",
    "left_square_bracket": "previous of a row",
    "pagedown": "next page or picture",
    "pageup": "previous page or picture",
    "plus": "more",
    "equals_sign": "more",
    "minus": "less",
    "less_than_sign": "move along, back",
    "comma": "move along, back",
    "greater_than_sign": "move along, on",
    "full_stop": "move along, on",
    **dict.fromkeys(
        (
            *("up", "down", "left", "right", "home", "end"),
            *("shift+up", "shift+down", "shift+left", "shift+right"),
        ),
        "move",
    ),
    "j": "move",
    "k": "move",
    "a": "axis",
    "A": "make again",
    "b": "beam",
    "c": "compare",
    "C": "clone",
    "d": "details",
    "e": "export",
    "E": "evaluate",
    "f": "features",
    "g": "grid",
    "h": "history: over the training",
    "H": "hold",
    "i": "attention",
    "I": "attention of the package's network",
    "F": "figures",
    "J": "join in logs of other tools",
    "K": "kill",
    "l": "logarithmic or robust scale",
    "L": "logarithmic, horizontally",
    "m": "method",
    "M": "machine",
    "n": "new run",
    "N": "another network",
    "o": "order",
    "O": "reverse the order",
    "p": "pause or resume",
    "P": "preprocessing",
    "r": "row",
    "R": "report",
    "s": "stop",
    "S": "sweep",
    "t": "choose what is shown",
    "T": "tags",
    "u": "colours",
    "v": "positions",
    "U": "unite runs that differ by their seed",
    "V": "positions of the package's network",
    "w": "captions",
    "W": "captions of the package's network",
    "x": "smooth",
    "X": "leave out outliers",
    "y": "copy",
    "z": "enlarge",
}
"""Key: its one verb. A key that is not here is not used."""

RESERVED: dict[str, str] = {"B": "the worked example of a package's screen (docs/extending.md)"}
"""Keys that are kept for screens and actions that come; nothing else may use them."""

TITLES: dict[str, str] = {
    "everywhere": "Everywhere",
    "filter": "Filter",
    "search": "Search",
    "found": "What is searched",
    "confusion": "Confusion",
    "mistakes": "Mistakes",
    "fields": "Recipe fields",
    "chart": "Chart",
}
"""Part of a screen: how people call it. A place that is neither here nor a screen has no keys."""

_SIGNS = {
    "slash": "/",
    "question_mark": "?",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "plus": "+",
    "asterisk": "*",
    "equals_sign": "=",
    "minus": "-",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "comma": ",",
    "full_stop": ".",
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "delete": "Del",
    "backspace": "Backspace",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "f1": "F1",
    "f5": "F5",
}


@dataclass(frozen=True)
class Use:
    """One key in one place."""

    key: str
    place: str
    action: Action


def tables() -> dict[str, tuple[Action, ...]]:
    """The actions of every place: the app, then the screens in their order, then the parts of screens."""
    screens = {declared.name: declared.actions for declared in SCREENS.own()}
    parts = {place: actions(place) for place in places() if place != "everywhere"}
    return {"everywhere": actions("everywhere"), **screens, **parts}


def uses() -> Iterator[Use]:
    """Every key of every place."""
    for place, table in tables().items():
        for action in table:
            for key in action.keys.split(","):
                yield Use(key, place, action)


def title(place: str) -> str:
    """How people call a place. Raises KeyError for one that has no keys."""
    return TITLES[place] if place in TITLES else SCREENS[place].title


def sign(key: str) -> str:
    """A key as people write it."""
    if key.startswith("ctrl+"):
        return f"^{key[5:].upper()}"
    if key.startswith("shift+"):
        return f"Shift+{sign(key[6:])}"
    return _SIGNS.get(key, key if len(key) == 1 else key.capitalize())


def document() -> str:
    """docs/keys.md."""
    by_key: dict[str, list[Use]] = {}
    for use in uses():
        by_key.setdefault(use.key, []).append(use)
    lines = [
        "# Keys",
        "",
        "Written by `python -m screens.key_language`; a test compares it with the registry of actions.",
        "",
        "A key has one meaning on all screens, or none. Enter opens or accepts; Esc goes back one step; Tab goes to",
        "the next field or panel, and completes where a list of completions is open; `/` searches; `?` (F1 while",
        "typing) helps; `^P` finds every action of every screen. What ends or deletes something asks first: `y` is",
        "yes, `n` is no.",
        "",
        "## By key",
        "",
        "| key | means | on |",
        "|---|---|---|",
    ]
    for key, verb in VERBS.items():
        on = ", ".join(f"{title(use.place)} ({use.action.title})" for use in by_key.get(key, ()))
        lines.append(f"| `{sign(key)}` | {verb} | {on or 'lists'} |")
    if RESERVED:
        lines += ["", "Kept for what comes: " + ", ".join(f"`{key}` {what}" for key, what in RESERVED.items()) + "."]
    for place, table in tables().items():
        lines += ["", f"## {title(place)}", "", "| key | action | what it does |", "|---|---|---|"]
        for action in table:
            keys = " ".join(f"`{sign(key)}`" for key in action.keys.split(","))
            lines.append(f"| {keys} | {action.title} | {action.help} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Writes docs/keys.md of the checkout."""
    file = Path(__file__).parent.parent / "docs" / "keys.md"
    file.write_text(document(), encoding="utf-8")
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
