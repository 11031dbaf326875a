"""A recipe is checked as a whole, in words, and reads back as what it was."""

import itertools
import os
import re
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vitbench.recipe
from vitbench.errors import UserError
from vitbench.recipe import Recipe, load_recipe, parse_recipe, preset_names, warnings
from vitbench.sweeps.plan import parse_plan


def problems(values: dict) -> str:
    with pytest.raises(UserError) as caught:
        parse_recipe(values, "test")
    return str(caught.value)


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_whole_and_read_back(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.preset == name
    assert parse_recipe(tomllib.loads(recipe.to_toml()), "again") == recipe
    assert not warnings(recipe)


def test_the_presets_that_were_promised() -> None:
    assert set(preset_names()) >= {"report", "report-adam", "report-adamw", "augreg", "fast", "scratch", "demo"}


def test_the_report_is_the_reports() -> None:
    recipe = load_recipe("report")
    assert recipe.model.name == "pretrained_vit:B_16_imagenet1k"
    assert (recipe.optim.name, recipe.optim.lr, recipe.optim.momentum) == ("momentum", 3e-4, 0.9)
    assert recipe.optim.weight_decay == 0
    assert (recipe.train.epochs, recipe.schedule.warmup_epochs, recipe.schedule.step_on) == (20, 5, "epoch")
    assert (recipe.model.image_size, recipe.data.augment) == (384, "report")
    assert load_recipe("report-adam").optim.name == "adam"
    assert load_recipe("report-adamw").optim.name == "adamw"


def test_each_problem_is_named_with_key_value_and_what_is_allowed() -> None:
    sentence = problems(
        {
            "train": {"epochs": -1, "device": "gpu", "compile": 1, "amp": "fp8"},
            "optim": {"nmae": "adam", "lr": 0.0},
            "model": {"freeze": 0, "image_size": [384]},
            "schedule": {"name": "cosin"},
            "launch": {"time": "yesterday"},
            "trian": {},
        }
    )
    for part in (
        "train.epochs = -1 (must be greater than or equal to 1)",
        'train.device = "gpu" (must be "auto", "cpu", "cuda" or "cuda:N")',
        'launch.time = "yesterday" (limit of a job, written [days-]hours:minutes:seconds)',
        "train.compile = 1 (must be a valid boolean)",
        "train.amp = \"fp8\" (must be 'none', 'bf16' or 'fp16')",
        "optim.nmae is not a key of a recipe, perhaps you mean optim.name",
        "optim.lr = 0.0 (must be greater than 0)",
        'model.freeze = 0 (must be "none", "backbone" or a whole number of blocks, at least 1)',
        "model.image_size = [384]",
        "schedule.name = \"cosin\" (must be 'cosine', 'linear', 'constant' or 'wsd')",
        "trian is not a key of a recipe, perhaps you mean train",
    ):
        assert part in sentence


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"schedule": {"warmup_epochs": 30}}, "schedule.warmup_epochs = 30 (must be at most train.epochs)"),
        ({"train": {"epochs": 3, "head_epochs": 4}}, "train.head_epochs = 4 (must be at most train.epochs = 3)"),
        ({"train": {"amp": "fp16", "device": "cpu"}}, "train.amp"),
        ({"task": "caption", "caption": {"embed_dim": 30, "num_heads": 4}}, "caption.num_heads = 4 (must divide"),
        ({"task": "caption", "data": {"mixup": 0.2}}, "data.mixup"),
        ({"model": 3}, "model = 3 (must be a table of keys)"),
        ({"optim": {"lr": float("nan")}}, "optim.lr = nan"),
        ({"train": {"epochs": "20"}}, 'train.epochs = "20"'),
    ],
)
def test_contradictions(values: dict, words: str) -> None:
    assert words in problems(values)


