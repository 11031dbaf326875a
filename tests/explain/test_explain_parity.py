"""The numbers of the released code of both Chefer papers, and of a reference written out by hand.

Transformer attribution divides by sums that can come arbitrarily close to 0, so rounding alone can move a map: with
these random weights a change of 1e-7 in the picture moves the map of case 2 by more than its own size, case 0 by up
to 80%, case 3 by less than 0.1%. The stored numbers were computed on another processor, so case 3 is compared with
them, and all four cases with the same formulas written out by hand on this one.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from chefer_by_hand import chefer_by_hand
from explain_networks import small_network
from scipy.stats import spearmanr

from vitbench.attribution.explanation import explain
from vitbench.attribution.relevance import linear_rule

REFERENCE = np.load(Path(__file__).with_name("reference_maps.npz"))


@pytest.fixture(scope="module")
def network():
    network = small_network("vit_tiny_patch16_224", deviation=0.05)
    network.module.eval()
    return network


@pytest.fixture(scope="module")
def pictures():
    return torch.cat([torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(k)) for k in range(4)])


def relative(ours, theirs):
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def test_logits(network, pictures):
    with torch.no_grad():
        assert np.abs(network.module(pictures).numpy() - REFERENCE["logits"]).max() < 1e-5


@pytest.mark.parametrize(
    ("key", "method", "options"),
    [("rollout_start1", "rollout", {"start_layer": 1}), ("generic", "generic", {})],
)
def test_rollout_and_generic_attention(network, pictures, key, method, options):
    maps = explain(network, pictures, method, target=[0, 1, 2, 3], **options).maps.flatten(1).numpy()
    worst = np.abs(maps - REFERENCE[key]).max(axis=1) / REFERENCE[key].max(axis=1)
    assert worst.max() < 3e-6
    other = explain(network, pictures[:1], method, target=0, **{"start_layer": 2}).maps.flatten().numpy()
    assert np.abs(other - REFERENCE[key][0]).max() / REFERENCE[key][0].max() > 1e-4


@pytest.mark.parametrize("start_layer", [0, 1])
def test_transformer_attribution_stored_numbers(network, pictures, start_layer):
    reference = REFERENCE[f"chefer_start{start_layer}"][3]
    ours = explain(network, pictures[3:], "chefer_lrp", target=3, start_layer=start_layer).maps.flatten().numpy()
    assert relative(ours, reference) < 5e-3
    assert spearmanr(ours, reference)[0] > 0.9999
    wrong_layer = explain(network, pictures[3:], "chefer_lrp", target=3, start_layer=start_layer + 1)
    assert relative(wrong_layer.maps.flatten().numpy(), reference) > 5e-2


@pytest.mark.parametrize("wrong", [{"halves": False}, {"biases": True}, {"normalise": True}])
def test_wrong_rules_are_seen(network, pictures, wrong):
    control = chefer_by_hand(network.module, pictures[3:], 3, 0, **wrong).numpy()
    assert relative(control, REFERENCE["chefer_start0"][3]) > 5e-2


@pytest.mark.parametrize("case", range(4))
def test_transformer_attribution_by_hand(network, pictures, case):
    picture = pictures[case : case + 1]
    ours = explain(network, picture, "chefer_lrp", target=case).maps.flatten().numpy()
    assert relative(ours, chefer_by_hand(network.module, picture, case).numpy()) < 1e-5


def test_the_linear_rule_is_the_one_of_the_paper_written_out():
    """Z = x+ w+^T + x- w-^T; the code computes the same with one matrix product less."""
    torch.manual_seed(0)  # with some numbers a Z is 0, and the paper's formula has no value
    x, w, bias = (torch.randn(*shape, dtype=torch.float64) for shape in ((2, 5, 7), (9, 7), (9,)))
    relevance = torch.randn(2, 5, 9, dtype=torch.float64)
    total = x.clamp(min=0) @ w.clamp(min=0).T + x.clamp(max=0) @ w.clamp(max=0).T
    share = relevance / total
    expected = x.clamp(min=0) * (share @ w.clamp(min=0)) + x.clamp(max=0) * (share @ w.clamp(max=0))
    (found,) = linear_rule(relevance, x @ w.T + bias, x, w, bias)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
