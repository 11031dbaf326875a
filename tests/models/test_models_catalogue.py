"""The catalogue against the networks it speaks of, and the command that prints it."""

import json
import subprocess
import sys
import time

import pytest
import timm
import torch
from timm.optim import list_optimizers

from vitbench import catalogue
from vitbench.catalogue import LocalWeights
from vitbench.commands import models as command
from vitbench.models import pretrained_vit
from vitbench.models.backbone import Backbone
from vitbench.models.catalogue import NoWeights, facts, flops


def test_the_file_is_small_and_knows_every_network_and_optimizer():
    assert catalogue.FILE.stat().st_size < 400_000
    names = {entry.name for entry in catalogue.entries()} - {"demo"}
    assert {f"pretrained_vit:{name}" for name in pretrained_vit.names()} <= names
    if catalogue.timm_version() == timm.__version__:
        assert {name for name in names if name.startswith("timm:")} == {f"timm:{name}" for name in timm.list_models()}
        assert set(catalogue.optimizer_names()) == set(list_optimizers())
        tagged = {name for name in catalogue.model_names() if name.startswith("timm:") and "." in name}
        assert tagged == {f"timm:{name}" for name in timm.list_pretrained() if "." in name}


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "beit_base_patch16_224"])
def test_facts_are_those_of_the_real_network(name):
    entry = catalogue.entry(f"timm:{name}")
    module = timm.create_model(name).eval()
    with torch.no_grad():
        tokens = module.forward_features(torch.zeros(1, 3, *entry.image_size))
    assert entry.tokens == tokens.shape[1]
    assert entry.parameters == sum(parameter.numel() for parameter in module.parameters())
    assert entry.patch_size == tuple(module.patch_embed.patch_size)
    assert entry.prefix_tokens == Backbone(module).num_prefix_tokens
    assert entry.screens[-1] == ("relevance" if name.startswith("beit") else "positions")


def test_operations_are_counted_as_the_formula_says():
    """Two operations a multiply-add: patches, qkv, both attention products, projection, MLP (ratio 4), head."""
    for name, tokens, width, depth in [("vit_base_patch16_384", 577, 768, 12), ("vit_tiny_patch16_224", 197, 192, 12)]:
        block = 2 * tokens * width * 3 * width + 4 * tokens**2 * width + 2 * tokens * width**2 + 16 * tokens * width**2
        total = 2 * (tokens - 1) * width * 3 * 16 * 16 + depth * block + 2 * width * 1000
        assert catalogue.entry(f"timm:{name}").gflops == round(total / 1e9, 3)
    # The cost of training the report's network at 384 that the project reckons with: three forward passes, 333 GFLOP.
    assert 3 * catalogue.entry("pretrained_vit:B_16_imagenet1k").gflops == pytest.approx(333, abs=0.5)


def test_counting_on_the_meta_device_counts_what_the_cpu_does():
    options = {"img_size": 32, "embed_dim": 48, "depth": 2, "num_heads": 3}
    real = timm.create_model("vit_base_patch16_siglip_224", **options)
    with NoWeights():
        shapes = timm.create_model("vit_base_patch16_siglip_224", **options)
    assert {key: value.shape for key, value in shapes.state_dict().items()} == {
        key: value.shape for key, value in real.state_dict().items()
    }
    assert flops(shapes, (32, 32)) == flops(real, (32, 32))
    assert facts(shapes, (32, 32)) == facts(real, (32, 32))


def test_names_sort_by_their_numbers_and_patterns_fit_with_and_without_the_door():
    names = [entry.name for entry in catalogue.matching("vit_small_patch*_224")]
    assert names.index("timm:vit_small_patch8_224") < names.index("timm:vit_small_patch16_224")
    assert [entry.name for entry in catalogue.matching("pretrained_vit:B_16")] == [
        "pretrained_vit:B_16",
        "pretrained_vit:B_16_imagenet1k",
    ]
    assert all("dinov3" in entry.name for entry in catalogue.matching("dinov3"))
    assert catalogue.matching("nothing_like_it") == []
    assert catalogue.entry("vit_base_patch16_384.augreg_in21k_ft_in1k").name == "timm:vit_base_patch16_384"


def test_weights_are_found_where_the_hub_and_torch_keep_them(tmp_path):
    entry = catalogue.entry("timm:vit_tiny_patch16_224")
    tag = entry.tags[0]
    folder = tmp_path / "huggingface" / "hub" / f"models--timm--vit_tiny_patch16_224.{tag}"
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    assert LocalWeights(environment).tags(entry) == ()
    # A download that has begun is not a download that is whole.
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / "0.incomplete").touch()
    assert LocalWeights(environment).tags(entry) == ()
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / "model.safetensors").touch()
    assert LocalWeights(environment).tags(entry) == (tag,)
    report = catalogue.entry("pretrained_vit:B_16_imagenet1k")
    (tmp_path / "torch" / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "torch" / "hub" / "checkpoints" / "B_16_imagenet1k.pth").touch()
    assert LocalWeights(environment).tags(report) == ("",)
    assert LocalWeights({"HF_HUB_CACHE": str(tmp_path / "x"), "TORCH_HOME": str(tmp_path / "y")}).tags(report) == ()


def run_command(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "vitbench", "models", *words], capture_output=True, text=True, check=True
    )


def test_the_command_prints_a_row_a_network():
    lines = run_command("--filter", "vit_base_patch16_384").stdout.splitlines()
    assert lines[0].split()[:4] == ["name", "parameters", "picture", "patch"]
    assert lines[1].split()[:8] == ["timm:vit_base_patch16_384", "86.9", "M", "384", "16", "577", "111.0", "-"]
    assert run_command("--filter", "nothing").stdout == "No network fits nothing.\n"


def test_the_json_is_one_document_with_the_same_facts():
    document = json.loads(run_command("--json", "--filter", "*B_16*").stdout)
    assert [model["name"] for model in document["models"]] == ["pretrained_vit:B_16", "pretrained_vit:B_16_imagenet1k"]
    report = document["models"][1]
    assert (report["image_size"], report["tokens"], report["published"]) == ([384, 384], 577, True)
    swin = json.loads(run_command("--json", "--filter", "swin_tiny_patch4_window7_224").stdout)["models"][0]
    assert swin["tokens"] is None
    assert swin["screens"] == ["training", "occlusion"]


def test_the_command_answers_at_once_without_torch():
    started = time.process_time()
    code = (
        "import sys, vitbench.commands.models; from vitbench import catalogue; catalogue.model_names();"
        "print({'torch', 'timm'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"
    catalogue.entries.cache_clear()
    command.run(type("Arguments", (), {"filter": "*", "json": True}))
    assert time.process_time() - started < 1
