"""The two packages compute the same function: weights go there and back, and every logit agrees."""

import pytest
import torch
from pytorch_pretrained_vit import ViT
from pytorch_pretrained_vit.configs import PRETRAINED_MODELS
from torch import nn

from vitbench.errors import UserError
from vitbench.models import pretrained_vit, timm_networks
from vitbench.models.adaptation import set_image_size
from vitbench.models.network import build_network
from vitbench.recipe_tables import ModelTable

SMALL = {"embed_dim": 48, "depth": 3, "num_heads": 4}


@pytest.fixture
def small_name(monkeypatch):
    """A small network in pytorch_pretrained_vit's own table: `ViT(name)` is its only way in that works."""
    row = PRETRAINED_MODELS["B_16"]
    config = row["config"] | {"dim": 48, "ff_dim": 192, "num_heads": 4, "num_layers": 3}
    monkeypatch.setitem(PRETRAINED_MODELS, "small", row | {"config": config, "num_classes": 11})
    return "small"


def theirs(name: str, size: tuple[int, int], classes: int = 7) -> ViT:
    """Their network with weights that differ from zero everywhere, so that a swapped name shows."""
    module = ViT(name, image_size=size, num_classes=classes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return module


def ours(size: tuple[int, int], classes: int = 7) -> nn.Module:
    return pretrained_vit.create("B_16", size=size, num_classes=classes, **SMALL)


def largest_difference(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).detach().abs().max())


SIZES = [(224, 224), (384, 384), (96, 160), (160, 96)]


@pytest.mark.parametrize("size", SIZES)
def test_their_weights_give_their_logits_in_our_module(small_name, size):
    source, target = theirs(small_name, size).eval(), ours(size).eval()
    target.load_state_dict(pretrained_vit.to_timm_state(source.state_dict()))
    pixels = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected = source(pixels)
        assert expected.std() > 0.1
        assert largest_difference(target(pixels), expected) < 1e-5


@pytest.mark.parametrize("size", SIZES)
def test_our_weights_give_our_logits_in_their_module(small_name, size):
    source, target = ours(size).eval(), theirs(small_name, size).eval()
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    target.load_state_dict(pretrained_vit.to_pretrained_vit_state(source))
    pixels = torch.randn(2, 3, *size)
    with torch.no_grad():
        assert largest_difference(target(pixels), source(pixels)) < 1e-5


def test_there_and_back_is_the_same_to_the_bit(small_name):
    source = theirs(small_name, (96, 96))
    target = ours((96, 96))
    target.load_state_dict(pretrained_vit.to_timm_state(source.state_dict()))
    back = pretrained_vit.to_pretrained_vit_state(target)
    assert back.keys() == source.state_dict().keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in source.state_dict().items())


def test_in_training_the_dropout_falls_on_the_same_places(small_name):
    source, target = theirs(small_name, (96, 96)).train(), ours((96, 96)).train()
    target.load_state_dict(pretrained_vit.to_timm_state(source.state_dict()))
    pixels = torch.randn(4, 3, 96, 96)
    torch.manual_seed(3)
    expected = source(pixels)
    torch.manual_seed(3)
    assert largest_difference(target(pixels), expected) < 4e-6
    # The control: with dropout inside the MLP, where pytorch_pretrained_vit has none, the masks shift.
    for block in target.blocks:
        block.mlp.drop1.p = 0.1
    torch.manual_seed(3)
    assert largest_difference(target(pixels), expected) > 0.05


@pytest.mark.slow
def test_the_full_size_b_16_agrees_at_its_own_size():
    source = ViT("B_16_imagenet1k", image_size=(384, 384), num_classes=37).eval()
    nn.init.normal_(source.fc.weight, std=0.05)
    nn.init.normal_(source.class_token, std=0.02)
    target = pretrained_vit.create("B_16_imagenet1k", num_classes=37).eval()
    target.load_state_dict(pretrained_vit.to_timm_state(source.state_dict()))
    pixels = torch.randn(1, 3, 384, 384)
    with torch.no_grad():
        assert largest_difference(target(pixels), source(pixels)) < 1e-5


@pytest.mark.parametrize("name", pretrained_vit.names())
def test_every_published_name_has_the_same_tensors(name):
    with torch.device("meta"):
        source, target = ViT(name), pretrained_vit.create(name)
    converted = pretrained_vit.to_timm_state(source.state_dict())
    expected = {key: tensor.shape for key, tensor in target.state_dict().items()}
    assert {key: tensor.shape for key, tensor in converted.items()} == expected
    assert target.num_classes == PRETRAINED_MODELS[name]["num_classes"]


