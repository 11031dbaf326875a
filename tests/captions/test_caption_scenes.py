"""Scenes as captions: what is drawn is what is told, and the scores count what a person would count."""

import numpy as np
import pytest
import torch

from vitbench.captions.scene_data import caption_ids, captioned_scenes, scene_vocabulary, shuffled_batches
from vitbench.captions.scene_scores import align, scene_scores
from vitbench.data.scenes import NEW_KINDS, describe, make_scene, render


@pytest.fixture(scope="module")
def data():
    return captioned_scenes(40, split="val", seed=3, size=48)


def truth(scene):
    return describe(scene).words


def words_of(scene):
    return [word.text for word in describe(scene).words]


def test_truth_belongs_to_the_picture(data):
    for index in (0, 7, 39):
        scene = data.scene(index)
        assert str(describe(scene)) == data.captions[index]
        np.testing.assert_array_equal(render(scene).pixels, data.pixels[index])


def test_every_caption_survives_the_tokens_and_no_kind_is_unknown(data):
    tokenizer = scene_vocabulary(data.captions, "new")
    ids = caption_ids(data.captions, tokenizer)
    assert [tokenizer.decode(row.tolist()) for row in ids] == data.captions
    assert all(tokenizer.unknown_id not in tokenizer.encode(kind) for kind in NEW_KINDS)


def test_an_epoch_shows_each_picture_once_with_its_own_caption(data):
    ids = torch.arange(40)[:, None].expand(40, 3) + 1
    pixels = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None, None], (40, 2, 2, 3))
    seen = []
    for picture, caption in shuffled_batches(pixels, ids, batch_size=8, seed=1, epoch=2):
        assert (picture[:, 0, 0, 0] + 1 == caption[:, 0]).all()
        seen += caption[:, 0].tolist()
    assert sorted(seen) == list(range(1, 41))
    again = [s[:, 0].tolist() for _, s in shuffled_batches(pixels, ids, batch_size=8, seed=1, epoch=2)]
    other = [s[:, 0].tolist() for _, s in shuffled_batches(pixels, ids, batch_size=8, seed=1, epoch=3)]
    flat = [[number for batch in epoch for number in batch] for epoch in (again, other)]
    assert flat[0] == seen != flat[1]


def test_the_truth_scores_one_and_nothing_is_made_up(data):
    scenes = data.scenes()
    scores = scene_scores([[*words_of(scene), "."] for scene in scenes], [truth(scene) for scene in scenes])
    assert (scores.exact_match, scores.slot, scores.hallucination) == (1.0, 1.0, 0.0)
    assert set(scores.slots.values()) == {1.0}


def test_one_wrong_colour_costs_that_slot_alone():
    scene = next(scene for scene in map(make_scene, range(50)) if len(scene.groups) == 2)
    words = words_of(scene)
    wrong = ["white" if word == scene.groups[0].colour else word for word in words]
    if "white" in words:
        wrong = ["black" if word == scene.groups[0].colour else word for word in words]
    changed = sum(a != b for a, b in zip(words, wrong, strict=True))
    scores = scene_scores([wrong], [truth(scene)])
    assert changed > 0
    assert scores.exact_match == 0
    assert scores.slots["COLOUR"] == pytest.approx(1 - changed / 2)
    assert all(value == 1 for role, value in scores.slots.items() if role != "COLOUR")
    claims = 2 * 3 + 1 + sum(len(group.objects) > 1 for group in scene.groups)
    assert scores.hallucination == pytest.approx(changed / claims)


def test_a_missing_word_does_not_make_the_rest_wrong():
    scene = next(scene for scene in map(make_scene, range(50)) if len(scene.groups) == 2)
    scores = scene_scores([words_of(scene)[1:]], [truth(scene)])
    assert all(value == 1 for role, value in scores.slots.items() if role != "NUMBER")
    assert scores.exact_match == 0


def test_a_plural_is_a_wrong_word_but_no_hallucination():
    scene = next(scene for scene in map(make_scene, range(50)) if len(scene.groups[0].objects) == 1)
    words = words_of(scene)
    words[3] += "es" if words[3].endswith(("s", "sh", "ch", "x")) else "s"
    scores = scene_scores([words], [truth(scene)])
    assert scores.slots["NOUN"] < 1
    assert scores.hallucination == 0


def test_alignment_by_hand():
    assert align([*"abcd"], [*"axd"]) in ([(0, 0), (1, 1), (3, 2)], [(0, 0), (2, 1), (3, 2)])
    assert align([], ["a"]) == []
    assert align(["a"], ["b"]) == [(0, 0)]
