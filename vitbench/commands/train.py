"""`vitbench train RECIPE|PRESET`: starts a run, and leaves it to itself or follows it."""

import argparse
import sys
from pathlib import Path

from vitbench.captions.formats.base import CaptionPlace
from vitbench.captions.formats.registry import recognise_captions
from vitbench.commands._runs import follow_run, start_run
from vitbench.data.balance import check_weighted
from vitbench.data.generated import read_address
from vitbench.data.index import head_labels, label_order, layout_of, refuse_doubts
from vitbench.data.layouts import recognise
from vitbench.errors import UserError
from vitbench.paths import store_folder
from vitbench.recipe import load_recipe, preset_names, warnings
from vitbench.runs.beginning import begin_from, recipe_from
from vitbench.runs.offer import check_offer
from vitbench.runs.store import Run, Store
from vitbench.text import clean

_MOST_GIGABYTES = 1e6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    words = f"a TOML file, or a preset: {', '.join(preset_names())}"
    parser.add_argument("recipe", metavar="RECIPE", nargs="?", help=words)
    parser.add_argument(
        "--from",
        dest="parent",
        metavar="RUN[@CHECKPOINT]",
        help="instead: the recipe of a run; with last, best or a step also the weights of that checkpoint",
    )
    parser.add_argument("--data", metavar="DIR", help="the pictures: a folder, a CSV file, or scenes:...")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="such as optim.lr=1e-3")
    parser.add_argument("--name", default="", help="what the run is called")
    parser.add_argument("--hold", action="store_true", help="queue it, and start it when it is released")
    parser.add_argument(
        "--after",
        metavar="RUN",
        action="append",
        default=[],
        help="start it when this run has finished; again: several",
    )
    parser.add_argument(
        "--gpu-memory", metavar="GB", type=_gigabytes, help="wait for a GPU on which so much is free, in 10^9 bytes"
    )
    parser.add_argument("--foreground", action="store_true", help="follow it; an interrupt pauses it")


def run(arguments: argparse.Namespace) -> int:
    """Prints the id of the new run; in the foreground also how it goes and how it ended."""
    store = Store(store_folder(arguments.store))
    parent, checkpoint = _parent(arguments, store)
    recipe = recipe_from(parent, arguments.set) if parent else load_recipe(arguments.recipe, arguments.set)
    if arguments.data is not None:
        if any(change.partition("=")[0].strip() == "data.path" for change in arguments.set):
            raise UserError("--data and --set data.path both say where the data are; give one of the two.")
        recipe = recipe.with_data(arguments.data)
    recipe = recipe.anchored()
    for warning in warnings(recipe):
        print(f"warning: {clean(warning)}", file=sys.stderr)
    if recipe.task != "caption" and not recipe.data.path.startswith("scenes:"):
        # A wrong folder or head is told now, not by a worker that nobody watches.
        layout = recognise(Path(recipe.data.path), layout_of(recipe))
        refuse_doubts(layout.root, layout.doubts, recipe.data.accept_doubts)
        labels = label_order(label for entry in layout.entries for label in entry.all_labels)
        head_labels(recipe.model.num_classes, labels, layout.root)
        check_weighted(recipe.data.class_weights, labels)
    elif recipe.task != "caption":
        read_address(recipe.data.path)
    elif recipe.data.layout and not recipe.data.path.startswith("scenes:"):
        recognise_captions(CaptionPlace(Path(recipe.data.path), recipe.data.path), recipe.data.layout.partition(":")[0])
    check_offer(recipe, store.folder)
    others = [store.find(text) for text in arguments.after]
    if parent is not None:
        started = begin_from(store, parent, recipe, checkpoint=checkpoint, name=arguments.name)
    else:
        started = store.create(recipe, arguments.name, preset=recipe.preset)
    process = start_run(
        started, follow=arguments.foreground, held=arguments.hold, after=others, memory=arguments.gpu_memory
    )
    return follow_run(started, process) if arguments.foreground else 0


def _gigabytes(text: str) -> int:
    """Bytes."""
    try:
        size = float(text)
    except ValueError:
        size = 0.0
    if not 0 < size <= _MOST_GIGABYTES:
        raise UserError(f"--gpu-memory = {clean(text)}: it is a number of GB above 0, such as 20.")
    return int(size * 1e9)


def _parent(arguments: argparse.Namespace, store: Store) -> tuple[Run | None, str | None]:
    """The run whose recipe is taken, and its checkpoint whose weights are; None for neither."""
    if (arguments.recipe is None) == (arguments.parent is None):
        raise UserError("Give a recipe or a preset, or --from RUN; one of the two.")
    if arguments.parent is None:
        return None, None
    try:
        return store.find(arguments.parent), None  # a name may hold an @
    except UserError:
        name, at, checkpoint = arguments.parent.rpartition("@")
        if not at:
            raise
        return store.find(name), checkpoint
