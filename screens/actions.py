"""The one registry of actions: key bindings, footer, command palette, help and docs/keys.md all read this table.

An action belongs to a place: a screen, a widget, or `everywhere`. A screen says `BINDINGS = bindings("run")` and has
a method `action_NAME` for each action of its place. A key has one verb on all screens (`screens/key_language.py`);
`python -m screens.key_language` writes docs/keys.md anew. Screens of packages declare their actions themselves
(docs/extending.md).
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


_RUN_CONTROLS = (
    Action("p", "pause_or_resume", "pause/resume", "Pause: save and free the GPU. Resume: go on bit for bit.", True),
    Action("s", "stop", "stop", "Finish the step, save, and end the run, after a question.", True),
    Action("K", "kill", "kill", "End the run's processes at once, after a question.", shown="K"),
    Action("E", "evaluate", "evaluate", "Accuracy, confusions, mistakes; while it goes on: cancel.", True, shown="E"),
)

_INSIDE = (
    Action("i", "attention", "attention", "What the selected run's network looks at.", True),
    Action("I", "demo_attention", "demo attention", "The package's network on the sample pictures.", shown="I"),
    Action("v", "positions", "positions", "What the selected run's network knows about place."),
    Action("V", "demo_positions", "demo positions", "Positions of the package's network.", shown="V"),
    Action("f", "features", "features", "What the selected run's network makes of each patch."),
)

_LEAVING = (
    Action("R", "report", "report", "All that the run has to tell, as a page, Markdown, PDF and figures.", shown="R"),
    Action("F", "figures", "figures", "The saved figures of the selected run.", shown="F"),
)

_CAPTIONS = (
    Action("w", "captions", "captions", "The selected run's captioner: its captions, and where each word looks."),
    Action("W", "demo_captions", "demo captions", "The package's captioner on the sample pictures.", shown="W"),
)

_BACK = Action("escape,backspace", "back", "back", "Back to the screen before.", True, shown="esc")
_COPY = Action("y", "copy", "copy", "Copy what is selected, through SSH and tmux too: a list to choose from.")
_AXIS = Action("a", "axis", "axis", "The horizontal axis: step, epoch or time.", True)
_SMOOTH_CURVES = Action("x", "smoothing", "smooth", "More smoothing, then none again; the raw line stays, faint.", True)


_SEARCH = Action("slash", "search", "search", "Find in what has the focus: a log, a recipe, a table.", True, shown="/")


def _heads(action: str) -> tuple[Action, ...]:
    """One action a digit."""
    said = "A head by its number; 0 is the mean of all."
    return tuple(Action(str(digit), f"{action}({digit})", f"head {digit}", said) for digit in range(10))


_NEXT_HEAD = (
    Action("right_square_bracket", "next_head(1)", "heads", "The next head; digits name one.", True, "[ ]"),
    Action("left_square_bracket", "next_head(-1)", "head before", "The head before.", shown="["),
)
_SIZE = Action("z", "image_size", "size", "Pictures of another size: the network's positions are resampled.")
_PICTURES = (
    Action("pagedown", "picture(1)", "next picture", "The next picture.", shown="pgdn"),
    Action("pageup", "picture(-1)", "picture before", "The picture before.", shown="pgup"),
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
    "runs": (
        Action("enter", "open_run", "open", "Watch the selected run.", True),
        Action("n", "new_run", "new run", "Start a run from a preset and a folder of pictures.", True),
        *(
            Action(str(number), f"first_step({number})", title, f"Where there are no runs yet: {title}.")
            for number, title in enumerate(("demo", "own pictures", "look inside", "this machine"), 1)
        ),
        Action("slash", "search", "filter", "Show only some runs: words, key:value, accuracy>0.9.", True, shown="/"),
        Action("c", "compare", "compare", "The curves of the marked runs side by side.", True),
        *_RUN_CONTROLS,
        Action("C", "clone", "clone", "A new run with the same recipe; asks what is to be changed.", shown="C"),
        Action("H", "hold", "hold", "Keep a waiting run from starting, or let it start.", shown="H"),
        Action("T", "tags", "tags", "The run's tags, which the filter finds.", shown="T"),
        Action("M", "machine", "machine", "GPUs and who holds them, processors, memory, disk, the queue.", shown="M"),
        Action("S", "sweep", "sweep", "The newest sweep: its leaderboard, and what each key contributed.", shown="S"),
        Action("space", "mark", "mark", "Mark the run for comparison.", True, shown="space"),
        *_INSIDE,
        *_CAPTIONS,
        *_LEAVING,
        Action("e", "export", "export", "The run's network as a folder that timm, transformers, ... load."),
        Action("o", "order", "order", "Sort by a column, from a list.", True),
        Action("escape", "back", "all runs", "Take the filter away and show all runs.", shown="esc"),
        Action("O", "reverse", "reverse", "Turn the order round.", shown="O"),
        Action("d", "details", "details", "Show or hide the details of the selected run.", True),
        Action("D,delete", "remove", "delete", "Delete the run's folder, after a question.", shown="D"),
        _COPY,
    ),
    "filter": (
        Action("enter", "submit", "keep", "Keep the filter and go back to the table.", True),
        Action("escape", "screen.back", "all runs", "Take the filter away and show all runs.", True, shown="esc"),
    ),
    "search": (
        Action("enter", "submit", "keep", "Keep the search and go back to what is searched.", True),
        Action("down", "next_found(1)", "next match", "The next match.", True, shown="↑↓"),
        Action("up", "next_found(-1)", "match before", "The match before."),
        Action("escape", "end_search", "end", "Take the search away.", True, shown="esc"),
    ),
    "found": (
        Action("right_square_bracket", "next_found(1)", "next match", "The next match of the search.", True, "[ ]"),
        Action("left_square_bracket", "next_found(-1)", "match before", "The match before.", shown="["),
        Action("escape", "end_search", "end search", "Take the search away.", True, shown="esc"),
    ),
    "run": (
        _BACK,
        _SEARCH,
        *_RUN_CONTROLS,
        *_INSIDE,
        *_CAPTIONS,
        *_LEAVING,
        _AXIS,
        _SMOOTH_CURVES,
        Action("e", "export", "export", "Save chart or confusions: PNG, PDF, SVG, or the numbers as CSV.", True),
        Action("z", "maximise", "enlarge", "Give the focused chart the whole screen, and back.", True),
        Action("1", "view('curves')", "curves", "Loss and accuracy, and the log below."),
        Action("2", "view('system')", "system", "Learning rate, throughput, gradient norm, GPU and memory."),
        Action("3", "view('log')", "log", "The whole log."),
        Action("4", "view('recipe')", "recipe", "What this run trains, field by field."),
        Action("5", "view('confusion')", "confusion", "Which classes were predicted for which."),
        Action("6", "view('mistakes')", "mistakes", "The worst mistakes with their pictures."),
        Action("t", "choose_evaluation", "evaluation", "Confusion and mistakes of another evaluation.", True),
        _COPY,
    ),
    "confusion": (
        Action("right_square_bracket", "next_pair(1)", "next confusion", "The next most frequent one.", True, "[ ]"),
        Action("left_square_bracket", "next_pair(-1)", "confusion before", "The more frequent one before.", shown="["),
    ),
    "mistakes": (Action("enter", "open_mistake", "open", "What the network looked at in this picture.", True),),
    "compare": (
        _BACK,
        _SEARCH,
        Action("t", "choose_scalar", "scalar", "Another scalar in this chart, from a list.", True),
        Action("g", "choose_grid", "grid", "Which scalars have a chart, from a list; remembered.", True),
        Action("d", "details", "details", "Keys that differ, seeds, and a paired test on the same pictures.", True),
        Action("z", "maximise", "enlarge", "Give the focused chart all the room, and back.", True),
        Action("right_square_bracket", "next_tag(1)", "next scalar", "The next scalar.", True, "[ ]"),
        Action("left_square_bracket", "next_tag(-1)", "scalar before", "The scalar before.", shown="["),
        _AXIS,
        _SMOOTH_CURVES,
        Action("e", "export", "export", "Save the chart: PNG, PDF, SVG, or the numbers as CSV.", True),
        _COPY,
    ),
    "attention": (
        _BACK,
        Action("up", "vertical(1)", "layers", "The layer above; in patch mode the patch moves up.", True, "↑↓"),
        Action("down", "vertical(-1)", "layer below", "The layer below; in patch mode the patch moves down."),
        Action("right", "horizontal(1)", "to the right", "The next picture; in patch mode the patch moves."),
        Action("left", "horizontal(-1)", "to the left", "The picture before; in patch mode the patch moves."),
        *_NEXT_HEAD,
        *_heads("digit"),
        Action("m", "method", "method", "Another method of explaining, from a list.", True),
        Action("t", "target", "class", "Another class to explain, from a list.", True),
        Action("space", "patch_mode", "patch", "Arrows move the patch that looks, and back.", True, shown="space"),
        Action("g", "sheet", "grid", "All heads, layers, methods or likely classes side by side.", True),
        Action("h", "checkpoints", "history", "The same picture over all checkpoints of the run."),
        Action("c", "compare", "compare", "Another network's map beside this one, and the difference.", True),
        Action("plus,equals_sign", "strength(1)", "stronger", "A stronger overlay.", shown="+"),
        Action("minus", "strength(-1)", "fainter", "A fainter overlay.", shown="-"),
        Action("u", "colours", "colours", "The next colour map."),
        Action("x", "smooth", "smooth", "Patches smooth or as squares."),
        Action("l", "scale", "scale", "Colours to the largest value, or to the 98th percentile."),
        Action("X", "mask_outliers", "outliers", "Leave out outlier tokens, or show them.", shown="X"),
        Action("P", "preprocess", "preprocessing", "The network's own preprocessing, or the report's.", shown="P"),
        *_PICTURES,
        Action("N", "network", "network", "Another network: a run, a checkpoint, a name, a folder.", shown="N"),
        Action("f", "features", "features", "What the network makes of each patch of this picture."),
        _SIZE,
        Action("e", "export", "export", "Save the figure.", True),
    ),
    "machine": (
        _BACK,
        _COPY,
    ),
    "sweep": (
        _BACK,
        Action("down,j", "move(1)", "move", "The next trial.", True, "↑↓"),
        Action("up,k", "move(-1)", "trial before", "The trial before."),
        Action("enter", "open_run", "open", "The run of the selected trial.", True),
        Action("right_square_bracket", "other_sweep(1)", "next sweep", "The next sweep.", True, "[ ]"),
        Action("left_square_bracket", "other_sweep(-1)", "sweep before", "The sweep before.", shown="["),
        Action("s", "stop", "stop", "No more runs, and an end of those at work, after a question.", True),
        Action("e", "export", "export", "Write the selected trial's recipe into the working folder.", True),
        _COPY,
    ),
    "features": (
        _BACK,
        Action("m", "method", "view", "Components as colours, likeness to a patch, or the nearest pictures.", True),
        Action("up", "vertical(1)", "layers", "The layer above; in patch mode the patch moves up.", True, "↑↓"),
        Action("down", "vertical(-1)", "layer below", "The layer below; in patch mode the patch moves down."),
        Action("right", "horizontal(1)", "to the right", "The next picture; in patch mode the patch moves."),
        Action("left", "horizontal(-1)", "to the left", "The picture before; in patch mode the patch moves."),
        Action("space", "patch_mode", "patch", "Arrows move the patch that others are like, and back.", True, "space"),
        Action("g", "sheet", "grid", "Several pictures on one basis side by side, and one again.", True),
        Action("t", "foreground", "foreground", "Colours of the foreground alone, or of all patches.", True),
        Action("slash", "search", "folder", "The folder to look for the nearest pictures in.", shown="/"),
        Action("h", "checkpoints", "history", "Over all checkpoints; then before and after; then off.", True),
        Action("c", "compare", "compare", "Another network beside this one, and off again.", True),
        Action("plus,equals_sign", "strength(1)", "stronger", "More of the colours over the picture.", shown="+"),
        Action("minus", "strength(-1)", "fainter", "Less of the colours over the picture.", shown="-"),
        Action("u", "colours", "colours", "The next colour map, for likeness."),
        Action("x", "smooth", "smooth", "Patches smooth or as squares."),
        Action("X", "mask_outliers", "outliers", "Leave out outlier tokens, or show them.", shown="X"),
        _SIZE,
        *_PICTURES,
        Action("N", "network", "network", "Another network: a run, a checkpoint, a name, a folder.", shown="N"),
        Action("e", "export", "export", "Save the figure.", True),
    ),
    "positions": (
        _BACK,
        Action("right", "patch(0, 1)", "patch", "The patch whose tile is shown large.", True, shown="arrows"),
        Action("left", "patch(0, -1)", "patch left", "The patch to the left."),
        Action("up", "patch(-1, 0)", "patch above", "The patch above."),
        Action("down", "patch(1, 0)", "patch below", "The patch below."),
        Action("m", "kind", "kind", "Another kind of positions, where the network has several.", True),
        Action("h", "before", "history", "What the run started from beside it, and off again.", True),
        Action("c", "compare", "compare", "Another network beside this one.", True),
        _SIZE,
        Action("N", "network", "network", "Another network: a run, a checkpoint, a name, a folder.", True, shown="N"),
        Action("e", "export", "export", "Save the grid of all tiles as a figure.", True),
        Action("ctrl+e", "export_tile", "export tile", "Save this patch's tile as a figure.", shown="^e"),
    ),
    "captions": (
        _BACK,
        Action("right", "word(1)", "words", "The next word, and the map behind it.", True, shown="←→"),
        Action("left", "word(-1)", "word before", "The word before."),
        Action("up", "layer(1)", "layers", "The next decoder layer; after the last the mean of all.", True, "↑↓"),
        Action("down", "layer(-1)", "layer below", "The layer below; below the first the mean of all."),
        *_NEXT_HEAD,
        *_heads("head"),
        Action("m", "method", "method", "Another method of making the maps, from a list.", True),
        Action("r", "row", "row", "The row that predicts a word, or the one that reads it."),
        Action("u", "scale", "colours", "One colour scale for all words, or one for each.", True),
        Action("b", "beam", "beam", "The beam's other captions, to choose one.", True),
        Action("t", "edit", "caption", "Edit the caption, or type another one: its maps and probabilities.", True),
        Action("c", "difference", "compare", "Subtract another word's, method's or checkpoint's map.", True),
        Action("e", "export", "export", "Save all words as a figure, or the arrays of all layers and heads.", True),
        Action("ctrl+e", "export_word", "export word", "Save this word's panel as a figure.", shown="^e"),
        *_PICTURES,
        Action("N", "captioner", "captioner", "Another captioner: a run, a checkpoint, a folder, a file.", shown="N"),
    ),
    "figures": (
        _BACK,
        Action("enter", "open", "facts", "What the figure records of how it was made.", True),
        Action("A", "again", "make again", "Make the figure again from what it records, beside it.", True, shown="A"),
        Action("F", "figures", "all figures", "Those of the whole store, or of the run again.", True, shown="F"),
        Action("D,delete", "remove", "delete", "Delete the file, after a question.", True, shown="D"),
        Action("y", "copy", "copy", "Copy the scp line, the path or the command, through SSH and tmux too.", True),
    ),
    "new": (
        _SEARCH,
        Action("escape", "back", "back", "Back without starting anything.", True, shown="esc"),
        Action("ctrl+s,f5", "start", "start", "Start the run.", True, shown="^s"),
        Action("ctrl+l", "reading", "data read as", "Choose how the data are read: column, level, layout.", shown="^l"),
        Action("ctrl+r", "estimate", "estimate", "Memory and time, measured on a few steps.", True, shown="^r"),
    ),
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
