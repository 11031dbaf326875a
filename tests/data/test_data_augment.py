"""Augmentation is a function of seed, epoch and index, and is torchvision's own."""

import hashlib

import numpy as np
import pytest
import torch
from pictures_for_tests import draw
from PIL import Image
from torchvision import transforms

from vitbench.augmentations import AUGMENTATIONS
from vitbench.data.augment import augmentation
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.randomness import SAMPLE, torch_seeded
from vitbench.declarations import one_of
from vitbench.errors import UserError
from vitbench.recipe import load_recipe

NETWORK = Preprocessing(48, 64, "crop", 0.9, "bicubic", (0.2, 0.4, 0.6))
RANDOM = [name for name in AUGMENTATIONS if name != "none"]


@pytest.fixture
def picture(tmp_path):
    draw(tmp_path / "picture.png", 3, 100, 90)
    return Image.open(tmp_path / "picture.png").convert("RGB")


@pytest.mark.parametrize("name", RANDOM)
def test_a_function_of_seed_epoch_and_index(name, picture):
    chosen = augmentation(name, NETWORK, random_erasing=0.3)
    resized = chosen.first.apply(picture)
    before = resized.copy()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    results = {}
    for seed in range(2):
        for epoch in range(2):
            for index in range(8):
                pixels = chosen.apply(resized, seed=seed, epoch=epoch, index=index)
                assert pixels.shape == (48, 64, 3)
                assert pixels.dtype == np.uint8
                results[seed, epoch, index] = pixels
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(resized, before)
    torch.rand(17)
    for (seed, epoch, index), pixels in reversed(results.items()):
        assert np.array_equal(chosen.apply(resized, seed=seed, epoch=epoch, index=index), pixels)
    different = {hashlib.sha256(pixels.tobytes()).digest() for pixels in results.values()}
    assert len(different) > (1 if name == "flip" else 12)


def test_the_reports_pipeline_is_torchvisions(picture):
    """Resize((h, w)), AutoAugment on the Pillow picture, ToTensor, Normalize: with the same draws, the same bits."""
    theirs = transforms.Compose(
        [
            transforms.Resize((48, 64)),
            transforms.AutoAugment(),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * 3, (0.5,) * 3),
        ]
    )
    ours = augmentation("report", Preprocessing(48, 64, "crop", 0.9))
    resized = ours.first.apply(picture)
    for index in range(40):
        with torch_seeded(SAMPLE, 1, 2, index):
            expected = theirs(picture)
        got = ours.preprocessing.normalize(ours.apply(resized, seed=1, epoch=2, index=index))
        assert torch.equal(got, expected)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("crop-flip", ()),
        ("autoaugment", (transforms.AutoAugment(),)),
        ("randaugment", (transforms.RandAugment(2, 9),)),
        ("trivialaugment", (transforms.TrivialAugmentWide(),)),
    ],
)
def test_crops_are_torchvisions(name, policy, picture):
    bicubic = transforms.InterpolationMode.BICUBIC
    crop = transforms.RandomResizedCrop((48, 64), (0.08, 1), interpolation=bicubic)
    theirs = transforms.Compose([crop, transforms.RandomHorizontalFlip(), *policy])
    ours = augmentation(name, NETWORK)
    resized = ours.first.apply(picture)
    assert resized.shape == (90, 100, 3)
    for index in range(20):
        with torch_seeded(SAMPLE, 1, 2, index):
            expected = np.asarray(theirs(Image.fromarray(resized)))
        assert np.array_equal(ours.apply(resized, seed=1, epoch=2, index=index), expected)


def test_none_is_the_evaluations_picture(picture):
    chosen = augmentation("none", NETWORK)
    assert not chosen.is_random
    assert np.array_equal(chosen.first.apply(picture), NETWORK.resized(picture))
    resized = chosen.first.apply(picture)
    assert chosen.apply(resized, seed=0, epoch=0, index=0) is resized


def test_flip_mirrors_half():
    chosen = augmentation("flip", NETWORK)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    mirrored = 0
    for index in range(400):
        result = chosen.apply(pixels, seed=0, epoch=0, index=index)
        assert np.array_equal(result, pixels) or np.array_equal(result, pixels[:, ::-1])
        mirrored += not np.array_equal(result, pixels)
    # Five deviations of a fair coin.
    assert abs(mirrored - 200) < 50


def test_erasing_shows_the_mean_in_one_rectangle():
    chosen = augmentation("none", NETWORK, random_erasing=0.5)
    assert chosen.is_random
    white = np.full((48, 64, 3), 255, dtype=np.uint8)
    areas = []
    for index in range(300):
        pixels = chosen.apply(white, seed=0, epoch=0, index=index)
        erased = (pixels != 255).any(axis=-1)
        if erased.any():
            assert (pixels[erased] == (51, 102, 153)).all()
            rows, columns = np.flatnonzero(erased.any(axis=1)), np.flatnonzero(erased.any(axis=0))
            assert erased.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
            areas.append(erased.mean())
    assert abs(len(areas) - 150) < 44
    assert 0.01 < min(areas) < 0.05
    assert 0.25 < max(areas) < 0.35


def test_an_unknown_name_gets_a_sentence():
    with pytest.raises(UserError, match="trivialaugment"):
        augmentation("more", NETWORK)


def test_the_recipe_knows_the_same_names():
    for name in AUGMENTATIONS:
        assert load_recipe("fast", [f"data.augment={name}"]).data.augment == name
    assert " | ".join(AUGMENTATIONS) in load_recipe("fast").to_toml()
    with pytest.raises(UserError, match=f'data.augment = "more" .must be {one_of(list(AUGMENTATIONS))}'):
        load_recipe("fast", ["data.augment=more"])
