"""What the screens ask of the inspector, with a real network: the same numbers as from the functions themselves."""

import numpy as np
import pytest

from tests.inspector.tiny_checkpoint import GRID, HEADS, LABELS, LAYERS, tiny_checkpoint, tiny_picture
from vitbench.errors import UserError
from vitbench.explain.attention_figure import look_at
from vitbench.explain.explanation import explain
from vitbench.explain.positions import positions
from vitbench.figures.provenance import read_provenance
from vitbench.inspector.kept_networks import Kept, KeptNetworks
from vitbench.inspector.requests import Workbench
from vitbench.models.network import open_network
from vitbench.progress import silent


@pytest.fixture
def subject(tmp_path):
    return {"network": tiny_checkpoint(tmp_path / "net"), "picture": tiny_picture(tmp_path / "pictures" / "one.png")}


@pytest.fixture
def handlers(tmp_path):
    return Workbench(tmp_path / "store").handlers


def test_a_map_is_the_one_that_explain_gives(subject, handlers):
    network = open_network(subject["network"])
    pixels = look_at(subject["picture"], network.preprocessing).pixels
    for method, options in (("libra", {}), ("generic", {}), ("raw", {"layer": 1, "head": 4, "query": (1, 2)})):
        reply = handlers["explain"]({**subject, "method": method, **options}, silent)
        expected = explain(network, pixels, method, **options)
        np.testing.assert_allclose(reply.arrays["map"], expected.maps[0].numpy(), rtol=1e-4, atol=1e-6)
        assert reply.values["grid"] == list(GRID)
        assert (reply.values["layers"], reply.values["heads"]) == (LAYERS, HEADS)
        probabilities = expected.logits[0].softmax(0)
        top = reply.values["top"]
        assert top[0]["label"] == LABELS[int(probabilities.argmax())]
        assert top[0]["probability"] == pytest.approx(float(probabilities.max()), rel=1e-4)
        assert reply.arrays["overlay"].shape == reply.arrays["picture"].shape == (142, 320, 3)


def test_another_layer_or_head_computes_no_forward_pass(subject, handlers, monkeypatch):
    handlers["explain"]({**subject, "method": "raw"}, silent)

    def never(*arguments, **options):
        raise AssertionError("computed again")

    monkeypatch.setattr("vitbench.inspector.attention_maps.all_attention", never)
    monkeypatch.setattr("vitbench.inspector.attention_maps.explain", never)
    seen = {
        handlers["explain"]({**subject, "method": "raw", "layer": layer, "head": 3}, silent).arrays["map"].tobytes()
        for layer in range(LAYERS)
    }
    assert len(seen) == LAYERS


def test_a_target_changes_the_map_and_is_named(subject, handlers):
    first = handlers["explain"]({**subject, "method": "generic", "target": "red"}, silent)
    second = handlers["explain"]({**subject, "method": "generic", "target": "pink"}, silent)
    assert (first.values["target_label"], second.values["target_label"]) == ("red", "pink")
    assert not np.allclose(first.arrays["map"], second.arrays["map"])


def test_sheets_have_a_panel_each(subject, handlers, tmp_path):
    ask = handlers["attention_sheet"]
    assert len(ask({**subject, "kind": "heads"}, silent).values["panels"]) == HEADS + 1
    assert len(ask({**subject, "kind": "layers"}, silent).values["panels"]) == LAYERS
    assert len(ask({**subject, "kind": "methods"}, silent).values["panels"]) == 8
    other = tiny_checkpoint(tmp_path / "other", seed=1)
    assert len(ask({**subject, "kind": "compare", "other": other}, silent).values["panels"]) == 3
    with pytest.raises(UserError, match="no sheet"):
        ask({**subject, "kind": "colours"}, silent)


def test_an_export_is_a_figure_that_says_how_it_was_made_and_never_replaces_another(subject, handlers, tmp_path):
    ask = {**subject, "method": "raw", "folder": str(tmp_path / "out")}
    export = handlers["attention_export"]
    first = export(ask, silent).values["file"]
    assert export({**ask, "layer": 0}, silent).values["file"] == str(tmp_path / "out" / "one-raw-2.png")
    # The same again is the same file: a key that was pressed twice leaves no litter.
    assert export(ask, silent).values["file"] == first
    assert read_provenance(tmp_path / "out" / "one-raw.png")["request"]["method"] == "raw"


def test_a_comparison_is_saved_as_it_is_shown(subject, handlers, tmp_path):
    other = tiny_checkpoint(tmp_path / "other", seed=1)
    asked = {**subject, "method": "raw", "kind": "compare", "other": other, "folder": str(tmp_path / "out")}
    file = handlers["attention_export"](asked, silent).values["file"]
    assert file.endswith("one-compare.png")
    recorded = read_provenance(tmp_path / "out" / "one-compare.png")
    assert recorded["facts"]["panels"][2] == "first minus second"


def test_pictures_beside_a_picture_and_mistakes(subject, handlers, tmp_path):
    tiny_picture(tmp_path / "pictures" / "two.png", seed=1)
    found = handlers["attention_pictures"]({"path": str(tmp_path / "pictures" / "two.png")}, silent).values
    assert [file.rpartition("/")[2] for file in found["files"]] == ["one.png", "two.png"]
    assert found["first"] == 1
    for wrong, message in (
        ({"picture": str(tmp_path / "none.png")}, "no picture"),
        ({"method": "magic"}, "no method"),
        ({"method": "raw", "layer": 9}, "no layer"),
        ({"target": "violet"}, "no class"),
        ({"strength": 7}, "strength"),
    ):
        with pytest.raises(UserError, match=message):
            handlers["explain"]({**subject, **wrong}, silent)


def test_positions_are_those_of_the_network(subject, handlers, tmp_path):
    reply = handlers["positions"]({"network": subject["network"]}, silent)
    place = positions(open_network(subject["network"]))[0]
    np.testing.assert_allclose(reply.arrays["similarity"], place.similarity, atol=1e-6)
    assert reply.values["grid"] == list(GRID)
    assert {score["name"] for score in reply.values["scores"]} == {score.name for score in place.scorecard(9)}
    saved = handlers["positions_export"](
        {"network": subject["network"], "folder": str(tmp_path), "patch": [1, 2]}, silent
    )
    assert saved.values["file"].endswith("positions-tile-2-3.png")


def test_the_least_recently_used_network_is_forgotten_when_memory_is_full(tmp_path):
    names = [tiny_checkpoint(tmp_path / name, seed) for seed, name in enumerate("abc")]
    module = open_network(names[0]).module
    size = sum(weight.numel() * weight.element_size() for weight in module.parameters())
    networks = KeptNetworks(tmp_path, most_bytes=int(2.5 * size))
    for name in (*names[:2], names[0], names[2]):
        networks.open(name, silent)
    assert networks.held == [names[0], names[2]]
    assert networks.open(names[0], silent)[1] is networks.open(names[0], silent)[1]
    networks.give_back()
    assert networks.held == []


def test_kept_values_are_made_once():
    kept, made = Kept(2), []
    for key in ("a", "b", "a", "c", "b"):
        kept.get(key, lambda key=key: made.append(key))
    assert made == ["a", "b", "c", "b"]


def test_attention_as_it_is_belongs_to_no_class(subject, handlers):
    for method in ("raw", "rollout"):
        assert handlers["explain"]({**subject, "method": method}, silent).values["target_label"] == ""
    assert handlers["explain"]({**subject, "method": "generic"}, silent).values["target_label"] in LABELS
