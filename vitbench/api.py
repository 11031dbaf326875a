"""vitbench from Python: open a network, explain it, save the figure; train from a recipe.

    from vitbench import api

    sheet = api.explain("demo", ["picture.png"])
    api.save(sheet, "attention.pdf")

What is in `__all__` stays as it is within a major version, and is described in docs/python.md. Everything else of the
package may change. A mistake that a person can mend raises `UserError` with one sentence.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vitbench.errors import UserError
from vitbench.progress import Progress, silent
from vitbench.runs.status import Status
from vitbench.runs.store import Run, Store

if TYPE_CHECKING:
    from vitbench.figures.sheet import Sheet
    from vitbench.models.network import Network
    from vitbench.recipe import Recipe

__all__ = [
    "Run",
    "Status",
    "Store",
    "UserError",
    "compose",
    "explain",
    "open_network",
    "open_store",
    "recipe",
    "save",
    "train",
    "wait",
]

PathLike = str | os.PathLike[str]


def open_store(folder: PathLike | None = None) -> Store:
    """The store of runs: `folder`, else `VITBENCH_HOME`, else the XDG data folder. It need not exist yet.

    `store.runs()` are its runs, newest last; `store.find(text)` is one by id, the beginning of one, name, or `last`.
    """
    from vitbench.paths import store_folder

    return Store(store_folder(folder))


def open_network(reference: str, store: Store | None = None, progress: Progress = silent) -> "Network":
    """A network with its weights, preprocessing and class names, in eval mode on the CPU.

    `reference`: `demo`; a run's id or name (of `store`), with `@best` (default), `@last` or `@STEP`; `timm:NAME` or
    `pretrained_vit:NAME` with published weights, `timm:NAME@FILE` with those of a file, `timm:NAME@random`; or a
    folder of a checkpoint, of transformers or of timm. `network.module` is timm's module: [B, 3, H, W] float pixels,
    prepared by `network.preprocessing`, to [B, classes] logits. Raises UserError if there is no such network, or if
    its weights cannot be had.
    """
    from vitbench.models.network import open_network as opened

    return opened(reference, store or open_store(), progress)


def compose(kind: str, store: Store | None = None, progress: Progress = silent, **values: object) -> "Sheet":
    """A figure of any kind as a Sheet: panels (pixels), `facts` (numbers), `arrays` (by name), and a caption.

    `kind` and `values` are those of `vitbench figure make KIND KEY=VALUE` (`attention`, `positions`, `features`,
    `caption`, ...); layers, heads, rows and columns count from 1, paths are taken from the working folder. Raises
    UserError for a kind or value that there is not, and for what the network cannot show.
    """
    from vitbench.compose import compose as composed
    from vitbench.compose import read_request, sources_for

    return composed(read_request(kind, values), sources_for(kind, (store or open_store()).folder), progress)


def explain(
    network: str,
    pictures: Sequence[PathLike],
    *,
    method: str | None = None,
    store: Store | None = None,
    progress: Progress = silent,
    **values: object,
) -> "Sheet":
    """Maps of what a network looks at: `compose("attention", ...)`, with a map a picture.

    `method` is a name of `vitbench attention --help` (default: libra, or what the network can show); `values` are
    further fields of the request, such as `layer=3`, `grid="heads"`, `target="cat"`. `sheet.arrays` holds the maps,
    [rows, columns] over patches.
    """
    given = values | ({} if method is None else {"method": method})
    files = [str(Path(picture).absolute()) for picture in pictures]
    return compose("attention", store, progress, network=network, pictures=files, **given)


def save(sheet: "Sheet", path: PathLike, *, overwrite: bool = False, **drawing: object) -> Path:
    """Writes a sheet as PNG, PDF or SVG by the path's ending, or its arrays as .npz, and returns the path.

    `drawing`: `width` ("one" or "two" columns, or millimetres), `dpi`, `caption`. The file says how it was made:
    `vitbench figure again FILE` makes it again. A file that vitbench did not write is replaced only with `overwrite`.
    Raises UserError.
    """
    from vitbench.figures.save import check_figure_ending, saved_bytes
    from vitbench.files.outputs import Outputs
    from vitbench.requests.drawing import ARRAYS_ENDING, FIGURE_ENDINGS, Drawing

    path = Path(path)
    check_figure_ending(path, (*FIGURE_ENDINGS, ARRAYS_ENDING))
    outputs = Outputs(open_store().folder, overwrite=overwrite)
    outputs.plan(path)
    return outputs.write(path, saved_bytes(sheet, path.suffix, Drawing.read(drawing)))


def recipe(source: PathLike, **changes: object) -> "Recipe":
    """The recipe in a TOML file, or a preset, with changes: `recipe("fast", data__path="pets", optim__lr=1e-4)`.

    `table__key` is the key `table.key` of the recipe. Raises UserError that names each key that does not fit.
    """
    from vitbench.files.toml_text import toml_value
    from vitbench.recipe import load_recipe

    overrides = []
    for name, value in changes.items():
        plain = os.fspath(value) if isinstance(value, os.PathLike) else value
        overrides.append(f"{name.replace('__', '.', 1)}={toml_value(plain)}")
    return load_recipe(str(source), overrides)


def train(recipe: "Recipe", *, name: str = "", store: Store | None = None) -> Run:
    """Starts a run in a process of its own, which outlives this one, and returns it at once.

    The recipe names the data (`data.path`). If no GPU is free the run waits in the queue and starts by itself.
    Raises UserError if data or weights are not there.
    """
    from vitbench.runs import launcher

    started = (store or open_store()).create(recipe.anchored(), name, preset=recipe.preset)
    launcher.launch(started)
    return started


def wait(run: Run, timeout: float | None = None, progress: Progress = silent) -> Status:
    """Waits until a run has ended, or `timeout` seconds, and returns how it stands: `state`, `step`, `latest`, `best`.

    A run that waits for a GPU is waited for too.
    """
    from vitbench.runs import control

    return control.wait(run, timeout, progress)
