"""What the screens ask of the inspector, with a real network: the same numbers as from the functions themselves."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.inspector.tiny_checkpoint import GRID, HEADS, LABELS, LAYERS, tiny_checkpoint, tiny_picture
from vitbench.attribution.explanation import explain
from vitbench.compose.networks import OpenNetworks
from vitbench.compose.prepared import prepare_picture
from vitbench.errors import UserError
from vitbench.figures.colours import colourise
from vitbench.figures.provenance import read_provenance
from vitbench.figures.sheet import sheet_from
from vitbench.inspector.requests import InspectorHandlers
from vitbench.methods import METHODS, quick_methods
from vitbench.models.network import open_network
from vitbench.positions.embeddings import positions
from vitbench.progress import silent
from vitbench.recent import Recent


@pytest.fixture
def subject(tmp_path):
    return {"network": tiny_checkpoint(tmp_path / "net"), "picture": tiny_picture(tmp_path / "pictures" / "one.png")}


@pytest.fixture
def handlers(tmp_path):
    return InspectorHandlers(tmp_path / "store").handlers


def asked(handlers, kind, **request):
    """The sheet that the inspector answers, with its numbers."""
    reply = handlers["sheet"]({"kind": kind, "request": request, "arrays": True}, silent)
    return sheet_from(reply.values, reply.arrays)


def sheet(handlers, subject, **options):
    """The sheet of attention of one picture."""
    return asked(handlers, "attention", **{"network": subject["network"], "pictures": [subject["picture"]], **options})


def titles(found):
    return [panel.title for panel in found.panels]


def test_a_map_is_the_one_that_explain_gives(subject, handlers):
    network = open_network(subject["network"])
    pixels = prepare_picture(subject["picture"], network.preprocessing).pixels
    for method, asked, options in (
        ("libra", {}, {}),
        ("generic", {}, {}),
        ("raw", {"layer": 2, "head": 5, "query": [2, 3]}, {"layer": 1, "head": 4, "query": (1, 2)}),
    ):
        found = sheet(handlers, subject, method=method, **asked)
        expected = explain(network, pixels, method, **options)
        values = found.arrays[f"0/{found.panels[1].title}"]
        np.testing.assert_allclose(values, expected.maps[0].numpy(), rtol=1e-4, atol=1e-6)
        assert found.facts["grid"] == list(GRID)
        assert (found.facts["layers"], found.facts["heads"]) == (LAYERS, HEADS)
        probabilities = expected.logits[0].softmax(0)
        top = found.facts["pictures"][0]["top"]
        assert top[0]["label"] == LABELS[int(probabilities.argmax())]
        assert top[0]["probability"] == pytest.approx(float(probabilities.max()), rel=1e-4)
        assert [panel.picture.shape for panel in found.panels] == [(142, 320, 3)] * 2


def test_another_layer_or_head_computes_no_forward_pass(subject, handlers, monkeypatch):
    sheet(handlers, subject, method="raw")

    def never(*arguments, **options):
        raise AssertionError("computed again")

    monkeypatch.setattr("vitbench.compose.attention_maps.all_attention", never)
    monkeypatch.setattr("vitbench.compose.attention_maps.explain", never)
    seen = {
        sheet(handlers, subject, method="raw", layer=layer, head=3).panels[1].picture.tobytes()
        for layer in range(1, LAYERS + 1)
    }
    assert len(seen) == LAYERS


def test_a_target_changes_the_map_and_is_named(subject, handlers):
    first = sheet(handlers, subject, method="generic", target="red")
    second = sheet(handlers, subject, method="generic", target="pink")
    assert titles(first)[1].endswith("for red")
    assert titles(second)[1].endswith("for pink")
    assert not np.array_equal(first.panels[1].picture, second.panels[1].picture)


def test_grids_have_the_picture_and_a_panel_each(subject, handlers, tmp_path):
    assert titles(sheet(handlers, subject, grid="heads"))[1:] == ["mean", *(f"head {n + 1}" for n in range(HEADS))]
    assert len(sheet(handlers, subject, grid="layers").panels) == 1 + LAYERS
    quick = [METHODS[name].title for name in quick_methods()]
    assert len(quick) > 5
    shown = titles(sheet(handlers, subject, grid="methods"))[1:]
    assert [title.split(",")[0].partition(" for ")[0] for title in shown] == quick
    other = tiny_checkpoint(tmp_path / "other", seed=1)
    compared = sheet(handlers, subject, grid="compare", other=other)
    assert titles(compared)[3] == "first minus second"
    with pytest.raises(UserError, match="--grid"):
        sheet(handlers, subject, grid="colours")


def test_compared_maps_each_have_their_own_networks_classes_and_name(subject, handlers, tmp_path):
    other = tiny_checkpoint(tmp_path / "other", seed=1)
    found = sheet(handlers, subject, grid="compare", other=other, method="generic")
    alone = [
        sheet(handlers, {**subject, "network": name}, method="generic").facts["pictures"][0]
        for name in (subject["network"], other)
    ]
    for panel, facts, name in zip(found.panels[1:3], alone, ("net", "other"), strict=True):
        assert panel.title == f"{name}, for {facts['target_label']}"
        assert panel.facts["top"] == facts["top"]
    assert alone[0]["top"] != alone[1]["top"]


def save(handlers, subject, file, **options):
    request = {"network": subject["network"], "pictures": [subject["picture"]], **options}
    asked = {"kind": "attention", "request": request, "file": str(file)}
    return handlers["save_sheet"](asked, silent).values["file"]


def test_a_figure_says_how_it_was_made_and_never_replaces_another(subject, handlers, tmp_path):
    file = tmp_path / "out" / "one-raw.png"
    assert save(handlers, subject, file, method="raw") == str(file)
    assert save(handlers, subject, file, method="raw", layer=1) == str(tmp_path / "out" / "one-raw-2.png")
    # The same again is the same file: a key that was pressed twice leaves no litter.
    assert save(handlers, subject, file, method="raw") == str(file)
    assert read_provenance(file)["request"]["method"] == "raw"


def test_a_comparison_is_saved_as_it_is_shown(subject, handlers, tmp_path):
    other = tiny_checkpoint(tmp_path / "other", seed=1)
    file = save(handlers, subject, tmp_path / "one.png", method="raw", grid="compare", other=other)
    recorded = read_provenance(tmp_path / "one.png")
    assert file == str(tmp_path / "one.png")
    assert recorded["facts"]["panels"] == titles(sheet(handlers, subject, method="raw", grid="compare", other=other))


def test_pictures_beside_a_picture_and_mistakes(subject, handlers, tmp_path):
    tiny_picture(tmp_path / "pictures" / "two.png", seed=1)
    found = handlers["attention_pictures"]({"path": str(tmp_path / "pictures" / "two.png")}, silent).values
    assert [file.rpartition("/")[2] for file in found["files"]] == ["one.png", "two.png"]
    assert found["first"] == 1
    for wrong, message in (
        ({"pictures": [str(tmp_path / "none.png")]}, "no picture"),
        ({"method": "magic"}, "no method"),
        ({"method": "raw", "layer": 9}, "no layer 9: the network has 3, counted from 1"),
        ({"method": "raw", "head": 99}, "no head 99: the layer has 12, counted from 1"),
        ({"method": "raw", "query": [3, 1]}, "no patch in row 3, column 1: the grid has 2 rows and 4 columns"),
        ({"target": "violet"}, "no class"),
        ({"strength": 7}, "strength"),
    ):
        with pytest.raises(UserError, match=message):
            sheet(handlers, subject, **wrong)


def test_positions_are_those_of_the_network(subject, handlers):
    found = asked(handlers, "positions", network=subject["network"], permutations=9)
    place = positions(open_network(subject["network"]))[0]
    np.testing.assert_allclose(found.arrays["absolute"], place.similarity, atol=1e-6)
    assert found.facts["grid"] == list(GRID)
    scores = {score["name"]: score["p_value"] for score in found.facts["scores"]["absolute"]}
    expected = {score.name: None if np.isnan(score.p_value) else score.p_value for score in place.scorecard(9)}
    assert scores == expected
    assert asked(handlers, "positions", network=subject["network"], permutations=0).facts["scores"] == {}


def test_a_tile_counts_from_one_and_is_in_the_grid_of_all_tiles(subject, handlers):
    tile = asked(handlers, "positions", network=subject["network"], view="tile", patch=[1, 2], permutations=0)
    assert tile.panels[0].title == "Position embeddings, row 1, column 2"
    place = positions(open_network(subject["network"]))[0]
    expected = colourise(place.tile(0, 1), "viridis", -1, 1)
    factor = tile.panels[0].picture.shape[0] // GRID[0]
    np.testing.assert_array_equal(tile.panels[0].picture[::factor, ::factor], expected)
    with pytest.raises(UserError, match="no patch in row 3, column 1"):
        asked(handlers, "positions", network=subject["network"], view="tile", patch=[3, 1], permutations=0)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("attention", {}), ("features", {}), ("positions", {"view": "distance"}), ("positions", {"view": "norms"})],
)
def test_weights_written_anew_and_another_size_are_never_shown_from_before(tmp_path, subject, handlers, kind, options):
    pictures = {} if options.get("view") == "norms" else {"pictures": [subject["picture"]]}
    for change in ("none", "size", "weights"):
        if change == "weights":
            shutil.rmtree(subject["network"])
            tiny_checkpoint(Path(subject["network"]), seed=5)
            options = {name: value for name, value in options.items() if name != "image_size"}
        elif change == "size":
            options = {**options, "image_size": [32, 32]}
        request = {"network": subject["network"], **pictures, **options}
        seen = asked(handlers, kind, **request)
        fresh = asked(InspectorHandlers(tmp_path / "another").handlers, kind, **request)
        assert [panel.scale for panel in seen.panels] == [panel.scale for panel in fresh.panels], change
        for mine, truth in zip(seen.panels, fresh.panels, strict=True):
            np.testing.assert_array_equal(mine.picture, truth.picture, err_msg=change)


def test_the_least_recently_used_network_is_forgotten_when_memory_is_full(tmp_path):
    names = [tiny_checkpoint(tmp_path / name, seed) for seed, name in enumerate("abc")]
    module = open_network(names[0]).module
    size = sum(weight.numel() * weight.element_size() for weight in module.parameters())
    networks = OpenNetworks(tmp_path, most_bytes=int(2.5 * size))
    for name in (*names[:2], names[0], names[2]):
        networks.open(name, silent)
    assert networks.held == [names[0], names[2]]
    assert networks.open(names[0], silent)[1] is networks.open(names[0], silent)[1]
    networks.give_back()
    assert networks.held == []


def test_kept_values_are_made_once():
    kept, made = Recent(2), []
    for key in ("a", "b", "a", "c", "b"):
        kept.get(key, lambda key=key: made.append(key))
    assert made == ["a", "b", "c", "b"]


def test_attention_as_it_is_belongs_to_no_class(subject, handlers):
    for method in ("raw", "rollout"):
        assert sheet(handlers, subject, method=method).panels[1].facts["target_label"] == ""
    assert sheet(handlers, subject, method="generic").panels[1].facts["target_label"] in LABELS
