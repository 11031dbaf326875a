"""Networks opened by name: checkpoints, runs, files, the package's own; and what describes them."""

import json
import shutil

import pytest
import timm
import torch
from built_networks import SMALL, logits, save, table

from vitbench.errors import UserError
from vitbench.models import network, timm_networks
from vitbench.models.description import NetworkDescription, read_network_json
from vitbench.models.network import build_network, open_network
from vitbench.recipe import Recipe
from vitbench.recipe_tables import ModelTable
from vitbench.runs.store import Store


def test_a_checkpoint_folder_holds_all_that_is_needed(tmp_path):
    source = build_network(
        table(image_size=[64, 96], drop_path_rate=0.2), num_classes=3, labels=["a", "b\x1b[31m", "ü"]
    )
    save(source.module, tmp_path / "step-00000012")
    source.write_network_json(tmp_path / "step-00000012")
    opened = open_network(str(tmp_path / "step-00000012"))
    assert opened.weights_hash == source.weights_hash
    assert torch.equal(logits(opened.module, (64, 96)), logits(source.module, (64, 96)))
    assert opened.labels == source.labels
    assert opened.preprocessing == source.preprocessing
    assert not opened.module.training
    assert opened.describe() == source.describe()


def test_a_pretrained_vit_checkpoint_keeps_its_dropout_places(tmp_path):
    source = build_network(table(name="pretrained_vit:B_16", image_size=32), num_classes=3)
    save(source.module, tmp_path)
    source.write_network_json(tmp_path)
    block = open_network(str(tmp_path)).module.blocks[0]
    assert (block.attn.attn_drop.p, block.attn.proj_drop.p, block.mlp.drop1.p, block.mlp.drop2.p) == (0.1, 0.1, 0, 0.1)


def test_a_run_is_opened_by_name_and_checkpoint(tmp_path):
    store = Store(tmp_path)
    run = store.create(Recipe(), name="pets")
    source = build_network(table(), num_classes=3, labels=["a", "b", "c"])
    hashes = {}
    for step in (10, 20):
        with torch.no_grad():
            source.module.head.bias.add_(1)
        folder = run.folder / "checkpoints" / f"step-{step:08d}"
        folder.mkdir(parents=True)
        save(source.module, folder)
        source.write_network_json(folder)
        hashes[step] = source.weights_hash
    (run.folder / "checkpoints" / "names.json").write_text(json.dumps({"last": 20, "best": 10}))
    assert open_network("pets", store).weights_hash == hashes[10]
    assert open_network("pets@last", store).weights_hash == hashes[20]
    opened = open_network(f"{run.id}@10", store)
    assert opened.weights_hash == hashes[10]
    assert (opened.tag, opened.labels) == (f"{run.id}@10", ("a", "b", "c"))
    elsewhere = shutil.move(run.folder, store.folder / "copied")
    for which, step in (("", 10), ("@last", 20), ("@10", 10)):
        opened = open_network(f"{elsewhere}{which}", store)
        assert (opened.weights_hash, opened.tag) == (hashes[step], f"copied@{step}")
    shutil.move(elsewhere, run.folder)
    with pytest.raises(UserError, match="30"):
        open_network("pets@30", store)
    with pytest.raises(UserError):
        open_network("cats", store)


def test_what_cannot_be_opened_is_said_in_words(tmp_path, monkeypatch):
    file = save(build_network(table(), num_classes=3).module, tmp_path, "loose.safetensors")
    with pytest.raises(UserError, match="timm:NAME@"):
        open_network(str(file))
    with pytest.raises(UserError, match=r"network\.json is missing"):
        open_network(str(tmp_path))
    (tmp_path / "network.json").write_text('{"name": 3}')
    with pytest.raises(UserError, match="not a description of a network"):
        open_network(str(tmp_path))
    with pytest.raises(UserError, match="no weight file"):
        open_network(str(tmp_path / "gone.safetensors"))
    with pytest.raises(UserError, match="no network 'nothing_like_it'"):
        open_network("nothing_like_it")
    monkeypatch.setattr(network, "shipped_weights", lambda: tmp_path)
    with pytest.raises(UserError, match="make weights"):
        open_network("demo")


def test_a_name_opens_with_a_file_or_with_random_weights_when_asked(tmp_path):
    source = timm.create_model("test_vit", num_classes=4)
    file = save(source, tmp_path, "mine.safetensors")
    opened = open_network(f"timm:test_vit@{file}")
    assert torch.equal(logits(opened.module, (160, 160)), logits(source, (160, 160)))
    assert (opened.tag, opened.name, opened.num_classes) == ("mine", "timm:test_vit", 4)
    assert open_network("test_vit@random").tag == "random"


def test_demo_is_the_package_s_classifier_with_another_head(tmp_path, monkeypatch):
    source = build_network(table(), num_classes=12, labels=[f"kind {number}" for number in range(12)])
    save(source.module, tmp_path, "classifier.safetensors")
    (tmp_path / "classifier.json").write_text(source.describe().model_dump_json())
    monkeypatch.setattr(network, "shipped_weights", lambda: tmp_path)
    opened = open_network("demo")
    assert (opened.tag, opened.labels) == ("demo", source.labels)
    assert torch.equal(logits(opened.module), logits(source.module))
    built = build_network(ModelTable(name="demo", image_size=[96, 64], drop_path_rate=0.1), num_classes=37)
    assert (built.num_classes, built.image_size, built.labels) == (37, (96, 64), None)
    assert torch.equal(built.module.blocks[0].mlp.fc1.weight, source.module.blocks[0].mlp.fc1.weight)
    assert built.module.blocks[1].drop_path1.drop_prob == pytest.approx(0.1)
    # A run that starts from it can be opened again without it.
    save(built.module, tmp_path / "run")
    built.write_network_json(tmp_path / "run")
    assert open_network(str(tmp_path / "run")).weights_hash == built.weights_hash


def test_the_description_survives_json(tmp_path):
    built = build_network(table(options=SMALL | {"patch_size": [16, 8]}, image_size=[32, 24]), num_classes=2)
    built.write_network_json(tmp_path)
    assert read_network_json(tmp_path / "network.json") == built.describe()
    assert set(NetworkDescription.model_fields) == set(json.loads((tmp_path / "network.json").read_text()))


def test_the_hash_sees_every_bit():
    module = build_network(table(), num_classes=2).module
    before = network.weights_hash(module)
    assert before == network.weights_hash(module)
    with torch.no_grad():
        module.head.bias[1] = torch.nextafter(module.head.bias[1], torch.tensor(1.0))
    assert network.weights_hash(module) != before


def test_published_labels_exist_only_for_published_class_counts():
    assert timm_networks.published_labels(37) is None
    assert len(timm_networks.published_labels(1000)) == 1000
