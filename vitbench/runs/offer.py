"""Whether what a recipe needs of each GPU, and of how many, is there at all: on this machine, or in the partition."""

from pathlib import Path

from vitbench.errors import UserError
from vitbench.recipe import Recipe
from vitbench.runs import slurm
from vitbench.runs.estimates import known_memory
from vitbench.runs.lease import CUDA_CONTEXT, gpus_for, refuse_if_never
from vitbench.runs.nvml import NO_GPU, may_have_gpus


def check_offer(recipe: Recipe, store: Path) -> None:
    """Raises UserError if the recipe can never run where its [launch] sends it, whoever leaves the GPUs meanwhile.

    What a GPU needs is known once such a run was estimated or has run (`vitbench.runs.estimates`). A recipe that halves
    its batch when memory runs out may still fit.
    """
    launch = recipe.launch
    if launch.engine == "slurm":
        slurm.check(recipe)
        return
    gpus = gpus_for(recipe.train.device)
    if not gpus and recipe.train.device.startswith("cuda") and not may_have_gpus():
        raise UserError(f'train.device = {recipe.train.device}, but {NO_GPU}; set it to "auto" or "cpu".')
    if launch.gpus > 1:
        refuse_if_never(gpus, count=launch.gpus, asked=0)
    needed = known_memory(store, recipe)
    if not gpus or not needed or recipe.train.on_oom == "halve":
        return
    usages = [gpu.seen.usage() if gpu.seen else None for gpu in gpus]
    sizes = sorted((usage.total for usage in usages if usage is not None), reverse=True)
    if len(sizes) >= launch.gpus and sizes[launch.gpus - 1] < needed + CUDA_CONTEXT:
        offered = ", ".join(f"{size / 2**30:.0f}" for size in sizes)
        raise UserError(
            f"Such a run took {needed / 2**30:.0f} GB of a GPU, and those that it may have have {offered} GB: halve "
            'train.batch_size and double train.accumulate, or set train.on_oom = "halve" or train.amp = "bf16".'
        )
