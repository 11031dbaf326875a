"""A network looked at with pictures of another size is the one that timm makes at that size."""

import pytest
import torch

from tests.inspector.tiny_checkpoint import tiny_checkpoint, tiny_picture
from vitbench.compose import compose
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.models.network import open_network
from vitbench.models.resizing import at_image_size
from vitbench.models.timm_networks import create_with_weights
from vitbench.requests.attention import AttentionRequest
from vitbench.requests.positions import PositionRequest

OPTIONS = {"embed_dim": 32, "depth": 2, "num_heads": 2}


def test_positions_are_those_that_timm_resamples_and_the_original_stays(tmp_path):
    network = open_network(tiny_checkpoint(tmp_path / "net"))
    before = network.weights_hash
    larger = at_image_size(network, (96, 128))
    state = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
    shape = {"embed_dim": 48, "depth": 3, "num_heads": 12}
    theirs = create_with_weights(
        "vit_tiny_patch16_224", state, where="here", size=(96, 128), trained_size=(32, 64), **shape
    ).eval()
    pixels = torch.randn(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(larger.module(pixels), theirs(pixels), atol=1e-5)
    assert larger.image_size == (96, 128)
    assert (network.image_size, network.weights_hash) == ((32, 64), before)


def test_attention_and_positions_at_another_size(tmp_path, store):
    network, picture = tiny_checkpoint(tmp_path / "net"), tiny_picture(tmp_path / "p.png")
    sources = Sources(store)
    asked = AttentionRequest(network=network, pictures=(picture,), method="raw")
    sheets = [compose(asked.changed(image_size=size), sources) for size in (None, "96x128", None)]
    assert [sheet.facts["grid"] for sheet in sheets] == [[2, 4], [6, 8], [2, 4]]
    assert "set to pictures of 96x128" in sheets[1].facts["source"]
    assert "set to" not in sheets[2].facts["source"]
    places = compose(PositionRequest(network=network, permutations=0, image_size=(48, 48)), sources)
    assert places.facts["grid"] == [3, 3]
    with pytest.raises(UserError, match=r"--image-size 50x50 is not a multiple of the patch 16x16"):
        compose(asked.changed(image_size=50), sources)


@pytest.mark.parametrize(
    ("given", "size"), [(64, (64, 64)), ("64", (64, 64)), ("32x64", (32, 64)), ([32, 64], (32, 64))]
)
def test_a_size_is_a_side_or_height_and_width(given, size):
    assert PositionRequest.read({"network": "demo", "image_size": given}).image_size == size


@pytest.mark.parametrize("given", ["a", "1x2x3", 0, -5, 10**9, [1], {}, 3.5, "64,64", True])
def test_what_is_no_size_is_one_sentence(given):
    with pytest.raises(UserError, match="--image-size"):
        PositionRequest.read({"network": "demo", "image_size": given})
