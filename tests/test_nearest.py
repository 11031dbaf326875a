"""The nearest name: an unknown name is told with the one that was likely meant."""

import re
from pathlib import Path

import pytest

from vitbench.captions.open import open_captioner
from vitbench.cli import main
from vitbench.data.generated import read_address
from vitbench.errors import NoSuchRun, UserError
from vitbench.models.network import open_network
from vitbench.nearest import nearest, perhaps, perhaps_path
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


def test_a_path_that_there_is_not_is_told_with_the_one_beside_it(tmp_path: Path, monkeypatch):
    (tmp_path / "dat" / "pets" / "cat").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert perhaps_path("dat/pest") == ", perhaps you mean dat/pets"
    assert perhaps_path(tmp_path / "data/pets/cat") == f", perhaps you mean {tmp_path}/dat/pets/cat"
    assert perhaps_path("~/dat/pest/cat") == ", perhaps you mean ~/dat/pets/cat"
    assert perhaps_path("data/pets/dog") == "", "what is offered leads somewhere"
    assert perhaps_path("dat/pets") == "", "it is there"
    assert perhaps_path("~nobody-of-this-name/x") == perhaps_path("") == perhaps_path("a\0b") == ""


@pytest.mark.parametrize(
    "asked",
    [
        ["data", "dat/pest"],
        ["train", "demo", "--data", "dat/pest"],
        ["train", "caption-demo", "--data", "dat/pest"],
        ["evaluate", "demo", "--data", "dat/pest"],
        ["predict", "demo", "--data", "dat/pest", "--csv", "a.csv"],
        ["attention", "demo", "dat/pest"],
        ["caption", "demo", "dat/pest"],
        ["features", "demo", "dat/pest"],
        ["faithfulness", "demo", "--data", "dat/pest"],
        ["watch", "dat/pest", "--list"],
        ["figure", "again", "dat/pest", "--out", "a.pdf"],
        ["positions", "timm:vit_tiny_patch16_224@dat/pest"],
    ],
)
def test_each_command_that_takes_a_path_says_the_nearest(asked, tmp_path: Path, monkeypatch, capsys, store):
    (tmp_path / "dat" / "pets").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main(asked) != 0
    assert re.search(r"perhaps you mean \S*dat/pets\b", capsys.readouterr().err)
