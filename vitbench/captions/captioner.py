"""A captioner with everything that belongs to it: how pictures are prepared, its words, where its weights came from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from vitbench.captions.network import Captioner, CaptionModule
from vitbench.captions.saved import CaptionerDescription, DecoderSizes, load_captioner, with_decoder, write_description
from vitbench.captions.tokenizer import Tokenizer, tokenizer_from_dict
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.models.backbone import Backbone
from vitbench.models.description import FILE_NAME, NetworkDescription
from vitbench.models.network import Network, weights_hash

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Prepared:
    """A picture as a captioner sees it: normalised `pixels` [1, 3, H, W], and the `box` (left, top, right, bottom) of
    the original that they show, in its pixels."""

    pixels: Tensor
    box: Box


class OpenedCaptioner(Protocol):
    """Any captioner that can be looked into: ours, CATR's, Hugging Face's."""

    @property
    def module(self) -> CaptionModule:
        """The network itself."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Its words as token numbers."""

    @property
    def name(self) -> str:
        """What the screens call it."""

    @property
    def tag(self) -> str:
        """Which weights of that name; empty where there is one set."""

    @property
    def source(self) -> str:
        """What it was opened from, such as a run or a folder."""

    @property
    def weights_hash(self) -> str:
        """SHA-256 of its weights."""

    def prepare(self, picture: Image.Image) -> Prepared:
        """The picture (RGB) as the network wants it."""


@dataclass
class CaptionNetwork:
    """A captioner of ours; the same attributes as a classifier's `Network`, and its words."""

    module: Captioner
    tokenizer: Tokenizer
    encoder: NetworkDescription
    decoder: DecoderSizes
    name: str
    tag: str
    source: str
    labels: tuple[str, ...] | None = None

    @property
    def preprocessing(self) -> Preprocessing:
        return self.encoder.picture_preparation()

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels of the pictures it is set to."""
        return self.preprocessing.height, self.preprocessing.width

    @property
    def backbone(self) -> Backbone:
        """The encoder's."""
        return Backbone(self.module.encoder)

    @property
    def num_classes(self) -> int:
        """A captioner has tokens instead of classes."""
        return 0

    @property
    def weights_hash(self) -> str:
        """16 hexadecimal digits that change with any weight."""
        return weights_hash(self.module)

    def prepare(self, picture: Image.Image) -> Prepared:
        """The picture (RGB) as the encoder's preprocessing makes it."""
        preprocessing = self.preprocessing
        pixels = preprocessing.normalize(preprocessing.resized(picture).copy())
        return Prepared(pixels[None], preprocessing.box(*picture.size))

    def describe(self) -> CaptionerDescription:
        """What `network.json` holds."""
        return CaptionerDescription(
            encoder=self.encoder,
            decoder=self.decoder,
            vocab_size=self.tokenizer.vocab_size,
            tokenizer=self.tokenizer.to_dict(),
        )

    def write_network_json(self, folder: Path) -> None:
        """Writes `network.json` into a checkpoint folder."""
        write_description(self.describe(), folder / FILE_NAME)


def new_captioner(encoder: Network, tokenizer: Tokenizer, decoder: DecoderSizes) -> CaptionNetwork:
    """A captioner around the module of `encoder` (built with 0 classes), its decoder with fresh weights."""
    module = with_decoder(encoder.module, decoder, tokenizer.vocab_size)
    return CaptionNetwork(module, tokenizer, encoder.describe(), decoder, encoder.name, encoder.tag, encoder.source)


def described_captioner(description_file: Path, weights_file: Path, *, tag: str, source: str) -> CaptionNetwork:
    """The captioner saved in two files, in evaluation mode. Raises UserError if they do not fit."""
    module, description = load_captioner(description_file, weights_file)
    try:
        tokenizer = tokenizer_from_dict(description.tokenizer)
    except UserError as error:
        raise UserError(f"{description_file}: {error}") from error
    if tokenizer.vocab_size > description.vocab_size:
        raise UserError(
            f"{description_file}: its tokenizer has {tokenizer.vocab_size:,} tokens, and its network knows"
            f" {description.vocab_size:,}."
        )
    return CaptionNetwork(
        module, tokenizer, description.encoder, description.decoder, description.encoder.name, tag, source
    )


def move(captioner: OpenedCaptioner, device: torch.device) -> None:
    """Moves the captioner's weights to a device."""
    assert isinstance(captioner.module, torch.nn.Module)
    captioner.module.to(device)


def device_of(captioner: OpenedCaptioner) -> torch.device:
    """Where the captioner's weights are."""
    assert isinstance(captioner.module, torch.nn.Module)
    return next(captioner.module.parameters()).device
