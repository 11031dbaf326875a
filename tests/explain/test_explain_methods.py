"""Every method against a closed form, a brute-force loop, or what it promises."""

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients, Occlusion
from explain_networks import TINY, fill, pixels_for, settle, small_network
from torch import nn

from vitbench.attribution.explanation import explain
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.methods import METHODS
from vitbench.methods.rollout import without_smallest
from vitbench.models.attention_hooks import AttentionHooks
from vitbench.models.network import Network
from vitbench.models.unfused import UnfusedForward


@pytest.fixture(scope="module")
def network():
    """A class-token network on a grid of 2 rows and 4 columns."""
    return small_network(img_size=(32, 64), **TINY)


def attention_maps(network, pixels, with_gradient_of=None):
    """Each block's map [B, H, N, N], by unfused attention of timm's own, with its gradient on request."""
    module = network.module.eval()
    maps = []
    with AttentionHooks(module) as hooks:
        logits = module(pixels.clone().requires_grad_(True))
    for call in hooks.calls:
        call.kept.retain_grad()
        maps.append(call.kept)
    if with_gradient_of is not None:
        logits[:, with_gradient_of].sum().backward()
    return maps


@pytest.mark.parametrize("method", list(METHODS))
def test_a_map_alone_and_in_a_batch(network, method):
    pixels = pixels_for(network, batch=3)
    together = explain(network, pixels, method, target=[1, 5, 7])
    assert together.maps.shape == (3, 2, 4)
    assert together.maps.dtype == torch.float32
    for number, target in enumerate((1, 5, 7)):
        alone = explain(network, pixels[number : number + 1], method, target=target)
        difference = (alone.maps[0] - together.maps[number]).norm() / alone.maps.norm().clamp(min=1e-12)
        assert difference < (2e-4 if method == "chefer_lrp" else 1e-5)


def test_target_is_the_likeliest_class_unless_named(network):
    pixels = pixels_for(network)
    explanation = explain(network, pixels, "generic")
    assert torch.equal(explanation.targets, explanation.logits.argmax(1))
    named = explain(network, pixels, "generic", target=explanation.targets)
    assert torch.equal(explanation.maps, named.maps)
    assert not torch.allclose(explanation.maps, explain(network, pixels, "generic", target=0).maps)


def test_raw_is_the_row_of_the_layer_and_head(network):
    pixels = pixels_for(network)
    maps = attention_maps(network, pixels)
    ours = explain(network, pixels, "raw", layer=0, head=2)
    assert torch.allclose(ours.maps, maps[0][:, 2, 0, 1:].view(2, 2, 4), atol=1e-6)
    assert torch.allclose(explain(network, pixels, "raw").maps, maps[1].mean(1)[:, 0, 1:].view(2, 2, 4), atol=1e-6)
    query = explain(network, pixels, "raw", layer=-1, head=1, query=(1, 3))
    assert torch.allclose(query.maps, maps[1][:, 1, 1 + 7, 1:].view(2, 2, 4), atol=1e-6)


def test_rollout_is_the_product_of_layers(network):
    pixels = pixels_for(network)
    maps = attention_maps(network, pixels)
    for fuse, fused in (("mean", lambda a: a.mean(1)), ("max", lambda a: a.max(1)[0]), ("min", lambda a: a.min(1)[0])):
        product = torch.eye(9)
        for attention in maps:
            layer = fused(attention) + torch.eye(9)
            product = layer / layer.sum(-1, keepdim=True) @ product
        ours = explain(network, pixels, "rollout", fuse=fuse).maps.flatten(1)
        assert torch.allclose(ours, product[:, 0, 1:], atol=1e-6)


def test_discarding_spares_the_class_token():
    attention = torch.arange(1.0, 26.0).flip(0).view(1, 5, 5)
    kept = without_smallest(attention, 0.25, num_prefix_tokens=1)
    assert torch.equal(kept[:, 0], attention[:, 0])
    assert torch.equal(kept[:, :, 0], attention[:, :, 0])
    assert (kept == 0).nonzero()[:, 1:].tolist() == [[4, 1], [4, 2], [4, 3], [4, 4]]


