"""Unequal classes: weights in the loss, epochs that show each class alike, and figures that count each class alike."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.training.worker_for_tests import worker_recipe, write_pictures
from vitbench.data.augment import augmentation
from vitbench.data.balance import balanced_order, balanced_weights, class_weights, said_balance
from vitbench.data.dataset import Dataset
from vitbench.data.index import open_index
from vitbench.data.loader import Loader
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.progress import silent
from vitbench.runs.store import Store
from vitbench.training.check import check_recipe
from vitbench.training.evaluation import Evaluation
from vitbench.training.loop import accumulate_gradients
from vitbench.training.open_classification import open_classification
from vitbench.training.seeds import seed_everything
from vitbench.training.state import Training

CPU = torch.device("cpu")
LABELS = np.array([0] * 20 + [1] * 5 + [3] * 2)


def test_balanced_weights_are_n_over_k_times_n_k():
    weights = balanced_weights(LABELS, 4)
    assert weights == pytest.approx([27 / (3 * 20), 27 / (3 * 5), 1, 27 / (3 * 2)])
    assert weights[LABELS].mean() == pytest.approx(1)


def test_a_table_of_weights_names_its_mistakes():
    classes = ("cat", "dog", "ox", "yak")
    assert class_weights(None, LABELS, classes, 5) is None
    found = class_weights({"dog": 3.0, "yak": 0.5}, LABELS, classes, 5)
    assert found is not None
    assert found.tolist() == [1, 3, 1, 0.5, 1]
    with pytest.raises(UserError, match="the class dgo, which the data do not have; perhaps you mean dog"):
        class_weights({"dgo": 2.0}, LABELS, classes, 4)
    with pytest.raises(UserError, match="weight 0"):
        class_weights({"cat": 0.0, "dog": 0.0, "yak": 0.0}, LABELS, classes, 4)


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_balanced_epoch_shows_each_class_and_each_of_its_pictures_alike(epoch):
    order = balanced_order(LABELS, seed=3, epoch=epoch)
    assert len(order) == len(LABELS)
    assert len(set(order.tolist())) == len(order)
    assert (order == balanced_order(LABELS, seed=3, epoch=epoch)).all()
    assert (order != balanced_order(LABELS, seed=3, epoch=epoch + 1)).any()
    shown = order % len(LABELS)
    assert np.bincount(LABELS[shown], minlength=4).tolist() == [9, 9, 0, 9]
    for label in (0, 1, 3):
        times = np.bincount(shown, minlength=len(LABELS))[label == LABELS]
        assert times.max() - times.min() <= 1


@pytest.fixture
def unequal(tmp_path):
    """Pictures of three classes, of which one has most."""
    folder = write_pictures(tmp_path / "pictures")
    for path in folder.iterdir():
        label, _, number = path.stem.partition("_")
        if label != "blue" and int(number) > 4:
            path.unlink()
    return folder


def test_a_repeat_is_augmented_by_itself(unequal, store):
    index = open_index(str(unequal), store=store)
    for name, alike in (("crop-flip", False), ("none", True)):
        changes = augmentation(name, Preprocessing(16, 16))
        dataset = Dataset(index, np.arange(len(index.samples)), changes)
        pixels, numbers, _ = dataset.pixels([2, 2 + len(dataset)], epoch=0)
        assert numbers.tolist() == [2, 2]
        assert (pixels[0] == pixels[1]).all() == alike
    loader = Loader(dataset, seed=1, batch_size=5, balanced=True)
    batches = list(loader.batches(0))
    resumed = list(loader.batches(0, 2))
    assert [batch.indices.tolist() for batch in batches[2:]] == [batch.indices.tolist() for batch in resumed]
    counts = torch.bincount(torch.cat([batch.labels for batch in batches]))
    assert counts.max() - counts.min() <= 1
    for batch in batches:
        assert batch.labels.tolist() == dataset.labels[batch.indices.numpy()].tolist()


@pytest.mark.parametrize("settings", [{}, {"mixup": 0.4}])
def test_weights_multiply_each_pictures_loss_and_a_step_is_that_of_the_whole_batch(unequal, store, tmp_path, settings):
    data = {"cache": False, "augment": "none", "mixup": 0.0, "class_weights": "balanced", **settings}
    gradients = []
    for number, (size, accumulate) in enumerate(((8, 1), (2, 4))):
        train = {"ema": 0.0, "batch_size": size, "accumulate": accumulate, "label_smoothing": 0.1}
        recipe = worker_recipe(unequal, data=data, train=train, model={"drop_rate": 0.0, "drop_path_rate": 0.0})
        run = Store(tmp_path / str(number)).create(recipe)
        seed_everything(0)
        task, _ = open_classification(recipe, run.folder, store, CPU, silent)
        training = Training(task, recipe, CPU)
        if number == 0:
            (batch,) = [next(iter(training.open_batches()))]
            loss, _ = task.loss(task.network.module.eval(), batch)
            logits = task.network.module(batch.pixels).double().log_softmax(1)
            soft_targets = (
                F.one_hot(batch.labels, logits.shape[1]).double()
                if batch.soft_targets is None
                else batch.soft_targets.double()
            )
            counts = np.bincount(task.train.labels)
            weights = soft_targets @ torch.from_numpy(len(task.train) / (len(counts) * counts))
            smooth = 0.9 * soft_targets + 0.1 / logits.shape[1]
            by_hand = (weights * -(smooth * logits).sum(1)).mean()
            assert loss.item() == pytest.approx(by_hand.item(), rel=1e-5)
        training.begin_step()
        accumulate_gradients(training, training.open_batches())
        gradients.append(torch.cat([weight.grad.flatten() for weight in training.learning]))
    if not settings:  # a mixed picture has another partner in another batch
        torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)


def test_figures_that_count_each_class_alike():
    label = np.array([0] * 8 + [1] * 2)
    predicted = np.array([0] * 7 + [1, 0, 2])
    evaluation = Evaluation(
        root="",
        classes=("a", "b", "c", "d"),
        file=np.array([str(number) for number in range(10)]),
        label=label,
        top5=predicted[:, None],
        probability=np.ones((10, 1), np.float32),
        loss=np.zeros(10),
        batch_size=4,
    )
    # scikit-learn 1.7: balanced_accuracy_score and f1_score(average="macro") of these give 0.4375 and 0.291666...
    assert evaluation.mean_class_accuracy == pytest.approx((7 / 8 + 0) / 2)
    assert evaluation.macro_f1 == pytest.approx((14 / 16 + 0 + 0) / 3)
    assert {"mean_class_accuracy", "macro_f1"} <= set(evaluation.scalars())
    assert evaluation.document()["class_f1"] == {"a": 14 / 16, "b": 0.0, "c": 0.0}


def test_the_best_checkpoint_is_judged_as_the_recipe_says(unequal, store, tmp_path):
    recipe = worker_recipe(unequal, train={"monitor": "macro_f1"}, data={"sampler": "balanced"})
    run = Store(tmp_path / "runs").create(recipe)
    task, _ = open_classification(recipe, run.folder, store, CPU, silent)
    training = Training(task, recipe, CPU)
    training.note_evaluation({"accuracy": 0.9, "macro_f1": 0.2})
    training.step = 1
    training.note_evaluation({"accuracy": 0.1, "macro_f1": 0.3})
    assert training.best is not None
    assert (training.best.metric, training.best.step) == ("validation/macro_f1", 1)


def test_unequal_classes_are_said_before_the_run(unequal, store):
    assert said_balance({"a": 10, "b": 1}) == ""
    assert "11 training pictures of a, 1 of b" in said_balance({"a": 11, "b": 1, "c": 0})
    check = check_recipe(worker_recipe(unequal, data={"class_weights": {"nothing": 2.0}}), store)
    assert "data.class_weights names the class nothing" in check.problems[0]
