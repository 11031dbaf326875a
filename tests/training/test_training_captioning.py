"""A captioner trains through the same worker, run folder and checkpoints as a classifier."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vitbench.captions.decoding import greedy
from vitbench.captions.open import open_captioner
from vitbench.errors import UserError
from vitbench.recipe import parse_recipe
from vitbench.runs.events import EventReader
from vitbench.runs.store import Store
from vitbench.training import worker
from vitbench.training.captioning import open_caption_task
from vitbench.training.optimizer import create_optimizer

COLOURS = {"rote": (220, 30, 30), "grüne": (30, 200, 40), "blaue": (30, 60, 220)}


def write_coco(folder, count=24):
    """Non-square pictures of one colour with German sentences, as another program might write them; one is broken."""
    random = np.random.default_rng(0)
    for part, number in (("train", count), ("val", 6), ("test", 6)):
        (folder / part).mkdir(parents=True)
        images, annotations = [], []
        for n in range(number):
            word, colour = list(COLOURS.items())[n % 3]
            size = (int(random.integers(30, 80)), int(random.integers(20, 50)))
            Image.new("RGB", size, colour).save(folder / part / f"b {n}é.jpg")
            images.append({"id": n, "file_name": f"b {n}é.jpg", "width": size[0], "height": size[1]})
            annotations.append({"id": 2 * n, "image_id": n, "caption": f"Eine {word} Fläche."})
            annotations.append({"id": 2 * n + 1, "image_id": n, "caption": f"Das ist die {word} Fläche."})
        annotations.append({"id": 999, "image_id": 12345, "caption": "broken"})
        (folder / f"captions_{part}.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return folder


def recipe_for(path, **changes):
    tables = {
        "task": "caption",
        "model": {
            "name": "timm:vit_tiny_patch16_224",
            "image_size": [16, 24],
            "options": {"patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2},
        },
        "data": {"path": str(path)},
        "train": {"epochs": 40, "batch_size": 8, "device": "cpu", "threads": 1, "evaluate_every": 20},
        "optim": {"name": "adamw", "lr": 5e-3, "backbone_lr": 2e-3},
        "schedule": {"warmup_epochs": 1},
        "caption": {"embed_dim": 24, "depth": 1, "num_heads": 2, "max_length": 12, "drop_rate": 0.0},
    }
    for table, values in changes.items():
        tables[table] = {**tables[table], **values}
    return parse_recipe(tables, "the test")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_coco(tmp_path_factory.mktemp("data") / "coco")


@pytest.fixture(scope="module")
def run(store, folder):
    run = store.create(recipe_for(folder))
    assert worker.main(run.folder) == 0
    return run


def test_the_worker_trains_it_until_it_tells_the_colours(run, store):
    status = run.status()
    assert status.state == "finished"
    reader = EventReader(run.folder)
    reader.read()
    assert {"train/loss", "train/token_accuracy", "validation/bleu4", "validation/cider"} <= set(reader.series)
    assert reader.series["train/loss"].values[-1] < 0.5 * reader.series["train/loss"].values[0]
    captioner = open_captioner(f"{run.id}@last", store)
    for word, colour in COLOURS.items():
        pixels = captioner.prepare(Image.new("RGB", (50, 30), colour)).pixels
        with torch.no_grad():
            memory = captioner.module.encode(pixels)
        assert (memory.rows, memory.columns) == (2, 3)
        assert word in captioner.tokenizer.decode(greedy(captioner.module, memory, captioner.tokenizer)[0].ids)


def test_the_run_folder_keeps_the_words_and_what_was_written(run):
    assert (run.folder / "tokenizer.json").exists()
    last = run.checkpoint("last")
    rows = (run.folder / "evaluations" / f"val-{last.step}.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 6
    first = json.loads(rows[0])
    assert first["file"].startswith("val/b ")
    assert len(first["references"]) == 2
    assert first["caption"] in first["references"] or "fläche" in first["caption"]


def test_order_and_sentences_depend_on_seed_epoch_and_picture_alone(folder, tmp_path):
    task, fingerprint = open_caption_task(recipe_for(folder), tmp_path, tmp_path, torch.device("cpu"))
    whole = list(task.batches(3, 0, 8))
    assert [batch.ids.shape[0] for batch in whole] == [8, 8, 8]
    late = list(task.batches(3, 1, 8))
    for one, other in zip(whole[1:], late, strict=True):
        assert torch.equal(one.ids, other.ids)
        assert torch.equal(one.pixels, other.pixels)
    # Another batch size shows the same pictures with the same sentences.
    texts = [task.tokenizer.decode(row.tolist()) for batch in whole for row in batch.ids]
    assert texts == [task.tokenizer.decode(row.tolist()) for batch in task.batches(3, 0, 5) for row in batch.ids]
    assert texts != [task.tokenizer.decode(row.tolist()) for batch in task.batches(4, 0, 8) for row in batch.ids]
    again, same = open_caption_task(recipe_for(folder), tmp_path, tmp_path, torch.device("cpu"))
    assert same == fingerprint
    assert again.tokenizer.to_dict() == task.tokenizer.to_dict()
    assert sum("captions" in problem for problem in task.data.problems) == 3


def test_pictures_kept_and_pictures_decoded_on_the_way_are_equal(folder, tmp_path):
    recipes = [recipe_for(folder, data={"cache": cache}) for cache in (True, False)]
    kept, read = (open_caption_task(recipe, tmp_path, tmp_path, torch.device("cpu"))[0] for recipe in recipes)
    assert kept.pictures.kept
    assert not read.pictures.kept
    for one, other in zip(kept.batches(0, 0, 8), read.batches(0, 0, 8), strict=True):
        assert torch.equal(one.pixels, other.pixels)


def test_scenes_are_scored_by_their_truth(tmp_path):
    recipe = recipe_for(
        "scenes:base?count=20&size=32", caption={"tokenizer": "bpe", "vocab_size": 400, "max_length": 60}
    )
    task, _ = open_caption_task(recipe, tmp_path, tmp_path, torch.device("cpu"))
    assert task.monitored_metric == "exact_match"
    module = task.network.module.eval()
    scalars = task.evaluate(module, "val", step=4, folder=tmp_path / "evaluations")
    measured = json.loads((tmp_path / "evaluations" / "grounding-heads-4.json").read_text())
    assert {"NOUN", "COLOUR"} <= set(measured["kinds"])
    assert measured["kinds"]["NOUN"]["words"] > 0
    assert measured["spoken"]["NOUN"]
    assert {
        "exact_match",
        "slot_accuracy",
        "slot_accuracy/NOUN",
        "hallucination",
        "bleu4",
        "grounding_auc/NOUN",
    } <= set(scalars)
    assert scalars["loss"] > 1


def test_mistakes_are_one_sentence(folder, tmp_path):
    one = tmp_path / "one"
    one.mkdir()
    Image.new("RGB", (4, 4)).save(one / "a.png")
    (one / "a.txt").write_text("a sentence")
    with pytest.raises(UserError, match="no pictures with captions for val"):
        open_caption_task(recipe_for(one), tmp_path, tmp_path, torch.device("cpu"))
    with pytest.raises(UserError, match="There is no"):
        open_caption_task(recipe_for(tmp_path / "nowhere"), tmp_path, tmp_path, torch.device("cpu"))


@pytest.mark.parametrize("tokenizer", ["bpe", "wordpiece"])
def test_the_last_block_learns_at_its_own_rate_and_word_pieces_stay_in_the_run_folder(folder, tmp_path, tokenizer):
    model = {
        "name": "timm:vit_tiny_patch16_224",
        "image_size": [16, 24],
        "options": {"patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2},
        "freeze": 1,
    }
    caption = {"embed_dim": 24, "depth": 1, "num_heads": 2, "max_length": 20, "tokenizer": tokenizer, "vocab_size": 300}
    recipe = recipe_for(folder, model=model, caption=caption)
    task, _ = open_caption_task(recipe, tmp_path, tmp_path, torch.device("cpu"))
    again, _ = open_caption_task(recipe, tmp_path, tmp_path, torch.device("cpu"))
    assert json.loads((tmp_path / "tokenizer.json").read_text())["kind"] == "subword"
    assert again.tokenizer.to_dict() == task.tokenizer.to_dict()

    module = task.network.module
    before = {name: weight.detach().clone() for name, weight in module.named_parameters()}
    optimizer = create_optimizer(module, recipe.optim, torch.device("cpu"))
    rates = {id(w): recipe.optim.lr * g["lr_scale"] for g in optimizer.param_groups for w in g["params"]}
    learning = {name: rates[id(weight)] for name, weight in module.named_parameters() if weight.requires_grad}
    for name, rate in learning.items():
        assert rate == pytest.approx(2e-3 if name.startswith("encoder.") else 5e-3)
    loss, _ = task.loss(module, next(iter(task.batches(0, 0, 4))))
    loss.backward()
    optimizer.step()
    changed = {name for name, weight in module.named_parameters() if not torch.equal(weight, before[name])}
    assert any(name.startswith("encoder.blocks.2.") for name in changed)
    frozen = ("encoder.blocks.0.", "encoder.blocks.1.", "encoder.patch_embed")
    assert not any(name.startswith(frozen) for name in changed)
    assert any(name.startswith("decoder.") for name in changed)