def test_generic_and_gradient_rollout_by_their_formulas(network):
    pixels = pixels_for(network)
    maps = attention_maps(network, pixels, with_gradient_of=3)
    relevance, rolled = torch.eye(9).expand(2, 9, 9), torch.eye(9).expand(2, 9, 9)
    for attention in maps:
        weighted = attention.grad * attention.detach()
        relevance = relevance + weighted.clamp(min=0).mean(1) @ relevance
        layer = weighted.mean(1).clamp(min=0) + torch.eye(9)
        rolled = layer / layer.sum(-1, keepdim=True) @ rolled
    ours = explain(network, pixels, "generic", target=3).maps.flatten(1)
    assert torch.allclose(ours, relevance[:, 0, 1:], rtol=1e-4, atol=1e-7)
    ours = explain(network, pixels, "gradient_rollout", target=3).maps.flatten(1)
    assert torch.allclose(ours, rolled[:, 0, 1:], rtol=1e-4, atol=1e-7)
    last = maps[-1]
    weights = last.grad[:, :, 0, 1:].mean(-1, keepdim=True)
    expected = (weights * last.detach()[:, :, 0, 1:]).mean(1).clamp(min=0)
    ours = explain(network, pixels, "grad_cam", target=3).maps.flatten(1)
    assert torch.allclose(ours, expected, rtol=1e-4, atol=1e-7)


def test_methods_on_the_last_blocks_tokens_by_their_formulas(network):
    pixels = pixels_for(network)
    module = network.module.eval()
    tokens = []
    hook = module.blocks[1].register_forward_pre_hook(lambda _, inputs: tokens.append(inputs[0]))
    logits = module(pixels.clone().requires_grad_(True))
    hook.remove()
    (gradient,) = torch.autograd.grad(logits[:, 4].sum(), tokens[-1])
    weights = gradient[:, 1:].mean(1, keepdim=True)
    expected = (weights * tokens[-1][:, 1:]).sum(-1).clamp(min=0).detach()
    ours = explain(network, pixels, "token_grad_cam", target=4).maps.flatten(1)
    assert torch.allclose(ours, expected, rtol=1e-4, atol=1e-7)
    one_by_one = torch.stack([(g * x).sum(-1).clamp(min=0) for g, x in zip(gradient, tokens[-1].detach(), strict=True)])
    ours = explain(network, pixels, "hires_cam", target=4).maps.flatten(1)
    assert torch.allclose(ours, one_by_one[:, 1:], rtol=1e-4, atol=1e-7)
    assert not torch.allclose(ours, expected, rtol=0.1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vit_tiny_patch16_224", {"img_size": (32, 64)}),
        ("deit_tiny_distilled_patch16_224", {"img_size": 32}),
        ("vit_medium_patch16_reg4_gap_256", {"img_size": 32}),
        ("beit_base_patch16_224", {"img_size": 32}),
        ("eva02_tiny_patch14_224", {"img_size": 28}),
        ("vit_base_patch16_siglip_224", {"img_size": 32}),
    ],
)
def test_libra_adds_up_to_the_logit(name, options):
    network = small_network(name, **TINY | options)
    network.module.double()
    explanation = explain(network, pixels_for(network).double(), "libra", target=2)
    assert explanation.completeness_error.max() < 1e-12


def test_completeness_is_measured_finer_than_the_logit_is_written():
    """In float32 the sum and the logit are equal by chance in one picture of four."""
    network = small_network(img_size=32, **TINY)
    errors = explain(network, pixels_for(network, batch=16), "libra").completeness_error
    assert errors.dtype == torch.float64
    assert (errors > 0).all()
    assert errors.max() < 1e-5


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "levit_128s", "pvt_v2_b0"])
def test_libra_leaves_the_logits_alone_to_the_last_bit_but_for_opened_attention(name):
    """LeViT has no layer norm: a rounding at its start is ten thousand times larger in its logits."""
    module = timm.create_model(name, num_classes=10, **({} if "pvt" in name else {"img_size": 128}))
    fill(module)
    settle(module, 128)
    network = Network(module.eval(), name, "random", Preprocessing(128, 128), None, "", f"timm:{name}")
    pixels = pixels_for(network, batch=2)
    with torch.no_grad(), UnfusedForward(module):
        expected = module(pixels)
    assert torch.equal(explain(network, pixels, "libra").logits, expected)


def test_plain_gradients_do_not_add_up(network):
    """The control: without Libra's backward rules the same sum misses the logit."""
    module = network.module.eval()
    pixels = pixels_for(network).requires_grad_(True)
    with AttentionHooks(module):
        logits = module(pixels)
    chosen = logits.max(dim=1)[0]
    parameters = [p for n, p in module.named_parameters() if n.endswith(("bias", "pos_embed", "cls_token"))]
    gradient, *others = torch.autograd.grad(chosen.sum(), [pixels, *parameters])
    total = (gradient * pixels).sum() + sum((g * p).sum() for g, p in zip(others, parameters, strict=True))
    assert (total - chosen.sum()).abs() > 0.05


