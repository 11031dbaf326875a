"""Features of patches, checked against brute force: layers, components, cosines, neighbours."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "explain"))
from explain_networks import fill, pixels_for, settle, small_network
from tiny_families import FAMILIES

from tests.inspector.tiny_checkpoint import tiny_checkpoint, tiny_picture
from vitbench import cli
from vitbench.compose import compose, read_request
from vitbench.compose.sources import Sources
from vitbench.data.index import open_index
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.features.components import as_colours, components, fit, turned_to
from vitbench.features.extraction import PatchFeatures, patch_features
from vitbench.features.neighbours import Embeddings, nearest, vote
from vitbench.features.similarity import cosine_map, patch_vector
from vitbench.figures.provenance import read_provenance
from vitbench.models.network import Network
from vitbench.recipe import Recipe
from vitbench.requests.features import FeaturesRequest
from vitbench.runs.store import Store


def features_of(patches: np.ndarray, token: np.ndarray | None = None, outliers: np.ndarray | None = None):
    """As a layer gives them: patches [rows, columns, D] of one picture."""
    where = np.zeros(patches.shape[:2], dtype=bool) if outliers is None else outliers
    class_token = None if token is None else torch.from_numpy(token)[None].float()
    return PatchFeatures(
        torch.from_numpy(patches)[None].float(), torch.from_numpy(where)[None], class_token, 1, 1, normed=False
    )


def plain_components(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions and shares, one eigenvector after the other by power iteration."""
    centred = vectors - vectors.mean(axis=0)
    covariance = sum(np.outer(row, row) for row in centred)
    total, found, shares = np.trace(covariance), [], []
    for _ in range(3):
        direction = np.ones(len(covariance))
        for _ in range(3000):
            direction = covariance @ direction
            direction /= np.linalg.norm(direction)
        size = direction @ covariance @ direction
        found.append(direction)
        shares.append(size / total)
        covariance = covariance - size * np.outer(direction, direction)
    return np.array(found), np.array(shares)


# Layers


def test_every_family_has_features_at_each_layer():
    for family, (name, options) in FAMILIES.items():
        module = timm.create_model(name, **options)
        fill(module, 0.1)
        side = options.get("img_size", 240 if "crossvit" in name else 64)
        settle(module, side)
        network = Network(module, name, "random", Preprocessing(side, side), None, "", f"timm:{name}")
        pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
        last, first = patch_features(network, pixels), patch_features(network, pixels, 1)
        assert last.layer == last.layers >= 2, family
        assert (first.layer, first.layers) == (1, last.layers), family
        assert min(last.grid) >= 2, family
        assert bool(last.patches.isfinite().all()), family
        # of one picture the same as of two
        alone = patch_features(network, pixels[1:])
        assert torch.allclose(alone.patches, last.patches[1:], atol=1e-3, rtol=1e-3), family
        with pytest.raises(UserError, match=f"has {last.layers} with patches"):
            patch_features(network, pixels, last.layers + 1)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "vit_small_patch14_reg4_dinov2", "eva02_tiny_patch14_224"])
def test_the_layers_are_those_that_timm_gives(name):
    side = 56 if "14" in name else 64
    network = small_network(name, img_size=side, embed_dim=32, depth=3, num_heads=2, num_classes=0)
    pixels = pixels_for(network)
    network.module.eval()
    with torch.no_grad():
        taken = network.module.forward_intermediates(
            pixels, norm=True, output_fmt="NCHW", intermediates_only=True, return_prefix_tokens=True
        )
        whole = network.module.forward_features(pixels)
    for layer, (patches, prefix) in enumerate(taken, 1):
        found = patch_features(network, pixels, layer)
        assert torch.allclose(found.patches, patches.movedim(1, -1), atol=1e-5)
        assert torch.allclose(found.class_token, prefix[:, 0], atol=1e-5)
    last = patch_features(network, pixels)
    prefix_tokens = network.backbone.num_prefix_tokens
    assert torch.allclose(last.patches.flatten(1, 2), whole[:, prefix_tokens:], atol=1e-5)


def test_convolutions_have_no_features_of_patches():
    module = timm.create_model("resnet18", num_classes=3)
    network = Network(module, "resnet18", "random", Preprocessing(64, 64), None, "", "timm:resnet18")
    with pytest.raises(UserError, match="no transformer blocks"):
        patch_features(network, torch.randn(1, 3, 64, 64))


