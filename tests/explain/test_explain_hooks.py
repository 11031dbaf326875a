"""The hooks see every attention and leaves no trace."""

import copy
import math

import pytest
import timm
import torch
import torch.nn.functional as F
from explain_networks import TINY, pixels_for, small_network
from pytorch_pretrained_vit.transformer import Transformer
from torch import nn

from vitbench.errors import UserError
from vitbench.models import unfused as opened
from vitbench.models.attention_hooks import AttentionHooks, head_mean
from vitbench.models.inference import flushed_denormals, quiet
from vitbench.models.unfused import scaled_dot_product_attention


def attention_inputs(heads=4, key_heads=4):
    torch.manual_seed(0)
    return torch.randn(2, heads, 6, 8), torch.randn(2, key_heads, 9, 8), torch.randn(2, key_heads, 9, 8)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 0.7},
        {"is_causal": True},
        {"attn_mask": torch.rand(6, 9, generator=torch.Generator().manual_seed(1)) > 0.3},
        {"attn_mask": torch.randn(2, 1, 6, 9, generator=torch.Generator().manual_seed(1))},
        {"enable_gqa": True},
    ],
    ids=["plain", "scale", "causal", "boolean mask", "additive mask", "grouped queries"],
)
def test_opened_attention_is_torchs(options):
    inputs = attention_inputs(key_heads=2 if options.get("enable_gqa") else 4)
    with AttentionHooks(nn.Identity()) as hooks:
        opened = F.scaled_dot_product_attention(*inputs, **options)
    assert torch.allclose(opened, F.scaled_dot_product_attention(*inputs, **options), atol=1e-6)
    assert len(hooks.calls) == 1
    assert hooks.calls[0].shape == (2, 4, 6, 9)


def test_opened_attention_honours_dropout():
    query, key, value = (torch.randn(4, 8, 64, 16) for _ in range(3))
    torch.manual_seed(0)
    dropped = scaled_dot_product_attention(query, key, torch.ones_like(value), None, 0.5, False, None, False)
    assert dropped.std() > 0.05
    assert dropped.mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    "softmax", [lambda x: x.softmax(dim=-1), lambda x: torch.softmax(x, -1), lambda x: F.softmax(x, 3)]
)
def test_every_spelling_of_softmax(softmax):
    scores = torch.randn(2, 3, 4, 5)
    with AttentionHooks(nn.Identity()) as hooks:
        softmax(scores)
        scores.softmax(dim=1)
    assert len(hooks.calls) == 1
    assert torch.equal(hooks.calls[0].kept, scores.softmax(-1))


@pytest.mark.parametrize("batch_first", [True, False])
def test_multi_head_attention_is_opened(batch_first):
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(32, 4, batch_first=batch_first).eval()
    query, memory = torch.randn(3, 3, 32), torch.randn(3, 3, 32)
    padding = torch.tensor([[False, False, True], [False, False, False], [False, True, True]])
    mask = torch.ones(3, 3).triu(1).bool()
    for options in ({}, {"key_padding_mask": padding}, {"attn_mask": mask}, {"average_attn_weights": False}):
        expected, weights = layer(query, memory, memory, **options)
        with AttentionHooks(layer) as hooks:
            output, opened_weights = layer(query, memory, memory, **options)
        assert torch.allclose(output, expected, atol=1e-6)
        assert torch.allclose(opened_weights, weights, atol=1e-6)
        assert [call.shape for call in hooks.calls] == [(3, 4, 3, 3)]


def test_decoder_layers_show_their_self_and_cross_attention():
    torch.manual_seed(0)
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(32, 4, batch_first=True), 2).eval()
    text, memory = torch.randn(2, 5, 32), torch.randn(2, 9, 32)
    with torch.no_grad(), AttentionHooks(decoder) as hooks:
        output = decoder(text, memory)
    assert torch.allclose(output, decoder(text, memory), atol=1e-5)
    assert [(call.module, call.shape) for call in hooks.calls] == [
        ("layers.0.self_attn", (2, 4, 5, 5)),
        ("layers.0.multihead_attn", (2, 4, 5, 9)),
        ("layers.1.self_attn", (2, 4, 5, 5)),
        ("layers.1.multihead_attn", (2, 4, 5, 9)),
    ]


