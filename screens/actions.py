"""What a key does: key bindings, footer, command palette, help and docs/keys.md all read actions.

A screen says `ACTIONS = (...)` in its own file, `BINDINGS = bindings(ACTIONS)`, and a method `action_NAME` for each.
Here are those that several screens share, those of the app, and those of parts of screens (a chart, the filter). A key
has one verb on all screens (`screens/key_language.py`); `python -m screens.key_language` writes docs/keys.md anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True)
class Action:
    """What one key does. `keys` are Textual's names, separated by commas; the first one is shown."""

    keys: str
    name: str
    title: str
    help: str
    footer: bool = False
    shown: str | None = None


RUN_CONTROLS = (
    Action("p", "pause_or_resume", "pause/resume", "Pause: save and free the GPU. Resume: go on bit for bit.", True),
    Action("s", "stop", "stop", "Finish the step, save, and end the run, after a question.", True),
    Action("K", "kill", "kill", "End the run's processes at once, after a question.", shown="K"),
    Action("E", "evaluate", "evaluate", "Accuracy, confusions, mistakes; while it goes on: cancel.", True, shown="E"),
)

INSIDE = (
    Action("i", "attention", "attention", "What the selected run's network looks at.", True),
    Action("I", "demo_attention", "demo attention", "The package's network on the sample pictures.", shown="I"),
    Action("v", "positions", "positions", "What the selected run's network knows about place."),
    Action("V", "demo_positions", "demo positions", "Positions of the package's network.", shown="V"),
    Action("f", "features", "features", "What the selected run's network makes of each patch."),
)

LEAVING = (
    Action("R", "report", "report", "All that the run has to tell, as a page, Markdown, PDF and figures.", shown="R"),
    Action("F", "figures", "figures", "The saved figures of the selected run.", shown="F"),
)

CAPTIONS = (
    Action("w", "captions", "captions", "The selected run's captioner: its captions, and where each word looks."),
    Action("W", "demo_captions", "demo captions", "The package's captioner on the sample pictures.", shown="W"),
)

BACK = Action("escape,backspace", "back", "back", "Back to the previous screen.", True, shown="esc")
COPY = Action("y", "copy", "copy", "Copy what is selected, through SSH and tmux too: a list to choose from.")
AXIS = Action("a", "axis", "axis", "The horizontal axis: step, epoch or time.", True)
SMOOTH_CURVES = Action("x", "smoothing", "smooth", "More smoothing, then none again; the raw line stays, faint.", True)


SEARCH = Action("slash", "search", "search", "Find in what has the focus: a log, a recipe, a table.", True, shown="/")


def heads(action: str) -> tuple[Action, ...]:
    """One action a digit."""
    said = "A head by its number; 0 is the mean of all."
    return tuple(Action(str(digit), f"{action}({digit})", f"head {digit}", said) for digit in range(10))


NEXT_HEAD = (
    Action("right_square_bracket", "next_head(1)", "heads", "The next head; digits name one.", True, "[ ]"),
    Action("left_square_bracket", "next_head(-1)", "previous head", "The previous head.", shown="["),
)
SIZE = Action("z", "image_size", "size", "Pictures of another size: the network's positions are resampled.")
PICTURES = (
    Action("pagedown", "picture(1)", "next picture", "The next picture.", shown="pgdn"),
    Action("pageup", "picture(-1)", "previous picture", "The previous picture.", shown="pgup"),
    Action("enter", "open", "open", "Open any picture, or a folder of them.", True),
)

