"""Masks from COCO's forms: by hand, against an encoder written from the format's description, and against Scenes."""

import numpy as np
import pytest

from vitbench.captions.fitting import fitted_masks
from vitbench.captions.formats.rows import Region
from vitbench.captions.index import open_captions
from vitbench.captions.masks import from_run_lengths, on_grid, region_mask, uncompressed, word_masks
from vitbench.data.scenes import describe, render, scene_of
from vitbench.data.scenes import word_mask as true_mask
from vitbench.data.scenes.annotations import run_lengths
from vitbench.data.scenes.export import write_scenes
from vitbench.errors import UserError


def compressed(lengths):
    """COCO's text for run lengths: differences to the one two before, 5 bits a character, sign-extended."""
    text = ""
    for place, length in enumerate(lengths):
        value = length - lengths[place - 2] if place > 2 else length
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            text += chr(bits + 32 * more + 48)
    return text


def test_run_lengths_by_hand():
    # Columns: (0, 1), (1, 1), (0, 0).
    mask = from_run_lengths([1, 3, 2], 2, 3)
    np.testing.assert_array_equal(mask, [[0, 1, 0], [1, 1, 0]])
    with pytest.raises(ValueError, match="7 pixels"):
        from_run_lengths([1, 6], 2, 3)


def test_both_spellings_of_run_lengths_come_back():
    random = np.random.default_rng(0)
    for _ in range(50):
        height, width = random.integers(1, 60, 2)
        mask = random.random((height, width)) < random.random()
        mask[: height // 2] = False
        lengths = run_lengths(mask)
        assert uncompressed(compressed(lengths)) == lengths
        for counts in (lengths, compressed(lengths)):
            region = Region("thing", {"size": [height, width], "counts": counts}, height, width)
            np.testing.assert_array_equal(region_mask(region), mask)


def test_a_polygon_covers_its_pixels():
    # A rectangle from (2, 1) to (6, 4): columns 2 to 5, rows 1 to 3.
    mask = region_mask(Region("box", [[2, 1, 6, 1, 6, 4, 2, 4]], 6, 9))
    assert mask[1:4, 2:6].all()
    assert abs(int(mask.sum()) - 12) <= 8


@pytest.mark.parametrize("segmentation", [[[1, 2]], {"counts": [1]}, {"size": [2, 2], "counts": "0"}, 7])
def test_a_broken_segmentation_is_one_caption(segmentation):
    with pytest.raises(UserError, match="segmentation of a dog"):
        region_mask(Region("dog", segmentation, 6, 9))


def test_words_of_scene_files_have_the_masks_of_the_scene(tmp_path):
    write_scenes(tmp_path / "scenes", count=12, size=40, seed=5)
    index = open_captions(tmp_path / "scenes")
    assert index.layout == "Scenes"
    for picture in index.split("train"):
        number = int(picture.file.stem.rpartition("_")[2])
        scene = scene_of("train", number, seed=5, kinds="base", width=40, height=40)
        rendering = render(scene)
        assert picture.truth == describe(scene).words
        for word in picture.truth:
            expected, found = (
                true_mask(word, rendering),
                word_masks(word, fitted_masks(picture.file, picture.regions).masks),
            )
            assert (expected is None) == (not found)
            if expected is not None:
                assert word.background or len(found) == len(word.objects)
                np.testing.assert_array_equal(np.logical_or.reduce(found), expected)


@pytest.mark.parametrize(("height", "width"), [(12, 12), (13, 31), (5, 4), (3, 2)])
def test_shares_of_patches_keep_the_area(height, width):
    random = np.random.default_rng(1)
    mask = random.random((height, width)) < 0.4
    grid = on_grid(mask, 4, 4)
    assert grid.mean() == pytest.approx(mask.mean())
    if (height, width) == (12, 12):
        np.testing.assert_allclose(grid, mask.reshape(4, 3, 4, 3).mean((1, 3)))
    assert on_grid(np.ones_like(mask), 4, 4) == pytest.approx(np.ones((4, 4)))