def test_libra_map_is_the_sum_over_blocks_and_constants_of_a_linear_network():
    """A network without attention effects, whose terms can be written down: one block that only adds a constant."""
    network = small_network(img_size=32, **TINY | {"depth": 1})
    module = network.module.eval().double()
    with torch.no_grad():
        module.blocks[0].attn.proj.weight.zero_()
        module.blocks[0].mlp.fc2.weight.zero_()
    pixels = pixels_for(network).double()
    ours = explain(network, pixels, "libra", target=6).maps
    # The class token never hears of a patch, so no patch can matter.
    assert torch.allclose(ours, torch.zeros_like(ours), atol=1e-12)


class Quadratic(nn.Module):
    """y_c = sum(w_c x^2): its integrated gradients from x' are w_c (x^2 - x'^2), exactly."""

    def __init__(self):
        super().__init__()
        self.num_classes, self.head = 10, nn.Identity()
        self.weight = nn.Parameter(torch.randn(10, 3, 32, 32, generator=torch.Generator().manual_seed(0)))

    def get_classifier(self):
        return self.head

    def forward(self, pixels):
        return torch.einsum("bchw,kchw->bk", pixels**2, self.weight)


def test_integrated_gradients_of_a_network_with_a_closed_form():
    network = small_network(img_size=32, **TINY)
    network.module = Quadratic()
    pixels = pixels_for(network)
    explanation = explain(network, pixels, "integrated_gradients", target=[3, 8], steps=4)
    exact = network.module.weight[[3, 8]].detach() * (pixels**2 - 1)
    expected = exact.sum(1).unflatten(2, (2, 16)).unflatten(1, (2, 16)).sum((2, 4))
    assert torch.allclose(explanation.maps, expected, rtol=1e-4, atol=1e-3)
    assert explanation.completeness_error.max() < 1e-4


def test_integrated_gradients_is_a_plain_riemann_sum_in_the_limit(network):
    pixels = pixels_for(network, batch=1)
    ours = explain(network, pixels, "integrated_gradients", target=2, steps=24)
    module, black = network.module.eval(), torch.full_like(pixels, -1.0)
    points = [(black + (step + 0.5) / 200 * (pixels - black)).requires_grad_(True) for step in range(200)]
    gradient = sum(torch.autograd.grad(module(point)[0, 2], point)[0] for point in points) / 200
    attribution = ((pixels - black) * gradient).sum(1)
    expected = attribution.unflatten(2, (4, 16)).unflatten(1, (2, 16)).sum((2, 4))
    assert torch.allclose(ours.maps, expected, rtol=1e-2, atol=2e-3)
    assert ours.completeness_error.max() < 1e-3


