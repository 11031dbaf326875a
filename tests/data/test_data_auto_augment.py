"""AutoAugment on bytes is torchvision's on Pillow pictures: each operation at every magnitude, and whole policies."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import AutoAugment, AutoAugmentPolicy, InterpolationMode
from torchvision.transforms.autoaugment import _apply_op

from vitbench.data.auto_augment import ON_BYTES, ByteAutoAugment

RANDOM = np.random.default_rng(7)
SHAPES = [(1, 1), (3, 5), (16, 16), (31, 20)]


def pictures():
    """Noise, all bytes, one colour, black and white; in several shapes."""
    for height, width in SHAPES:
        yield RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)
        yield np.full((height, width, 3), (0, 127, 255), dtype=np.uint8)
    yield np.arange(768, dtype=np.uint16).reshape(16, 16, 3).astype(np.uint8)
    yield np.where(RANDOM.random((8, 8, 1)) < 0.5, 0, 255).repeat(3, axis=2).astype(np.uint8)


def by_pillow(pixels, name, magnitude):
    changed = _apply_op(Image.fromarray(pixels), name, magnitude, InterpolationMode.NEAREST, None)
    return np.asarray(changed)


@pytest.mark.parametrize("name", ON_BYTES)
def test_an_operation_on_bytes_equals_pillows_at_every_magnitude(name):
    magnitudes, _ = AutoAugment()._augmentation_space(10, (16, 16))[name]
    more = {"Posterize": range(1, 9), "Solarize": [*range(256), 0.5, 113.33, 254.9], "Invert": [0.0]}[name]
    for magnitude in [*magnitudes.reshape(-1).tolist(), *more]:
        for pixels in pictures():
            before = pixels.copy()
            assert np.array_equal(ON_BYTES[name](pixels, magnitude), by_pillow(pixels, name, magnitude)), magnitude
            assert np.array_equal(pixels, before)


@pytest.mark.parametrize("policy", AutoAugmentPolicy)
def test_a_policy_draws_and_changes_as_torchvisions(policy):
    ours, theirs = ByteAutoAugment(policy), AutoAugment(policy)
    for number, pixels in enumerate(list(pictures()) * 8):
        pixels.flags.writeable = False  # as in a memory map
        torch.manual_seed(number)
        expected, state = np.asarray(theirs(Image.fromarray(pixels))), torch.get_rng_state()
        for given in (pixels, Image.fromarray(pixels)):
            torch.manual_seed(number)
            assert np.array_equal(np.asarray(ours(given)), expected)
            assert torch.equal(torch.get_rng_state(), state)
