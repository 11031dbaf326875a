"""The truth that the package's networks learn from, against brute force."""

from itertools import permutations

import numpy as np

from vitbench.data.scenes import KIND_SETS, RELATIONS, describe, render
from vitbench.data.scenes.doodles import DOODLES
from vitbench.data.scenes.kinds import BASE_KINDS, silhouette
from vitbench.weights.scene_records import GRID, OUTLINE, PATCH, SIZE, SceneRecords, collated, scene_for
from vitbench.weights.varying import MOST


def test_shares_and_outline_are_those_counted_pixel_by_pixel():
    records = [SceneRecords("train", first, 1, doodles=True)[0] for first in (0, 4, 7)]
    batch = collated(records)
    for number, row in enumerate(sorted(records, key=lambda row: not row["caption"])):
        owner = row["owner"]
        for patch in range(GRID * GRID):
            top, left = patch // GRID * PATCH, patch % GRID * PATCH
            seen = owner[top : top + PATCH, left : left + PATCH]
            expected = [float((seen == who).mean()) for who in range(5)]
            assert np.allclose(batch.shares[number, :, patch], expected, atol=1e-6)
            fine = PATCH // OUTLINE
            for point in range(OUTLINE**2):
                y, x = point // OUTLINE * fine, point % OUTLINE * fine
                covered = (seen[y : y + fine, x : x + fine] > 0).mean()
                assert abs(float(batch.outline[number, patch, point]) - covered) < 1e-6


def test_owners_are_the_visible_objects_and_labels_their_kinds():
    scene = scene_for("train", 0, "base")
    row = SceneRecords("train", 0, 1)[0]
    masks = render(scene).masks
    assert masks.shape[1:] == (SIZE, SIZE)
    for number, mask in enumerate(masks, start=1):
        assert np.array_equal(row["owner"] == number, mask)
    assert BASE_KINDS[int(row["label"])] == scene.label
    assert row["caption"].decode() == str(describe(scene))
    kinds = [(*BASE_KINDS, *DOODLES)[int(kind)] for kind in row["kinds"][: len(scene.objects)]]
    assert kinds == [thing.kind for thing in scene.objects]


def test_every_third_picture_shows_doodles_or_they_are_passed_over():
    mixed = [bool(SceneRecords("train", first, 1, doodles=True)[0]["caption"]) for first in range(6)]
    assert mixed == [True, True, False, True, True, False]
    plain, every = SceneRecords("train", 0, 4), SceneRecords("train", 0, 6, doodles=True)
    for mine, theirs in zip(range(4), (0, 1, 3, 4), strict=True):
        assert np.array_equal(plain[mine]["pixels"], every[theirs]["pixels"])