_PLACES: dict[str, tuple[Action, ...]] = {
    "everywhere": (
        Action("question_mark,f1", "help", "help", "The keys of what has the focus; F1 while typing.", True, shown="?"),
        Action("ctrl+p", "command_palette", "commands", "Find any action by typing a part of its name.", True, "^p"),
        Action("ctrl+o", "jump", "jump", "Show a letter on each panel; press it to go there.", shown="^o"),
        Action("ctrl+t", "next_theme", "theme", "The next colour theme; the choice is remembered.", shown="^t"),
        Action("q", "leave", "leave", "Leave the app. Runs go on.", True),
    ),
    "filter": (
        Action("enter", "submit", "keep", "Keep the filter and go back to the table.", True),
        Action("escape", "screen.back", "all runs", "Take the filter away and show all runs.", True, shown="esc"),
    ),
    "search": (
        Action("enter", "submit", "keep", "Keep the search and go back to what is searched.", True),
        Action("down", "next_found(1)", "next match", "The next match.", True, shown="↑↓"),
        Action("up", "next_found(-1)", "previous match", "The previous match."),
        Action("escape", "end_search", "end", "Take the search away.", True, shown="esc"),
    ),
    "found": (
        Action("right_square_bracket", "next_found(1)", "next match", "The next match of the search.", True, "[ ]"),
        Action("left_square_bracket", "next_found(-1)", "previous match", "The previous match.", shown="["),
        Action("escape", "end_search", "end search", "Take the search away.", True, shown="esc"),
    ),
    "confusion": (
        Action("right_square_bracket", "next_pair(1)", "next confusion", "The next most frequent one.", True, "[ ]"),
        Action(
            "left_square_bracket", "next_pair(-1)", "previous confusion", "The previous, more frequent one.", shown="["
        ),
    ),
    "mistakes": (Action("enter", "open_mistake", "open", "What the network looked at in this picture.", True),),
    "fields": (
        Action("enter", "edit", "change", "Change the value of the key.", True),
        Action("D,delete", "unset", "take back", "Back to the preset's own value.", True, shown="D"),
    ),
    "chart": (
        Action("right", "cursor(1)", "cursor", "Move the cursor and read the values there.", shown="arrows"),
        Action("left", "cursor(-1)", "cursor left", "Move the cursor to the left."),
        Action("shift+right", "cursor(10)", "cursor far right", "Move the cursor ten columns."),
        Action("shift+left", "cursor(-10)", "cursor far left", "Move the cursor ten columns back."),
        Action("home", "cursor_to('first')", "first point", "The cursor to the first point."),
        Action("end", "cursor_to('last')", "last point", "The cursor to the last point."),
        Action("escape", "cursor_off", "hide cursor", "Hide the cursor.", shown="esc"),
        Action("plus,equals_sign", "zoom(0.5)", "zoom in", "Half as much of the horizontal axis.", shown="+"),
        Action("minus", "zoom(2.0)", "zoom out", "Twice as much of the horizontal axis.", shown="-"),
        Action("less_than_sign,comma", "pan(-0.25)", "pan left", "Earlier.", shown="<"),
        Action("greater_than_sign,full_stop", "pan(0.25)", "pan right", "Later.", shown=">"),
        Action("shift+up", "zoom_vertical(0.5)", "zoom in vertically", "Half as much of the vertical axis."),
        Action("shift+down", "zoom_vertical(2.0)", "zoom out vertically", "Twice as much of the vertical axis."),
        Action("up", "pan_vertical(0.125)", "up", "Higher values, after a vertical zoom."),
        Action("down", "pan_vertical(-0.125)", "down", "Lower values, after a vertical zoom."),
        Action("0", "reset", "whole chart", "Show all again, and follow new points."),
        Action("l", "log('y')", "log axis", "The vertical axis linear or logarithmic."),
        Action("L", "log('x')", "log steps", "The horizontal axis linear or logarithmic.", shown="L"),
    ),
}


def actions(place: str) -> tuple[Action, ...]:
    """The actions of a place. Raises KeyError for a place that is not in the table."""
    return _PLACES[place]


def bindings(place: str | Sequence[Action]) -> list[BindingType]:
    """The key bindings of a place, or of actions, for a `BINDINGS` class variable."""
    return [
        Binding(
            action.keys, action.name, action.title, show=action.footer, key_display=action.shown, tooltip=action.help
        )
        for action in (actions(place) if isinstance(place, str) else place)
    ]


def places() -> Iterator[str]:
    """Every place that has actions."""
    return iter(_PLACES)
