"""A backbone's answers, compared with what the network does when it runs."""

import pytest
import timm
import torch
import torch.nn.functional as F

from vitbench.errors import UserError
from vitbench.models.backbone import Backbone

TINY = {"embed_dim": 48, "depth": 2, "num_heads": 3, "num_classes": 5}

FAMILIES = {
    # name: (arguments, picture, prefix, pooling, reading tokens, kinds of position)
    "vit_tiny_patch16_224": ({"img_size": (64, 96)}, (64, 96), 1, "token", (0,), ("absolute",)),
    "vit_medium_patch16_gap_240": ({"img_size": (48, 32)}, (48, 32), 0, "avg", (), ("absolute",)),
    "vit_base_patch16_siglip_224": ({"img_size": (32, 64)}, (32, 64), 0, "map", (), ("absolute",)),
    "deit_tiny_distilled_patch16_224": ({"img_size": (32, 64)}, (32, 64), 2, "token", (0, 1), ("absolute",)),
    "deit3_small_patch16_224": ({"img_size": (32, 64)}, (32, 64), 1, "token", (0,), ("absolute",)),
    "vit_small_patch14_reg4_dinov2": ({"img_size": (28, 56)}, (28, 56), 5, "token", (0,), ("absolute",)),
    "vit_small_patch16_dinov3": ({"img_size": (32, 64)}, (32, 64), 5, "avg", (), ("rotary",)),
    "eva02_tiny_patch14_224": ({"img_size": (28, 56)}, (28, 56), 1, "avg", (), ("absolute", "rotary")),
    "beit_base_patch16_224": ({"img_size": (32, 64)}, (32, 64), 1, "avg", (), ("relative_bias",)),
    "vit_relpos_small_patch16_224": ({"img_size": (32, 64)}, (32, 64), 0, "avg", (), ("relative_bias",)),
    "vit_srelpos_small_patch16_224": ({"img_size": (32, 64)}, (32, 64), 0, "avg", (), ("relative_bias",)),
}


def tiny(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model(name, **TINY | FAMILIES[name][0]).eval()


@pytest.mark.parametrize("name", FAMILIES)
def test_answers_agree_with_the_network(name):
    _, size, prefix, pooling, readers, kinds = FAMILIES[name]
    module = tiny(name)
    backbone = Backbone(module)
    pixels = torch.randn(2, 3, *size)
    with torch.no_grad():
        tokens = backbone.features(pixels)
    rows, columns = backbone.patch_grid(*size)
    patch = backbone.patch_size
    assert (rows * patch[0], columns * patch[1]) == size == backbone.image_size
    assert tokens.shape == (2, prefix + rows * columns, 48)
    assert (backbone.num_prefix_tokens, backbone.embed_dim, backbone.num_heads) == (prefix, 48, 3)
    assert (backbone.pooling, backbone.reading_tokens) == (pooling, readers)
    assert len(backbone.blocks) == 2
    assert backbone.position_embedding.kinds == kinds
    assert len(backbone.attention_pools) == (pooling == "map")
    assert backbone.refusal is None


@pytest.mark.parametrize("name", FAMILIES)
def test_the_head_reads_the_tokens_that_the_backbone_names(name):
    module = tiny(name)
    backbone = Backbone(module)
    prefix = backbone.num_prefix_tokens
    with torch.no_grad():
        rows, columns = backbone.patch_grid(*backbone.image_size)
        tokens = torch.randn(1, prefix + rows * columns, 48, requires_grad=True)
    module.forward_head(tokens).square().sum().backward()
    read = tokens.grad[0].abs().sum(dim=1) > 0
    if backbone.pooling == "token":
        assert read.nonzero().flatten().tolist() == list(backbone.reading_tokens)
    else:
        assert read[prefix:].all()
        assert bool(read[:prefix].any()) == (backbone.pools_prefix_tokens and prefix > 0)


def test_pools_that_read_prefix_tokens_say_so():
    module = timm.create_model("vit_pe_core_base_patch16_224", img_size=32, **TINY).eval()
    backbone = Backbone(module)
    tokens = torch.randn(1, 1 + 4, 48, requires_grad=True)
    module.forward_head(tokens).square().sum().backward()
    assert backbone.pools_prefix_tokens
    assert tokens.grad[0, 0].abs().sum() > 0


def test_position_embedding_is_split_where_the_patches_begin():
    module = tiny("vit_tiny_patch16_224")
    positions = Backbone(module).position_embedding
    assert positions.grid == (4, 6)
    assert torch.equal(positions.absolute(), module.pos_embed[0, 1:])
    assert torch.equal(positions.prefix, module.pos_embed[0, :1])
    assert not positions.absolute().requires_grad

    deit3 = Backbone(tiny("deit3_small_patch16_224")).position_embedding
    assert deit3.prefix.shape == (0, 48)
    assert deit3.absolute().shape == (8, 48)


def test_moving_one_patch_s_position_changes_that_token_only():
    """The row that `absolute()` gives for (row, column) is the one that the network adds to that patch."""
    module = tiny("vit_tiny_patch16_224")
    pixels = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        before = module._pos_embed(module.patch_embed(pixels))
        Backbone(module).position_embedding.absolute()[2 * 6 + 3] += 1
        after = module._pos_embed(module.patch_embed(pixels))
    changed = (after - before).abs().sum(dim=2)[0].nonzero().flatten().tolist()
    assert changed == [1 + 2 * 6 + 3]
    # That patch covers rows 32 to 48 and columns 48 to 64.
    picture = torch.zeros(1, 3, 64, 96)
    picture[..., 32:48, 48:64] = 1
    with torch.no_grad():
        embedded = F.conv2d(picture, module.patch_embed.proj.weight)
        tokens = module.patch_embed.proj(picture).flatten(2)[0].T - module.patch_embed.proj.bias
    assert tokens.abs().sum(dim=1).nonzero().flatten().tolist() == [2 * 6 + 3]
    assert embedded.shape[0] == 1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("vit_small_patch16_dinov3", "rotates queries and keys"),
        ("beit_base_patch16_224", "bias for each pair"),
    ],
)
def test_no_absolute_positions_is_said_in_words(name, why):
    with pytest.raises(UserError, match=why):
        Backbone(tiny(name)).position_embedding.absolute()


def test_relative_bias_modules_are_found_once_a_block_or_once_for_all():
    assert len(Backbone(tiny("beit_base_patch16_224")).position_embedding.relative_biases) == 2
    assert len(Backbone(tiny("vit_relpos_small_patch16_224")).position_embedding.relative_biases) == 2
    assert len(Backbone(tiny("vit_srelpos_small_patch16_224")).position_embedding.relative_biases) == 1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("swin_tiny_patch4_window7_224", "windows"),
        ("xcit_nano_12_p8_224", "channels"),
        ("crossvit_tiny_240", "two patch grids"),
        ("convnext_atto", "not a sequence of transformer blocks"),
        ("resnet18", "not a sequence of transformer blocks"),
        ("cait_xxs24_224", "class token join only"),
    ],
)
def test_other_networks_are_refused_with_the_reason(name, why):
    with torch.device("meta"):
        backbone = Backbone(timm.create_model(name))
    assert why in backbone.refusal
    for question in ("blocks", "num_prefix_tokens", "pooling", "position_embedding", "attention_pools", "patch_size"):
        with pytest.raises(UserError, match=why):
            getattr(backbone, question)


def test_a_picture_of_another_size_is_refused_before_it_reaches_the_network():
    with pytest.raises(UserError, match="64x96"):
        Backbone(tiny("vit_tiny_patch16_224")).patch_grid(96, 64)
