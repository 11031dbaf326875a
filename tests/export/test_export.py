"""An exported network is the same network, in the library that it was exported for and in vitbench."""

import importlib.util
import json
import subprocess
import sys

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.export.exporting import export_network
from vitbench.export.formats import EXPORT_FORMATS
from vitbench.files.outputs import Outputs
from vitbench.models.adaptation import set_image_size, state_on_cpu
from vitbench.models.network import Network, build_network, open_network
from vitbench.recipe_tables import ModelTable
from vitbench.runs.store import Store

LABELS = ("a cat", "`dog` <b>", "Ærø")
TINY = {"embed_dim": 48, "depth": 2, "num_heads": 3}
KINDS = {
    "vit": ("timm:vit_tiny_patch16_224", TINY),
    "deit": ("timm:deit_tiny_distilled_patch16_224", TINY),
    "dinov2": ("timm:vit_small_patch14_dinov2", TINY),
    "dinov2_registers": ("timm:vit_small_patch14_reg4_dinov2", TINY),
    "dinov2_gated": ("timm:vit_giant_patch14_dinov2", TINY | {"mlp_ratio": 128 * 2 / 48}),
    "pretrained_vit": ("pretrained_vit:B_16_imagenet1k", TINY),
}
NEEDS = {"timm": "timm", "hf": "transformers", "pretrained_vit": "pytorch_pretrained_vit", "onnx": "onnxruntime"}


def needed(form: str) -> None:
    for package in {NEEDS[form], *(("onnx", "onnxscript") if form == "onnx" else ())}:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def checkpoint(folder, kind, size=None, labels=LABELS) -> Network:
    """A checkpoint folder of a tiny network with every weight drawn at random, so that each has to arrive."""
    name, options = KINDS[kind]
    patch = 14 if "dinov2" in kind else 16
    side = list(size) if isinstance(size, tuple) else size or 4 * patch
    table = ModelTable(name=name, image_size=side, options=options)
    network = build_network(table, num_classes=len(labels), labels=labels)
    network.untrained = False
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in network.module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.3)
    folder.mkdir()
    save_file(state_on_cpu(network.module), folder / "model.safetensors")
    network.write_network_json(folder)
    return open_network(str(folder))


def pixels_of(network: Network) -> torch.Tensor:
    return torch.randn(3, 3, *network.image_size, generator=torch.Generator().manual_seed(9))


