"""Scenes: the same seed gives the same bytes, and everything that is said of a picture is true of it."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from vitbench.data.scenes import (
    BASE_KINDS,
    COLOURS,
    NEW_KINDS,
    RELATIONS,
    ROLES,
    TEXTURES,
    describe,
    make_scene,
    render,
    scene_arrays,
    word_mask,
)
from vitbench.data.scenes.kinds import silhouette
from vitbench.data.scenes.scene import is_held_out


def some_scenes(count, **arguments):
    return [make_scene((5, index), **arguments) for index in range(count)]


def test_the_kinds_are_two_sets_without_twins():
    assert len(BASE_KINDS) == 24
    assert len(NEW_KINDS) == 37
    assert not set(BASE_KINDS) & set(NEW_KINDS)
    shapes = {kind: np.asarray(silhouette(kind, 48))[:, :, 1] / 255.0 for kind in BASE_KINDS + NEW_KINDS}
    for kind, shape in shapes.items():
        turns = [np.rot90(s, k) for s in (shape, shape[:, ::-1]) for k in range(4)]
        for other, another in shapes.items():
            if other != kind:
                overlap = max((np.minimum(turn, another).sum() / np.maximum(turn, another).sum()) for turn in turns)
                assert overlap < 0.93, f"{kind} turned or mirrored is {other}"


def test_the_same_seed_gives_the_same_scene_at_any_size():
    small, large = (make_scene(9, width=side, height=side) for side in (48, 480))
    assert small.objects == large.objects
    assert (render(small).pixels == render(make_scene(9, width=48, height=48)).pixels).all()
    halved = render(large).pixels.reshape(48, 10, 48, 10, 3).mean(axis=(1, 3))
    assert np.abs(halved - render(small).pixels).mean() < 12


@pytest.mark.slow
def test_arrays_do_not_depend_on_the_number_of_processes():
    one = scene_arrays(260, size=24, processes=1)
    two = scene_arrays(260, size=24, processes=2)
    assert (one[0] == two[0]).all()
    assert (one[1] == two[1]).all()
    assert one[2] == two[2]


@pytest.mark.parametrize(("width", "height"), [(96, 96), (144, 96), (80, 128)])
def test_masks_are_the_visible_pixels(width, height):
    """Each object's mask, by brute force: where the picture changes when that object's colour is changed."""
    for scene in some_scenes(12, width=width, height=height):
        rendering = render(scene)
        assert rendering.pixels.shape == (height, width, 3)
        assert rendering.masks.sum(axis=0).max() == 1, "no pixel shows two objects"
        for number, thing in enumerate(scene.objects):
            other = tuple(255 - channel for channel in thing.rgb)
            objects = tuple(replace(t, rgb=other) if t is thing else t for t in scene.objects)
            change = np.abs(render(replace(scene, objects=objects)).pixels.astype(int) - rendering.pixels).max(axis=2)
            mask = rendering.masks[number]
            assert change[mask].min() > 3
            assert (change[~mask & (change > 0)] <= change.max() * 0.75).all()


def test_every_object_stays_in_the_picture_and_mostly_visible():
    shares = []
    for scene in some_scenes(150) + some_scenes(150, kinds="new"):
        masks = render(scene).masks
        for number, thing in enumerate(scene.objects):
            alone = render(replace(scene, objects=(thing,))).masks[0]
            shares.append(masks[number].sum() / alone.sum())
            assert not masks[number][~alone].any()
            assert not alone[[0, -1]].any()
            assert not alone[:, [0, -1]].any()
    assert min(shares) >= 0.6
    assert sum(share < 0.98 for share in shares) > 10, "some are partly hidden"


def test_the_label_is_the_kind_of_the_largest_object():
    for scene in some_scenes(200):
        sides = sorted({thing.side for thing in scene.objects}, reverse=True)
        assert len(sides) == 1 or sides[0] >= 1.5 * sides[1]
        assert scene.label == next(thing.kind for thing in scene.objects if thing.side == sides[0])
        assert scene.labels[0] == scene.label
        assert set(scene.labels) == {thing.kind for thing in scene.objects}


IRREGULAR = {"crosses": "cross", "snowmen": "snowman", "wrenches": "wrench", "hourglasses": "hourglass"}


def parse(sentence):
    """An independent reading of a sentence: groups as (count, size, colour, kind), relation, texture."""
    words = sentence.split()
    assert words[-4:-2] == ["on", "a"]
    assert words[-1] == "background"
    rest, groups, relation = words[:-4], [], None
    while rest:
        count = {"a": 1, "two": 2, "three": 3}[rest[0]]
        noun = rest[3]
        kind = noun if count == 1 else IRREGULAR.get(noun, noun.removesuffix("s"))
        groups.append((count, rest[1], rest[2], kind))
        rest = rest[4:]
        if rest:
            relation, rest = (" ".join(rest[:2]), rest[2:]) if rest[0] in ("left", "right") else (rest[0], rest[1:])
    return groups, relation, words[-2]


def test_the_sentence_says_what_is_there():
    relations: Counter[str | None] = Counter()
    for scene in some_scenes(400, kinds="new") + some_scenes(400):
        groups, relation, texture = parse(str(describe(scene)))
        relations[relation] += 1
        seen = Counter((thing.size, thing.colour, thing.kind) for thing in scene.objects)
        assert seen == {(size, colour, kind): count for count, size, colour, kind in groups}
        assert texture == scene.background.texture
        if len(groups) == 1:
            assert relation is None
            continue
        large, *small = ((thing.x, thing.y) for thing in scene.objects)
        offsets = [(x - large[0], y - large[1]) for x, y in small]
        true = {
            "left of": all(dx > abs(dy) for dx, dy in offsets),
            "right of": all(-dx > abs(dy) for dx, dy in offsets),
            "above": all(dy > abs(dx) for dx, dy in offsets),
            "below": all(-dy > abs(dx) for dx, dy in offsets),
        }
        assert set(true) == set(RELATIONS)
        assert relation == "and" or true[relation]
    assert set(relations) == {None, "and", *RELATIONS}


def test_every_relation_count_colour_and_texture_occurs():
    parsed = [parse(str(describe(scene))) for scene in some_scenes(600)]
    assert {relation for _, relation, _ in parsed} == {None, "and", *RELATIONS}
    assert {texture for *_, texture in parsed} == set(TEXTURES)
    assert {count for groups, *_ in parsed for count, *_ in groups} == {1, 2, 3}
    assert {kind for groups, *_ in parsed for *_, kind in groups} == set(BASE_KINDS)


def test_kind_tells_nothing_of_colour_background_or_place():
    scenes = some_scenes(3000, held_out="any")
    kinds = [BASE_KINDS.index(scene.label) for scene in scenes]
    first = [scene.objects[0] for scene in scenes]
    facts = {
        "colour": [list(COLOURS).index(thing.colour) for thing in first],
        "texture": [TEXTURES.index(scene.background.texture) for scene in scenes],
        "place": [int(thing.x > 0.5) + 2 * int(thing.y > 0.5) for thing in first],
        "number": [len(scene.objects) for scene in scenes],
    }
    for name, values in facts.items():
        table = np.zeros((24, max(values) + 1))
        np.add.at(table, (kinds, values), 1)
        table = table[:, table.sum(axis=0) > 0]
        assert chi2_contingency(table).pvalue > 0.001, name


def test_held_out_pairs_are_a_fifth_and_never_mixed():
    pairs = [(kind, colour) for kind in BASE_KINDS + NEW_KINDS for colour in COLOURS]
    assert sum(is_held_out(*pair) for pair in pairs) / len(pairs) == pytest.approx(0.2, abs=0.02)
    for scene in some_scenes(300, kinds="new", held_out="exclude"):
        assert not any(is_held_out(thing.kind, thing.colour) for thing in scene.objects)
    for scene in some_scenes(300, kinds="new", held_out="only"):
        assert is_held_out(scene.label, scene.objects[0].colour)


def test_each_word_knows_its_role_and_its_pixels():
    roles = set()
    for scene in some_scenes(60):
        rendering = render(scene)
        for word in describe(scene).words:
            roles.add(word.role)
            mask = word_mask(word, rendering)
            if word.role in ("CONJUNCTION", "PREPOSITION"):
                assert mask is None
            elif word.background:
                assert (mask == ~rendering.masks.any(axis=0)).all()
            else:
                assert mask.sum() == sum(rendering.masks[number].sum() for number in word.objects)
    assert roles == set(ROLES)


def test_a_colour_word_marks_pixels_of_that_colour():
    named = 0
    for scene in some_scenes(25):
        # Outlines are darker than the colour: in a large picture the median pixel of a mask is not one of them.
        rendering = render(scene, 256, 256)
        for word in describe(scene).words:
            if word.role == "COLOUR":
                colour = np.median(rendering.pixels[word_mask(word, rendering)], axis=0)
                assert min(COLOURS, key=lambda name: math.dist(COLOURS[name], colour)) == word.text
                named += 1
    assert named >= 25
