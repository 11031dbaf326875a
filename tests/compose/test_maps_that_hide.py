"""Maps of which one patch hides the rest, maps that are empty, and networks without classes: each is said."""

import numpy as np
import pytest
import torch

from tests.inspector.tiny_checkpoint import tiny_checkpoint, tiny_picture
from vitbench import cli
from vitbench.attention.outliers import OutlierTokens
from vitbench.attention.result import MethodResult
from vitbench.compose import compose
from vitbench.compose.attention_maps import FoundMap
from vitbench.compose.sources import Sources
from vitbench.methods import METHODS
from vitbench.methods.base import QUERY, Method
from vitbench.requests.attention import AttentionRequest


def found(values, method="raw"):
    return FoundMap(torch.as_tensor(values, dtype=torch.float32), torch.zeros(3), METHODS[method])


def request(**options):
    return AttentionRequest(network="demo", pictures=("a.png",), method="raw", **options)


def test_a_map_of_one_bright_dot_is_concentrated_and_a_robust_scale_shows_the_rest():
    values = np.random.default_rng(0).random((20, 20)) * 0.01
    values[3, 4] = 30
    dot = found(values)
    patches, share = dot.concentration()
    assert patches == 4
    assert share == pytest.approx(np.sort(values.ravel())[-4:].sum() / values.sum(), rel=1e-5)
    assert dot.scale(request()).high == 30
    robust = dot.scale(request(scale="robust"))
    assert robust.high == pytest.approx(np.quantile(values.astype(np.float32), 0.98), rel=1e-5)
    assert "98% quantile" in robust.title
    even = found(np.ones((20, 20)))
    assert even.concentration() is None
    assert even.scale(request(scale="robust")).high == 1  # nothing to cut off


def test_a_dot_on_a_map_that_is_spread_hides_it_too():
    """Rollout of a DINOv2 without registers: the dot has 8% of the map, and everything else is blue."""
    values = np.random.default_rng(0).uniform(0.0008, 0.0056, (18, 18))
    values[2, 7] = 0.0794
    dot = found(values)
    assert dot.concentration() is None
    above, reach = dot.hidden()
    assert above == 7
    assert reach == pytest.approx((np.quantile(values, 0.98) - values.min()) / (0.0794 - values.min()), rel=1e-3)
    assert found(np.random.default_rng(1).random((18, 18))).hidden() is None
    assert found(np.zeros((3, 3))).hidden() is None
    assert found(-np.ones((3, 3)), "libra").hidden() is None


def test_an_empty_map_is_one_of_which_nothing_is_drawn():
    assert found(np.zeros((3, 3))).is_empty
    assert found(-np.ones((3, 3)), "libra").is_empty  # signed maps are drawn from 0 up
    assert not found(np.eye(3), "libra").is_empty
    assert found(np.zeros((3, 3))).concentration() is None


def test_a_sheet_says_that_a_map_hides_and_that_one_is_empty(tmp_path, store, monkeypatch):
    network, picture = tiny_checkpoint(tmp_path / "net"), tiny_picture(tmp_path / "p.png")
    sources = Sources(store)
    dot = torch.zeros(2, 4)
    dot[1, 2] = 1

    def shown(values, method, **options):
        monkeypatch.setattr(
            "vitbench.compose.attention_maps.AttentionMaps.explained",
            lambda maps, view, name, *rest: FoundMap(values, torch.zeros(7), METHODS[name], 0),
        )
        return compose(AttentionRequest(network=network, pictures=(picture,), method=method, **options), sources)

    sheet = shown(dot, "rollout")
    assert "100% of a map lies on 1 of 8 patches: --scale robust shows the rest" in sheet.caption
    assert sheet.panels[1].facts["concentration"] == (1, 1.0)
    assert "shows the rest" not in shown(dot, "rollout", scale="robust").caption
    spread = torch.linspace(1, 2, 64).reshape(8, 8)
    spread[3, 4] = 90
    said = "all but 2 patches of 64 lie in the lowest 1% of the colours: --scale robust shows the rest"
    assert said in shown(spread, "rollout").caption
    assert "shows the rest" not in shown(spread, "rollout", scale="robust").caption
    assert "speaks against the class" in shown(-dot, "libra").caption
    assert "it is 0 everywhere" in shown(0 * dot, "rollout").caption


def test_a_network_without_classes_opens_with_raw_attention_and_says_so(tmp_path, store, capsys):
    picture = tiny_picture(tmp_path / "p.png")
    network = "timm:vit_tiny_patch16_224@random"
    sources = Sources(store)
    sheet = compose(AttentionRequest(network=network, pictures=(picture,)), sources)
    assert sheet.request["method"] == "raw"
    assert "Libra FullGrad+ explains a class, so raw attention is shown in its place" in sheet.caption
    assert "has never been trained" in sheet.facts["pictures"][0]["no_classes"]
    out = str(tmp_path / "f.png")
    assert cli.main(["attention", network, picture, "--method", "libra", "--out", out]) == 2
    assert "explains a class; these methods need none: raw, rollout" in capsys.readouterr().err
    demo = compose(AttentionRequest(network="demo", pictures=(picture,)), sources)
    assert (demo.request["method"], demo.facts["instead"]) == ("libra", "")
    again = AttentionRequest.read(sheet.request)
    assert not again.by_default
    assert not AttentionRequest(network=network, pictures=(picture,)).changed(method="libra").by_default


def pixel_map(subject, query=None):
    """A package's method whose map has a value a pixel, with its one bright spot on the first patch."""
    maps = torch.zeros(1, *subject.pixels.shape[-2:])
    maps[:, :8, :8] = 1
    maps[:, 20:, 20:] = 0.25
    return MethodResult(maps, subject.module(subject.pixels).detach())


def test_a_map_on_another_grid_than_the_network_s_is_masked_marked_and_compared(tmp_path, store, monkeypatch):
    own = {"needs_class": False, "options": (QUERY,)}
    method = Method("pixels", "Pixels", "a map of pixels", f"{__name__}:pixel_map", **own)
    monkeypatch.setitem(METHODS._of_vitbench(), "pixels", method)
    network, picture = tiny_checkpoint(tmp_path / "net"), tiny_picture(tmp_path / "p.png")
    other = tiny_checkpoint(tmp_path / "other", 1)
    first = torch.zeros(1, 2, 4, dtype=torch.bool)
    first[0, 0, 0] = True
    monkeypatch.setattr(
        "vitbench.compose.attention_maps.outlier_tokens", lambda *_: OutlierTokens(torch.ones(1, 2, 4), first)
    )
    sources = Sources(store)

    def shown(**options):
        asked = AttentionRequest(network=network, pictures=(picture,), method="pixels", smooth=False, **options)
        return compose(asked, sources)

    plain, masked = shown(), shown(mask_outliers=True)
    assert plain.panels[1].scale.high == 1
    assert masked.panels[1].scale.high == 0.25
    assert plain.panels[1].facts["outlier_mass"] > 0.2
    assert len(shown(grid="compare", other=other).panels) > 3
    assert not np.array_equal(shown(query=(2, 3)).panels[1].picture, plain.panels[1].picture)
