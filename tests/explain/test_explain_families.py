"""Which method works on which family of timm's transformers: computed, and `docs/families.md` says the same.

`python tests/explain/test_explain_families.py` writes the page again.
"""

from pathlib import Path

import pytest
import timm
import torch
from explain_networks import fill, settle
from tiny_families import FAMILIES

from vitbench.attribution.explanation import explain
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.methods import METHODS
from vitbench.models.backbone import Backbone
from vitbench.models.network import Network

PAGE = Path(__file__).parents[2] / "docs" / "families.md"
START = """# Which method works on which network

Checked by `tests/explain/test_explain_families.py` on a tiny member, with random weights, of each family of timm: a
cell says whether the method draws a map. `yes` means a finite map on the network's own grid; a dash means that vitbench
answers with a sentence instead (below). Networks of pytorch_pretrained_vit become plain ViTs when they are loaded.

Networks without attention over the whole picture are offered `hires_cam` first. What was measured, as the share of maps
whose highest point lies on the object, with the average precision of its pixels:

| | HiResCAM | token Grad-CAM | attention Grad-CAM | Libra | chance |
|---|---|---|---|---|---|
| the package's classifier, 60 scenes | .84 (.57) | .03 (.09) | .91 (.76) | .82 (.65) | .08 |
| a pretrained ViT-S/14, ten photographs | .90 (.63) | .71 (.57) | .59 (.40) | .90 (.79) | .42 |
| the same, four photographs in a picture, 48 maps | .35 (.30) | .46 (.34) | .08 (.12) | .38 (.34) | .10 |

The first row is `vitbench faithfulness demo --data 'scenes:base?count=600' --count 60`. The ViT has DINOv2's
architecture and a linear head for ten classes, trained on frozen features of crops (37 of 40 held-out crops right);
the boxes around the objects are drawn by hand, and in the third row each of the four is explained by itself (its
share of maps is known to about .14 either way). So HiResCAM points better than chance on both networks. Token
Grad-CAM does not on the first, where the mean over patches misleads, since each patch speaks to the class token by
itself; on the second it is no worse than the others.

"""


def answers(family: str) -> dict[str, str]:
    """For each method "" where it draws a map, else its sentence. Any error but UserError passes through."""
    name, options = FAMILIES[family]
    module = timm.create_model(name, **options)
    fill(module, 0.1)
    side = options.get("img_size", 240 if "crossvit" in name else 64)
    settle(module, side)
    network = Network(module, name, "random", Preprocessing(side, side), None, "", f"timm:{name}")
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = module.eval()(pixels)
    found = {}
    for method in METHODS:
        try:
            options = {"steps": 2} if METHODS[method].has("steps") else {}  # whether there is a map, not how good
            explanation = explain(network, pixels, method, **options)
        except UserError as refusal:
            found[method] = str(refusal)
            continue
        assert METHODS[method].may_be_empty or explanation.maps.abs().max() > 0, (family, method)
        assert torch.allclose(explanation.logits, expected, atol=1e-4, rtol=1e-4), (family, method)
        assert min(explanation.maps.shape[1:]) > 1, (family, method)
        found[method] = ""
    return found


def plain(family: str) -> bool:
    """Whether the network's class is one of those whose blocks attend over the whole picture."""
    name, options = FAMILIES[family]
    return Backbone(timm.create_model(name, **options)).refusal is None


def page(found: dict[str, dict[str, str]]) -> str:
    lines = ["| family | such as | " + " | ".join(METHODS) + " |", "|---" * (len(METHODS) + 2) + "|"]
    notes: dict[str, list[str]] = {}
    for family, by_method in found.items():
        cells = " | ".join("-" if by_method[method] else "yes" for method in METHODS)
        lines.append(f"| {family} | `{FAMILIES[family][0]}` | {cells} |")
        for method, sentence in by_method.items():
            if sentence:
                notes.setdefault(f"{family}: {sentence}", []).append(method)
    refused = [f"- {sentence} ({', '.join(methods)})" for sentence, methods in notes.items()]
    return START + "\n".join(lines) + "\n\n## What it says instead\n\n" + "\n".join(refused) + "\n"


@pytest.fixture(scope="module")
def computed():
    return {family: answers(family) for family in FAMILIES}


def test_the_page_says_what_is_computed(computed):
    assert page(computed) == PAGE.read_text()


def test_every_family_has_maps_or_a_sentence(computed):
    assert set(computed) == set(FAMILIES)
    assert all(set(by_method) == set(METHODS) for by_method in computed.values())
    for family, by_method in computed.items():
        for method, sentence in by_method.items():
            assert not sentence or METHODS[method].needs_blocks, (family, sentence)
        for sentence in filter(None, by_method.values()):
            assert sentence.endswith(".")
            assert "work" in sentence  # it says what does work


def test_a_network_has_all_methods_or_those_that_need_no_attention(computed):
    of_attention = [name for name, method in METHODS.items() if method.needs_attention]
    assert {plain(family) for family in computed} == {True, False}
    for family, by_method in computed.items():
        refused = [name for name, sentence in by_method.items() if sentence]
        assert refused == ([] if plain(family) else of_attention), family


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page({family: answers(family) for family in FAMILIES}))
