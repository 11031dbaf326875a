"""A CATR checkpoint opened: the network, BERT's word pieces from a local vocab.txt, and CATR's way with pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizers
import torch
from PIL import Image
from tokenizers import decoders, models, normalizers, pre_tokenizers

from vitbench.captions.captioner import Prepared
from vitbench.captions.catr import Catr, build_catr, is_catr
from vitbench.captions.tokenizer import SubwordTokenizer, Tokenizer
from vitbench.errors import UserError
from vitbench.files.reading import DESCRIPTION, Unreadable, read_text
from vitbench.models.network import weights_hash as hash_of
from vitbench.models.weight_files import read_weights

LONGEST_SIDE = 299
VOCABULARY = "vocab.txt"


@dataclass
class OpenedCatr:
    """An `OpenedCaptioner`."""

    module: Catr
    tokenizer: Tokenizer
    tag: str
    source: str
    name: str = "CATR"

    @property
    def weights_hash(self) -> str:
        """16 hexadecimal digits that change with any weight."""
        return hash_of(self.module)

    def prepare(self, picture: Image.Image) -> Prepared:
        """The whole picture (RGB), its longest side 299 pixels, values from -1 to 1."""
        scale = LONGEST_SIDE / max(picture.size)
        size = max(1, int(picture.width * scale)), max(1, int(picture.height * scale))
        values = np.asarray(picture.resize(size, Image.Resampling.BICUBIC), dtype=np.float32) / 127.5 - 1
        pixels = torch.from_numpy(values).permute(2, 0, 1)[None].contiguous()
        return Prepared(pixels, (0.0, 0.0, float(picture.width), float(picture.height)))


def open_catr(file: Path) -> OpenedCatr:
    """The captioner in a checkpoint file; `vocab.txt` (that of bert-base-uncased) lies beside it.

    Raises UserError if the file is no CATR checkpoint, or the vocabulary is missing or of another size.
    """
    tensors = read_weights(file)
    if not is_catr(list(tensors)):
        raise UserError(f"{file} holds no captioner: neither one of vitbench's, with its JSON beside it, nor CATR's.")
    module = build_catr(tensors)
    tokenizer = read_vocabulary(file.with_name(VOCABULARY))
    if tokenizer.vocab_size != module.sizes.vocab_size:
        raise UserError(
            f"{file.with_name(VOCABULARY)} has {tokenizer.vocab_size:,} words; the checkpoint needs"
            f" {module.sizes.vocab_size:,}."
        )
    return OpenedCatr(module, tokenizer, file.stem, f"The weights are CATR's in {file}.")


def read_vocabulary(file: Path) -> SubwordTokenizer:
    """BERT's lower-casing word pieces, one line each. Raises UserError if the file is not there or lacks its marks."""
    try:
        # Only line feeds end a word: some words are separators of lines themselves.
        words = read_text(file, DESCRIPTION).removesuffix("\n").split("\n")
    except Unreadable as error:
        raise UserError(
            f"CATR's words are missing: put the vocab.txt of bert-base-uncased at {file} ({error.reason})."
        ) from error
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return SubwordTokenizer(tokenizer, pad="[PAD]", start="[CLS]", end="[SEP]", unknown="[UNK]")