@pytest.mark.parametrize("baseline", ["black", "mean"])
def test_integrated_gradients_are_captums(baseline):
    network = small_network(img_size=(32, 64), **TINY)
    network.module.double()
    pixels = pixels_for(network).double()
    ours = explain(network, pixels, "integrated_gradients", target=[2, 5], steps=8, baseline=baseline)
    attribution = IntegratedGradients(network.module.eval()).attribute(
        pixels, -1.0 if baseline == "black" else 0.0, torch.tensor([2, 5]), n_steps=8, method="gausslegendre"
    )
    expected = attribution.sum(1).unflatten(2, (4, 16)).unflatten(1, (2, 16)).sum((2, 4)).float()
    torch.testing.assert_close(ours.maps, expected.detach(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("fill_with", ["black", "mean"])
def test_occlusion_is_captums(network, fill_with):
    pixels = pixels_for(network)
    ours = explain(network, pixels, "occlusion", target=[2, 5], fill_with=fill_with)
    attribution = Occlusion(network.module.eval()).attribute(
        pixels, (3, 16, 16), (3, 16, 16), -1.0 if fill_with == "black" else 0.0, torch.tensor([2, 5])
    )
    torch.testing.assert_close(ours.maps, attribution[:, 0, 8::16, 8::16].detach(), rtol=1e-4, atol=1e-5)


def test_occlusion_is_the_fall_of_the_logit(network):
    pixels = pixels_for(network)
    ours = explain(network, pixels, "occlusion", target=[1, 2], fill_with="black").maps
    with torch.no_grad():
        whole = network.module.eval()(pixels)
        for sample, target, row, column in ((0, 1, 0, 0), (1, 2, 1, 3), (0, 1, 1, 2)):
            blanked = pixels[sample : sample + 1].clone()
            blanked[:, :, row * 16 : row * 16 + 16, column * 16 : column * 16 + 16] = -1
            fall = whole[sample, target] - network.module(blanked)[0, target]
            assert ours[sample, row, column] == pytest.approx(float(fall), abs=1e-5)


def test_a_mark_on_one_patch_shows_on_that_patch_in_every_method():
    """The right way round: only the patch at row 0, column 3 carries anything, and every signed or positive map finds
    it there. A 2 x 4 grid, so a transposed or flipped map cannot hide."""
    network = small_network(img_size=(32, 64), **TINY)
    with torch.no_grad():
        network.module.pos_embed.zero_()
    pixels = torch.zeros(1, 3, 32, 64)
    pixels[:, :, :16, 48:] = 3
    for method in ("integrated_gradients", "occlusion"):
        option = {"baseline": "mean"} if method == "integrated_gradients" else {}
        found = explain(network, pixels, method, target=1, **option).maps[0].abs()
        assert found.argmax() == 3
        assert (found.flatten()[[0, 1, 2, 4, 5, 6, 7]] < 1e-6).all()
    marked = explain(network, pixels, "raw", layer=0, head=0).maps[0].flatten()
    others = marked[[0, 1, 2, 4, 5, 6, 7]]
    assert torch.allclose(others, others[:1].expand(7), atol=1e-6)
    assert (marked[3] - others[0]).abs() > 1e-5


@pytest.mark.parametrize(
    ("name", "size", "rows"),
    [
        ("deit_tiny_distilled_patch16_224", 32, [0, 1]),
        ("vit_medium_patch16_reg4_gap_256", 32, [4, 5, 6, 7]),
        ("beit_base_patch16_224", 32, [1, 2, 3, 4]),
    ],
)
def test_the_row_that_the_classifier_reads(name, size, rows):
    network = small_network(name, img_size=size, **TINY)
    pixels = pixels_for(network)
    last = attention_maps(network, pixels)[-1].mean(1)
    expected = last[:, rows].mean(1)[:, -4:].view(2, 2, 2)
    assert torch.allclose(explain(network, pixels, "raw").maps, expected, atol=1e-6)


def test_attention_pooling_shows_the_pools_own_map():
    network = small_network("vit_base_patch16_siglip_224", img_size=32, **TINY)
    pixels = pixels_for(network)
    ours = explain(network, pixels, "raw")
    assert ours.facts["layer"] == "attention pool"
    assert torch.allclose(ours.maps.sum((1, 2)), torch.ones(2), atol=1e-5)
    module = network.module
    tokens = module.forward_features(pixels)
    pool = module.attn_pool
    query = pool.q(pool.latent.expand(2, -1, -1)).unflatten(2, (pool.num_heads, -1)).transpose(1, 2)
    key = pool.kv(tokens).unflatten(2, (2, pool.num_heads, -1))[:, :, 0].transpose(1, 2)
    expected = (query @ key.transpose(-2, -1) * pool.scale).softmax(-1).mean(1)[:, 0].view(2, 2, 2)
    assert torch.allclose(ours.maps, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"method": "lime"}, "no method 'lime'"),
        ({"method": "libra", "layer": 3}, "no option 'layer'"),
        ({"method": "raw", "layer": 2}, "no layer 3"),
        ({"method": "raw", "head": 4}, "no head 5"),
        ({"method": "raw", "query": (2, 0)}, "no patch in row 3, column 1"),
        ({"method": "generic", "target": 10}, "no class 10"),
        ({"method": "generic", "target": [1, 2, 3]}, "3 classes were named for 2"),
        ({"method": "rollout", "fuse": "median"}, "median"),
        ({"method": "rollout", "discard": 1.0}, "discard=1.0 must be below 1: the share"),
        ({"method": "integrated_gradients", "steps": 2.5}, "steps=2.5 is not a whole number"),
        ({"method": "occlusion", "window": 2}, "square"),
        ({"method": "integrated_gradients", "baseline": "pink"}, "pink"),
    ],
)
def test_a_persons_mistake_gets_a_sentence(network, arguments, sentence):
    with pytest.raises(UserError, match=sentence):
        explain(network, pixels_for(network), **arguments)


def test_resampled_positions_and_other_sizes():
    network = small_network(img_size=32, dynamic_img_size=True, **TINY)
    pixels = F.interpolate(pixels_for(network), (48, 80))
    for method in ("raw", "libra", "generic", "occlusion"):
        assert explain(network, pixels, method).maps.shape == (2, 3, 5)


def test_maps_are_finite_and_not_flat(network):
    pixels = pixels_for(network)
    assert len(METHODS) >= 11
    for method in METHODS:
        maps = explain(network, pixels, method, target=[0, 1]).maps.numpy()
        assert np.isfinite(maps).all()
        if not METHODS[method].may_be_empty:
            assert (maps.std(axis=(1, 2)) > 0).all()


def test_libra_refuses_where_watching_moves_the_logits(monkeypatch):
    network = small_network(**TINY)
    monkeypatch.setattr("vitbench.methods.libra.MOST_MOVED", -1.0)
    with pytest.raises(UserError, match="other logits"):
        explain(network, pixels_for(network, 1), "libra")