def test_each_object_knows_its_number_and_how_the_groups_stand():
    for index in range(0, 60, 3):
        scene, row = scene_for("train", index, "base"), SceneRecords("train", index // 3 * 2, 1)[0]
        words = str(describe(scene)).split()
        for group in scene.groups:
            number = [("a", "two", "three").index(words[0 if group is scene.groups[0] else words.index("small") - 1])]
            assert row["numbers"][list(group.objects)].tolist() == number * len(group.objects)
        found = (*RELATIONS, "and", "alone")[int(row["relations"][0])]
        assert found in str(describe(scene)) if found != "alone" else len(scene.groups) == 1


def test_the_middles_of_objects_and_groups_agree_with_the_relation_that_the_sentence_tells():
    scenes = SceneRecords("train", 0, 60)
    records = [scenes[place] for place in range(60)]
    batch, told = collated(records), 0
    for row, record in enumerate(records):
        for thing in range(4):
            places = np.argwhere(record["owner"] == thing + 1)
            found = batch.places[row, thing].numpy()
            if len(places):
                np.testing.assert_allclose(found, (places[:, ::-1].mean(0) + 0.5) / (SIZE / 2) - 1, atol=1e-4)
            else:
                assert np.isnan(found).all()
        sentence, (first, second) = record["caption"].decode(), batch.group_places[row].numpy()
        for relation, axis, sign in (("left of", 0, 1), ("right of", 0, -1), ("above", 1, 1), ("below", 1, -1)):
            if f" {relation} " in sentence:
                assert sign * (second - first)[axis] > 0, sentence
                told += 1
        assert np.isnan(second).all() == (len(scene_for("train", row // 2 * 3 + row % 2, "base").groups) == 1)
    assert told > 10


def test_varied_pictures_move_picture_and_truth_alike():
    plain, moving = SceneRecords("train", 0, 40), SceneRecords("train", 0, 40, vary=True)
    recoloured = 0
    for place in range(40):
        before, after = plain[place], moving[place]
        assert after.tobytes() == moving[place].tobytes()
        shifts = [
            (down, across)
            for down in range(-MOST, MOST + 1)
            for across in range(-MOST, MOST + 1)
            if np.array_equal(_rolled(before["owner"], down, across), _rolled(after["owner"], 0, 0))
        ]
        assert shifts
        channels = [
            exchange
            for exchange in permutations(range(3))
            for down, across in shifts
            if np.array_equal(
                _rolled(before["pixels"], down, across)[:, :, list(exchange)], _rolled(after["pixels"], 0, 0)
            )
        ]
        assert channels
        assert bool(after["recoloured"]) == ((0, 1, 2) not in channels)
        recoloured += int(after["recoloured"])
    assert 10 < recoloured < 30


def test_blanked_patches_show_nothing_and_leave_something_of_each_object():
    plain, blanking = SceneRecords("train", 0, 60), SceneRecords("train", 0, 60, blank=True)
    changed, of_background, of_objects = 0, [], []
    for place in range(60):
        before, after = plain[place], blanking[place]
        assert after.tobytes() == blanking[place].tobytes()
        black = (after["pixels"] != before["pixels"]).any(-1) | (after["owner"] != before["owner"])
        assert not after["pixels"][black].any()
        assert not after["owner"][black].any()
        assert set(np.unique(after["owner"])) | {0} == set(np.unique(before["owner"])) | {0}
        if black.any():
            changed += 1
            patches = black.reshape(GRID, PATCH, GRID, PATCH).any((1, 3))
            shows = (before["owner"] > 0).reshape(GRID, PATCH, GRID, PATCH).any((1, 3))
            of_background.append(patches[~shows].mean())
            of_objects.append(patches[shows].mean())
    assert 15 < changed < 45
    assert max(of_background) > 0.7
    assert max(of_objects) < 0.6
    assert np.mean(of_background) > 1.5 * np.mean(of_objects)


def _rolled(pixels, down, across):
    """What is in the middle of the picture after it was moved round the border."""
    return np.roll(pixels, (down, across), (0, 1))[MOST:-MOST, MOST:-MOST]


def test_what_was_drawn_is_read_again_and_parts_never_share_a_scene(tmp_path):
    file = tmp_path / "scene_records.bin"
    first = SceneRecords("train", 0, 3, file=file)[1].copy()
    again = SceneRecords("train", 0, 3, file=file)[1]
    assert again.tobytes() == first.tobytes() == SceneRecords("train", 0, 3)[1].tobytes()
    assert not np.array_equal(SceneRecords("val", 0, 3)[1]["pixels"], first["pixels"])


def test_doodles_differ_and_stay_inside():
    drawn = [np.asarray(silhouette(name, 96))[:, :, 1] > 127 for name in DOODLES[:40]]
    assert set(DOODLES) == set(KIND_SETS["doodles"])
    for number, shape in enumerate(drawn):
        assert 0.03 < shape.mean() < 0.8
        border = np.concatenate((shape[0], shape[-1], shape[:, 0], shape[:, -1]))
        assert not border.any()
        others = drawn[:number]
        assert all((shape & other).sum() < 0.97 * (shape | other).sum() for other in others)
