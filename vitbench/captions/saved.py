"""A captioner of ours as two files: its tensors, and everything needed to build it again as plain JSON."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import timm
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from vitbench.captions.decoder import CaptionDecoder
from vitbench.captions.network import Captioner
from vitbench.captions.tokenizer import Tokenizer, tokenizer_from_dict
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError


@dataclass(frozen=True)
class DecoderSizes:
    """The sizes of a `CaptionDecoder`; `max_length` counts start and end."""

    embed_dim: int = 128
    depth: int = 3
    num_heads: int = 4
    mlp_ratio: float = 4.0
    max_length: int = 40
    dropout: float = 0.1


@dataclass(frozen=True)
class CaptionerDescription:
    """What a captioner is, apart from its weights.

    `encoder` is a timm name, `encoder_options` what `timm.create_model` gets beside it.
    """

    encoder: str
    encoder_options: Mapping[str, Any]
    decoder: DecoderSizes
    tokenizer: Tokenizer
    preprocessing: Preprocessing

    def build(self, encoder: nn.Module | None = None) -> Captioner:
        """A captioner with fresh weights, around `encoder` if there is one already."""
        if encoder is None:
            encoder = timm.create_model(self.encoder, num_classes=0, **self.encoder_options)
        width = int(getattr(encoder, "num_features", 0))
        decoder = CaptionDecoder(vocab_size=self.tokenizer.vocab_size, memory_dim=width, **asdict(self.decoder))
        return Captioner(encoder, decoder)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "task": "caption",
            "encoder": self.encoder,
            "encoder_options": dict(self.encoder_options),
            "decoder": asdict(self.decoder),
            "tokenizer": self.tokenizer.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "CaptionerDescription":
        """What `to_dict` wrote. Raises UserError if it does not fit."""
        try:
            return cls(
                saved["encoder"],
                saved["encoder_options"],
                DecoderSizes(**saved["decoder"]),
                tokenizer_from_dict(saved["tokenizer"]),
                Preprocessing.from_dict(saved["preprocessing"]),
            )
        except (KeyError, TypeError) as error:
            raise UserError(f"This is no description of a captioner ({error}).") from error


def save_captioner(stem: Path, captioner: Captioner, description: CaptionerDescription, **more: Any) -> None:
    """Writes `stem.safetensors` and `stem.json`, each whole or not at all; `more` are further facts for the JSON."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in captioner.state_dict().items()}
    beside = stem.with_name(f".{stem.name}.{os.getpid()}")
    save_file(tensors, beside)
    beside.replace(stem.with_suffix(".safetensors"))
    beside.write_text(json.dumps(description.to_dict() | more, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    beside.replace(stem.with_suffix(".json"))


def load_captioner(description_file: Path, weights_file: Path) -> tuple[Captioner, CaptionerDescription]:
    """The captioner in two files, in evaluation mode. Raises UserError, naming the file, if they do not fit."""
    try:
        description = CaptionerDescription.from_dict(json.loads(description_file.read_text(encoding="utf-8")))
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"{description_file} cannot be read as the description of a captioner ({error}).") from error
    captioner = description.build()
    try:
        captioner.load_state_dict(load_file(weights_file))
    except (OSError, SafetensorError, RuntimeError) as error:
        first = str(error).split("\n")[0]
        raise UserError(f"{weights_file} does not hold the weights of {description_file.name} ({first}).") from error
    return captioner.eval(), description