def test_overrides_are_toml_or_plain_words() -> None:
    recipe = load_recipe(
        "scratch",
        ["optim.lr=1e-4", "model.image_size=[96, 64]", "optim.name=lion", 'data.path="a b=c"', "model.options.depth=3"],
    )
    assert recipe.optim.lr == 1e-4
    assert recipe.model.image_size == [96, 64]
    assert recipe.optim.name == "lion"
    assert recipe.data.path == "a b=c"
    assert recipe.model.options == {"depth": 3}
    assert load_recipe("scratch").optim.lr == 1e-3


@pytest.mark.parametrize("override", ["optim.lr", "=3", "optim..lr=3", "model.name.x=1"])
def test_overrides_that_are_none(override: str) -> None:
    with pytest.raises(UserError, match="--set"):
        load_recipe("scratch", [override])


def test_sources_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="perhaps you mean report"):
        load_recipe("reprot")
    with pytest.raises(UserError, match="is a folder"):
        load_recipe(tmp_path)
    broken = tmp_path / "broken.toml"
    broken.write_text("[train]\nepochs = \n")
    with pytest.raises(UserError, match=r"broken\.toml, line 2: it is not valid TOML"):
        load_recipe(broken)
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        load_recipe(broken)
    os.mkfifo(tmp_path / "pipe")
    for source, words in {
        str(tmp_path / "pipe"): "pipe",
        "/dev/zero": "device",
        "x" * 5000: "File name too long",
        "~nosuch/x": "no such user",
    }.items():
        with pytest.raises(UserError, match=words) as caught:
            load_recipe(source)
        assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "override",
    [
        "train.epochs=" + "9" * 5000,
        "train.epochs=0x" + "f" * 5000,
        "train.epochs=" + "[" * 5000,
        "train.epochs=" + "[" * 200 + "]" * 200,
        ".".join("a" * 100_000) + "=1",
        "train." + "a" * 100_000 + "=1",
        "train.epochs={" + ".".join("a" * 100_000) + "=1}",
        "optim.lr=nan",
        "optim.lr=1e999",
        'optim.lr="\\u0000"',
        "train.epochs=1\n[data]\npath = 2",
    ],
)
def test_overrides_of_any_size_are_refused_in_a_short_sentence(override: str) -> None:
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        load_recipe("scratch", [override])
    assert time.monotonic() - began < 5
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    ("change", "meant"),
    [
        ("model.name=timm:vit_smal_patch16_224", "timm:vit_small_patch16_224"),
        ("model.name=tim:vit_small_patch16_224", "timm:vit_small_patch16_224"),
        ("model.name=timm:vit_base_patch16_224.augre_in21k", "timm:vit_base_patch16_224.augreg_in21k"),
        ("model.name=dmo", "demo"),
        ("optim.name=adamww", "adamw"),
    ],
)
def test_a_misspelt_name_can_be_read_and_is_refused_before_a_start(
    change: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, _, wrong = change.partition("=")
    whole = load_recipe("scratch", ["data.path=scenes:base"])
    recipe = whole.with_changes([change])
    [said] = warnings(recipe)
    assert said.startswith(f"{key} = {wrong} is no ")
    assert said.endswith(f", perhaps you mean {meant}.")
    values = {"name": "a", "recipe": whole.model_dump(mode="json", exclude_none=True), "space": {key: [meant, wrong]}}
    for start in (recipe, parse_plan(values, "the plan")):
        with pytest.raises(UserError, match=re.escape(said)):
            start.anchored()
    monkeypatch.setattr("vitbench.recipe_names._is_of_installed_timm", lambda: False)
    recipe.anchored()  # of another timm the catalogue knows too little: the worker has the last word


@pytest.mark.parametrize("name", ["AdamW", "lookahead_adamw", "momentum"])
def test_names_of_optimizers_are_read_as_timm_reads_them(name: str) -> None:
    assert not warnings(load_recipe("scratch", [f"optim.name={name}"]))


def test_paths_are_made_absolute_and_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    recipe = load_recipe("scratch").with_data("pictures").anchored()
    assert recipe.data.path == str(tmp_path / "pictures")
    with pytest.raises(UserError, match=r"data\.path = elsewhere"):
        recipe.with_data("elsewhere").anchored()
    with pytest.raises(UserError, match="names no data"):
        load_recipe("scratch").anchored()
    assert recipe.with_data("scenes:new?count=9").anchored().data.path == "scenes:new?count=9"


def test_with_changes_checks_again() -> None:
    recipe = Recipe()
    assert recipe.with_changes(["train.epochs=3"]).train.epochs == 3
    with pytest.raises(UserError):
        recipe.with_changes(["train.epochs=0"])


text = st.text(st.characters(exclude_categories=("Cs",)))


@given(
    name=text, path=text, options=st.dictionaries(text, st.one_of(text, st.integers(-(2**60), 2**60), st.booleans()))
)
def test_any_text_survives_the_file(name: str, path: str, options: dict) -> None:
    recipe = parse_recipe({"name": name, "data": {"path": path}, "model": {"options": options}}, "test")
    assert parse_recipe(tomllib.loads(recipe.to_toml()), "again") == recipe


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize("epochs", [1, 2, 3, 7])
def test_a_first_try_with_few_epochs_is_adapted_and_says_so(preset, epochs):
    before, recipe = load_recipe(preset), load_recipe(preset, [f"train.epochs={epochs}"])
    head, warmup = recipe.train.head_epochs, recipe.schedule.warmup_epochs
    assert head + warmup < epochs or before.train.head_epochs == before.train.epochs  # a probe: heads alone
    changed = (head, warmup) != (before.train.head_epochs, before.schedule.warmup_epochs)
    assert changed == (before.train.head_epochs + before.schedule.warmup_epochs >= epochs)
    assert parse_recipe(tomllib.loads(recipe.to_toml()), "again") == recipe
    said = [sentence for sentence in warnings(recipe) if "to fit train.epochs" in sentence]
    assert len(said) == changed
    assert recipe.learning_rate(0, 10) > 0 or recipe.learning_rate(10 * epochs - 1, 10) > 0


@pytest.mark.parametrize(("epochs", "head", "warmup"), [(40, 40, 0), (25, 25, 0), (3, 2, 0.2), (25, 24, 1)])
def test_a_warm_up_gives_way_to_epochs_of_the_head(epochs, head, warmup):
    recipe = load_recipe("fast", [f"train.epochs={epochs}", f"train.head_epochs={head}"])
    assert (recipe.train.head_epochs, recipe.schedule.warmup_epochs) == (head, warmup)
    said = [sentence for sentence in warnings(recipe) if f"and train.head_epochs = {head}." in sentence]
    assert len(said) == (warmup != 1)
    with pytest.raises(UserError, match=r"schedule\.warmup_epochs = 1 "):
        load_recipe("fast", ["train.head_epochs=25", "schedule.warmup_epochs=1"])


def test_what_somebody_set_themselves_is_not_adapted():
    with pytest.raises(UserError, match=r"schedule\.warmup_epochs = 9"):
        load_recipe("report", ["train.epochs=3", "schedule.warmup_epochs=9"])
    recipe = load_recipe("fast", ["train.epochs=5", "train.head_epochs=1"])
    assert (recipe.train.head_epochs, recipe.schedule.warmup_epochs) == (1, 1)
    assert "head_epochs" not in "".join(warnings(recipe))
    assert load_recipe("fast", ["train.epochs=24"]).with_changes(["train.epochs=4"]).train.head_epochs == 3


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_says_what_it_is_for_its_source_its_time_and_its_result(name):
    lines = (Path(vitbench.recipe.__file__).parent / "presets" / f"{name}.toml").read_text().splitlines()
    comment = " ".join(line.removeprefix("#") for line in itertools.takewhile(lambda line: line.startswith("#"), lines))
    for word in ("For:", "Time", "esult"):
        assert word in comment, word
    assert "Source" in comment or re.search(r"\(.*\d{4}\)", comment)
