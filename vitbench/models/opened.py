"""A network with everything that belongs to it: its module, how pictures are prepared, and what its classes are."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vitbench.data.preprocessing import Preprocessing
from vitbench.models.adaptation import classifiers
from vitbench.models.backbone import Backbone
from vitbench.models.description import FILE_NAME, NetworkDescription, write_network_json


@dataclass
class Network:
    """A timm module, how its pictures are prepared, what its classes are called, and where its weights came from."""

    module: nn.Module
    name: str
    """As in the recipe or on the command line."""
    tag: str
    """Which weights: timm's pretrained tag, "random", "demo", a file's name, or a run's id and step."""
    preprocessing: Preprocessing
    labels: tuple[str, ...] | None
    source: str
    """One sentence: where the weights came from."""
    architecture: str
    """`timm:NAME` or `pretrained_vit:NAME`: with `options`, what builds the module again."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of `timm.create_model`."""
    untrained: bool = False
    """Whether the head was drawn at random and never trained."""
    multilabel: bool = False
    """Whether each output is a label of its own, with a probability of its own, and not one class of several."""

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Of each class, from logits [..., C]: they add up to 1, or each label has its own."""
        return logits.float().sigmoid() if self.multilabel else logits.float().softmax(dim=-1)

    @property
    def no_classes(self) -> str | None:
        """Why the outputs are no classes: one sentence; None if a trained head gives them.

        Towers of DINO, MAE and SigLIP are published without a head, CLIP's with a projection; a head may be random or
        zero. A probability of such outputs, or a map that explains one of them, would mean nothing.
        """
        if self.num_classes < 1:
            return f"{self.name} has no head: its weights came without one, so it gives features and no classes."
        if self.untrained:
            return f"The head of {self.name} is random: it has never been trained, so its classes mean nothing."
        weights = [part.weight for part in classifiers(self.module) if isinstance(part, nn.Linear)]
        if weights and not any(bool(weight.any()) for weight in weights):
            return f"The head of {self.name} is zero: every class is equally likely, and nothing explains one of them."
        biases = [part.bias for part in classifiers(self.module) if isinstance(part, nn.Linear)]
        if "_clip_" in self.architecture and all(bias is None or not bool(bias.any()) for bias in biases):
            return (
                f"The head of {self.name} projects pictures to where CLIP compares them with text; it has no classes."
            )
        return None

    @property
    def backbone(self) -> Backbone:
        """What one may ask of it."""
        return Backbone(self.module)

    @property
    def sees_grey(self) -> bool:
        """Whether pictures lose their colours before its first layer."""
        return self.options.get("in_chans", 3) == 1

    def described_preparation(self) -> str:
        """What happens to a picture on its way into the network, in a sentence or two."""
        grey = " The network sees it in grey." if self.sees_grey else ""
        return self.preprocessing.describe() + grey

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels of the pictures it is set to."""
        return self.preprocessing.height, self.preprocessing.width

    @property
    def num_classes(self) -> int:
        """Logits a picture."""
        return int(self.module.num_classes)  # type: ignore[arg-type]  # an int of timm's networks

    @property
    def weights_hash(self) -> str:
        """16 hexadecimal digits (SHA-256) that change with any weight; computed at each call."""
        return weights_hash(self.module)

    def describe(self) -> NetworkDescription:
        """What `network.json` holds."""
        return NetworkDescription(
            name=self.name,
            architecture=self.architecture,
            tag=self.tag,
            source=self.source,
            num_classes=self.num_classes,
            image_size=self.image_size,
            options=self.options,
            labels=self.labels,
            preprocessing=self.preprocessing.to_dict(),
            multilabel=self.multilabel,
        )

    def write_network_json(self, folder: Path) -> None:
        """Writes `network.json` into a checkpoint folder."""
        write_network_json(self.describe(), folder / FILE_NAME)


def weights_hash(module: nn.Module) -> str:
    """16 hexadecimal digits (SHA-256) over names, types, shapes and values of the weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
