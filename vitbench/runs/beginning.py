"""New runs from old ones: the same recipe with changes, from the beginning or from a checkpoint's weights."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from vitbench.errors import UserError
from vitbench.recipe import Recipe
from vitbench.runs.about import About, Parent, write_about
from vitbench.runs.store import Run, Store

START = "start"
"""The folder of a run with the weights it began with: the checkpoint they are from may be gone when it is started."""
_WEIGHTS = ("model.safetensors", "network.json")
_WORDS = "tokenizer.json"


def recipe_from(run: Run, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a run with `table.key=value` changes. Raises UserError as `load_recipe` does."""
    return run.recipe().with_changes(overrides).model_copy(update={"name": ""})


def begin_from(
    store: Store, parent: Run, recipe: Recipe, *, checkpoint: str | int | None = None, name: str = ""
) -> Run:
    """A new run with this recipe, called `name` or after its parent.

    With `checkpoint` it begins with the weights of it, and its parent is recorded.

    Optimizer and step begin anew: to go on bit for bit is `resume`. Raises UserError if there is no such checkpoint,
    or if the store cannot be written.
    """
    name = name or _next_name(store, parent.status().name)
    if checkpoint is None:
        return store.create(recipe, name, preset=recipe.preset)
    entry = parent.checkpoint(checkpoint)
    # The published weights, or those of a file, would be read for nothing.
    model = recipe.model.model_copy(update={"pretrained": False, "weights": None})
    recipe = recipe.model_copy(update={"model": model})
    child = store.create(recipe, name, preset=recipe.preset)
    try:
        (child.folder / START).mkdir()
        for file in _WEIGHTS:
            _take_over(entry.folder / file, child.folder / START / file)
        if (parent.folder / _WORDS).is_file():
            _take_over(parent.folder / _WORDS, child.folder / _WORDS)  # the decoder's weights are of these words
        about = About(parent=Parent(id=parent.id, name=parent.status().name, step=entry.step))
        write_about(child, about)
    except (OSError, UserError) as error:
        store.remove(child)
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise UserError(f"No run can begin from step {entry.step:,} of {parent.id}: {reason}.") from error
    return child


def _next_name(store: Store, name: str) -> str:
    """`pets 2` for a child of `pets`, or the next number that no run has: a name finds one run. None has none."""
    if not name:
        return ""
    taken = {run.status().name for run in store.runs()}
    stem, _, last = name.rpartition(" ")
    number, stem = (int(last), stem) if stem and last.isascii() and last.isdigit() and len(last) < 7 else (1, name)
    while f"{stem} {number + 1}" in taken:
        number += 1
    return f"{stem} {number + 1}"


def _take_over(file: Path, place: Path) -> None:
    """The same file under two names where that is possible: weights are large, and replaced but never written into."""
    try:
        os.link(file, place)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(file, place)
