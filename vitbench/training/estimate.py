"""What a run will take: memory at its peak and seconds an epoch, measured on a few real steps before it starts.

`python -m vitbench.training.estimate STORE` reads a recipe (TOML) from stdin and prints a line of JSON. It is a process
of its own, so that its memory is that of a worker, and a failure ends nothing else.
"""

import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.errors import UserError
from vitbench.files.parsing import parse_toml
from vitbench.recipe import LaunchTable, Recipe, parse_recipe
from vitbench.runs.estimates import note_memory
from vitbench.runs.lease import bind_process

if TYPE_CHECKING:
    import torch

    from vitbench.training.state import Training

_MOST_SECONDS, _MOST_STEPS, _WARM_UP = 10.0, 12, 2
"""Steps are measured until one of these is reached; the first ones, which fill caches, do not count."""


def estimate(recipe: Recipe, store: Path) -> dict[str, Any]:
    """`memory_bytes` at the peak, `epoch_seconds` with the evaluation, `steps_per_epoch`, and the `device` in words.

    On a GPU the memory is what torch reserves there, on the CPU that of the whole process. Raises UserError if the
    recipe cannot be trained, and if memory runs out.
    """
    import torch

    from vitbench.training.device import choose_device, describe_device
    from vitbench.training.memory import OutOfMemory, memory_told
    from vitbench.training.open_task import open_task
    from vitbench.training.state import Training

    whole, recipe = recipe, share_of_one(recipe)
    if recipe.train.threads:
        torch.set_num_threads(recipe.train.threads)
    device = choose_device(recipe.train.device)
    with tempfile.TemporaryDirectory() as folder:
        task, _ = open_task(recipe, Path(folder), store, device, lambda done, total, what: None)
        training = Training(task, recipe, device)
        if recipe.train.head_epochs < recipe.train.epochs:
            training.step = recipe.train.head_epochs * training.steps_per_epoch
        seconds: list[float] = []
        with OutOfMemory(training.optimizer, training.device) as memory:
            seconds = _step_seconds(training)
        if memory.ran_out:
            raise UserError(f"train.batch_size = {recipe.train.batch_size} does not fit into the memory of {device}.")
        with memory_told(f"an evaluation does not fit into the memory of {device}"):
            evaluation = _evaluation_seconds(training)
    memory_bytes = _peak_memory(device)
    at_a_time = whole.launch.world if device.type == "cuda" else 1  # processes on the CPU share its cores
    if device.type == "cuda":
        note_memory(store, whole, memory_bytes, describe_device(device))
    return {
        "memory_bytes": memory_bytes,
        "epoch_seconds": (statistics.median(seconds) * training.steps_per_epoch + evaluation) / at_a_time,
        "steps_per_epoch": -(-training.steps_per_epoch // whole.launch.world),
        "device": describe_device(device),
    }


def share_of_one(recipe: Recipe) -> Recipe:
    """What one of the processes of a run computes, as a recipe of its own: it has its share of each batch."""
    batch_size = -(-recipe.train.batch_size // recipe.launch.world)
    train = recipe.train.model_copy(update={"batch_size": batch_size})
    return recipe.model_copy(update={"train": train, "launch": LaunchTable()})


def _step_seconds(training: "Training") -> list[float]:
    """Seconds of each measured step, waiting for data included."""
    from vitbench.training.loop import accumulate_gradients, update_weights

    began, seconds = time.perf_counter(), list[float]()
    batches = training.open_batches()
    for _ in range(min(_MOST_STEPS, training.steps_left_in_epoch)):
        start = time.perf_counter()
        if training.recipe.train.compile and len(seconds) == _WARM_UP:
            began = start  # the first step was a minute of compilation
        training.begin_step()
        loss, _ = accumulate_gradients(training, batches)
        update_weights(training)
        loss.item()  # a GPU has finished the step only now
        training.step += 1
        seconds.append(time.perf_counter() - start)
        compiling = training.recipe.train.compile and len(seconds) <= _WARM_UP
        if time.perf_counter() - began > _MOST_SECONDS and not compiling:
            break
    return seconds[_WARM_UP:] or seconds[-1:]


def _evaluation_seconds(training: "Training") -> float:
    """Seconds of one evaluation of the validation split, a share of them for each epoch."""
    training.module.eval()
    start = time.perf_counter()
    training.task.evaluate(
        training.evaluated_module.eval(), "val", step=0, folder=None, progress=lambda done, total, what: None
    )
    return float(time.perf_counter() - start) / training.recipe.train.evaluate_every


def _peak_memory(device: "torch.device") -> int:
    if device.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_reserved(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(store: Path) -> int:
    """Prints the estimate, or `{"refused": sentence}`."""
    from vitbench.runs.children import die_with_parent

    die_with_parent()
    try:
        recipe = parse_recipe(parse_toml(sys.stdin.read(), "the recipe"), "the recipe").anchored()
        bind_process(recipe.train.device)  # beside a run, memory and time would be neither's
        answer = estimate(recipe, store)
    except UserError as error:
        answer = {"refused": str(error)}
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