# Components


def test_components_are_those_of_power_iteration_over_all_pictures():
    random = np.random.default_rng(3)
    mixing = random.normal(size=(6, 6)) * np.array([5, 3, 2, 1, 0.5, 0.2])[:, None]
    pictures = [features_of(random.normal(size=(4, 5, 6)) @ mixing) for _ in range(3)]
    found = components(pictures)
    vectors = np.concatenate([one.patches[0].double().numpy().reshape(-1, 6) for one in pictures])
    directions, shares = plain_components(vectors)
    assert np.allclose(found.shares, shares, atol=1e-6)
    for number, scores in enumerate(found.scores):
        expected = (pictures[number].patches[0].double().numpy() - vectors.mean(axis=0)) @ directions.T
        assert np.allclose(np.abs(scores), np.abs(expected), atol=1e-5)


@pytest.mark.parametrize("flipped", [1.0, -1.0])
def test_the_foreground_is_what_is_like_the_class_token_else_what_is_off_the_border(flipped):
    object_there = np.zeros((6, 8), dtype=bool)
    object_there[2:4, 3:7] = True
    direction = np.array([1.0, 0.5, -1.0]) * flipped
    patches = np.where(object_there[..., None], direction, -direction) + np.array([0.1, 0.2, 0.3])
    with_token = components([features_of(patches, direction), features_of(patches, direction)])
    without = components([features_of(patches)])
    for found, by in ((with_token, "class token"), (without, "border")):
        assert by in found.by
        for mask in found.foreground:
            np.testing.assert_array_equal(mask, object_there)


def test_outliers_are_left_out_of_the_basis_only_when_asked():
    random = np.random.default_rng(0)
    patches = random.normal(size=(5, 5, 4)) * np.array([3, 1, 1, 1])
    outliers = np.zeros((5, 5), dtype=bool)
    outliers[1, 1] = True
    patches[1, 1] = [0, 1000, 0, 0]
    with_them = components([features_of(patches, outliers=outliers)])
    without = components([features_of(patches, outliers=outliers)], mask_outliers=True)
    assert with_them.first_share > 0.99
    alone = fit(patches[~outliers])
    assert without.first_share == pytest.approx(float(alone.shares[0]), abs=1e-6)
    assert not without.foreground[0][1, 1]


def test_colours_span_one_scale_and_turning_makes_another_basis_agree():
    random = np.random.default_rng(1)
    scores = [random.normal(size=(4, 4, 3)) * [5, 2, 1], random.normal(size=(3, 6, 3)) * [5, 2, 1]]
    everywhere = [np.ones(values.shape[:2], dtype=bool) for values in scores]
    coloured = as_colours(scores, everywhere)
    both = np.concatenate([values.reshape(-1, 3) for values in scores])
    low, high = np.percentile(both, (1, 99), axis=0)
    assert np.array_equal(coloured[0], (((scores[0] - low) / (high - low)).clip(0, 1) * 255).round().astype(np.uint8))
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    back = turned_to([values @ turn for values in scores], scores)
    for mine, theirs in zip(back, scores, strict=True):
        assert np.allclose(mine, theirs, atol=1e-8)


def test_patches_that_are_all_alike_are_a_sentence_or_no_colours():
    same = features_of(np.ones((3, 3, 4)))
    assert components([same]).first_share == 0
    with pytest.raises(UserError, match="no foreground"):
        components([same], only_foreground=True)
    with pytest.raises(UserError, match="NaN"):
        components([features_of(np.full((3, 3, 4), np.nan))])


# Cosines and neighbours


def test_cosines_are_those_of_a_loop():
    random = np.random.default_rng(2)
    mine, other = (features_of(random.normal(size=(3, 4, 5)) + 0.5) for _ in range(2))
    vector = patch_vector(mine, (1, 2))
    found = cosine_map(vector, other)
    for row in range(3):
        for column in range(4):
            patch = other.patches[0, row, column]
            expected = float(vector @ patch) / (float(vector.norm()) * float(patch.norm()))
            assert float(found[row, column]) == pytest.approx(expected, abs=1e-6)
    assert float(cosine_map(vector, mine)[1, 2]) == pytest.approx(1, abs=1e-6)
    with pytest.raises(UserError, match="row 4, column 1: the grid has 3 rows and 4"):
        patch_vector(mine, (3, 0))


