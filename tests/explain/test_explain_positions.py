"""Position scores on embeddings whose answers are known, and views against brute force."""

import numpy as np
import pytest
import torch
from explain_networks import TINY, pixels_for, small_network
from scipy.stats import spearmanr

from vitbench.attention.cache import all_attention
from vitbench.errors import UserError
from vitbench.positions.embeddings import (
    components_as_colour,
    filter_components,
    positions,
    principal_components,
    spectrum,
)
from vitbench.positions.scores import (
    Pairs,
    additive_r2,
    best_match_is_neighbour,
    cosine_similarity,
    line_lift,
    locality,
    scorecard,
    toeplitz_r2,
)
from vitbench.statistics import ranks

GRID = (14, 14)
ROWS, COLUMNS = np.divmod(np.arange(196), 14)


def sincos(places, width):
    frequencies = 1 / 10000 ** (np.arange(width // 2) / (width / 2))
    angles = places[:, None] * frequencies
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def embeddings(kind):
    random = np.random.default_rng(0)
    flat = np.concatenate([sincos(COLUMNS, 384), sincos(ROWS, 384)], axis=1)
    return {
        "random": random.normal(size=(196, 768)),
        "1-D sincos": sincos(np.arange(196), 768),
        "2-D sincos": flat,
        "2-D with equal noise": flat + random.normal(size=flat.shape) * flat.std(),
        "2-D shuffled": flat[random.permutation(196)],
    }[kind]


# Locality, best match, row lift, column lift, additive, Toeplitz; measured once, by another program.
KNOWN = {
    "random": (0.004, 0.046, 0.000, -0.001, -0.002, 0.018),
    "1-D sincos": (0.653, 0.923, 0.227, -0.062, 0.572, 1.0),
    "2-D sincos": (0.844, 1.0, 0.065, 0.065, 1.0, 1.0),
    "2-D with equal noise": (0.766, 0.617, 0.040, 0.040, 0.248, 0.833),
    "2-D shuffled": (-0.004, 0.010, -0.003, 0.003, -0.001, 0.018),
}


@pytest.mark.parametrize("kind", KNOWN)
def test_scores_of_known_embeddings(kind):
    vectors = embeddings(kind)
    scores = scorecard(cosine_similarity(vectors), GRID, vectors, permutations=19)
    values = [score.value for score in scores]
    exact = kind in ("1-D sincos", "2-D sincos")
    tolerance = [0.001, 0.02, 0.001, 0.001, 0.001, 0.001] if exact else [0.03, 0.08, 0.02, 0.02, 0.02, 0.02]
    for value, known, allowed in zip(values, KNOWN[kind], tolerance, strict=True):
        assert value == pytest.approx(known, abs=allowed)
    meaningful = [score.p_value for score in scores if score.name in ("locality", "additive_r2")]
    if kind in ("random", "2-D shuffled"):
        assert max(meaningful) > 0.05
    else:
        assert max(meaningful) == 0.05


def test_locality_is_spearmans():
    vectors = embeddings("2-D with equal noise")
    similarity = cosine_similarity(vectors)
    first, second = np.triu_indices(196, 1)
    distance = np.hypot(ROWS[first] - ROWS[second], COLUMNS[first] - COLUMNS[second])
    expected = -spearmanr(distance, similarity[first, second])[0]
    assert scorecard(similarity, GRID, permutations=0)[0].value == pytest.approx(expected, abs=1e-12)


def test_similarity_of_the_absolute_embedding_without_its_class_token():
    network = small_network(img_size=(32, 64), **TINY)
    (found,) = positions(network)
    embedding = network.module.pos_embed[0, 1:].detach().double()
    expected = torch.nn.functional.cosine_similarity(embedding[:, None], embedding[None], dim=-1)
    assert found.kind == "absolute"
    assert found.grid == (2, 4)
    assert np.allclose(found.similarity, expected.numpy())
    assert np.allclose(found.tile(1, 2), expected[6].view(2, 4).numpy())
    assert np.allclose(found.norms, embedding.norm(dim=1).view(2, 4).numpy())
    assert [score.name for score in found.scorecard(9)][-2:] == ["additive_r2", "toeplitz_r2"]


def test_rotary_kernel_depends_on_the_offset_alone():
    network = small_network("vit_small_patch16_dinov3", img_size=96, **TINY)
    (found,) = positions(network)
    assert found.kind == "rotary"
    assert found.grid == (6, 6)
    assert np.allclose(np.diag(found.similarity), 1)
    assert found.similarity[0, 7] == pytest.approx(found.similarity[14, 21], abs=1e-6)
    toeplitz = next(score for score in found.scorecard(0) if score.name == "toeplitz_r2")
    assert toeplitz.value == pytest.approx(1, abs=1e-6)


def test_networks_with_two_ways_show_both():
    assert [found.kind for found in positions(small_network("eva02_tiny_patch14_224", img_size=56, **TINY))] == [
        "absolute",
        "rotary",
    ]


@pytest.mark.parametrize("name", ["beit_base_patch16_224", "vit_relpos_small_patch16_224"])
def test_relative_bias_is_what_attention_adds(name):
    network = small_network(name, img_size=48, **TINY)
    found = next(found for found in positions(network) if found.kind == "relative_bias")
    assert found.similarity.shape == (9, 9)
    assert np.abs(found.similarity).max() == pytest.approx(1)
    assert found.similarity[0, 1] == pytest.approx(found.similarity[4, 5])
    assert found.vectors is None
    with pytest.raises(UserError, match="no principal components"):
        components_as_colour(found)


def test_principal_components_are_scikits_eigenvectors():
    vectors = np.random.default_rng(0).normal(size=(30, 8)) * np.arange(1, 9)
    scores, shares = principal_components(vectors)
    values, axes = np.linalg.eigh(np.cov(vectors.T))
    assert np.allclose(shares, values[::-1][:3] / values.sum())
    expected = (vectors - vectors.mean(0)) @ axes[:, ::-1][:, :3]
    assert np.allclose(np.abs(scores), np.abs(expected))


def test_components_as_colour_follow_the_grid():
    network = small_network(img_size=(32, 64), **TINY)
    (found,) = positions(network)
    colours, shares = components_as_colour(found)
    assert colours.shape == (2, 4, 3)
    assert colours.min() == 0
    assert colours.max() == 255
    assert 0 < shares.sum() <= 1


def test_filter_components():
    network = small_network(img_size=32, **TINY)
    with torch.no_grad():
        network.module.patch_embed.proj.weight.zero_()
        network.module.patch_embed.proj.weight[:16, 0, :8] = 1.0
    pictures, shares = filter_components(network, 3)
    assert pictures[0].shape == (16, 16, 3)
    assert shares[0] == pytest.approx(1)
    assert (pictures[0][:8, :, 0] == 255).all()
    assert (pictures[0][8:] == 0).all()


def test_spectrum_of_a_wave_is_at_its_frequency():
    network = small_network(img_size=128, **TINY)
    wave = torch.cos(2 * torch.pi * 2 * torch.arange(8) / 8).repeat(8, 1)
    with torch.no_grad():
        network.module.pos_embed[0, 1:] = wave.flatten()[:, None]
    power = spectrum(positions(network)[0])
    assert power[4, 6] + power[4, 2] == pytest.approx(1)


def test_mean_attention_distance_by_brute_force():
    network = small_network(img_size=(32, 64), **TINY)
    kept = all_attention(network, pixels_for(network))
    distances = kept.mean_distance()
    assert distances.shape == (2, 2, 4)
    attention = kept.layers[1][0, 3, 1:, 1:]
    total = 0.0
    for query in range(8):
        share = attention[query] / attention[query].sum()
        for key in range(8):
            total += float(share[key]) * np.hypot(query // 4 - key // 4, query % 4 - key % 4)
    assert float(distances[0, 1, 3]) == pytest.approx(total / 8, rel=1e-5)


def test_kept_attention_moves_without_another_forward():
    network = small_network(img_size=(32, 64), **TINY)
    pixels = pixels_for(network)
    kept = all_attention(network, pixels)
    assert torch.allclose(kept.map(0, 2, (1, 3)), kept.layers[0][:, 2, 8, 1:].view(2, 2, 4))
    assert torch.allclose(kept.map(), kept.layers[1].mean(1)[:, 0, 1:].view(2, 2, 4))
    with pytest.raises(UserError, match="no head 10"):
        kept.map(head=9)


def test_networks_without_positions_say_so():
    network = small_network("vit_relpos_small_patch16_224", img_size=32, **TINY)
    assert [found.kind for found in positions(network)] == ["relative_bias"]
    with pytest.raises(UserError, match="windows"):
        positions(small_network("swin_tiny_patch4_window7_224", img_size=56, window_size=7))


@pytest.mark.parametrize("grid", [(3, 5), (6, 4)])
def test_p_values_are_those_of_the_measures_themselves_under_each_shuffle(grid):
    random = np.random.default_rng(4)
    count = grid[0] * grid[1]
    vectors = random.normal(size=(count, 8)) + np.repeat(random.normal(size=(grid[0], 8)), grid[1], axis=0)
    similarity = cosine_similarity(vectors)
    pairs = Pairs(grid)
    distances = ranks(pairs.distance)
    measures = {
        "locality": lambda s, v: locality(s, pairs, distances),
        "best_match_is_neighbour": lambda s, v: best_match_is_neighbour(s, pairs.neighbours),
        "row_lift": lambda s, v: line_lift(s, pairs, pairs.same_row, pairs.same_column),
        "column_lift": lambda s, v: line_lift(s, pairs, pairs.same_column, pairs.same_row),
        "additive_r2": lambda s, v: additive_r2(v, grid),
        "toeplitz_r2": lambda s, v: toeplitz_r2(s, pairs),
    }
    shuffles = np.random.default_rng(0)
    orders = [shuffles.permutation(count) for _ in range(40)]
    scores = scorecard(similarity, grid, vectors, permutations=40)
    assert {score.name for score in scores} == set(measures)
    for score in scores:
        measure = measures[score.name]
        own = measure(similarity, vectors)
        reached = sum(measure(similarity[np.ix_(o, o)], vectors[o]) >= own - 1e-12 for o in orders)
        assert score.value == pytest.approx(own)
        assert score.p_value == pytest.approx((1 + reached) / 41), score.name


def test_the_scorecard_tells_how_far_it_is_and_ends_when_it_is_told_to():
    vectors = np.random.default_rng(0).normal(size=(9, 4))
    told = []

    def progress(done, total, what):
        told.append((done, total))
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scorecard(cosine_similarity(vectors), (3, 3), vectors, permutations=99, progress=progress)
    assert told == [(0, 99), (8, 99), (16, 99)]
