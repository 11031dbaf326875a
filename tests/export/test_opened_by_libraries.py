"""What is exported is opened as a person of that library would: plain, averaged (EMA) and resized networks."""

import csv
import json
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.export.test_export import LABELS, checkpoint, close, logits, needed, pixels_of
from tests.training.training_helpers import start, tiny_recipe
from vitbench.cli import main
from vitbench.export.exporting import export_network
from vitbench.files.outputs import Outputs
from vitbench.models.adaptation import set_image_size, state_on_cpu
from vitbench.models.network import Network, open_network
from vitbench.runs.store import Store
from vitbench.training.loop import train

FORMATS = ("timm", "hf", "pretrained_vit", "onnx")
"""Each with a person's own lines below."""


def resized(network: Network, folder) -> Network:
    """As after a training at another size than that of the start: not square, positions resampled."""
    set_image_size(network.module, (48, 80), "the network")
    network.preprocessing = type(network.preprocessing)(48, 80)
    save_file(state_on_cpu(network.module), folder / "model.safetensors")
    network.write_network_json(folder)
    return network


@dataclass
class Made:
    """What names a network, the network itself, and the weights from before the averaging, where there were any."""

    reference: str
    network: Network
    raw: dict[str, torch.Tensor] = field(default_factory=dict)


def averaged(folder) -> tuple[Store, Made]:
    """A training of a few steps with `train.ema`, whose checkpoint holds the average."""
    recipe = tiny_recipe(train={"ema": 0.9, "epochs": 1}, optim={"lr": 0.1})
    training, monitor, run = start(folder / "store", recipe)
    training.task.network.labels = LABELS
    assert train(training, monitor) == "finished"
    network = training.task.network
    raw = {name: value.clone() for name, value in network.module.state_dict().items()}
    network.module.load_state_dict(training.evaluated_module.state_dict())
    network.module.eval()
    return Store(folder / "store"), Made(f"{run.id}@last", network, raw)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """(store, reference, network) by kind; the averaged one is a checkpoint of a run, beside weights that differ."""
    folder = tmp_path_factory.mktemp("networks")
    plain, other = (
        checkpoint(folder / "plain", "vit"),
        resized(checkpoint(folder / "resized", "vit"), folder / "resized"),
    )
    found = {"plain": Made(str(folder / "plain"), plain), "resized": Made(str(folder / "resized"), other)}
    store, found["averaged"] = averaged(folder)
    return store, found


@pytest.fixture(scope="module")
def exports(networks, tmp_path_factory):
    """Makes each export once: `exports(kind, format)` is its folder."""
    store, found = networks
    made = {}

    def export(kind: str, form: str):
        if (kind, form) not in made:
            needed(form)
            out = tmp_path_factory.mktemp("exports") / f"{kind}-{form}"
            made[kind, form] = export_network(
                found[kind].reference, store, out, format=form, outputs=Outputs(store.folder)
            )
        return made[kind, form].folder

    return export


def by_timm(folder, pixels):
    import timm

    module = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    assert tuple(module.pretrained_cfg["label_names"]) == LABELS
    return module(pixels)


def by_transformers(folder, pixels):
    from transformers import ViTForImageClassification

    model = ViTForImageClassification.from_pretrained(folder).eval()
    assert tuple(model.config.id2label.values()) == LABELS
    return model(pixels).logits


def by_pretrained_vit(folder, pixels):
    from pytorch_pretrained_vit import ViT, configs, utils

    described = json.loads((folder / "config.json").read_text())
    configs.PRETRAINED_MODELS["mine"] = described["pytorch_pretrained_vit"]
    try:
        model = ViT("mine", image_size=tuple(described["image_size"]))
    finally:
        del configs.PRETRAINED_MODELS["mine"]
    utils.load_pretrained_weights(model, weights_path=str(folder / "weights.pth"))
    return model.eval()(pixels)


def by_onnxruntime(folder, pixels):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    one = [session.run(None, {"pixels": pixels[n : n + 1].numpy()})[0] for n in range(len(pixels))]
    whole = session.run(None, {"pixels": pixels.numpy()})[0]
    assert np.abs(np.concatenate(one) - whole).max() < 1e-4 * np.abs(whole).max()
    return torch.from_numpy(whole)


OPENED = dict(zip(FORMATS, (by_timm, by_transformers, by_pretrained_vit, by_onnxruntime), strict=True))
SLOW = {("plain", "onnx"), ("averaged", "onnx"), ("resized", "onnx")}
"""ONNX takes many seconds a network: `make test-all` tries these, test_export.py others."""
CASES = [
    pytest.param(kind, form, marks=pytest.mark.slow if (kind, form) in SLOW else ())
    for kind in ("plain", "averaged", "resized")
    for form in FORMATS
]


@pytest.mark.parametrize(("kind", "form"), CASES)
def test_a_person_of_that_library_gets_the_same_logits(kind, form, networks, exports):
    network = networks[1][kind].network
    folder, pixels = exports(kind, form), pixels_of(network)
    with torch.inference_mode():
        theirs = OPENED[form](folder, pixels)
    assert close(logits(network, pixels), theirs)
    assert close(logits(network, pixels), logits(open_network(str(folder)), pixels))


@pytest.mark.parametrize("form", [*FORMATS[:3], pytest.param("onnx", marks=pytest.mark.slow)])
def test_predict_evaluate_and_attention_open_what_was_exported(form, networks, exports, tmp_path, capsys):
    own, folder = networks[1]["plain"].reference, str(exports("plain", form))
    random = np.random.default_rng(0)
    for label in LABELS[:1] + LABELS[2:]:
        for number in range(2):
            file = tmp_path / "pictures" / label / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(file)
    pictures, tables = str(tmp_path / "pictures"), []
    for network, name in ((own, "own"), (folder, "exported")):
        store = ["--store", str(tmp_path / name)]
        assert main(["predict", network, "--data", pictures, "--csv", str(tmp_path / f"{name}.csv"), *store]) == 0
        with (tmp_path / f"{name}.csv").open(newline="") as stream:
            tables.append(list(csv.reader(stream)))
        capsys.readouterr()
        assert main(["evaluate", network, "--data", pictures, "--json", *store]) == 0
        scores = json.loads(capsys.readouterr().out)
        tables.append([scores["correct"], scores["pictures"], round(scores["mean_loss"], 3)])
    assert tables[:2] == tables[2:]
    assert tables[1][1] == 4
    figure = tmp_path / "figure.png"
    picture = str(tmp_path / "pictures" / LABELS[0] / "0.png")
    assert main(["attention", folder, picture, "--method", "raw", "--out", str(figure)]) == 0
    assert Image.open(figure).width > 100


def test_the_export_of_an_averaged_run_is_not_that_of_its_raw_weights(networks, exports):
    made = networks[1]["averaged"]
    exported = load_file(exports("averaged", "timm") / "model.safetensors")
    own = made.network.module.state_dict()
    for name, value in exported.items():
        assert torch.equal(value, own[name])
    assert not torch.equal(exported["head.weight"], made.raw["head.weight"])
    assert "the average (EMA, decay 0.9)" in (exports("averaged", "timm") / "README.md").read_text()