def test_maps_are_the_ones_that_unfused_attention_computes():
    network = small_network(img_size=32, **TINY)
    module = network.module.eval()
    unfused = copy.deepcopy(module)
    seen = []
    for block in unfused.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    pixels = pixels_for(network)
    with torch.no_grad(), AttentionHooks(module) as hooks:
        logits = module(pixels)
    assert torch.allclose(logits, unfused(pixels), atol=1e-5)
    assert [call.module for call in hooks.calls] == ["blocks.0.attn", "blocks.1.attn"]
    for call, expected in zip(hooks.calls, seen, strict=True):
        assert torch.allclose(call.kept, expected, atol=1e-6)


def test_keep_decides_what_stays_in_memory():
    network = small_network(img_size=32, **TINY)
    with torch.no_grad(), AttentionHooks(network.module.eval(), head_mean) as hooks:
        network.module(pixels_for(network))
    assert all(call.kept.shape == (2, 5, 5) and call.shape == (2, 4, 5, 5) for call in hooks.calls)


def test_nothing_is_left_behind_even_after_an_error():
    network = small_network(img_size=32, **TINY)
    module = network.module.train()
    module.set_grad_checkpointing(True)
    module.blocks[0].eval()
    module.blocks[1].attn.qkv.weight.requires_grad_(False)
    before = {name: (part.training, getattr(part, "grad_checkpointing", None)) for name, part in module.named_modules()}
    learning = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    forwards = {id(part): type(part).forward for part in module.modules()}
    with quiet(module) as still:
        assert not still.training
        with AttentionHooks(still), pytest.raises(RuntimeError):
            still(torch.zeros(1, 4, 32, 32))
    assert before == {
        name: (part.training, getattr(part, "grad_checkpointing", None)) for name, part in module.named_modules()
    }
    assert learning == {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert forwards == {id(part): type(part).forward for part in module.modules()}


def test_a_training_step_after_a_look_is_bit_for_bit_the_same():
    def step(look):
        network = small_network(img_size=32, drop_rate=0.1, **TINY)
        module = network.module.train()
        pixels = pixels_for(network)
        if look:
            with quiet(module) as still, torch.no_grad(), AttentionHooks(still):
                still(pixels)
        torch.manual_seed(3)
        F.cross_entropy(module(pixels), torch.tensor([1, 2])).backward()
        return [parameter.grad for parameter in module.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(step(True), step(False), strict=True))


def test_maps_that_are_no_distribution_are_refused():
    network = small_network(img_size=32, **TINY)
    with torch.no_grad():
        network.module.blocks[0].attn.qkv.weight.fill_(math.nan)
    with pytest.raises(UserError, match="not a distribution"), torch.no_grad(), AttentionHooks(network.module):
        network.module(pixels_for(network))


@pytest.mark.parametrize("row", [0, 8, 16])
def test_an_attention_that_was_opened_wrongly_is_refused(monkeypatch, row):
    network = small_network(img_size=64, **TINY)

    def wrong(query, key, value, *rest):
        output = right(query, key, value, *rest)
        output[..., row, :] += 0.01 * output.abs().max()
        return output

    right = opened.scaled_dot_product_attention
    monkeypatch.setattr(opened, "scaled_dot_product_attention", wrong)
    seen = AttentionHooks(network.module.eval())
    with pytest.raises(UserError, match="changed the network's output"), torch.no_grad(), seen:
        network.module(pixels_for(network))


def test_denormals_are_flushed_only_inside():
    tiny = torch.tensor(1e-40)
    assert tiny * 1.0 != 0
    with flushed_denormals():
        assert tiny * 1.0 == 0
    assert tiny * 1.0 != 0


def test_pretrained_vits_own_module_is_seen_too():
    module = Transformer(num_layers=2, dim=32, num_heads=4, ff_dim=64, dropout=0.1).eval()
    tokens = torch.randn(2, 5, 32)
    with torch.no_grad(), AttentionHooks(module) as hooks:
        output = module(tokens)
    assert torch.equal(output, module(tokens))
    assert len(hooks.calls) == 2
    for call, block in zip(hooks.calls, module.blocks, strict=True):
        assert torch.equal(call.kept, block.attn.scores)


def test_rotary_and_relative_bias_networks():
    for name in ("eva02_tiny_patch14_224", "beit_base_patch16_224", "vit_relpos_small_patch16_224"):
        module = timm.create_model(name, img_size=56 if "14" in name else 32, **TINY).eval()
        pixels = torch.randn(1, 3, *module.patch_embed.img_size)
        with torch.no_grad(), AttentionHooks(module) as hooks:
            logits = module(pixels)
        assert len(hooks.calls) == 2
        assert torch.allclose(logits, module(pixels), atol=1e-5)