def folder_of_colours(root: Path, splits: tuple[str, ...] = ("",), count: int = 6) -> Path:
    """Pictures of two classes that differ by their colour, with noise."""
    for split in splits:
        for label, colour in (("red", (220, 30, 30)), ("blue", (30, 30, 220))):
            for number in range(count):
                random = np.random.default_rng([number, len(split), colour[0]])
                noise = random.integers(-25, 25, (40, 40, 3))
                target = root / split / label / f"{number}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(target)
    return root


@pytest.mark.parametrize("splits", [("train", "test"), ("",)])
def test_the_vote_is_that_of_plain_loops(splits, tmp_path, store):
    data = open_index(str(folder_of_colours(tmp_path / "data", splits)), store=store)
    random = np.random.default_rng(5)
    vectors = torch.nn.functional.normalize(torch.from_numpy(random.normal(size=(len(data.samples), 7))).float(), dim=1)
    found = Embeddings(vectors, np.arange(len(data.samples)))
    voted = vote(data, found, neighbours=5)
    correct = asked = 0
    for number, sample in enumerate(data.samples):
        if "test" in splits and sample.split != "test":
            continue
        gallery = [
            other
            for other, one in enumerate(data.samples)
            if other != number and ("test" not in splits or one.split == "train")
        ]
        near = sorted(gallery, key=lambda other: -float(vectors[number] @ vectors[other]))[:5]
        votes = dict.fromkeys(range(2), 0.0)
        for other in near:
            votes[data.samples[other].label] += float(np.exp(float(vectors[number] @ vectors[other]) / 0.07))
        correct += max(votes, key=votes.get) == sample.label
        asked += 1
    assert (voted.correct, voted.pictures) == (correct, asked)
    cosines, which = nearest(vectors[0], vectors, 4)
    order = sorted(range(len(vectors)), key=lambda other: -float(vectors[0] @ vectors[other]))[:4]
    assert which.tolist() == order
    assert cosines[0] == pytest.approx(1, abs=1e-6)


# The command, and figures


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    shape = {"image_size": [64, 64], "embed_dim": 24, "depth": 2, "num_heads": 3}
    return folder, tiny_checkpoint(folder / "net", 0, **shape), [tiny_picture(folder / f"{n}.png", n) for n in range(2)]


