"""A linear probe: heads of several rates at once are what each would be alone, and the best one is kept."""

import pytest
import torch

from tests.training.worker_for_tests import worker_recipe, write_pictures
from vitbench.models.adaptation import classifiers
from vitbench.models.network import open_network
from vitbench.progress import silent
from vitbench.recipe import load_recipe, parse_recipe
from vitbench.runs.events import EventReader
from vitbench.runs.store import Store
from vitbench.training import worker
from vitbench.training.loop import accumulate_gradients, update_weights
from vitbench.training.open_classification import open_classification
from vitbench.training.seeds import seed_everything
from vitbench.training.state import Training

CPU = torch.device("cpu")
RATES = [0.001, 0.1, 1.0]


def probe_recipe(pictures, rates=RATES, **train):
    values = worker_recipe(pictures).model_dump(exclude_none=True)
    values["data"] |= {"augment": "none", "mixup": 0.0}
    values["train"] |= {"epochs": 6, "head_epochs": 6, "ema": 0.0, "clip": 0.0, "evaluate_every": 2, **train}
    values["model"] |= {"drop_rate": 0.0, "drop_path_rate": 0.0}
    values["optim"] = {"name": "momentum", "lr": 0.1, "probe_lrs": rates}
    values["schedule"] = {"name": "cosine", "warmup_epochs": 0.0}
    return parse_recipe(values, "test")


def training_of(recipe, store, folder):
    run = Store(folder).create(recipe)
    seed_everything(0)
    task, _ = open_classification(recipe, run.folder, store, CPU, silent)
    return Training(task, recipe, CPU)


def steps(training, count):
    batches = training.open_batches()
    for _ in range(count):
        training.begin_step()
        loss, extras = accumulate_gradients(training, batches)
        update_weights(training)
        training.step += 1
    return loss, extras


def test_each_head_is_what_it_would_be_alone(tmp_path, store):
    pictures = write_pictures(tmp_path / "pictures")
    together = training_of(probe_recipe(pictures), store, tmp_path / "a")
    loss, extras = steps(together, 4)
    backbone = {name: value.clone() for name, value in together.plain_module.state_dict().items()}
    for number, rate in enumerate(RATES):
        other = 2.0 if rate != 2.0 else 3.0
        alone = training_of(probe_recipe(pictures, sorted([rate, other])), store, tmp_path / f"b{number}")
        steps(alone, 4)
        mine, theirs = together.task.heads[number], alone.task.heads[sorted([rate, other]).index(rate)]
        torch.testing.assert_close(mine.weight, theirs.weight)
        torch.testing.assert_close(mine.bias, theirs.bias)
    assert 0 < float(loss) < 50
    assert "accuracy" in extras
    assert not any("probe" in name for name in backbone), "the heads are no part of the network's weights"
    first = training_of(probe_recipe(pictures), store, tmp_path / "c").plain_module.state_dict()
    assert all(torch.equal(value, first[name]) for name, value in backbone.items()), "the backbone is frozen"


def test_the_best_head_becomes_the_networks_own_and_a_resumed_probe_goes_on(tmp_path, store):
    pictures = write_pictures(tmp_path / "pictures")
    run = Store(store).create(probe_recipe(pictures))
    assert worker.main(run.folder) == 0
    best = run.status().best
    assert best is not None
    reader = EventReader(run.folder)
    reader.read()
    shown = {tag: series.values[-1] for tag, series in reader.series.items() if "probe" in tag}
    heads = {tag.rpartition("lr ")[2]: value for tag, value in shown.items() if tag.count("/") == 2}
    assert set(heads) == {"0.001", "0.1", "1"}
    assert reader.series["validation/accuracy"].values[-1] == pytest.approx(max(heads.values()))
    assert shown["validation/probe_lr"] == pytest.approx(
        float(max(heads, key=lambda rate: (heads[rate], -float(rate))))
    )
    network = open_network(run.id, Store(store))
    assert not hasattr(network.module, "probe_heads")
    assert best.value > 0.5

    again = training_of(run.recipe(), store, tmp_path / "again")
    state = torch.load(run.folder / "checkpoints" / f"step-{again.total_steps:08d}" / "state.pt", weights_only=True)
    again.task.load_extra_state(state["task"])
    (own,) = classifiers(network.module)
    assert best.step < again.total_steps or any(torch.equal(head.weight, own.weight) for head in again.task.heads)


def test_what_does_not_fit_a_probe_is_refused():
    recipe = load_recipe("probe", ["train.epochs=10"])
    assert recipe.train.head_epochs == 10
    assert recipe.learning_rate(0, 10) == recipe.optim.lr
    assert recipe.learning_rate(99, 10) < recipe.optim.lr / 100, "the schedule holds for the heads"
    for override, words in (
        ("train.head_epochs=3", "needs train.head_epochs = train.epochs"),
        ("train.clip=1.0", "train.clip = 1.0 .must be 0 with optim.probe_lrs"),
        ("optim.probe_lrs=[0.1,0.1]", "must be different rates"),
        ("data.augment=flip", "features are computed once"),
        ("optim.probe_lrs=[0.1]", "optim.probe_lrs"),
    ):
        with pytest.raises(Exception, match=words):
            load_recipe("probe", [override])
