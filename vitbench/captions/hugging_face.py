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
from vitbench.captions.tokenizer import END, SubwordTokenizer, WordSpan, parse_tokenizer
from vitbench.data.hugging_face_preprocessing import read_preprocessing
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import DESCRIPTION, WEIGHTS, MissingFile, check_file, read_text
from vitbench.models.bounded import bound_of_machine, bounded
from vitbench.models.network import weights_hash as hash_of
from vitbench.models.weight_files import DAMAGED, first_line

_LONGEST = 128
_SELF = ("attn", "attention", "self_attn")
_CROSS = re.compile(r"(.*)\.(crossattention|encoder_attn)")


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
        """The tokens of the normalised pictures [B, 3, H, W], projected to the decoder's width where it differs.

        Raises UserError where they are fewer than the patches.
        """
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
    """Word pieces whose start, end and padding may be one and the same token, as in GPT-2; several tokens may end."""

    def __init__(
        self, tokenizer: tokenizers.Tokenizer, *, pad: str, start: str, end: str, unknown: str, ends: Sequence[int] = ()
    ) -> None:
        super().__init__(tokenizer, pad=pad, start=start, end=end, unknown=unknown)
        self.end_ids |= frozenset(ends)

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
        end = next((place for place in range(first, len(sequence)) if sequence[place] in self.end_ids), None)
        return sequence[first:end], first, end is not None


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
    model = _loaded(folder, VisionEncoderDecoderModel)
    configuration: Any = model.config
    encoder = configuration.encoder
    own = encoder.image_size
    height, width = (own, own) if isinstance(own, int) else (int(own[0]), int(own[1]))
    prepared = read_preprocessing(folder, encoder.model_type, (height, width))
    notes = (*prepared.notes, *_not_applied(model.generation_config))
    return OpenedFolder(
        EncoderDecoder(model).eval(),
        _tokenizer(folder, model),
        prepared.preprocessing,
        f"{encoder.model_type} and {configuration.decoder.model_type}",
        folder.name,
        " ".join((f"The weights are Hugging Face's in {folder}.", *notes)),
    )


def _loaded(folder: Path, kind: Any) -> Any:
    """The model, with attention that can be read: fused where the decoder has it, else written out."""
    problem: Exception | None = None
    try:
        for file in folder.iterdir():
            if not file.is_dir():
                check_file(file, WEIGHTS)  # transformers would wait at a FIFO
        for attention in ("sdpa", "eager"):
            try:
                with bounded(bound_of_machine()):
                    return kind.from_pretrained(folder, local_files_only=True, attn_implementation=attention)
            except ValueError as error:
                if "attention implementation" not in str(error):
                    raise
                problem = error
    except (*DAMAGED, SafetensorError) as error:
        problem = error
    assert problem is not None
    raise UserError(f"{folder} cannot be opened as a VisionEncoderDecoderModel ({first_line(problem)}).") from problem


def _not_applied(generation: Any) -> tuple[str, ...]:
    """What a folder asks of its decoding that is not done here, in one sentence."""
    usual = {"no_repeat_ngram_size": 0, "repetition_penalty": 1.0, "min_length": 0, "forced_bos_token_id": None}
    usual |= {"forced_eos_token_id": None, "bad_words_ids": None, "suppress_tokens": None, "min_new_tokens": None}
    asked = {name: getattr(generation, name, None) for name in usual}
    listed = [f"{name} = {value}" for name, value in asked.items() if value not in (None, usual[name])]
    return (f"Its generation_config asks for {', '.join(listed)}, which is not done here.",) if listed else ()


def _tokenizer(folder: Path, model: Any) -> FolderTokenizer:
    """The folder's word pieces, with the start, end and padding that transformers' `generate` takes.

    Those are of `generation_config.json` first, and of `config.json` where it says nothing.
    """
    file = folder / "tokenizer.json"
    try:
        described = read_text(file, DESCRIPTION)
    except MissingFile as error:
        raise UserError(f"{file} is missing; a fast tokenizer's save_pretrained writes it.") from error
    tokenizer = parse_tokenizer(described, str(file))
    places = (model.generation_config, model.config, model.config.decoder)

    def numbers(*names: str) -> list[int]:
        for name in names:
            for place in places:
                value = getattr(place, name, None)
                if value is not None:
                    return [int(number) for number in value] if isinstance(value, list | tuple) else [int(value)]
        raise UserError(f"{folder}: neither generation_config.json nor config.json says its {names[0]}.")

    def text(number: int) -> str:
        found = tokenizer.id_to_token(number)
        if found is None:
            raise UserError(f"{file} has no token {number}, which the configuration beside it names.")
        return str(found)

    ends = numbers("eos_token_id", "sep_token_id")
    start = numbers("decoder_start_token_id", "bos_token_id", "cls_token_id")[0]
    pad = numbers("pad_token_id", "eos_token_id")[0]
    known = tokenizer.get_vocab()
    unknown = next((piece for piece in ("[UNK]", "<unk>", "<unknown>") if piece in known), text(ends[0]))
    return FolderTokenizer(tokenizer, pad=text(pad), start=text(start), end=text(ends[0]), unknown=unknown, ends=ends)


def _read(file: Path) -> dict[str, Any]:
    try:
        return read_json_object(file, DESCRIPTION)
    except UserError:
        return {}