def features(capsys, *arguments: str) -> dict:
    assert cli.main(["features", *arguments, "--json", "--overwrite"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_writes_figure_and_arrays_that_can_be_made_again(tiny, tmp_path, capsys, store):
    _, network, pictures = tiny
    out = tmp_path / "f.png"
    told = features(capsys, network, *pictures, "--layer", "1", "--arrays", "--out", str(out))
    assert (told["layer"], told["layers"], told["grid"]) == (1, 2, [4, 4])
    assert len(told["networks"][0]["shares"]) == 3
    with np.load(told["arrays"]) as arrays:
        assert arrays["1/features"].shape == (4, 4, 24)
        assert arrays["0/class_token"].shape == (24,)
        directions = fit(np.concatenate([arrays[f"{n}/features"].reshape(-1, 24) for n in (0, 1)]).astype(float))
        assert np.allclose(np.abs(directions.scores(arrays["0/features"])), np.abs(arrays["0/scores"]), atol=1e-4)
    recorded = read_provenance(out)
    again = compose(read_request(recorded["kind"], recorded["request"]), Sources(store))
    assert recorded["inputs"] == again.inputs
    first = compose(read_request(recorded["kind"], recorded["request"]), Sources(store))
    for mine, theirs in zip(again.panels, first.panels, strict=True):
        np.testing.assert_array_equal(mine.picture, theirs.picture)


def test_another_picture_size_changes_the_grid_and_is_in_the_record(tiny, tmp_path, capsys):
    _, network, pictures = tiny
    out = tmp_path / "f.png"
    told = features(capsys, network, pictures[0], "--image-size", "96x32", "--out", str(out))
    assert told["grid"] == [6, 2]
    assert "set to pictures of 96x32 instead of 64x64; its positions are resampled" in told["source"]
    assert read_provenance(out)["request"]["image_size"] == [96, 32]
    for size, words in (("50", "--image-size 50x50 is not a multiple of the patch"), ("x", "--image-size is a side")):
        assert cli.main(["features", network, pictures[0], "--image-size", size, "--out", str(out)]) == 2
        assert words in capsys.readouterr().err


def test_likeness_to_a_patch_of_the_first_picture(tiny, tmp_path, capsys):
    _, network, pictures = tiny
    out = str(tmp_path / "f.png")
    options = ("--view", "similarity", "--patch", "2,3", "--arrays", "--out", out)
    told = features(capsys, network, *pictures, *options)
    with np.load(told["arrays"]) as arrays:
        vector = arrays["0/features"][1, 2]
        for number in (0, 1):
            patches = arrays[f"{number}/features"]
            cosines = patches @ vector / np.linalg.norm(patches, axis=-1) / np.linalg.norm(vector)
            assert np.allclose(arrays[f"{number}/similarity"], cosines, atol=1e-5)
    assert cli.main(["features", network, pictures[0], "--view", "similarity", "--patch", "5,1", "--out", out]) == 2
    assert "no patch in row 5, column 1: the grid has 4 rows" in capsys.readouterr().err


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_nearest_pictures_and_their_vote(pool, tiny, tmp_path, capsys):
    _, network, _ = tiny
    data = folder_of_colours(tmp_path / "data")
    asked = data / "red" / "0.png"
    options = (
        "--view",
        "nearest",
        "--data",
        str(data),
        "--pool",
        pool,
        "--count",
        "3",
        "--out",
        str(tmp_path / "f.png"),
    )
    told = features(capsys, network, str(asked), *options)["networks"][0]
    assert (told["pool"], told["gallery"]) == (pool, 12)
    found = told["nearest"][0]["found"]
    assert len(found) == 3
    assert "red/0.png" not in [one["file"] for one in found]  # a picture is not its own neighbour
    assert [one["cosine"] for one in found] == sorted((one["cosine"] for one in found), reverse=True)
    assert told["knn"]["pictures"] == 12
    assert told["knn"]["correct"] == 12  # red is not blue for any network


def test_a_folder_without_labels_has_neighbours_and_no_vote(tiny, tmp_path, capsys):
    _, network, pictures = tiny
    for number in range(3):
        tiny_picture(tmp_path / "plain" / f"{number}.png", number + 10)
    options = ("--view", "nearest", "--data", str(tmp_path / "plain"), "--out", str(tmp_path / "f.png"))
    told = features(capsys, network, pictures[0], *options)["networks"][0]
    assert told["knn"] is None
    assert [one["label"] for one in told["nearest"][0]["found"]] == [None] * 3


def test_checkpoints_of_a_run_stand_beside_each_other_and_colours_are_turned(tmp_path, capsys, store):
    run = Store(store).create(Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "pictures"}}))
    shape = {"image_size": [64, 64], "embed_dim": 24, "depth": 2, "num_heads": 3}
    for step in (3, 6):
        tiny_checkpoint(run.folder / "checkpoints" / f"step-{step:08d}", step, **shape)
    picture, out = tiny_picture(tmp_path / "p.png"), str(tmp_path / "f.png")
    told = features(capsys, run.id, picture, "--steps", "all", "--out", out)
    assert [network["title"] for network in told["networks"]] == ["step 3", "step 6"]
    sheet = compose(FeaturesRequest(network=run.id, pictures=(picture,), steps="all"), Sources(store))
    assert [panel.title for panel in sheet.panels] == ["p.png", "step 3", "step 6"]
    assert "turned to the colours" in sheet.caption.splitlines()[0]
    assert "turned to the colours" not in sheet.caption.splitlines()[1]
    assert cli.main(["features", run.id, picture, "--steps", "4", "--out", out]) == 2
    assert "no checkpoint of step 4; it has those of 3, 6" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--patch", "1,1"], "--patch has no effect"),
        (["--view", "nearest"], "needs --data"),
        (["--view", "similarity", "--only-foreground"], "--only-foreground has no effect"),
        (["--before", "--steps", "all"], "choose one"),
        (["--layer", "0"], "counts from 1"),
        (["--layer", "9"], "There is no layer 9"),
        (["--count", "3"], "--count has no effect"),
    ],
)
def test_what_does_not_fit_is_one_sentence(options, words, tiny, tmp_path, capsys):
    _, network, pictures = tiny
    assert cli.main(["features", network, pictures[0], *options, "--out", str(tmp_path / "f.png")]) == 2
    assert words in capsys.readouterr().err
