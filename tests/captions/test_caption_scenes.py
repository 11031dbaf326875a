"""Scenes as captions: what is drawn is what is told, and the scores count what a person would count."""

import numpy as np
import pytest

from vitbench.captions.scene_data import caption_ids, scene_vocabulary
from vitbench.captions.scene_scores import align, scene_scores
from vitbench.data.scenes import NEW_KINDS, describe, make_scene, render, scene_arrays, scene_of


@pytest.fixture(scope="module")
def drawn():
    """40 pictures, their captions, and the scenes that they were made from."""
    pixels, _, captions = scene_arrays(40, split="val", seed=3, size=48)
    scenes = [scene_of("val", index, seed=3, kinds="base", width=48, height=48) for index in range(40)]
    return pixels, captions, scenes


def truth(scene):
    return describe(scene).words


def words_of(scene):
    return [word.text for word in describe(scene).words]


def test_truth_belongs_to_the_picture(drawn):
    pixels, captions, scenes = drawn
    for index in (0, 7, 39):
        assert str(describe(scenes[index])) == captions[index]
        np.testing.assert_array_equal(render(scenes[index]).pixels, pixels[index])


def test_every_caption_survives_the_tokens_and_no_kind_is_unknown(drawn):
    _, captions, _ = drawn
    tokenizer = scene_vocabulary(captions, "new")
    ids = caption_ids(captions, tokenizer)
    assert [tokenizer.decode(row.tolist()) for row in ids] == captions
    assert all(tokenizer.unknown_id not in tokenizer.encode(kind) for kind in NEW_KINDS)


def test_the_truth_scores_one_and_nothing_is_made_up(drawn):
    _, _, scenes = drawn
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
