"""The loop equals a loop that a person writes by hand, and whatever cuts it in two leaves the same weights."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from training_helpers import TinyTask, same_weights, scalars, start, tiny_recipe

from vitbench.errors import UserError
from vitbench.recipe import Recipe
from vitbench.training.control import Interrupted
from vitbench.training.loop import train
from vitbench.training.metrics import Diverged
from vitbench.training.seeds import derive_seed, seed_everything


def plain_loop(recipe: Recipe) -> tuple[torch.nn.Module, list[float]]:
    """What a student writes: AdamW, cosine with warm-up a step, no accumulation. Returns the network and its losses."""
    task = TinyTask(recipe)
    module = task.network.module
    decayed = [weight for name, weight in module.named_parameters() if weight.ndim > 1 and name not in _NO_DECAY]
    others = [weight for name, weight in module.named_parameters() if weight.ndim <= 1 or name in _NO_DECAY]
    groups = [{"params": others, "weight_decay": 0.0}, {"params": decayed, "weight_decay": recipe.optim.weight_decay}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.optim.lr, fused=True)
    per_epoch = math.ceil(task.train_size / recipe.train.batch_size)
    warmup, total = per_epoch, per_epoch * recipe.train.epochs
    losses, step = [], 0
    for epoch in range(recipe.train.epochs):
        order = task.order(epoch)
        for begin in range(0, len(order), recipe.train.batch_size):
            progress = (step - warmup) / (total - warmup)
            height = step / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * progress))
            for group in optimizer.param_groups:
                group["lr"] = recipe.optim.lr * height
            chosen = order[begin : begin + recipe.train.batch_size]
            seed_everything(recipe.train.seed, step, 0, 0)
            loss = F.cross_entropy(module(task.pixels[chosen]), task.labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            step += 1
    return module, losses


_NO_DECAY = ("cls_token", "pos_embed")


def test_seeds_are_those_that_torch_would_set() -> None:
    seed_everything(3, 14)
    drawn = torch.rand(4)
    torch.manual_seed(derive_seed(3, 14))
    assert torch.equal(drawn, torch.rand(4))


def test_equals_a_hand_written_loop(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    module, losses = plain_loop(recipe)
    training, monitor, run = start(tmp_path, recipe)
    assert train(training, monitor) == "finished"
    logged = scalars(run, "train/loss")
    assert list(logged) == list(range(1, len(losses) + 1))
    assert list(logged.values()) == pytest.approx(losses, rel=1e-6)  # event files hold 32-bit numbers
    assert same_weights(training.plain_module, module)


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    """The negative control of every equality here."""
    first, monitor, _ = start(tmp_path / "a", tiny_recipe())
    train(first, monitor)
    second, monitor, _ = start(tmp_path / "b", tiny_recipe(train={"seed": 1}))
    train(second, monitor)
    assert not same_weights(first.plain_module, second.plain_module)


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"accumulate": 2, "batch_size": 4, "clip": 0.5}])
def test_paused_twice_and_resumed_ends_with_the_same_bits(tmp_path: Path, settings: dict) -> None:
    recipe = tiny_recipe(train=settings)
    whole, monitor, _ = start(tmp_path / "whole", recipe)
    train(whole, monitor)

    training, monitor, run = start(tmp_path / "parts", recipe)
    for stop_at in (4, 9):
        pause_at(monitor, stop_at)
        assert train(training, monitor) == "paused"
        assert training.step == stop_at
        run.acknowledged()
        training, monitor, run = start(tmp_path, recipe, run)
        assert training.step == stop_at
    assert train(training, monitor) == "finished"
    assert same_weights(training.plain_module, whole.plain_module)
    assert same_weights(training.evaluated_module, whole.evaluated_module)
    assert training.best == whole.best
    assert list(scalars(run, "train/loss")) == list(range(1, training.total_steps + 1))


def pause_at(monitor, step: int) -> None:
    """Asks to pause when `step` steps are done."""
    original = monitor.record

    def record(training, *figures):
        original(training, *figures)
        if training.step == step:
            monitor.control.run.request("pause")
        else:
            monitor.control.run.acknowledged()

    monitor.record = record


def test_paused_in_an_evaluation_evaluates_after_the_resume(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    training, monitor, run = start(tmp_path, recipe)
    evaluate = training.task.evaluate

    def ask_in_the_middle(*arguments, **options):
        run.request("pause")
        return evaluate(*arguments, **options)

    training.task.evaluate = ask_in_the_middle
    with pytest.raises(Interrupted):
        train(training, monitor)
    run.acknowledged()
    assert training.step == training.steps_per_epoch

    resumed, monitor, _ = start(tmp_path, recipe, run)
    assert resumed.evaluation_due
    train(resumed, monitor)
    whole, monitor, other = start(tmp_path / "whole", recipe)
    train(whole, monitor)
    assert same_weights(resumed.plain_module, whole.plain_module)
    assert scalars(run, "validation/accuracy") == scalars(other, "validation/accuracy")


def test_an_evaluation_is_told_while_it_lasts(tmp_path: Path) -> None:
    training, monitor, _ = start(tmp_path, tiny_recipe())
    evaluate, told = training.task.evaluate, []

    def look(*arguments, **options):
        scalars = evaluate(*arguments, **options)
        told.append(monitor.heartbeat.progress.doing.what)
        return scalars

    training.task.evaluate = look
    record, between = monitor.record, set()

    def look_at_a_step(*arguments):
        record(*arguments)
        monitor.flush(training)
        between.add(monitor.heartbeat.progress.doing)

    monitor.record = look_at_a_step
    train(training, monitor)
    assert set(told) == {"evaluating"}
    assert between == {None}


def test_the_head_alone_foretells_nothing(tmp_path: Path) -> None:
    training, monitor, _ = start(tmp_path, tiny_recipe(train={"epochs": 3, "head_epochs": 1}))
    boundary, foretold = training.steps_per_epoch, {}
    record = monitor.record

    def look(*arguments):
        record(*arguments)
        monitor.flush(training)
        foretold[training.step] = monitor.heartbeat.progress.eta_seconds

    monitor.record = look
    train(training, monitor)
    assert all(foretold[step] is None for step in range(1, boundary))
    assert all(foretold[step] >= 0 for step in range(boundary + 1, training.total_steps + 1))


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    """44 pictures in steps of 8 leave a short step of 4, which weighs its pictures equally too."""
    options = {"model": {"drop_rate": 0.0}, "optim": {"name": "momentum", "lr": 0.05, "weight_decay": 0.0}}
    whole, monitor, _ = start(tmp_path / "whole", tiny_recipe(**options))
    train(whole, monitor)
    parts, monitor, _ = start(tmp_path / "parts", tiny_recipe(train={"batch_size": 3, "accumulate": 3}, **options))
    assert parts.pictures_per_step == 9
    parts, monitor, _ = start(tmp_path / "parts", tiny_recipe(train={"batch_size": 2, "accumulate": 4}, **options))
    train(parts, monitor)
    assert parts.step == whole.step
    for mine, theirs in zip(parts.plain_module.parameters(), whole.plain_module.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_out_of_memory_halves_the_batch_and_repeats_the_step(tmp_path: Path) -> None:
    recipe = tiny_recipe(train={"on_oom": "halve"})
    training, monitor, run = start(tmp_path / "halved", recipe)
    training.task.largest_batch = 3
    train(training, monitor)
    assert (training.batch_size, training.accumulate) == (2, 4)
    smaller, monitor, _ = start(tmp_path / "small", tiny_recipe(train={"batch_size": 2, "accumulate": 4}))
    train(smaller, monitor)
    assert same_weights(training.plain_module, smaller.plain_module)
    warnings = [line for line in run.log.read_text().splitlines() if "Out of memory" in line]
    assert len(warnings) == 2
    resumed, _, _ = start(tmp_path, recipe, run)
    assert (resumed.batch_size, resumed.accumulate) == (2, 4)


def test_out_of_memory_later_in_the_run_keeps_the_pictures_of_the_step(tmp_path: Path) -> None:
    training, monitor, _ = start(tmp_path, tiny_recipe(train={"on_oom": "halve"}))
    seen: list[int] = []
    batches = training.task.batches

    def watched(epoch, first_batch, batch_size):
        if epoch == 1 and first_batch == 0:
            training.task.largest_batch = 4
        for number, batch in enumerate(batches(epoch, first_batch, batch_size), first_batch):
            if batch_size == training.batch_size and len(batch[0]) <= training.task.largest_batch and epoch == 1:
                seen.extend(training.task.order(1)[number * batch_size :][: len(batch[0])].tolist())
            yield batch

    training.task.batches = watched
    train(training, monitor)
    assert seen == training.task.order(1).tolist()


def test_out_of_memory_names_the_largest_batch_that_fits(tmp_path: Path) -> None:
    training, monitor, _ = start(tmp_path, tiny_recipe())
    before = [weight.clone() for weight in training.plain_module.parameters()]
    training.task.largest_batch = 3
    with pytest.raises(UserError, match=r"train\.batch_size = 8 on cpu; 2 fits: .* train\.accumulate = 4"):
        train(training, monitor)
    assert all(torch.equal(*pair) for pair in zip(before, training.plain_module.parameters(), strict=True))

    training, monitor, _ = start(tmp_path, tiny_recipe())
    training.task.largest_batch = 0
    with pytest.raises(UserError, match="not even one picture fits"):
        train(training, monitor)


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step(tmp_path: Path) -> None:
    training, monitor, run = start(tmp_path, tiny_recipe())
    training.task.poison_at = 9
    with pytest.raises(Diverged, match="loss became nan at step 9") as caught:
        train(training, monitor)
    assert caught.value.step == 9
    assert [entry.step for entry in run.checkpoints()] == [6]
    resumed, _, _ = start(tmp_path, tiny_recipe(), run)
    assert resumed.step == 6
    assert all(weight.isfinite().all() for weight in resumed.plain_module.parameters())


def test_early_stopping(tmp_path: Path) -> None:
    training, monitor, _ = start(tmp_path, tiny_recipe(train={"epochs": 9, "early_stopping": 2}))
    values = iter([0.5, 0.6, 0.6, 0.4])
    training.task.evaluate = lambda *_, **__: {"accuracy": next(values)}
    assert train(training, monitor) == "finished"
    assert training.step == 4 * training.steps_per_epoch
    assert (training.best.step, training.best.value) == (2 * training.steps_per_epoch, 0.6)


def test_metrics_are_read_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing reads a value from the device between two logging intervals: the reads of a whole run are counted."""
    training, monitor, _ = start(tmp_path, tiny_recipe(train={"evaluate_every": 3, "log_every": 6, "clip": 1.0}))
    reads = []
    for name in ("item", "tolist", "cpu", "numpy", "__float__", "__bool__"):
        original = getattr(torch.Tensor, name)

        def counted(self, *arguments, _original=original, _name=name, **options):
            reads.append(_name)
            return _original(self, *arguments, **options)

        monkeypatch.setattr(torch.Tensor, name, counted)
    monitor.save = lambda *_, **__: None
    monitor.evaluated = lambda *_, **__: None
    training.task.evaluate = lambda *_, **__: {"accuracy": 0.5}
    train(training, monitor)
    assert reads == ["tolist"] * 3  # 18 steps


@pytest.mark.parametrize("amp", ["bf16"])
def test_autocast_trains(tmp_path: Path, amp: str) -> None:
    training, monitor, run = start(tmp_path, tiny_recipe(train={"amp": amp, "epochs": 6}))
    train(training, monitor)
    losses = list(scalars(run, "train/loss").values())
    assert sum(losses[-6:]) < 0.8 * sum(losses[:6])
    assert all(weight.dtype == torch.float32 for weight in training.plain_module.parameters())
