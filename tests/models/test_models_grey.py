"""Networks that see grey: timm's own with one channel, behind pictures in colour."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from vitbench.attribution.explanation import explain
from vitbench.errors import UserError
from vitbench.models.adaptation import state_on_cpu
from vitbench.models.network import build_network, open_checkpoint
from vitbench.recipe import parse_recipe
from vitbench.recipe_tables import ModelTable

TINY = {"embed_dim": 16, "depth": 2, "num_heads": 2, "patch_size": 8}
NAME = "vit_tiny_patch16_224"


def table(**changes) -> ModelTable:
    return ModelTable(name=f"timm:{NAME}", image_size=16, options=TINY, in_chans=1, **changes)


@pytest.fixture
def picture():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_it_is_timms_network_of_one_channel_on_the_grey_picture(picture):
    network = build_network(table(), num_classes=3)
    module = network.module.eval()
    own = timm.create_model(NAME, img_size=16, num_classes=3, in_chans=1, **TINY).eval()
    own.load_state_dict(module.state_dict())
    prepared = network.preprocessing
    seen = prepared.resized(picture)
    pixels = prepared.normalize(seen)[None]
    mean, std = np.mean(prepared.mean), np.mean(prepared.std)
    grey = seen.astype(np.float64) @ [0.299, 0.587, 0.114]
    one = torch.from_numpy((grey / 255 - mean) / std).float()[None, None]
    torch.testing.assert_close(module(pixels), own(one), rtol=1e-4, atol=1e-5)
    # The luma is Pillow's, but for its rounding to whole numbers.
    assert np.abs(np.asarray(Image.fromarray(seen).convert("L")) - grey).max() <= 1
    torch.testing.assert_close(module.forward_features(pixels), own.forward_features(one), rtol=1e-4, atol=1e-5)
    assert "grey" in network.source
    assert "in grey" in network.described_preparation()


def test_colours_of_equal_grey_look_equal_and_maps_are_there():
    network = build_network(table(), num_classes=3)
    module = network.module.eval()
    first = np.full((16, 16, 3), (100, 100, 100), np.uint8)
    second = np.full((16, 16, 3), (100, 110, 100 - int(10 * 0.587 / 0.114)), np.uint8)
    pixels = torch.stack([network.preprocessing.normalize(one) for one in (first, second)])
    logits = module(pixels)
    torch.testing.assert_close(logits[0], logits[1], rtol=1e-2, atol=1e-2)
    network.untrained = False  # its head is as good as any here
    for method in ("raw", "generic", "integrated_gradients"):
        assert explain(network, pixels[:1], method, None).maps.shape[-2:] == (2, 2)


def test_weights_of_three_channels_are_summed_and_a_checkpoint_comes_back(tmp_path, picture):
    colour = timm.create_model(NAME, img_size=16, num_classes=3, **TINY)
    save_file(colour.state_dict(), tmp_path / "colour.safetensors")
    network = build_network(table(weights=str(tmp_path / "colour.safetensors")), num_classes=3)
    weight = network.module.patch_embed.proj.weight
    torch.testing.assert_close(weight, colour.patch_embed.proj.weight.sum(dim=1, keepdim=True))

    folder = tmp_path / "step-1"
    folder.mkdir()
    network.write_network_json(folder)
    save_file(state_on_cpu(network.module), folder / "model.safetensors")
    again = open_checkpoint(folder)
    pixels = network.preprocessing.normalize(network.preprocessing.resized(picture))[None]
    torch.testing.assert_close(again.module.eval()(pixels), network.module.eval()(pixels))
    assert again.sees_grey


def test_what_cannot_see_grey_says_so():
    with pytest.raises(UserError, match="demo sees colours"):
        build_network(ModelTable(name="demo", in_chans=1), num_classes=3)
    with pytest.raises(UserError, match=r"model\.in_chans = 5"):
        parse_recipe({"model": {"in_chans": 5}}, "test")
    with pytest.raises(UserError, match=r"set model\.in_chans"):
        build_network(ModelTable(name=f"timm:{NAME}", options={"in_chans": 1}), num_classes=3)
