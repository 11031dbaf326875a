"""The weights that a run begins with when it was made from another run's checkpoint."""

from pathlib import Path

from torch import Tensor, nn

from vitbench.errors import UserError
from vitbench.models.adaptation import classifiers, set_image_size
from vitbench.models.description import FILE_NAME
from vitbench.models.network import Network, open_checkpoint
from vitbench.models.weight_files import read_weights
from vitbench.runs.about import read_about
from vitbench.runs.beginning import START
from vitbench.runs.store import Run
from vitbench.training.checkpoint import WEIGHTS_NAME
from vitbench.training.task import Task


def begins_elsewhere(run: Run) -> bool:
    """Whether the run was made from a checkpoint of another."""
    return (run.folder / START).is_dir()


def take_start(run: Run, task: Task) -> str:
    """Loads the weights into the network of `task`, and says in a sentence what they are and what stayed new.

    Position embeddings are resampled to the recipe's image size; a head of another class count stays as it was drawn.
    Raises UserError where anything else does not fit.
    """
    folder, module = run.folder / START, task.network.module
    state = _state(folder, module, caption=run.recipe().task == "caption")
    wanted = module.state_dict()
    new = (
        set() if state.keys() != wanted.keys() else {name for name in wanted if state[name].shape != wanted[name].shape}
    )
    head = _head_names(module)
    if state.keys() != wanted.keys() or not new <= head:
        differing = sorted((state.keys() ^ wanted.keys()) | (new - head))
        raise UserError(
            f"The checkpoint in {folder} is not of this network ({differing[0]} differs, and {len(differing) - 1} "
            "others); keep model.name, model.options and [caption] of the run that it is from."
        )
    head_too = head if new else set()
    module.load_state_dict({name: wanted[name] if name in head_too else state[name] for name in wanted})
    if not new and isinstance(task.network, Network):
        task.network.untrained = False
    parent = read_about(run).parent
    named = f"run {parent.id} after step {parent.step:,}" if parent else "another run"
    rest = "; its head has another number of classes and begins anew" if new else ""
    return f"Begins with the weights of {named}{rest}. The optimizer begins anew."


def _state(folder: Path, module: nn.Module, *, caption: bool) -> dict[str, Tensor]:
    if caption:
        return dict(read_weights(folder / WEIGHTS_NAME))
    if not (folder / FILE_NAME).is_file():
        raise UserError(f"{folder} has no {FILE_NAME}, which says what network its weights are of.")
    network = open_checkpoint(folder)
    size = getattr(getattr(module, "patch_embed", None), "img_size", None)
    if size is not None and tuple(size) != network.image_size:
        set_image_size(network.module, tuple(size), network.name)
    return dict(network.module.state_dict())


def _head_names(module: nn.Module) -> set[str]:
    """Names of the classifier's tensors; empty for a captioner."""
    if not hasattr(module, "get_classifier"):
        return set()
    parts = {id(part) for part in classifiers(module)}
    return {
        f"{prefix}.{name}" for prefix, part in module.named_modules() if id(part) in parts for name in part.state_dict()
    }
