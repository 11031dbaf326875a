"""A network without a trained head has no classes: nothing is called likely, and no map explains a class."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from vitbench.attribution.explanation import explain
from vitbench.compose.prepared import guess_in_words, likeliest, top_classes
from vitbench.errors import UserError
from vitbench.methods import METHODS
from vitbench.models.network import open_network

SMALL = {"depth": 2, "embed_dim": 32, "num_heads": 2}
PIXELS = torch.zeros(1, 3, 224, 224)


def opened(folder, num_classes, change=lambda module: None):
    torch.manual_seed(0)
    module = timm.create_model("vit_tiny_patch16_224", num_classes=num_classes)
    with torch.no_grad():
        change(module)
    save_file(module.state_dict(), folder / "weights.safetensors")
    return open_network(f"timm:vit_tiny_patch16_224@{folder / 'weights.safetensors'}")


def zero_head(module):
    module.head.weight.zero_()
    module.head.bias.zero_()


@pytest.mark.parametrize(
    ("num_classes", "change", "said"),
    [(0, lambda module: None, "has no head"), (5, zero_head, "is zero")],
)
def test_methods_without_a_class_work_and_the_others_say_why_not(num_classes, change, said, tmp_path):
    network = opened(tmp_path, num_classes, change)
    assert said in str(network.no_classes)
    assert top_classes(torch.randn(192), network) == []
    assert likeliest([]) == "no classes"
    free = ", ".join(name for name, method in METHODS.items() if not method.needs_class)
    for name, method in METHODS.items():
        if method.needs_class:
            with pytest.raises(UserError, match=f"{said}.*{free}"):
                explain(network, PIXELS, name)
        else:
            assert explain(network, PIXELS, name).maps.shape == (1, 14, 14)


def test_fresh_weights_have_no_classes():
    assert "is random" in str(open_network("timm:vit_tiny_patch16_224@random").no_classes)
    assert "has no head" in str(open_network("timm:vit_small_patch16_dinov3@random").no_classes)


def test_trained_heads_have_classes(tmp_path):
    assert open_network("demo").no_classes is None
    network = opened(tmp_path, 5)
    assert network.no_classes is None
    assert len(top_classes(torch.randn(5), network)) == 5


def test_one_output_is_a_value_and_not_a_certainty(tmp_path):
    network = opened(tmp_path, 1)
    assert network.no_classes is None
    top = top_classes(torch.tensor([-1.25]), network)
    assert guess_in_words(top[0]) == "output -1.25"
    assert explain(network, PIXELS, "libra").maps.shape == (1, 14, 14)
