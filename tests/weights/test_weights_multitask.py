"""Two networks learn at once, and are taken out of one checkpoint as they were."""

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from vitbench.captions.captioner import new_captioner
from vitbench.captions.open import open_captioner
from vitbench.captions.saved import DecoderSizes
from vitbench.captions.scene_data import caption_ids, scene_vocabulary
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.scenes import COLOURS, describe
from vitbench.data.scenes.kinds import BASE_KINDS
from vitbench.models.attention_hooks import AttentionHooks
from vitbench.models.network import build_network, open_network
from vitbench.recipe import load_recipe
from vitbench.recipe_tables import ModelTable
from vitbench.runs.store import Store
from vitbench.training import worker
from vitbench.weights import multitask as scene_tasks
from vitbench.weights.attention_supervision import attention_loss, watched_class_attention
from vitbench.weights.export import export
from vitbench.weights.make import take_weights
from vitbench.weights.multitask import Only, SceneTask, _owned, _place_loss
from vitbench.weights.scene_records import SceneRecords, collated, scene_for

RECIPE = Path(scene_tasks.__file__).with_name("recipe.toml")
TINY = {"patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2}


def scene_task(only: Only | None = None) -> SceneTask:
    torch.manual_seed(0)
    model = ModelTable(name="timm:vit_tiny_patch16_224", image_size=96, options=TINY)
    encoder = build_network(model, num_classes=len(BASE_KINDS), labels=BASE_KINDS)
    encoder.preprocessing = Preprocessing(96, 96)
    words = scene_vocabulary([str(describe(scene_for("train", index, "base"))) for index in range(60)])
    sizes = DecoderSizes(embed_dim=24, depth=1, num_heads=2, max_length=24, dropout=0.0)
    return SceneTask(new_captioner(encoder, words, sizes), epochs=1, processes=0, only=only)


def test_the_label_loss_is_the_formula_and_every_part_learns():
    task = scene_task()
    records = SceneRecords("train", 0, 6, doodles=True)
    batch = collated([records[place] for place in range(6)])
    multitask = task.network.module
    loss, scalars = task.loss(multitask, batch)
    loss.backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in multitask.parameters())

    logits = multitask.captioner.encoder(task._normalized(batch.pixels))[:4]
    log_probability = logits.log_softmax(-1)
    expected = []
    for row in range(4):
        first, second = int(batch.label[row]), int(batch.second_label[row])
        own = -log_probability[row, first]
        expected.append(own if second < 0 else 0.9 * own - 0.1 * log_probability[row, second])
    assert torch.allclose(scalars["loss_label"], torch.stack(expected).mean(), atol=1e-5)


