"""Freezing: what trains, what stays quiet, and what a step really changes."""

import pytest
import timm
import torch

from vitbench.errors import UserError
from vitbench.models.adaptation import freeze, quiet_frozen_parts, set_head, set_image_size

DROPS = {"drop_rate": 0.5, "pos_drop_rate": 0.5, "proj_drop_rate": 0.5, "drop_path_rate": 0.5}


def vit(**options) -> torch.nn.Module:
    settings = {"img_size": 32, "embed_dim": 48, "depth": 3, "num_heads": 3, "num_classes": 4, **options}
    return timm.create_model("vit_tiny_patch16_224", **settings)


def changed_by_a_step(module: torch.nn.Module) -> set[str]:
    """The parameters that one step of SGD moves."""
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    optimizer = torch.optim.SGD([parameter for parameter in module.parameters() if parameter.requires_grad], lr=1.0)
    module(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    return {name for name, tensor in module.state_dict().items() if not torch.equal(before[name], tensor)}


def test_a_frozen_backbone_trains_the_head_only():
    module = vit()
    assert set(freeze(module, "backbone")) == {"head.weight", "head.bias"}
    assert changed_by_a_step(module) == {"head.weight", "head.bias"}


def test_the_last_k_blocks_train_with_norm_and_head():
    module = vit()
    trained = freeze(module, 1)
    assert {name.split(".")[0] for name in trained} == {"blocks", "norm", "head"}
    assert {name.split(".")[1] for name in trained if name.startswith("blocks")} == {"2"}
    assert changed_by_a_step(module) <= set(trained)
    assert all(name in set(freeze(module, 3)) for name in trained)
    assert len(freeze(module, "none")) == len(list(module.parameters()))


def test_an_average_pooled_network_trains_its_fc_norm():
    trained = freeze(vit(global_pool="avg", class_token=False), 1)
    assert {"fc_norm.weight", "head.weight", "blocks.2.mlp.fc1.weight"} <= set(trained)
    assert "blocks.1.mlp.fc1.weight" not in trained


def test_both_heads_of_a_distilled_network_train():
    module = timm.create_model("deit_tiny_distilled_patch16_224", img_size=32, embed_dim=48, depth=2, num_heads=3)
    assert set(freeze(module, "backbone")) == {"head.weight", "head.bias", "head_dist.weight", "head_dist.bias"}


def test_frozen_features_are_the_same_at_each_visit_and_the_rest_still_drops():
    module = vit(**DROPS)
    pixels = torch.randn(2, 3, 32, 32)
    freeze(module, "backbone")
    module.train()
    noisy = [module.forward_features(pixels) for _ in range(2)]
    assert not torch.equal(*noisy)
    quiet_frozen_parts(module)
    assert torch.equal(*[module.forward_features(pixels) for _ in range(2)])
    assert not torch.equal(*[module(pixels) for _ in range(2)]), "the dropout before the head belongs to the head"

    freeze(module, 1)
    module.train()
    quiet_frozen_parts(module)
    assert not module.pos_drop.training
    assert not module.blocks[1].training
    assert module.blocks[2].mlp.drop1.training
    assert module.head_drop.training

    freeze(module, "none")
    module.train()
    quiet_frozen_parts(module)
    assert module.pos_drop.training


def test_frozen_batch_statistics_do_not_move():
    module = timm.create_model("resnet10t", num_classes=4)
    freeze(module, "backbone")
    module.train()
    quiet_frozen_parts(module)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module(torch.randn(4, 3, 32, 32))
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize(("what", "why"), [(4, "0 to 3"), (-1, "0 to 3"), ("half", '"backbone"')])
def test_what_cannot_be_frozen_is_said(what, why):
    with pytest.raises(UserError, match=why):
        freeze(vit(), what)


def test_a_network_of_stages_has_no_blocks_to_count():
    with pytest.raises(UserError, match="stages"):
        freeze(timm.create_model("resnet10t"), 2)
    assert set(freeze(timm.create_model("resnet10t"), "backbone")) == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize(("init", "largest"), [("zero", 0.0), ("default", 48**-0.5), ("timm", 0.12)])
def test_heads_start_as_asked(init, largest):
    torch.manual_seed(0)
    module = vit()
    set_head(module, 200, init)
    weight = module.head.weight.detach()
    assert weight.shape == (200, 48)
    assert module.num_classes == 200
    assert float(weight.abs().max()) <= largest + 1e-7
    assert (float(weight.std()) > 0.01) == (init != "zero")


def test_networks_that_cannot_change_their_size_say_so():
    with pytest.raises(UserError, match="takes pictures of 224x224 only"):
        set_image_size(timm.create_model("cait_xxs24_224", depth=1, depth_token_only=1), (192, 192), "cait")
    swin = timm.create_model("swin_tiny_patch4_window7_224", embed_dim=24, depths=(1, 1), num_heads=(2, 2))
    set_image_size(swin, (112, 224), "swin")
    assert swin(torch.randn(1, 3, 112, 224)).shape == (1, 1000)
