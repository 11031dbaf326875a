"""Takes the package's classifier and captioner out of a checkpoint of their common training."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from vitbench.captions.saved import CaptionerDescription, save_captioner
from vitbench.data.scenes.kinds import BASE_KINDS
from vitbench.models.description import FILE_NAME, WEIGHTS_NAME, write_network_json
from vitbench.models.weight_files import read_weights

SOURCE = "Trained on Scenes alone (vitbench/weights/recipe.toml)."


NETWORKS = ("classifier", "captioner")


def export(checkpoint: Path, folder: Path, networks: Collection[str] = NETWORKS) -> None:
    """Writes `networks` (`.safetensors` and `.json` each) into `folder`."""
    weights = read_weights(checkpoint / WEIGHTS_NAME)
    description = CaptionerDescription.model_validate(json.loads((checkpoint / FILE_NAME).read_text(encoding="utf-8")))
    encoder = description.encoder.model_copy(
        update={"name": "demo", "tag": "demo", "source": SOURCE, "labels": BASE_KINDS, "num_classes": len(BASE_KINDS)}
    )
    if "classifier" in networks:
        save_file(_below(weights, "captioner.encoder."), folder / "classifier.safetensors")
        write_network_json(encoder, folder / "classifier.json")
    if "captioner" not in networks:
        return
    headless = encoder.model_copy(update={"labels": None, "num_classes": 0})
    captioner_description = description.model_copy(update={"encoder": headless})
    captioner = captioner_description.build()
    kept = _below(weights, "captioner.")
    captioner.load_state_dict({name: kept[name] for name in captioner.state_dict()})
    save_captioner(folder / "captioner", captioner, captioner_description)


def _below(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
