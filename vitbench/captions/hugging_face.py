"""Hugging Face's `VisionEncoderDecoderModel` from a local folder, as an `OpenedCaptioner` (extra `vitbench[hf]`).

Nothing is downloaded, and no code of the folder is run. The picture is encoded once, and a word is decoded with
transformers' own cache of keys and values.
"""

import importlib.util
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor, nn

from vitbench.captions.captioner import Prepared
from vitbench.captions.decoder import DecoderCache, LayerCache, Memory, fits
from vitbench.captions.tokenizer import END, SubwordTokenizer, WordSpan
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import DESCRIPTION, WEIGHTS, MissingFile, check_file, read_text
from vitbench.models.network import weights_hash as hash_of
from vitbench.models.weight_files import DAMAGED, first_line

_LONGEST = 128
_SELF = ("attn", "attention", "self_attn")
_CROSS = re.compile(r"(.*)\.(crossattention|encoder_attn)")
_RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


class EncoderDecoder(nn.Module):
    """A `CaptionModule` around a `VisionEncoderDecoderModel`."""

    def __init__(self, model: Any) -> None:
        """Raises UserError if the encoder has no patches, or the decoder no cross-attention that is known here."""
        super().__init__()
        self.model = model
        configuration = model.config.decoder
        places: Any = getattr(configuration, "max_position_embeddings", None)
        places = places or getattr(configuration, "n_positions", 0)
        self.max_length = min(int(places), _LONGEST)
        patch = getattr(model.config.encoder, "patch_size", None)
        if not isinstance(patch, int) and not (isinstance(patch, Sequence) and len(patch) == 2):
            raise UserError(f"The encoder {model.config.encoder.model_type} has no single grid of patches.")
        self.patch = (patch, patch) if isinstance(patch, int) else (int(patch[0]), int(patch[1]))
        self._attentions = list(_attentions(model.decoder))
        # transformers renames it within version 5.
        known = inspect.signature(model.decoder.forward).parameters
        self._cache_argument = "cache" if "cache" in known else "past_key_values"
        if not self._attentions:
            raise UserError(f"The decoder {configuration.model_type} has no cross-attention that is known here.")

    @property
    def decoder_attentions(self) -> list[tuple[str, str]]:
        """For each decoder layer the dotted names of its self-attention and its cross-attention module."""
        return [(f"model.decoder.{own}", f"model.decoder.{cross}") for own, cross in self._attentions]

    def encode(self, pixels: Tensor) -> Memory:
        """The tokens of the normalised pictures [B, 3, H, W], projected to the decoder's width where it differs."""
        tokens = self.model.encoder(pixel_values=pixels).last_hidden_state
        if hasattr(self.model, "enc_to_dec_proj"):
            tokens = self.model.enc_to_dec_proj(tokens)
        rows, columns = pixels.shape[-2] // self.patch[0], pixels.shape[-1] // self.patch[1]
        prefix = tokens.shape[1] - rows * columns
        if prefix < 0:
            raise UserError(f"The encoder gives {tokens.shape[1]} tokens for {rows}x{columns} patches: no grid.")
        return Memory(tokens, rows, columns, prefix)

    def decode(self, ids: Tensor, memory: Memory, cache: DecoderCache | None = None) -> Tensor:
        """Scores of the token after each of `ids`; see `CaptionModule.decode`."""
        past = 0 if cache is None else cache.length
        fits(past + ids.shape[1], self.max_length)
        theirs: dict[str, Any] = {"use_cache": False}
        if cache is not None:
            if not cache.layers:
                cache.layers.append(TheirCache())
            kept = cache.layers[0]
            assert isinstance(kept, TheirCache)
            theirs = {"use_cache": True, self._cache_argument: kept.past}
            cache.length += ids.shape[1]
        tokens = memory.repeated(len(ids) // len(memory.tokens)).tokens
        answer = self.model.decoder(input_ids=ids, encoder_hidden_states=tokens, **theirs)
        scores: Tensor = answer.logits
        return scores


class TheirCache(LayerCache):
    """Keys and values of all layers, of words and picture, as transformers keeps them."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import DynamicCache, EncoderDecoderCache

        self.past: Any = EncoderDecoderCache(DynamicCache(), DynamicCache())

    def reorder(self, rows: Tensor) -> None:
        self.past.reorder_cache(rows)

    def repeat(self, times: int) -> None:
        self.past.batch_repeat_interleave(times)


def _attentions(decoder: nn.Module) -> list[tuple[str, str]]:
    """(self-attention, cross-attention) of each layer, by the names that transformers' decoders use."""
    names = {name for name, _ in decoder.named_modules()}
    found = []
    for name in dict(decoder.named_modules()):
        match = _CROSS.fullmatch(name)
        own = next((f"{match[1]}.{part}" for part in _SELF if f"{match[1]}.{part}" in names), None) if match else None
        if own is not None:
            found.append((own, name))
    return found


class FolderTokenizer(SubwordTokenizer):
    """Word pieces whose start, end and padding may be one and the same token, as in GPT-2."""

    def decode(self, ids: Sequence[int]) -> str:
        return super().decode(self._body(ids)[0])

    def words(self, ids: Sequence[int]) -> list[WordSpan]:
        body, first, ended = self._body(ids)
        spans = [WordSpan(span.text, span.first + first, span.stop + first) for span in super().words(body)]
        stop = first + len(body)
        return [*spans, WordSpan(END, stop, stop + 1)] if ended else spans

    def _body(self, ids: Sequence[int]) -> tuple[list[int], int, bool]:
        """The tokens between start and end, where they begin, and whether there is an end."""
        sequence = list(ids)
        first = 1 if sequence and sequence[0] == self.start_id else 0
        ended = self.end_id in sequence[first:]
        stop = sequence.index(self.end_id, first) if ended else len(sequence)
        return sequence[first:stop], first, ended


@dataclass
class OpenedFolder:
    """An `OpenedCaptioner`."""

    module: EncoderDecoder
    tokenizer: FolderTokenizer
    preprocessing: Preprocessing
    name: str
    tag: str
    source: str

    @property
    def weights_hash(self) -> str:
        """16 hexadecimal digits that change with any weight."""
        return hash_of(self.module)

    def prepare(self, picture: Image.Image) -> Prepared:
        """The picture (RGB) as the folder's preprocessor_config.json wants it."""
        pixels = self.preprocessing.normalize(self.preprocessing.resized(picture).copy())
        return Prepared(pixels[None], self.preprocessing.box(*picture.size))


def is_encoder_decoder(folder: Path) -> bool:
    """Whether a folder holds a saved `VisionEncoderDecoderModel`."""
    return _read(folder / "config.json").get("model_type") == "vision-encoder-decoder"


def open_folder(folder: Path) -> OpenedFolder:
    """The captioner saved in a folder by transformers, in evaluation mode.

    Raises UserError if transformers is not installed, or if a file of the folder is missing or does not fit.
    """
    if importlib.util.find_spec("transformers") is None:
        raise UserError(f"{folder} needs Hugging Face's transformers; install it with: uv pip install 'vitbench[hf]'.")
    from transformers import VisionEncoderDecoderModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        for file in folder.iterdir():
            if not file.is_dir():
                check_file(file, WEIGHTS)  # transformers would wait at a FIFO
        model = VisionEncoderDecoderModel.from_pretrained(folder, local_files_only=True, attn_implementation="sdpa")
    except (*DAMAGED, SafetensorError) as error:
        raise UserError(f"{folder} cannot be opened as a VisionEncoderDecoderModel ({first_line(error)}).") from error
    configuration: Any = model.config
    name = f"{configuration.encoder.model_type} and {configuration.decoder.model_type}"
    return OpenedFolder(
        EncoderDecoder(model).eval(),
        _tokenizer(folder, configuration),
        _preprocessing(folder, configuration.encoder),
        name,
        folder.name,
        f"The weights are Hugging Face's in {folder}.",
    )


def _tokenizer(folder: Path, configuration: Any) -> FolderTokenizer:
    file = folder / "tokenizer.json"
    try:
        described = read_text(file, DESCRIPTION)
    except MissingFile as error:
        raise UserError(f"{file} is missing; a fast tokenizer's save_pretrained writes it.") from error
    try:
        tokenizer = tokenizers.Tokenizer.from_str(described)
    except Exception as error:  # the library raises no class of its own
        raise UserError(f"{file} is no tokenizer that can be read ({first_line(error)}).") from error
    decoder = configuration.decoder

    def token(*names: str) -> str:
        numbers = [getattr(part, name, None) for part in (configuration, decoder) for name in names]
        number = next((number for number in numbers if number is not None), None)
        text = None if number is None else tokenizer.id_to_token(int(number))
        if text is None:
            raise UserError(f"{folder}'s config.json does not say its {names[0]}.")
        return str(text)

    end = token("eos_token_id", "sep_token_id")
    start = token("decoder_start_token_id", "bos_token_id", "cls_token_id")
    pad = token("pad_token_id", "eos_token_id")
    known = tokenizer.get_vocab()
    unknown = next((text for text in ("[UNK]", "<unk>", "<unknown>") if text in known), end)
    return FolderTokenizer(tokenizer, pad=pad, start=start, end=end, unknown=unknown)


def _preprocessing(folder: Path, encoder: Any) -> Preprocessing:
    """What `preprocessor_config.json` says; without it the encoder's own size, and values from -1 to 1."""
    said = _read(folder / "preprocessor_config.json")
    own = encoder.image_size
    height, width = (own, own) if isinstance(own, int) else (int(own[0]), int(own[1]))
    half = (0.5, 0.5, 0.5)
    mean, std = (
        (said.get("image_mean", half), said.get("image_std", half))
        if said.get("do_normalize", True)
        else (
            (0.0, 0.0, 0.0),
            (1.0, 1.0, 1.0),
        )
    )
    size = said.get("size", height)
    covers = isinstance(size, dict) and "shortest_edge" in size
    fraction = height / int(size["shortest_edge"]) if covers else 1.0
    return Preprocessing(
        height,
        width,
        resize="crop" if covers or said.get("do_center_crop") else "squash",
        crop_fraction=min(1.0, fraction),
        interpolation=_RESAMPLING.get(said.get("resample", 2), "bilinear"),
        mean=(float(mean[0]), float(mean[1]), float(mean[2])),
        std=(float(std[0]), float(std[1]), float(std[2])),
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        return read_json_object(file, DESCRIPTION)
    except UserError:
        return {}
