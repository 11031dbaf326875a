"""What a run does where memory runs out: it halves the batch, or says which one would have fitted."""

from vitbench.errors import UserError
from vitbench.training.memory import OutOfMemory, next_smaller
from vitbench.training.outcome import SmallerBatch
from vitbench.training.seeds import seed_everything
from vitbench.training.state import Training


def use_smaller_batch(training: Training) -> str:
    """Halves the batch and doubles the accumulation, and says so.

    Raises UserError, with the largest batch that fits, if the recipe wants to stop, or nothing smaller is left, and
    SmallerBatch where several processes have to begin again.
    """
    training.precision.begin_again()
    if training.first_update.is_broken_off and not training.first_update.take_back():
        raise UserError(
            f"Out of memory on {training.device} in the optimizer's step {training.step + 1:,}, which cannot be taken"
            " back: free memory there and resume the run from its last checkpoint."
        )
    failed = training.batch_size
    if training.recipe.train.on_oom == "stop" or failed <= training.ranks.world:
        raise UserError(_largest_batch_that_fits(training))
    _halve(training)
    if not training.ranks.alone:  # the others wait for the gradients of this step, which will not come
        raise SmallerBatch(training.batch_size, training.accumulate)
    return (
        f"Out of memory with {failed} pictures per batch: going on with {training.batch_size}, and "
        f"{training.accumulate} batches per step, so a step still covers {training.pictures_per_step} pictures."
    )


def use_smaller_evaluation(training: Training) -> str:
    """Halves what an evaluation computes at once, and says so. Raises UserError as `use_smaller_batch` does."""
    failed = training.task.evaluation_batch
    if training.recipe.train.on_oom == "stop" or failed <= 1:
        remedy = "free memory there" if failed <= 1 else 'free memory there, or set train.on_oom = "halve"'
        raise UserError(
            f"Out of memory on {training.device} in the evaluation of step {training.step:,}, with {failed} pictures "
            f"at once: {remedy}, and resume the run."
        )
    training.task.evaluation_batch = failed // 2
    return (
        f"Out of memory in the evaluation with {failed} pictures at once: going on with "
        f"{training.task.evaluation_batch}; the result is the same but for rounding."
    )


def _halve(training: Training) -> None:
    pictures = training.pictures_per_step
    training.batch_size = next_smaller(training.batch_size)
    training.accumulate = pictures // training.batch_size


def _largest_batch_that_fits(training: Training) -> str:
    failed = training.batch_size
    sentence = f"Out of memory with train.batch_size = {failed} on {training.device}; "
    while training.batch_size > training.ranks.world:
        _halve(training)
        with OutOfMemory(training.optimizer, training.device) as memory:
            _try_batch(training)
        if not memory.ran_out:
            return (
                f"{sentence}{training.batch_size} fits: set train.batch_size = {training.batch_size} and "
                f'train.accumulate = {training.accumulate}, or train.on_oom = "halve".'
            )
    fewest = "one picture fits" if training.ranks.alone else f"{training.ranks.world}, one a process, fit"
    return f"{sentence}not even {fewest}: choose a smaller network or model.image_size."


def _try_batch(training: Training) -> None:
    """Forward, backward and update with one batch."""
    batch = next(training.open_batches())
    seed_everything(training.seed, training.step, 0, training.rank)
    with training.precision.autocast():
        loss, _ = training.task.loss(training.module, batch)
    training.precision.scaler.scale(loss).backward()
    training.optimizer.step()  # its state takes memory too; this run ends here
    training.optimizer.zero_grad(set_to_none=True)
