"""A captioner: a ViT encoder of the workbench, the decoder, and the loss that trains them."""

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitbench.captions.decoder import CaptionDecoder, DecoderCache, Memory, Shown
from vitbench.captions.stepping import step


class CaptionModule(Protocol):
    """What decoding and word maps ask of any captioner, ours or others'."""

    max_length: int
    """The longest sequence it can read, with start and end."""

    @property
    def decoder_attentions(self) -> list[tuple[str, str]]:
        """For each decoder layer the dotted names of its self-attention and its cross-attention module."""

    def encode(self, pixels: Tensor) -> Memory:
        """The tokens of the normalised pictures [B, 3, H, W]."""

    def decode(self, ids: Tensor, memory: Memory, cache: DecoderCache | None = None) -> Tensor:
        """Scores [B, L, vocabulary] of the token after each of `ids` [B, L].

        With a cache, `ids` [R, L] are the new ones, of R / B captions of each picture, one picture after the other.
        """


class Captioner(nn.Module):
    """`encoder` is any timm Vision Transformer without head; `decoder` reads its tokens."""

    def __init__(self, encoder: nn.Module, decoder: CaptionDecoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.max_length = decoder.max_length

    @property
    def decoder_attentions(self) -> list[tuple[str, str]]:
        """For each decoder layer the dotted names of its self-attention and its cross-attention module."""
        names = [f"decoder.layers.{number}" for number in range(len(self.decoder.layers))]
        return [(f"{name}.self_attention", f"{name}.cross_attention") for name in names]

    def encode(self, pixels: Tensor) -> Memory:
        """The tokens of the normalised pictures [B, 3, H, W]; the grid follows from the picture, not from a root."""
        encoder: Any = self.encoder
        rows, columns = encoder.patch_embed.dynamic_feat_size(tuple(pixels.shape[-2:]))
        return Memory(encoder.forward_features(pixels), rows, columns, int(encoder.num_prefix_tokens))

    def decode(self, ids: Tensor, memory: Memory, cache: DecoderCache | None = None) -> Tensor:
        """Scores of the token after each of `ids`; see `CaptionModule.decode`."""
        scores: Tensor = self.decoder(ids, memory) if cache is None else step(self.decoder, ids, memory, cache)
        return scores

    def decode_openly(self, ids: Tensor, memory: Memory) -> tuple[Tensor, Shown]:
        """`decode` of ids [R, L] without a cache, [R, L, vocabulary], and the attention that it computed; quicker than
        watching it with the hooks."""
        shown = Shown()
        return self.decoder(ids, memory, shown), shown

    def forward(self, pixels: Tensor, ids: Tensor) -> Tensor:
        """Teacher-forced scores [B, L, vocabulary] for the captions `ids` [B, L]."""
        return self.decode(ids, self.encode(pixels))


def caption_loss(scores: Tensor, ids: Tensor, pad_id: int, *, label_smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
    """Cross-entropy a token (nats), and the share of tokens that have the highest score.

    `ids` [B, L] are whole sequences with start, end and padding; `scores` [B, L - 1, vocabulary] answer `ids[:, :-1]`.
    """
    targets = ids[:, 1:]
    loss = F.cross_entropy(
        scores.flatten(0, 1).float(), targets.flatten(), ignore_index=pad_id, label_smoothing=label_smoothing
    )
    counted = targets != pad_id
    correct = (scores.detach().argmax(-1) == targets) & counted
    return loss, correct.sum() / counted.sum()


def padded(sequences: list[list[int]], pad_id: int, length: int | None = None) -> Tensor:
    """Sequences of token numbers as one int64 tensor [B, L], padded on the right."""
    length = length or max(len(sequence) for sequence in sequences)
    ids = torch.full((len(sequences), length), pad_id, dtype=torch.int64)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence, dtype=torch.int64)
    return ids
