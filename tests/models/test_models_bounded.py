"""Descriptions of networks that ask for more than their weights, or the machine, can hold."""

import json

import pytest
from built_networks import save, table

from vitbench.captions.captioner import new_captioner
from vitbench.captions.open import open_captioner
from vitbench.captions.saved import DecoderSizes, save_captioner
from vitbench.captions.tokenizer import train_tokenizer
from vitbench.errors import UserError
from vitbench.models.network import build_network, open_network

HUGE = [
    {"options": {"depth": 10**9, "embed_dim": 16, "num_heads": 2}},
    {"options": {"depth": 1000, "embed_dim": 16, "num_heads": 2}},
    {"options": {"depth": 1, "embed_dim": 2**20, "num_heads": 2}},
    {"options": {"depth": 1, "embed_dim": 16, "num_heads": 2, "mlp_ratio": 1e9}},
    {"options": {"depth": 1, "embed_dim": 16, "num_heads": 2, "reg_tokens": 10**9}},
    {"num_classes": 10**9},
    {"image_size": [2**20, 2**20]},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("network")
    tiny = table(options={"depth": 1, "embed_dim": 16, "num_heads": 2}, image_size=32)
    network = build_network(tiny, num_classes=3)
    save(network.module, place)
    network.write_network_json(place)
    return place


@pytest.mark.timeout(60)
@pytest.mark.parametrize("change", HUGE, ids=str)
def test_a_network_is_not_made_larger_than_its_weights(folder, change, tmp_path):
    description = json.loads((folder / "network.json").read_text())
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    (tmp_path / "network.json").write_text(json.dumps(description | change))
    with pytest.raises(UserError) as refused:
        open_network(str(tmp_path))
    assert len(str(refused.value)) < 500


def test_the_bound_leaves_room_for_the_network_itself(folder):
    assert open_network(str(folder)).num_classes == 3


@pytest.mark.parametrize("change", [{"depth": 10**6}, {"embed_dim": 10**9}, {"embed_dim": float("inf")}])
def test_a_recipe_asks_for_no_more_than_the_machine_has(change):
    options = {"depth": 1, "embed_dim": 16, "num_heads": 2} | change
    with pytest.raises(UserError):
        build_network(table(options=options, image_size=32), num_classes=3)


@pytest.mark.parametrize("change", [{"depth": 10**6}, {"embed_dim": 10**9}, {"max_length": 10**12}, {"num_heads": 0}])
def test_a_decoder_is_not_made_larger_than_its_weights(change, tmp_path):
    encoder = build_network(table(options={"depth": 1, "embed_dim": 16, "num_heads": 2}, image_size=32), num_classes=0)
    tokenizer = train_tokenizer("word", ["a heart"], vocab_size=10)
    captioner = new_captioner(encoder, tokenizer, DecoderSizes(embed_dim=16, depth=1, num_heads=2))
    save_captioner(tmp_path / "small", captioner.module, captioner.describe())
    assert open_captioner(str(tmp_path / "small.safetensors")).tokenizer.vocab_size == tokenizer.vocab_size
    description = json.loads((tmp_path / "small.json").read_text())
    description["decoder"] |= change
    (tmp_path / "small.json").write_text(json.dumps(description))
    with pytest.raises(UserError) as refused:
        open_captioner(str(tmp_path / "small.safetensors"))
    assert len(str(refused.value)) < 500