def logits(network: Network, pixels: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network.module(pixels)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return float((ours - theirs).abs().max() / ours.abs().max()) < 1e-4


def exported(network: Network, source, tmp_path, form, half=False):
    out = tmp_path / f"{form}{'-half' if half else ''}"
    return export_network(
        str(source), Store(tmp_path / "s"), out, format=form, half=half, outputs=Outputs(tmp_path / "s")
    )


CASES = [
    *((kind, form, None) for kind in KINDS for form in ("timm", "hf")),
    *((kind, "pretrained_vit", None) for kind in ("vit", "pretrained_vit")),
    *(("vit", form, (32, 64)) for form in ("timm", "hf", "pretrained_vit")),
    *((kind, form, 112) for kind in ("vit", "dinov2_registers") for form in ("timm", "hf")),
    ("pretrained_vit", "pretrained_vit", 112),
]


@pytest.mark.parametrize(("kind", "form", "size"), CASES)
def test_each_kind_of_network_is_the_same_in_its_library(kind, form, size, tmp_path):
    needed(form)
    network = checkpoint(tmp_path / "own", kind, size if isinstance(size, tuple) else None)
    if size == 112:
        # As after a training at another size than that of the start: positions are resampled.
        set_image_size(network.module, (size, size), "the network")
        network.preprocessing = type(network.preprocessing)(size, size)
        save_file(state_on_cpu(network.module), tmp_path / "own" / "model.safetensors")
        network.write_network_json(tmp_path / "own")
    pixels = pixels_of(network)
    wanted = logits(network, pixels)
    found = exported(network, tmp_path / "own", tmp_path, form)

    folder = {"hf": "transformers"}.get(form, form)
    theirs = importlib.import_module(f"vitbench.export.{folder}_folder").open_again(found.folder, 3)
    with torch.inference_mode():
        assert close(wanted, theirs(pixels))
    again = open_network(str(found.folder))
    assert again.labels == LABELS
    assert again.preprocessing == network.preprocessing
    assert close(wanted, logits(again, pixels))
    assert not again.untrained


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.mark.parametrize("kind", ["vit", slow("deit"), slow("dinov2")])
def test_onnx_takes_any_number_of_pictures(kind, tmp_path):
    needed("onnx")
    import onnxruntime

    network = checkpoint(tmp_path / "own", kind)
    found = exported(network, tmp_path / "own", tmp_path, "onnx")
    session = onnxruntime.InferenceSession(str(found.folder / "model.onnx"))
    for count in (1, 2, 5):
        pixels = torch.randn(count, 3, *network.image_size, generator=torch.Generator().manual_seed(count))
        (theirs,) = session.run(None, {"pixels": pixels.numpy()})
        assert close(logits(network, pixels), torch.from_numpy(theirs))
    assert open_network(str(found.folder / "model.onnx")).labels == LABELS
    assert close(logits(network, pixels), logits(open_network(str(found.folder)), pixels))


@pytest.mark.parametrize("form", [form if form == "timm" else slow(form) for form in EXPORT_FORMATS])
def test_half_precision_gives_the_same_classes(form, tmp_path):
    needed(form)
    network = checkpoint(tmp_path / "own", "vit")
    found = exported(network, tmp_path / "own", tmp_path, form, half=True)
    weights = [file for file in found.folder.iterdir() if file.suffix in (".safetensors", ".pth", ".onnx")]
    assert min(file.stat().st_size for file in weights) < 0.6 * (tmp_path / "own" / "model.safetensors").stat().st_size
    pixels = pixels_of(network)
    assert torch.equal(logits(network, pixels).argmax(1), logits(open_network(str(found.folder)), pixels).argmax(1))
    assert "the same for 3 of 3" in found.checked


def test_timm_and_transformers_know_the_class_names(tmp_path):
    import timm

    network = checkpoint(tmp_path / "own", "vit")
    folder = exported(network, tmp_path / "own", tmp_path, "timm").folder
    module = timm.create_model(f"local-dir:{folder}", pretrained=True)
    assert tuple(module.pretrained_cfg["label_names"]) == LABELS
    config = timm.data.resolve_data_config(model=module)
    assert config["input_size"] == (3, 64, 64)
    assert (tuple(config["mean"]), tuple(config["std"])) == (network.preprocessing.mean, network.preprocessing.std)
    needed("hf")
    from transformers import AutoConfig

    folder = exported(network, tmp_path / "own", tmp_path, "hf").folder
    assert tuple(AutoConfig.from_pretrained(folder).id2label.values()) == LABELS


def test_transformers_prepares_pictures_alike(tmp_path):
    needed("hf")
    import numpy as np
    from transformers import AutoImageProcessor

    network = checkpoint(tmp_path / "own", "vit")
    values = np.random.default_rng(0).integers(0, 255, (5, 9, 3), dtype=np.uint8)
    picture = Image.fromarray(values).resize((90, 50), Image.Resampling.BICUBIC)
    for resize, fraction in (("squash", 1.0), ("squash", 0.8), ("crop", 0.9)):
        network.preprocessing = type(network.preprocessing)(
            64, 64, resize, fraction, "bicubic", (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
        )
        network.write_network_json(tmp_path / "own")
        out = tmp_path / f"{resize}{fraction}"
        export_network(str(tmp_path / "own"), Store(tmp_path), out, format="hf", outputs=Outputs(tmp_path / "s"))
        processor = AutoImageProcessor.from_pretrained(out, backend="pil")
        theirs = processor(picture, return_tensors="pt")["pixel_values"][0]
        ours = network.preprocessing.normalize(network.preprocessing.resized(picture))
        assert theirs.shape == ours.shape
        # They round the place of the cut down, timm to the nearest: half a pixel.
        assert float((theirs - ours).abs().mean()) < (0.12 if resize == "crop" else 1e-3)
        assert open_network(str(out)).preprocessing == network.preprocessing


@pytest.mark.parametrize(
    ("name", "options", "form", "sentence"),
    [
        ("timm:vit_small_patch16_rope_224", TINY, "hf", "no absolute position embedding|Eva"),
        ("timm:vit_relpos_small_patch16_224", TINY, "hf", "ViT, DeiT and DINOv2"),
        ("timm:vit_tiny_patch16_224", TINY | {"global_pool": "avg"}, "hf", "avg"),
        ("timm:vit_small_patch14_dinov2", TINY, "pretrained_vit", "scales its layers"),
        ("timm:deit_tiny_distilled_patch16_224", TINY, "pretrained_vit", "plain ViT only"),
    ],
)
def test_what_a_library_cannot_compute_is_refused_and_nothing_is_left(name, options, form, sentence, tmp_path):
    needed(form)
    patch = 14 if "dinov2" in name else 16
    network = build_network(ModelTable(name=name, image_size=4 * patch, options=options), num_classes=2)
    (tmp_path / "own").mkdir()
    save_file(state_on_cpu(network.module), tmp_path / "own" / "model.safetensors")
    network.write_network_json(tmp_path / "own")
    with pytest.raises(UserError, match=sentence):
        exported(network, tmp_path / "own", tmp_path, form)
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name != "s") == ["own"]


def test_a_wrong_export_is_noticed_and_not_kept(tmp_path, monkeypatch):
    from vitbench.export import timm_folder

    network = checkpoint(tmp_path / "own", "vit")
    write = timm_folder.write

    def spoilt(network, state, folder):
        write(network, state, folder)
        tensors = load_file(folder / "model.safetensors")
        tensors["blocks.1.mlp.fc2.weight"] *= 1.01
        save_file(tensors, folder / "model.safetensors")

    monkeypatch.setattr(timm_folder, "write", spoilt)
    with pytest.raises(UserError, match="differ by"):
        exported(network, tmp_path / "own", tmp_path, "timm")
    assert not (tmp_path / "timm").exists()


@pytest.mark.parametrize("form", ["timm", "hf", "pretrained_vit"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(form, tmp_path, mounted):
    """Each library has an error of its own for it."""
    checkpoint(tmp_path / "own", "vit")
    disk = mounted("size=64k")
    with pytest.raises(UserError, match="net cannot be written: No space left on device"):
        export_network(
            str(tmp_path / "own"),
            Store(tmp_path / "s"),
            disk / "net",
            format=form,
            half=False,
            outputs=Outputs(tmp_path / "s"),
        )
    assert list(disk.iterdir()) == []


def test_the_packages_network_by_the_command_and_what_opens_it(tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["export", "demo", "--format", "timm", "--out", str(out)]) == 0
    assert "differ by" in capsys.readouterr().out
    card = (out / "README.md").read_text()
    assert "license: mit" in card
    assert "on photographs its answers mean nothing" in card
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (96, 96), "white").save(pictures / "a.png")
    assert main(["predict", str(out), "--data", str(pictures), "--csv", str(tmp_path / "a.csv")]) == 0
    assert main(["predict", "demo", "--data", str(pictures), "--csv", str(tmp_path / "b.csv")]) == 0
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    figure = tmp_path / "figure.png"
    assert main(["attention", str(out), str(pictures / "a.png"), "--method", "raw", "--out", str(figure)]) == 0
    assert figure.exists()
    # A rerun replaces its own output, an edited one only with --overwrite, and never a folder of somebody else's.
    again = ["export", "demo", "--format", "timm", "--out", str(out)]
    assert main(again) == 0
    (out / "README.md").write_text("edited")
    assert main(again) == 2
    assert (out / "README.md").read_text() == "edited"
    assert main([*again, "--overwrite"]) == 0
    assert (out / "README.md").read_text() == card
    (out / "mine.txt").write_text("mine")
    capsys.readouterr()
    assert main([*again, "--overwrite"]) == 2
    assert "mine.txt" in capsys.readouterr().err
    assert (out / "mine.txt").read_text() == "mine"
    assert json.loads((out / "config.json").read_text())["label_names"]


def test_the_card_of_a_run_has_its_recipe_its_scores_and_its_weights_licence(tmp_path):
    """The checkpoint holds the averaged weights where there are any, so an export has them too."""
    from vitbench.recipe import parse_recipe

    network = checkpoint(tmp_path / "own", "vit")
    values = {
        "model": {"name": "timm:vit_tiny_patch16_224.augreg_in21k", "pretrained": True},
        "data": {"path": "scenes:base?count=30`"},
        "train": {"ema": 0.9},
    }
    run = Store(tmp_path / "s").create(parse_recipe(values, "test"), "a | run")
    step = run.folder / "checkpoints" / "step-00000012"
    (tmp_path / "own").rename(step)
    scored = {
        "split": "test", "step": 12, "root": "/pictures", "pictures": 40, "correct": 30, "accuracy": 0.75,
        "accuracy_interval_95": [0.598, 0.858], "accuracy_top5": 1.0, "mean_loss": 0.5, "classes": list(LABELS),
    }  # fmt: skip
    (run.folder / "evaluations" / "test-12.json").write_text(json.dumps(scored))
    out = tmp_path / "out"
    given = ["--store", str(tmp_path / "s"), "--format", "timm", "--checkpoint", "last", "--out", str(out)]
    assert main(["export", run.id, *given]) == 0
    card = (out / "README.md").read_text()
    for words in (
        "license: apache-2.0",
        "under the licence apache-2.0",
        "| test | 40 | 30 | 75.0% | 59.8% to 85.8% | 0.5000 |",
        "rests on 40 pictures only",
        "the average (EMA, decay 0.9)",
        'name = "timm:vit_tiny_patch16_224.augreg_in21k"',
        "# a \\| run, step 12",
        "`dog` <b>",
    ):
        assert words in card
    assert close(logits(network, pixels_of(network)), logits(open_network(str(out)), pixels_of(network)))


def test_the_command_needs_no_torch_to_explain_itself():
    code = "import sys; from vitbench.cli import build_parser; build_parser('export');sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
