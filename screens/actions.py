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
    Action("s", "stop", "stop", "Finish the step, save, and end the run.", True),
    Action("K", "kill", "kill", "End the run's processes at once; what was saved last remains.", shown="K"),
    Action("E", "evaluate", "evaluate", "Accuracy, confusions, mistakes; while it goes on: cancel.", True, shown="E"),
)

_INSIDE = (
    Action("i", "attention", "attention", "What the selected run's network looks at.", True),
    Action("I", "demo_attention", "demo attention", "The package's network on the sample pictures.", shown="I"),
    Action("v", "positions", "positions", "What the selected run's network knows about place."),
    Action("V", "demo_positions", "demo positions", "Positions of the package's network.", shown="V"),
)

_CAPTIONS = (
    Action("w", "captions", "captions", "The selected run's captioner: its sentences, and where each word looks."),
    Action("W", "demo_captions", "demo captions", "The package's captioner on the sample pictures.", shown="W"),
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
        Action("c", "compare", "compare", "The curves of the marked runs in one chart.", True),
        *_RUN_CONTROLS,
        Action("space", "mark", "mark", "Mark the run for comparison.", True, shown="space"),
        *_INSIDE,
        *_CAPTIONS,
        Action("o", "sort", "sort", "Sort by the next column.", True),
        Action("escape", "back", "all runs", "Take the filter away and show all runs.", shown="esc"),
        Action("O", "reverse", "reverse", "Turn the order round.", shown="O"),
        Action("d", "details", "details", "Show or hide the details of the selected run.", True),
        Action("D,delete", "remove", "delete", "Delete the run's folder, after a question.", shown="D"),
    ),
    "filter": (
        Action("enter", "submit", "keep", "Keep the filter and go back to the table.", True),
        Action("escape", "screen.back", "all runs", "Take the filter away and show all runs.", True, shown="esc"),
    ),
    "run": (
        Action("escape,backspace", "back", "back", "Back to the table of runs.", True, shown="esc"),
        *_RUN_CONTROLS,
        *_INSIDE,
        *_CAPTIONS,
        Action("a", "axis", "axis", "The horizontal axis: step, epoch or time.", True),
        Action("m", "smoothing", "smooth", "More smoothing, then none again; the raw line stays, faint.", True),
        Action("e", "export", "export", "Save chart or confusions as PNG, PDF or SVG, or as CSV.", True),
        Action("z", "maximise", "enlarge", "Give the focused chart the whole screen, and back.", True),
        Action("1", "view('curves')", "curves", "Loss and accuracy, and the log below."),
        Action("2", "view('system')", "system", "Learning rate, throughput, gradient norm, GPU and memory."),
        Action("3", "view('log')", "log", "The whole log."),
        Action("4", "view('recipe')", "recipe", "What this run trains, field by field."),
        Action("5", "view('confusion')", "confusion", "Which kinds were taken for which, when an evaluation is there."),
        Action("t", "next_evaluation", "evaluation", "Confusion and mistakes of another evaluation of the run.", True),
        Action("6", "view('mistakes')", "mistakes", "The worst mistakes with their pictures."),
    ),
    "confusion": (
        Action("n", "next_pair(1)", "next confusion", "To the next most frequent confusion.", True),
        Action("N", "next_pair(-1)", "confusion before", "To the more frequent confusion before.", shown="N"),
    ),
    "compare": (
        Action("escape,backspace", "back", "back", "Back to the table of runs.", True, shown="esc"),
        Action("t,right_square_bracket", "next_tag", "next scalar", "Another scalar, such as the accuracy.", True, "t"),
        Action("T,left_square_bracket", "previous_tag", "previous scalar", "The scalar before.", shown="T"),
        Action("a", "axis", "axis", "The horizontal axis: step, epoch or time.", True),
        Action("m", "smoothing", "smooth", "More smoothing, then none again; the raw line stays, faint.", True),
        Action("e", "export", "export", "Save the chart as PNG, PDF or SVG, or its data as CSV.", True),
    ),
    "attention": (
        Action("escape,backspace", "back", "back", "Back to the screen before.", True, shown="esc"),
        Action("up", "vertical(1)", "layers", "The layer above; in patch mode the patch moves up.", True, "↑↓"),
        Action("down", "vertical(-1)", "layer below", "The layer below; in patch mode the patch moves down."),
        Action("right", "horizontal(1)", "next picture", "The next picture; in patch mode the patch moves."),
        Action("left", "horizontal(-1)", "picture before", "The picture before; in patch mode the patch moves."),
        Action("right_square_bracket", "next_head(1)", "heads", "The next head; digits name one.", True, "[ ]"),
        Action("left_square_bracket", "next_head(-1)", "head before", "The head before.", shown="["),
        *(Action(str(digit), f"digit({digit})", f"head {digit}", "A head; 0 is the mean.") for digit in range(10)),
        Action("m", "method", "method", "The next way to explain.", True),
        Action("M", "method(-1)", "method before", "The way to explain before.", shown="M"),
        Action("t", "target", "target", "Another class to explain.", True),
        Action("a", "patch_mode", "patch", "Arrows move the patch that looks, and back.", True),
        Action("c", "sheet", "grid", "All heads, all layers, all methods side by side.", True),
        Action("g", "checkpoints", "checkpoints", "The same picture over all checkpoints of the run."),
        Action("k", "compare", "compare", "Another network's map beside this one, and the difference."),
        Action("plus,equals_sign", "strength(1)", "stronger", "A stronger overlay.", shown="+"),
        Action("minus", "strength(-1)", "fainter", "A fainter overlay.", shown="-"),
        Action("u", "colours", "colours", "The next colour map."),
        Action("s", "smooth", "smooth", "Patches smooth or as squares."),
        Action("d", "mask_outliers", "mask outliers", "Leave out outlier tokens, or show them."),
        Action("r", "preprocess", "preparation", "The network's own preparation of pictures, or the report's."),
        Action("n,pagedown", "picture(1)", "next", "The next picture.", shown="n"),
        Action("p,pageup", "picture(-1)", "previous", "The picture before.", shown="p"),
        Action("o", "open", "open", "Open any picture, or a folder of them.", True),
        Action("N", "network", "network", "Another network: a run, a checkpoint, a name, a folder.", shown="N"),
        Action("x", "export", "export", "Save the figure.", True),
    ),
    "positions": (
        Action("escape,backspace", "back", "back", "Back to the screen before.", True, shown="esc"),
        Action("right,l", "patch(0, 1)", "patch", "The patch whose tile is shown large.", True, shown="arrows"),
        Action("left,h", "patch(0, -1)", "patch left", "The patch to the left."),
        Action("up", "patch(-1, 0)", "patch above", "The patch above."),
        Action("down,j", "patch(1, 0)", "patch below", "The patch below."),
        Action("m", "kind", "kind", "Another kind of positions, where the network has several.", True),
        Action("b", "before", "before", "What the run started from beside it, and off again.", True),
        Action("k", "compare", "compare", "Another network beside this one.", True),
        Action("N", "network", "network", "Another network: a run, a checkpoint, a name, a folder.", True, shown="N"),
        Action("x", "export", "export", "Save the grid of all tiles as a figure.", True),
        Action("X", "export_tile", "export tile", "Save this patch's tile as a figure.", shown="X"),
    ),
    "captions": (
        Action("escape,backspace", "back", "back", "Back to the screen before.", True, shown="esc"),
        Action("right,l", "word(1)", "words", "The next word, and the map behind it.", True, shown="←→"),
        Action("left,h", "word(-1)", "word before", "The word before."),
        Action("up,k", "layer(1)", "layers", "The next decoder layer; after the last the mean of all.", True, "↑↓"),
        Action("down,j", "layer(-1)", "layer below", "The layer below; below the first the mean of all."),
        Action("right_square_bracket", "next_head(1)", "heads", "The next head; digits choose one.", True, "[ ]"),
        Action("left_square_bracket", "next_head(-1)", "head before", "The head before.", shown="["),
        Action("0", "head(0)", "mean of heads", "The mean of all heads."),
        Action("1", "head(1)", "head 1", "Head 1 alone."),
        Action("2", "head(2)", "head 2", "Head 2 alone."),
        Action("3", "head(3)", "head 3", "Head 3 alone."),
        Action("4", "head(4)", "head 4", "Head 4 alone."),
        Action("5", "head(5)", "head 5", "Head 5 alone."),
        Action("6", "head(6)", "head 6", "Head 6 alone."),
        Action("7", "head(7)", "head 7", "Head 7 alone."),
        Action("8", "head(8)", "head 8", "Head 8 alone."),
        Action("9", "head(9)", "head 9", "Head 9 alone."),
        Action("m", "method", "method", "Another way to make the maps.", True),
        Action("M", "method(-1)", "method before", "The method before.", shown="M"),
        Action("r", "row", "row", "The row that predicts a word, or the one that reads it."),
        Action("s", "scale", "scale", "One colour scale for all words, or one for each.", True),
        Action("b", "beam", "beam", "The beam's other sentences, to choose one.", True),
        Action("e", "edit", "edit", "Edit the sentence, or type another one: its maps and probabilities.", True),
        Action("d", "difference", "difference", "Take another word's, method's or checkpoint's map away.", True),
        Action("x", "export", "export", "Save the grid, this panel, or arrays of all layers and heads.", True),
        Action("n,pagedown", "picture(1)", "next", "The next picture.", True, "n"),
        Action("p,pageup", "picture(-1)", "previous", "The picture before.", shown="p"),
        Action("o", "open", "open", "Open any picture, or a folder of them.", True),
        Action("c", "captioner", "captioner", "Another captioner: a run, a checkpoint, a folder, a file."),
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
