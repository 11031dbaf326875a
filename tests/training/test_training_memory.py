"""Out of memory wherever it may happen: in the first update, in a later one, in an evaluation, in commands."""

import pytest
import torch

from tests.training.training_helpers import TinyTask, same_weights, start, tiny_recipe
from vitbench.errors import UserError
from vitbench.runs.log import read_log
from vitbench.training.loop import train
from vitbench.training.memory import copied_to_cpu, memory_told

FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def fail_in_update(training, calls: set[int]) -> None:
    """The optimizer's step runs out of memory in these of its calls, after it has changed half of the weights."""
    original, number = training.optimizer.step, 0

    def step(*arguments, **options):
        nonlocal number
        number += 1
        if number not in calls:
            return original(*arguments, **options)
        with torch.no_grad():
            for weight in training.learning[::2]:
                weight.add_(1.0)
                training.optimizer.state[weight] = {"step": torch.tensor(9.0), "exp_avg": torch.ones_like(weight)}
        raise FULL

    training.optimizer.step = step


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}])
def test_the_first_update_is_taken_back_and_done_again_with_smaller_batches(tmp_path, settings):
    halved, _, _ = whole = start(tmp_path / "a", tiny_recipe(train={"batch_size": 4, "accumulate": 2, **settings}))
    train(*whole[:2])
    training, monitor, run = start(tmp_path / "b", tiny_recipe(train={"on_oom": "halve", **settings}))
    fail_in_update(training, {1})
    assert train(training, monitor) == "finished"
    assert (training.batch_size, training.accumulate) == (4, 2)
    assert same_weights(training.plain_module, halved.plain_module)
    assert same_weights(training.evaluated_module, halved.evaluated_module)
    assert any("Out of memory with 8 pictures per batch: going on with 4" in line.text for line in read_log(run.log))


def test_after_a_resume_the_first_update_is_taken_back_too(tmp_path):
    recipe = tiny_recipe(train={"on_oom": "halve", "checkpoint_every": 2})
    training, monitor, run = start(tmp_path, recipe)
    monitor.request = lambda: "pause" if training.step == 4 else None
    assert train(training, monitor) == "paused"
    before = copied_to_cpu(training.plain_module.state_dict())
    again, monitor, _ = start(tmp_path, recipe, run)
    state = copied_to_cpu(again.optimizer.state_dict())
    fail_in_update(again, {1})
    monitor.request = lambda: "pause"
    monitor.warn = lambda training, text: seen.append(
        (copied_to_cpu(training.plain_module.state_dict()), copied_to_cpu(training.optimizer.state_dict()))
    )
    seen: list = []
    train(again, monitor)
    assert all(torch.equal(seen[0][0][name], weight) for name, weight in before.items())
    for number, values in state["state"].items():
        assert all(
            torch.equal(torch.as_tensor(seen[0][1]["state"][number][name]), torch.as_tensor(values[name]))
            for name in values
        )


def test_a_later_update_ends_the_run_with_its_checkpoint_intact(tmp_path):
    training, monitor, run = start(tmp_path, tiny_recipe(train={"on_oom": "halve", "checkpoint_every": 2}))
    fail_in_update(training, {4})
    with pytest.raises(UserError, match=r"Out of memory .* in the optimizer's step 4, which cannot be taken back"):
        train(training, monitor)
    assert start(tmp_path, tiny_recipe(train={"on_oom": "halve", "checkpoint_every": 2}), run)[0].step == 2


def test_an_optimizer_that_never_fits_says_so(tmp_path):
    for on_oom in ("stop", "halve"):
        training, monitor, _ = start(tmp_path / on_oom, tiny_recipe(train={"on_oom": on_oom}))
        fail_in_update(training, set(range(1, 100)))
        with pytest.raises(UserError, match="not even one picture fits"):
            train(training, monitor)


def evaluates_at_most(task: TinyTask, largest: int) -> list[int]:
    original, asked = task.evaluate, []

    def evaluate(*arguments, **options):
        asked.append(task.evaluation_batch)
        if task.evaluation_batch > largest:
            raise FULL
        return original(*arguments, **options)

    task.evaluate = evaluate
    return asked


def test_an_evaluation_computes_less_at_once(tmp_path):
    training, monitor, run = start(tmp_path, tiny_recipe(train={"on_oom": "halve"}))
    asked = evaluates_at_most(training.task, 2)
    assert train(training, monitor) == "finished"
    assert asked == [8, 4, 2, 2, 2]
    warnings = [line.text for line in read_log(run.log) if line.level == "warning"]
    assert "Out of memory in the evaluation with 8 pictures at once: going on with 4" in warnings[0]
    assert (training.batch_size, training.accumulate) == (8, 1)


@pytest.mark.parametrize("on_oom", ["stop", "halve"])
def test_an_evaluation_that_does_not_fit_costs_no_training(tmp_path, on_oom):
    recipe = tiny_recipe(train={"on_oom": on_oom})
    training, monitor, run = start(tmp_path, recipe)
    evaluates_at_most(training.task, 0)
    with pytest.raises(
        UserError, match=r"Out of memory on cpu in the evaluation of step 6, with [18] pictures at once"
    ):
        train(training, monitor)
    again, monitor, _ = start(tmp_path, recipe, run)
    assert again.step == 6
    assert again.evaluation_due
    assert train(again, monitor) == "finished"


def test_commands_say_what_to_do():
    for error in (FULL, MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")):
        with (
            pytest.raises(UserError, match=r"Out of memory: give a smaller --batch-size\."),
            memory_told("give a smaller --batch-size"),
        ):
            raise error
    with pytest.raises(RuntimeError, match="shape"), memory_told("x"):
        raise RuntimeError("shape")
