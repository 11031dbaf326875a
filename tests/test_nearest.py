"""The nearest name: an unknown name is told with the one that was likely meant."""

from pathlib import Path

import pytest

from vitbench.captions.open import open_captioner
from vitbench.data.generated import read_address
from vitbench.errors import NoSuchRun, UserError
from vitbench.models.network import open_network
from vitbench.nearest import nearest, perhaps
from vitbench.recipe import load_recipe
from vitbench.runs.store import Store


@pytest.fixture
def named(store: Path) -> Store:
    """A store with a run called `first`."""
    runs = Store(store)
    runs.create(load_recipe("fast", ["data.path=scenes:base"]), "first", preset="fast")
    return runs


def test_the_nearest_is_found_among_many_and_nothing_where_nothing_is_near():
    names = [
        f"vit_{size}_patch{patch}_{side}" for size in ("tiny", "small") for patch in range(99) for side in (224, 384)
    ]
    assert nearest("vit_tny_patch16_224", names) == "vit_tiny_patch16_224"
    assert nearest("DEMO", ["demo"]) == "demo"
    assert nearest("zzz", names) is None
    assert perhaps("zzz", names) == ""
    assert nearest("", []) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("dmo", "demo"),
        ("frist", "first"),
        ("vit_tiny_patch16_22", "timm:vit_tiny_patch16_224"),
        ("tim:abc", "timm:abc"),
    ],
)
def test_an_unknown_network_is_told_with_what_was_meant(named, text, meant):
    with pytest.raises(UserError, match=f"There is no network and no run '{text}', perhaps you mean {meant};"):
        open_network(text, named)


def test_an_unknown_run_captioner_and_address_too(named):
    with pytest.raises(NoSuchRun, match="perhaps you mean first;"):
        named.find("firs1")
    with pytest.raises(UserError, match="no captioner and no run 'dem', perhaps you mean demo;"):
        open_captioner("dem", named)
    with pytest.raises(UserError, match="no 'bse' scenes, perhaps you mean base;"):
        read_address("scenes:bse")
