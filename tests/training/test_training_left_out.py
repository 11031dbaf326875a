"""Pictures that become unreadable while a run trains or evaluates: one policy for both tasks, counted and told."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.test_training_captioning import recipe_for, write_coco
from tests.training.worker_for_tests import worker_recipe, write_pictures
from vitbench.cli import main
from vitbench.data.index import open_index
from vitbench.data.problems import LeftOut, Problem, sentence_of
from vitbench.errors import UserError
from vitbench.progress import silent
from vitbench.runs.log import read_log
from vitbench.runs.store import Store
from vitbench.training import worker
from vitbench.training.captioning import open_caption_task
from vitbench.training.evaluation import load_evaluation
from vitbench.training.loop import accumulate_gradients
from vitbench.training.open_classification import open_classification
from vitbench.training.state import Training

CPU = torch.device("cpu")
PLAIN = {"data": {"cache": False, "augment": "none", "mixup": 0.0}, "train": {"ema": 0.0, "checkpoint_every": 0}}


def spoiled_after_the_index(monkeypatch, module, spoil):
    """The data is opened, and then spoiled before the first step."""
    name = {"classify": "open_classification", "caption": "open_caption_task"}[module]
    where = {"classify": "vitbench.training.open_classification", "caption": "vitbench.training.captioning"}[module]
    original = getattr(__import__(where, fromlist=[name]), name)

    def opened(*arguments):
        task, fingerprint = original(*arguments)
        spoil(task)
        return task, fingerprint

    monkeypatch.setattr(f"{where}.{name}", opened)


def of_part(task, part):
    return [Path(task.data.path(task.data.samples[position])) for position in task.data.positions(part)]


def test_a_classifier_counts_what_is_gone_everywhere(store, tmp_path, monkeypatch, capsys):
    pictures = write_pictures(tmp_path / "pictures")
    gone = []

    def spoil(task):
        gone.extend([of_part(task, "val")[0], *of_part(task, "train")[:2]])
        for file in gone:
            file.write_bytes(b"")

    spoiled_after_the_index(monkeypatch, "classify", spoil)
    run = Store(store).create(worker_recipe(pictures, **PLAIN))
    assert worker.main(run.folder) == 0
    status = run.status()
    assert status.state == "finished", status.error
    assert status.left_out == 3
    assert status.latest["validation/left_out"] == 1
    warnings = [line.text for line in read_log(run.log) if line.level == "warning"]
    told = " ".join(warnings)
    assert sum("left out" in text for text in warnings) <= 3  # once each, not at every epoch
    assert all(f"{file.name} (the file is empty)" in told for file in gone)
    assert any("validation: " in line.text and "left_out 1" in line.text for line in read_log(run.log))
    (newest, *_) = sorted((run.folder / "evaluations").glob("val-*.npz"))
    evaluation = load_evaluation(newest)
    assert evaluation.left_out == (Problem(gone[0].name, "the file is empty"),)
    whole = len(evaluation) + 1
    assert evaluation.sentence().endswith(f"left out, since they cannot be read any more: 1 of {whole} pictures")
    document = json.loads(newest.with_suffix(".json").read_text())
    assert document["left_out"] == [{"file": gone[0].name, "reason": "the file is empty"}]
    assert document["pictures"] == whole - 1
    main(["show", run.id, "--json"])
    assert json.loads(capsys.readouterr().out)["status"]["left_out"] == 3


def test_an_evaluation_by_command_says_it(store, tmp_path, monkeypatch, capsys):
    pictures = write_pictures(tmp_path / "pictures")
    run = Store(store).create(worker_recipe(pictures, train={"epochs": 1}))
    assert worker.main(run.folder) == 0
    other = write_pictures(tmp_path / "other", count=4)
    from vitbench.training import evaluating

    def opened(*arguments, **options):
        index = open_index(*arguments, **options)
        (other / "red_1.png").unlink()
        return index

    monkeypatch.setattr(evaluating, "open_index", opened)
    assert main(["evaluate", run.id, "--data", str(other), "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "1 of 12 pictures" in printed
    assert "Left out: 1 file, such as red_1.png" in printed


def test_the_features_of_a_frozen_network_keep_their_labels(store, tmp_path):
    pictures = write_pictures(tmp_path / "pictures")
    recipe = worker_recipe(pictures, **{**PLAIN, "train": {**PLAIN["train"], "head_epochs": 1}})
    torch.manual_seed(0)
    whole, _ = open_classification(recipe, tmp_path, store, CPU, silent)
    complete = list(whole.batches(0, 0, 4))
    torch.manual_seed(0)
    task, _ = open_classification(recipe, tmp_path, store, CPU, silent)
    order = task._loader_of(4).plan.order(0)
    for number in order[:4]:
        task.data.path(task.train.sample(int(number))).unlink()
    found = list(task.batches(0, 0, 4))
    assert [len(batch.labels) for batch in found] == [0, *(len(batch.labels) for batch in complete[1:])]
    for batch, before in zip(found[1:], complete[1:], strict=True):
        assert torch.equal(batch.labels, before.labels)
        torch.testing.assert_close(batch.features, before.features)
    assert len(task.left_out) == 4


@pytest.mark.parametrize("processes", [0, 1])
def test_a_step_is_the_mean_over_the_pictures_that_are_there(store, tmp_path, processes):
    """Against a step written by hand on the pictures that are left, with micro-batches that are short or empty."""
    pictures = write_pictures(tmp_path / "pictures")
    tables = {**PLAIN, "train": {**PLAIN["train"], "batch_size": 2, "accumulate": 5}}
    tables["model"] = {"drop_rate": 0.0, "drop_path_rate": 0.0}
    tables["data"] = {**PLAIN["data"], "workers": processes}
    recipe = worker_recipe(pictures, **tables)
    task, _ = open_classification(recipe, tmp_path, store, CPU, silent)
    order = task._loader_of(2).plan.order(0)[:10]
    for number in (order[0], order[4], order[5]):
        task.data.path(task.train.sample(int(number))).write_bytes(b"x")
    training = Training(task, recipe, CPU)
    training.begin_step()
    loss, extras = accumulate_gradients(training, training.open_batches())
    found = [weight.grad.clone() for weight in training.learning]
    left = [int(number) for number in order if number not in (order[0], order[4], order[5])]
    pixels, numbers, problems = task.train.pixels(left, 0)
    assert not problems
    training.optimizer.zero_grad()
    logits = training.plain_module(task.network.preprocessing.normalize(torch.from_numpy(pixels)))
    labels = torch.from_numpy(task.train.labels[numbers])
    by_hand = torch.nn.functional.cross_entropy(logits, labels)
    by_hand.backward()
    assert float(loss) == pytest.approx(by_hand.item(), rel=1e-5)
    assert float(extras["accuracy"]) == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
    for mine, weight in zip(found, training.learning, strict=True):
        torch.testing.assert_close(mine, weight.grad, rtol=1e-4, atol=1e-6)
    assert training.pictures_seen == 7
    assert sorted(problem.file for problem in task.left_out.news()) == sorted(
        task.train.sample(int(number)).file for number in (order[0], order[4], order[5])
    )


def test_a_step_without_a_picture_changes_nothing_and_the_run_goes_on(store, tmp_path, monkeypatch):
    pictures = write_pictures(tmp_path / "pictures")

    def spoil(task):
        for number in task._loader_of(1).plan.order(0)[3:5]:
            task.data.path(task.train.sample(int(number))).write_bytes(b"")

    spoiled_after_the_index(monkeypatch, "classify", spoil)
    tables = {**PLAIN, "train": {**PLAIN["train"], "batch_size": 1, "epochs": 1}, "schedule": {"warmup_epochs": 0}}
    run = Store(store).create(worker_recipe(pictures, **tables))
    assert worker.main(run.folder) == 0
    assert run.status().left_out == 2


# Captions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", [True, False])
def test_a_captioner_counts_what_is_gone_too(store, tmp_path, monkeypatch, cache):
    folder = write_coco(tmp_path / "coco", count=12)
    gone = ["val/b 1é.jpg", "train/b 2é.jpg", "train/b 7é.jpg"]

    def spoil(task):
        for name in gone:
            (folder / name).write_bytes(b"")
            task.pictures.kept.pop(folder / name, None)

    spoiled_after_the_index(monkeypatch, "caption", spoil)
    train = {"epochs": 2, "evaluate_every": 1, "batch_size": 4}
    run = Store(store).create(recipe_for(folder, train=train, data={"cache": cache}))
    assert worker.main(run.folder) == 0, run.status().error
    status = run.status()
    assert status.left_out == 3
    assert status.latest["validation/left_out"] == 1
    told = " ".join(line.text for line in read_log(run.log) if line.level == "warning")
    assert all(f"{name} (the file is empty)" in told for name in gone)
    rows = (run.folder / "evaluations" / f"val-{status.step}.jsonl").read_text().splitlines()
    assert len(rows) == 5
    assert "val/b 1é.jpg" not in "".join(json.loads(row)["file"] for row in rows)


def test_pictures_that_cannot_be_decoded_at_the_start_do_not_end_a_captioner(store, tmp_path, monkeypatch):
    folder = write_coco(tmp_path / "coco", count=6)
    from vitbench.training import captioning as tasks

    original = tasks.open_caption_data

    def opened(*arguments, **options):
        found = original(*arguments, **options)
        (folder / "train" / "b 3é.jpg").unlink()
        return found

    monkeypatch.setattr(tasks, "open_caption_data", opened)
    task, _ = open_caption_task(recipe_for(folder), tmp_path, tmp_path, CPU)
    assert sum(len(batch.ids) for batch in task.batches(0, 0, 4)) == 5
    assert [problem.file for problem in task.left_out.news()] == ["train/b 3é.jpg"]
    assert sum(len(batch.ids) for batch in task.batches(1, 0, 1)) == 5


def test_a_disk_that_is_gone_ends_a_captioner_with_a_sentence(tmp_path):
    folder = write_coco(tmp_path / "coco", count=12)
    task, _ = open_caption_task(recipe_for(folder, data={"cache": False}), tmp_path, tmp_path, CPU)
    folder.rename(folder.with_name("elsewhere"))
    for batch_size in (1, 4):
        with pytest.raises(UserError, match="is the disk still there"):
            list(task.batches(0, 0, batch_size))
    with pytest.raises(UserError, match="is the disk still there"):
        task.evaluate(task.network.module.eval(), "val", step=0, folder=None)


def long_and_short(folder):
    """Sentences of very different lengths, so that tokens and pictures are shared differently."""
    write_coco(folder, count=12)
    for part in ("train", "val", "test"):
        file = folder / f"captions_{part}.json"
        document = json.loads(file.read_text())
        for number, row in enumerate(document["annotations"]):
            row["caption"] = "Fläche " * (1 + number % 9)
        file.write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize("spoil", [False, True])
def test_an_accumulated_step_of_sentences_is_that_of_the_whole_batch(tmp_path, spoil):
    folder = long_and_short(tmp_path / "coco")
    found = []
    for batch_size, accumulate in ((12, 1), (4, 3), (3, 4), (5, 3), (1, 12)):
        recipe = recipe_for(folder, train={"batch_size": batch_size, "accumulate": accumulate, "label_smoothing": 0.1})
        torch.manual_seed(0)
        task, _ = open_caption_task(recipe, tmp_path, tmp_path, CPU)
        if spoil:
            kept = {folder / name: (folder / name).read_bytes() for name in ("train/b 2é.jpg", "train/b 3é.jpg")}
            for file in kept:
                file.unlink()
                task.pictures.kept.pop(file, None)
        training = Training(task, recipe, CPU)
        training.begin_step()
        loss, extras = accumulate_gradients(training, training.open_batches())
        assert training.pictures_seen == (10 if spoil else 12)
        for file, content in kept.items() if spoil else ():
            file.write_bytes(content)
        found.append((float(loss), float(extras["token_accuracy"]), [w.grad.clone() for w in training.learning]))
    (loss, accuracy, gradients), *others = found
    for other_loss, other_accuracy, other_gradients in others:
        assert other_loss == pytest.approx(loss, rel=1e-5)
        assert other_accuracy == pytest.approx(accuracy, rel=1e-5)
        for mine, theirs in zip(gradients, other_gradients, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=2e-4, atol=1e-6)
    # The control: a mean of the means of micro-batches is another number.
    recipe = recipe_for(folder, train={"batch_size": 4, "label_smoothing": 0.1})
    torch.manual_seed(0)
    task, _ = open_caption_task(recipe, tmp_path, tmp_path, CPU)
    means = [task.loss(task.network.module, batch)[0].item() for batch in task.batches(0, 0, 4)]
    assert abs(np.mean(means) - loss) > 3e-4


def test_each_file_is_told_once():
    left_out = LeftOut()
    one, other = Problem("a.png", "the file is empty"), Problem("b.png", "not a picture")
    left_out.note([one])
    assert sentence_of(left_out.news()) == (
        "1 picture cannot be read any more and is left out: a.png (the file is empty)."
    )
    left_out.note([one, other])
    assert left_out.news() == [other]
    assert len(left_out) == 2
    many = [replace(one, file=f"{number}.png") for number in range(8)]
    assert sentence_of(many).startswith("8 pictures cannot be read any more and are left out: 0.png")
    assert sentence_of(many).endswith("and 3 others.")