def test_a_representation_layer_is_left_out_as_they_leave_it_out(small_name):
    state = theirs(small_name, (96, 96)).state_dict()
    state |= {"pre_logits.weight": torch.zeros(48, 48), "pre_logits.bias": torch.zeros(48)}
    ours((96, 96)).load_state_dict(pretrained_vit.to_timm_state(state))


def test_weights_go_back_into_their_package_at_another_size(small_name):
    module = ours((96, 160)).eval()
    set_image_size(module, (64, 128), "it")
    reader = ViT(small_name, image_size=(64, 128), num_classes=7).eval()
    reader.load_state_dict(pretrained_vit.to_pretrained_vit_state(module))
    pixels = torch.randn(1, 3, 64, 128)
    with torch.no_grad():
        assert largest_difference(reader(pixels), module(pixels)) < 1e-5


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("vit_medium_patch16_gap_240", "pools by avg"),
        ("deit3_small_patch16_224", "no position"),
        ("vit_base_patch32_clip_224", "before its first block"),
        ("vit_small_patch14_reg4_dinov2", "registers"),
        ("beit_base_patch16_224", "not Beit"),
        ("deit_tiny_distilled_patch16_224", "not VisionTransformerDistilled"),
    ],
)
def test_networks_that_they_cannot_compute_are_not_exported(name, why):
    module = timm_networks.create(name, size=None, num_classes=2, depth=1, embed_dim=48, num_heads=3)
    with pytest.raises(UserError, match=why):
        pretrained_vit.to_pretrained_vit_state(module)


def test_preprocessing_and_head_are_theirs(small_name, tmp_path):
    file = tmp_path / "theirs.pth"
    torch.save(theirs(small_name, (96, 96)).state_dict(), file)
    table = ModelTable(name="pretrained_vit:B_16_imagenet1k", weights=str(file), options=SMALL)
    network = build_network(table, num_classes=37)
    # A change of the class count leaves a zero head there; a student's `nn.Linear` is asked for by name.
    assert torch.count_nonzero(network.module.head.weight) == 0
    asked = build_network(table.model_copy(update={"options": SMALL | {"head": "default"}}), num_classes=37)
    assert asked.module.head.weight.abs().max() <= 48**-0.5
    assert asked.module.head.weight.std() > 0.5 * 48**-0.5 / 3**0.5
    prepared = network.preprocessing
    assert (prepared.resize, prepared.mean, prepared.std) == ("squash", (0.5,) * 3, (0.5,) * 3)
    assert build_network(
        ModelTable(name="pretrained_vit:B_16_imagenet1k", options=SMALL), num_classes=37
    ).image_size == (
        384,
        384,
    )


def test_the_report_s_fine_tuning_keeps_what_the_file_taught(small_name, tmp_path):
    """A file of 96x96 opened at 160x96: blocks equal to the bit, positions resampled, prefix kept."""
    source = theirs(small_name, (96, 96))
    file = tmp_path / "theirs.pth"
    torch.save({"state_dict": {f"module.{key}": value for key, value in source.state_dict().items()}}, file)
    table = ModelTable(name="pretrained_vit:B_16", weights=str(file), image_size=[160, 96], options=SMALL)
    module = build_network(table, num_classes=7).module
    expected = pretrained_vit.to_timm_state(source.state_dict())
    state = module.state_dict()
    assert all(torch.equal(state[key], value) for key, value in expected.items() if key != "pos_embed")
    assert state["pos_embed"].shape == (1, 1 + 10 * 6, 48)
    assert torch.equal(state["pos_embed"][:, 0], expected["pos_embed"][:, 0])
    kept = nn.functional.interpolate(
        expected["pos_embed"][:, 1:].reshape(1, 6, 6, 48).permute(0, 3, 1, 2), (10, 6), mode="bicubic", antialias=True
    )
    assert largest_difference(state["pos_embed"][0, 1:].T.reshape(48, 10, 6), kept[0]) < 1e-6


def test_names_and_weights_that_do_not_exist_are_said_in_words():
    with pytest.raises(UserError, match="B_16_imagenet1k"):
        pretrained_vit.configuration("B_17")
    with pytest.raises(UserError, match="never released"):
        pretrained_vit.address("L_16")
    assert pretrained_vit.address("B_16").endswith("B_16.pth")
