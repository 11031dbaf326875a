"""The one registry of actions: key bindings, footer, command palette and help all read this table.

An action belongs to a place: a screen, a widget, or `everywhere`. A screen says `BINDINGS = bindings("run")` and has
a method `action_NAME` for each action of its place. To add a screen, add its actions here and its class to
`screens/places.py`.
"""

from collections.abc import Iterator
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


_RUN_CONTROLS = (
    Action("p", "pause_or_resume", "pause/resume", "Pause: save and free the GPU. Resume: go on bit for bit.", True),
    Action("s", "stop", "stop", "Finish the step, save, and end the run."),
    Action("K", "kill", "kill", "End the run's processes at once; what was saved last remains.", shown="K"),
)

_PLACES: dict[str, tuple[Action, ...]] = {
    "everywhere": (
        Action("question_mark,f1", "help", "help", "The keys of what has the focus.", True, shown="?"),
        Action("ctrl+p", "command_palette", "commands", "Find any action by typing a part of its name.", True, "^p"),
        Action("ctrl+o", "jump", "jump", "Show a letter on each panel; press it to go there.", shown="^o"),
        Action("ctrl+t", "next_theme", "theme", "The next colour theme; the choice is remembered.", shown="^t"),
        Action("q", "leave", "leave", "Leave the app. Runs go on.", True),
    ),
    "runs": (
        Action("enter", "open_run", "open", "Watch the selected run.", True),
        Action("n", "new_run", "new run", "Start a run from a preset and a folder of pictures.", True),
        Action("slash", "filter", "filter", "Show only some runs: words, key:value, accuracy>0.9.", True, shown="/"),
        Action("space", "mark", "mark", "Mark the run for comparison.", shown="space"),
        Action("c", "compare", "compare", "The curves of the marked runs in one chart.", True),
        *_RUN_CONTROLS,
        Action("o", "sort", "sort", "Sort by the next column."),
        Action("O", "reverse", "reverse", "Turn the order round.", shown="O"),
        Action("d", "details", "details", "Show or hide the details beside the table."),
        Action("D,delete", "remove", "delete", "Delete the run's folder, after a question.", shown="D"),
    ),
    "run": (
        Action("escape,backspace", "back", "back", "Back to the table of runs.", True, shown="esc"),
        *_RUN_CONTROLS,
        Action("a", "axis", "axis", "The horizontal axis: step, epoch or time.", True),
        Action("m", "smoothing", "smooth", "More smoothing, then none again; the raw line stays, faint.", True),
        Action("e", "export", "export", "Save the chart as PNG, PDF or SVG, or its data as CSV.", True),
        Action("z", "maximise", "zoom panel", "Give the focused chart the whole screen, and back."),
        Action("1", "view('curves')", "curves", "Loss and accuracy, and the log below."),
        Action("2", "view('system')", "system", "Learning rate, throughput, gradient norm, GPU and memory."),
        Action("3", "view('log')", "log", "The whole log."),
        Action("4", "view('recipe')", "recipe", "What this run trains, field by field."),
        Action("5", "view('confusion')", "confusion", "Which kinds were taken for which, when an evaluation is there."),
        Action("t", "next_evaluation", "next evaluation", "Confusion and mistakes of another evaluation of the run."),
        Action("6", "view('mistakes')", "mistakes", "The worst mistakes with their pictures."),
    ),
    "compare": (
        Action("escape,backspace", "back", "back", "Back to the table of runs.", True, shown="esc"),
        Action("t,right_square_bracket", "next_tag", "next scalar", "Another scalar, such as the accuracy.", True, "t"),
        Action("T,left_square_bracket", "previous_tag", "previous scalar", "The scalar before.", shown="T"),
        Action("a", "axis", "axis", "The horizontal axis: step, epoch or time.", True),
        Action("m", "smoothing", "smooth", "More smoothing, then none again; the raw line stays, faint.", True),
        Action("e", "export", "export", "Save the chart as PNG, PDF or SVG, or its data as CSV.", True),
    ),
    "new": (
        Action("escape", "back", "back", "Back without starting anything.", True, shown="esc"),
        Action("ctrl+s,f5", "start", "start", "Start the run.", True, shown="^s"),
        Action("ctrl+r", "estimate", "estimate", "Memory and time, measured on a few steps.", True, shown="^r"),
    ),
    "fields": (
        Action("enter", "edit", "change", "Change the value of the key.", True),
        Action("delete,u", "unset", "undo", "Back to the preset's own value.", True, shown="u"),
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


def bindings(place: str) -> list[BindingType]:
    """The key bindings of a place, for a `BINDINGS` class variable."""
    return [
        Binding(
            action.keys, action.name, action.title, show=action.footer, key_display=action.shown, tooltip=action.help
        )
        for action in actions(place)
    ]


def places() -> Iterator[str]:
    """Every place that has actions."""
    return iter(_PLACES)
