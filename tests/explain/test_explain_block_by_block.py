"""Relevance a block at a time is the relevance of the whole graph, on every family, and nothing is left behind."""

import gc
import weakref

import pytest
import timm
import torch
from explain_networks import TINY, fill, pixels_for, small_network
from tiny_families import FAMILIES

from vitbench.attribution import block_by_block
from vitbench.attribution.explanation import explain
from vitbench.attribution.relevance import LinearOutputs, linear_rule
from vitbench.data.preprocessing import Preprocessing
from vitbench.models.attention_hooks import AttentionHooks
from vitbench.models.backbone import Backbone
from vitbench.models.network import Network


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_block_at_a_time_is_the_whole_graph(family, monkeypatch):
    name, options = FAMILIES[family]
    module = timm.create_model(name, **options)
    if Backbone(module).refusal is not None:
        pytest.skip("it has no attention over the whole picture")
    fill(module, 0.1)
    side = options["img_size"]
    network = Network(module.double().eval(), name, "random", Preprocessing(side, side), None, "", f"timm:{name}")
    pixels = pixels_for(network).double()
    chains = []
    real = block_by_block._is_chain
    monkeypatch.setattr(block_by_block, "_is_chain", lambda *given: chains.append(real(*given)) or chains[-1])
    ours = [explain(network, pixels, "chefer_lrp", target=1, start_layer=layer).maps for layer in (0, 1)]
    assert chains == [True, True]
    monkeypatch.setattr(block_by_block, "_is_chain", lambda *given: False)
    for layer in (0, 1):
        whole = explain(network, pixels, "chefer_lrp", target=1, start_layer=layer).maps
        assert (ours[layer] - whole).norm() / whole.norm() < 1e-6


@pytest.mark.parametrize("method", ["raw", "rollout", "generic", "gradient_rollout", "grad_cam", "chefer_lrp"])
def test_no_map_outlives_its_look(method, monkeypatch):
    """A graph and what hangs on it can hold each other where Python's collector does not see it."""
    network = small_network(img_size=32, **TINY)
    seen = []
    real = AttentionHooks._check

    def noted(hooks):
        seen.extend(weakref.ref(call.kept) for call in hooks.calls)
        real(hooks)

    monkeypatch.setattr(AttentionHooks, "_check", noted)
    explain(network, pixels_for(network), method)
    gc.collect()
    assert seen
    assert not any(kept() is not None for kept in seen)


def test_an_output_that_was_written_into_is_not_given_again():
    outputs = LinearOutputs()
    kept, changed = torch.ones(2, 3), torch.ones(2, 3)
    for output in (kept, changed):
        outputs.note(output)
    changed[0] += 1
    assert outputs.recall() is kept
    assert outputs.recall() is None


def test_rows_without_relevance_cost_nothing_and_change_nothing():
    x, w, bias = torch.randn(2, 5, 7).double(), torch.randn(9, 7).double(), torch.randn(9).double()
    relevance = torch.zeros(2, 5, 9).double()
    relevance[0, 3] = torch.randn(9).double()
    output = x @ w.T + bias
    (found,) = linear_rule(relevance, output, x, w, bias)
    (row,) = linear_rule(relevance[0, 3:4], output[0, 3:4], x[0, 3:4], w, bias)
    torch.testing.assert_close(found[0, 3:4], row)
    assert int(found.any(dim=-1).sum()) == 1
    (nothing,) = linear_rule(torch.zeros_like(relevance), output, x, w, bias)
    assert not nothing.any()