def test_patches_belong_to_what_covers_half_of_them_or_most_of_it():
    shares = torch.tensor([[[0.9, 0.2, 0.4, 1.0], [0.1, 0.8, 0.3, 0.0], [0.0, 0.0, 0.3, 0.0]]])
    expected = torch.tensor([[[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]])
    torch.testing.assert_close(_owned(shares), expected)


def test_the_place_loss_is_the_mean_over_what_patches_show_of_objects():
    records = SceneRecords("train", 0, 6)
    batch = collated([records[place] for place in range(6)])
    given = torch.randn(6, 144, 6, generator=torch.Generator().manual_seed(0))
    total = weight = 0.0
    for row in range(6):
        for patch in range(144):
            groups = (given[row, patch, 2:].view(2, 2) - batch.group_places[row]).abs().nansum()
            for thing in range(4):
                share = float(batch.shares[row, 1 + thing, patch])
                if share:
                    own = (given[row, patch, :2] - batch.places[row, thing]).abs().sum()
                    total, weight = total + share * float(own + groups), weight + share
    assert abs(float(_place_loss(given, batch)) - total / weight) < 1e-4


def test_the_look_loss_reads_the_attention_that_the_network_computes():
    encoder = scene_task().captioner.module.encoder.eval()
    records = SceneRecords("train", 0, 6, doodles=True)
    batch = collated([records[place] for place in range(6)])
    pixels = torch.randn(6, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        with watched_class_attention(encoder) as rows:
            encoder.forward_features(pixels)
        with AttentionHooks(encoder) as hooks:
            encoder.forward_features(pixels)
    assert len(rows) == len(hooks.calls)
    expected = 0.0
    for row, call in zip(rows, hooks.calls, strict=True):
        seen = call.kept.mean(1)[:, 0, 1:]
        torch.testing.assert_close(row, seen / seen.sum(-1, keepdim=True))
        for place in range(6):
            own = sum(
                batch.shares[place, 1 + thing] for thing in range(4) if batch.kinds[place, thing] == batch.label[place]
            )
            wanted = own**2 / (own**2).sum()
            expected += sum(float(w * (w / r).log()) for w, r in zip(wanted, row[place], strict=True) if w > 0)
    assert abs(float(attention_loss(rows, batch)) - expected / 6 / len(rows)) < 1e-4


def test_a_worker_trains_it_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(SceneTask, "train_size", 8)
    monkeypatch.setattr(scene_tasks, "PICTURES_AN_EPOCH", 8)
    monkeypatch.setattr(scene_tasks, "_EVALUATED", dict.fromkeys(SceneTask.splits, 2))
    changes = ["train.epochs=1", "train.batch_size=4", "train.device=cpu", "train.evaluate_every=1"]
    run = Store(tmp_path).create(load_recipe(str(RECIPE), changes))
    assert worker.main(run.folder, lambda run, device, progress: (scene_task(), "scenes")) == 0
    status = run.status()
    assert (status.state, status.error) == ("finished", None)
    assert run.checkpoint("best").step == 2


def test_captions_alone_teach_no_label():
    task = scene_task("captions")
    records = SceneRecords("train", 0, 4)
    _, scalars = task.loss(task.network.module, collated([records[place] for place in range(4)]))
    assert "loss_caption" in scalars
    assert not {"accuracy", "loss_label", "loss_doodle"} & set(scalars)
    assert task.monitored_metric == "exact_match"


def test_a_recoloured_picture_teaches_no_colour():
    task = scene_task()
    records = SceneRecords("train", 0, 2)
    batch = collated([records[place] for place in range(2)])
    batch = replace(batch, recoloured=torch.tensor([False, True]))
    other = replace(batch, colours=torch.tensor([batch.colours[0].tolist(), [7, 6, 5, 4]]))
    multitask = task.network.module.eval()
    with torch.no_grad():
        (loss, scalars), (same, _) = task.loss(multitask, batch), task.loss(multitask, other)
        assert torch.equal(loss, same)

        memory = multitask.captioner.encode(task._normalized(batch.pixels))
        ids = caption_ids(batch.captions, task.captioner.tokenizer)
        log_probability = multitask.captioner.decode(ids[:, :-1], memory).log_softmax(-1)
    expected = []
    for row in range(2):
        for place, token in enumerate(ids[row, 1:].tolist()):
            word = task.captioner.tokenizer.decode([token])
            if token != task.captioner.tokenizer.pad_id and not (row == 1 and word in COLOURS):
                expected.append(-log_probability[row, place, token])
    assert torch.allclose(scalars["loss_caption"], torch.stack(expected).mean(), atol=1e-5)


def test_a_making_goes_on_from_networks_made_earlier(tmp_path):
    first, second = scene_task(), scene_task()
    with torch.no_grad():
        for weight in first.network.module.parameters():
            weight.add_(torch.randn_like(weight))
    checkpoint = tmp_path / "step-00000001"
    checkpoint.mkdir()
    save_file(first.network.module.state_dict(), checkpoint / "model.safetensors")
    first.network.write_network_json(checkpoint)
    export(checkpoint, tmp_path)
    take_weights(second, tmp_path)
    ours, theirs = second.captioner.module.state_dict(), first.captioner.module.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_it_learns_a_handful_of_pictures_by_heart():
    task = scene_task()
    records = SceneRecords("train", 0, 8)
    batch = collated([records[place] for place in range(8)])
    multitask = task.network.module
    optimizer = torch.optim.AdamW(multitask.parameters(), lr=3e-3)
    first = float(task.loss(multitask, batch)[0].detach())
    for _ in range(60):
        loss, scalars = task.loss(multitask, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.5 * first
    assert float(scalars["token_accuracy"]) > 0.6


def test_both_networks_leave_the_checkpoint_with_the_same_outputs(tmp_path, monkeypatch):
    task = scene_task()
    checkpoint, folder = tmp_path / "step-00000001", tmp_path / "weights"
    checkpoint.mkdir()
    folder.mkdir()
    save_file(task.network.module.state_dict(), checkpoint / "model.safetensors")
    task.network.write_network_json(checkpoint)
    export(checkpoint, folder)
    for module in ("vitbench.models.network", "vitbench.captions.open"):
        monkeypatch.setattr(f"{module}.shipped_weights", lambda: folder)

    pixels = torch.randn(2, 3, 96, 96)
    multitask = task.network.module.eval()
    with torch.no_grad():
        classifier = open_network("demo")
        assert classifier.labels == BASE_KINDS
        assert torch.equal(classifier.module(pixels), multitask.captioner.encoder(pixels))
        captioner = open_captioner("demo")
        ids = torch.tensor([[captioner.tokenizer.start_id, 5, 6]] * 2)
        ours = captioner.module.decode(ids, captioner.module.encode(pixels))
        assert torch.equal(ours, multitask.captioner(pixels, ids))
