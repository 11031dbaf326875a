"""A captioner of ours on disk: its tensors, and everything needed to build it again as plain JSON."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from safetensors.torch import save

from vitbench.captions.decoder import CaptionDecoder
from vitbench.captions.network import Captioner
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import DESCRIPTION
from vitbench.files.writing import write_whole
from vitbench.models.bounded import bound_of_machine, bound_of_weights, bounded
from vitbench.models.description import NetworkDescription
from vitbench.models.network import rebuild
from vitbench.models.weight_files import first_line, read_weights


class DecoderSizes(BaseModel):
    """The sizes of a `CaptionDecoder`; `max_length` counts start and end."""

    model_config = ConfigDict(extra="forbid")

    embed_dim: PositiveInt = 128
    depth: PositiveInt = 3
    num_heads: PositiveInt = 4
    mlp_ratio: float = Field(4.0, gt=0, allow_inf_nan=False)
    max_length: PositiveInt = 40
    dropout: float = Field(0.1, ge=0, lt=1)


class CaptionerDescription(BaseModel):
    """What a captioner is, apart from its weights. `tokenizer` is what `Tokenizer.to_dict` gives."""

    model_config = ConfigDict(extra="forbid")

    task: Literal["caption"] = "caption"
    encoder: NetworkDescription
    decoder: DecoderSizes
    vocab_size: PositiveInt
    tokenizer: dict[str, Any]

    def build(self) -> Captioner:
        """The captioner with fresh weights, on the CPU."""
        return with_decoder(rebuild(self.encoder), self.decoder, self.vocab_size)


def with_decoder(encoder: Any, sizes: DecoderSizes, vocab_size: int) -> Captioner:
    """A captioner around `encoder`, its decoder fresh. Raises UserError if the sizes do not fit together."""
    try:
        with bounded(bound_of_machine()):
            decoder = CaptionDecoder(vocab_size=vocab_size, memory_dim=int(encoder.num_features), **sizes.model_dump())
    except (RuntimeError, ValueError, TypeError, AssertionError, ArithmeticError) as error:
        raise UserError(f"No decoder of this size can be made ({first_line(error)}): {sizes}.") from error
    return Captioner(encoder, decoder)


def write_description(description: CaptionerDescription, file: Path) -> None:
    """Writes `network.json`, or the JSON beside a weight file, and waits until it is on disk."""
    write_whole(file, json.dumps(description.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n")


def is_captioner(description_file: Path) -> bool:
    """Whether a JSON file describes a captioner (a classifier's names no task)."""
    try:
        return read_json_object(description_file, DESCRIPTION).get("task") == "caption"
    except UserError:
        return False


def save_captioner(stem: Path, captioner: Captioner, description: CaptionerDescription) -> None:
    """Writes `stem.safetensors` and `stem.json`, each whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in captioner.state_dict().items()}
    write_whole(stem.with_suffix(".safetensors"), save(tensors))
    write_description(description, stem.with_suffix(".json"))


def load_captioner(description_file: Path, weights_file: Path) -> tuple[Captioner, CaptionerDescription]:
    """The captioner in two files, in evaluation mode. Raises UserError, naming the file, if they do not fit."""
    try:
        description = CaptionerDescription.model_validate(read_json_object(description_file, DESCRIPTION))
    except (UserError, ValidationError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UserError(f"{description_file} cannot be read as the description of a captioner ({first}).") from error
    state = read_weights(weights_file)
    with bounded(bound_of_weights(state, str(weights_file))):
        captioner = description.build()
    try:
        captioner.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).split("\n")[-1].strip()
        raise UserError(f"{weights_file} does not fit the captioner described beside it ({first}).") from error
    return captioner.eval(), description
