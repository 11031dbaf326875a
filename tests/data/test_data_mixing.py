"""Mixup and CutMix, on pictures whose colour is their class: the pixels then tell what the labels must be."""

import numpy as np
import pytest
import torch

from vitbench.data.mixing import Mixing


def batch(size: int = 6, height: int = 20, width: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    """One channel a class; a picture is 1 in the channel of its own."""
    labels = torch.arange(size)
    pixels = torch.zeros(size, size, height, width)
    pixels[labels, labels] = 1
    return pixels, labels


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_labels_are_what_is_seen(mixup, cutmix):
    pixels, labels = batch()
    mixing = Mixing(6, mixup, cutmix)
    shares, cut = [], 0
    for number in range(200):
        mixed, targets = mixing.apply(pixels, labels, seed=0, epoch=0, batch=number)
        torch.testing.assert_close(targets, mixed.mean(dim=(2, 3)), rtol=0, atol=1e-5)
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(6))
        shares.append(float(targets[0, 0]))
        inside = mixed[0, 0]
        cut += bool(((inside == 0) | (inside == 1)).all())
    if mixup and cutmix:
        assert 60 < cut < 140
    else:
        assert cut == (200 if cutmix else 0)
    # A beta distribution with equal parameters has mean 1/2; a clipped rectangle hides less.
    assert 0.43 < np.mean(shares) < (0.75 if cutmix else 0.57)
    assert min(shares) < (0.35 if cutmix else 0.1)
    assert max(shares) > 0.9


def test_a_function_of_seed_epoch_and_batch():
    pixels, labels = batch()
    before, state = pixels.clone(), torch.get_rng_state()
    mixing = Mixing(6, 0.8, 1.0)
    results = {}
    for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]:
        results[key] = mixing.apply(pixels, labels, seed=key[0], epoch=key[1], batch=key[2])
    for key, (mixed, targets) in reversed(results.items()):
        again = mixing.apply(pixels, labels, seed=key[0], epoch=key[1], batch=key[2])
        assert torch.equal(again[0], mixed)
        assert torch.equal(again[1], targets)
    assert len({tuple(targets.flatten().tolist()) for _, targets in results.values()}) == 4
    assert torch.equal(pixels, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_off_means_untouched():
    pixels, labels = batch()
    mixed, targets = Mixing(6).apply(pixels, labels, seed=0, epoch=0, batch=0)
    assert torch.equal(mixed, pixels)
    assert torch.equal(targets, torch.eye(6))
    assert not Mixing(6).is_on
