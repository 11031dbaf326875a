"""CATR's captioner (saahiluppal/catr), read from its checkpoint file into a module of our own.

ResNet with frozen batch norms, its last stage dilated (stride 16); a 1x1 projection; sine positions; pre-norm encoder
and decoder, in which positions are added again to queries and keys of every layer (as in DETR); an untied MLP head.
Sizes are read off the tensors; the number of heads and the dilation cannot be, and are CATR's own unless told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops import FrozenBatchNorm2d

from vitbench.captions.decoder import DecoderCache, Memory, fits
from vitbench.errors import UserError

HEADS = 8


@dataclass(frozen=True)
class CatrSizes:
    """What a checkpoint says of itself. `stages` are the numbers of blocks of the ResNet's four stages."""

    vocab_size: int
    embed_dim: int
    max_length: int
    encoder_depth: int
    decoder_depth: int
    hidden: int
    head_widths: tuple[int, ...]
    stages: tuple[int, int, int, int]
    num_heads: int = HEADS

    @staticmethod
    def of(tensors: Mapping[str, Tensor], num_heads: int = HEADS) -> "CatrSizes":
        """Read off the tensors. Raises UserError, naming what is missing, if they are not those of a CATR."""
        try:
            words = tensors["transformer.embeddings.word_embeddings.weight"]
            head = sorted(k for k in tensors if k.startswith("mlp.layers.") and k.endswith(".weight"))
            stages = [_count(tensors, f"backbone.0.body.layer{stage}.") for stage in range(1, 5)]
            return CatrSizes(
                vocab_size=words.shape[0],
                embed_dim=words.shape[1],
                max_length=tensors["transformer.embeddings.position_embeddings.weight"].shape[0],
                encoder_depth=_count(tensors, "transformer.encoder.layers."),
                decoder_depth=_count(tensors, "transformer.decoder.layers."),
                hidden=tensors["transformer.decoder.layers.0.linear1.weight"].shape[0],
                head_widths=tuple(tensors[name].shape[0] for name in head[:-1]),
                stages=(stages[0], stages[1], stages[2], stages[3]),
                num_heads=num_heads,
            )
        except KeyError as error:
            raise UserError(f"The checkpoint is not CATR's: it has no tensor {error.args[0]}.") from error


def is_catr(names: Sequence[str]) -> bool:
    """Whether tensors of these names are those of a CATR checkpoint."""
    return {"transformer.embeddings.word_embeddings.weight", "input_proj.weight"} <= set(names)


def _count(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered parts there are below a name."""
    numbers = {int(name.removeprefix(prefix).partition(".")[0]) for name in tensors if name.startswith(prefix)}
    if not numbers:
        raise KeyError(f"{prefix}0")
    return max(numbers) + 1


class CatrAttention(nn.Module):
    """`nn.MultiheadAttention`'s tensors, computed openly through `F.scaled_dot_product_attention`, batch first."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * embed_dim))
        self.out_proj = nn.Linear(embed_dim, embed_dim)

    def project(self, x: Tensor, part: int) -> Tensor:
        """Queries (0), keys (1) or values (2) of `x` [B, L, D]: [B, heads, L, D / heads]."""
        weight, bias = self.in_proj_weight.chunk(3)[part], self.in_proj_bias.chunk(3)[part]
        return F.linear(x, weight, bias).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def forward(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        """`query` [R, L, D]: R / B rows for each row of keys and values, which are as `project` gives them.

        `mask` is true where one may look.
        """
        queries = self.project(query.reshape(len(keys), -1, query.shape[-1]), 0)
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=causal)
        projected: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(query.shape))
        return projected


class CatrEncoderLayer(nn.Module):
    """Self-attention over the feature map, then the MLP; pre-norm, positions added to queries and keys."""

    def __init__(self, sizes: CatrSizes) -> None:
        super().__init__()
        self.self_attn = CatrAttention(sizes.embed_dim, sizes.num_heads)
        self.linear1 = nn.Linear(sizes.embed_dim, sizes.hidden)
        self.linear2 = nn.Linear(sizes.hidden, sizes.embed_dim)
        self.norm1, self.norm2 = nn.LayerNorm(sizes.embed_dim), nn.LayerNorm(sizes.embed_dim)

    def forward(self, x: Tensor, positions: Tensor, mask: Tensor | None) -> Tensor:
        """`x` and `positions` are [B, N, D]."""
        normed = self.norm1(x)
        placed = normed + positions
        own = self.self_attn
        x = x + own(placed, own.project(placed, 1), own.project(normed, 2), mask, False)
        hidden: Tensor = x + self.linear2(F.relu(self.linear1(self.norm2(x))))
        return hidden


class CatrDecoderLayer(nn.Module):
    """Self-attention over the words, cross-attention to the picture, MLP; positions are added again in each layer."""

    def __init__(self, sizes: CatrSizes) -> None:
        super().__init__()
        self.self_attn = CatrAttention(sizes.embed_dim, sizes.num_heads)
        self.multihead_attn = CatrAttention(sizes.embed_dim, sizes.num_heads)
        self.linear1 = nn.Linear(sizes.embed_dim, sizes.hidden)
        self.linear2 = nn.Linear(sizes.hidden, sizes.embed_dim)
        self.norm1, self.norm2 = nn.LayerNorm(sizes.embed_dim), nn.LayerNorm(sizes.embed_dim)
        self.norm3 = nn.LayerNorm(sizes.embed_dim)

    def forward(
        self, x: Tensor, places: Tensor, memory: Tensor, placed: Tensor, mask: Tensor | None, cache: Any
    ) -> Tensor:
        """`x` [B, L, D] are the newest words, `places` [1, L, D] their positions; a cache holds those before them.

        `memory` [B, N, D] is the picture, `placed` the picture with its positions.
        """
        own, cross = self.self_attn, self.multihead_attn
        normed = self.norm1(x)
        keys, values = own.project(normed + places, 1), own.project(normed, 2)
        length, past = x.shape[1], 0
        if cache is not None:
            past = 0 if cache.keys is None else cache.keys.shape[2]
            keys, values = cache.append(keys, values)
        seen = None
        if past and length > 1:
            seen = torch.ones(length, past + length, dtype=torch.bool, device=x.device).tril(past)
        x = x + own(normed + places, keys, values, seen, length > 1 and not past)
        if cache is None or cache.picture is None:
            picture = cross.project(placed, 1), cross.project(memory, 2)
            if cache is not None:
                cache.picture = picture
        else:
            picture = cache.picture
        x = x + cross(self.norm2(x) + places, *picture, mask, False)
        hidden: Tensor = x + self.linear2(F.relu(self.linear1(self.norm3(x))))
        return hidden


class _Layers(nn.Module):
    """A stack of layers and its last norm."""

    def __init__(self, layers: Sequence[nn.Module], embed_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(embed_dim)


class _Embeddings(nn.Module):
    def __init__(self, sizes: CatrSizes) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(sizes.vocab_size, sizes.embed_dim)
        self.position_embeddings = nn.Embedding(sizes.max_length, sizes.embed_dim)
        self.LayerNorm = nn.LayerNorm(sizes.embed_dim, eps=1e-12)


class _Transformer(nn.Module):
    def __init__(self, sizes: CatrSizes) -> None:
        super().__init__()
        self.embeddings = _Embeddings(sizes)
        self.encoder = _Layers([CatrEncoderLayer(sizes) for _ in range(sizes.encoder_depth)], sizes.embed_dim)
        self.decoder = _Layers([CatrDecoderLayer(sizes) for _ in range(sizes.decoder_depth)], sizes.embed_dim)


class _Mlp(nn.Module):
    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = layer(x) if number == len(self.layers) - 1 else F.relu(layer(x))
        return x


class _Body(nn.Module):
    """`backbone.0.body`: a ResNet without pooling and head."""

    def __init__(self, sizes: CatrSizes, dilation: bool) -> None:
        super().__init__()
        whole = ResNet(
            Bottleneck,
            list(sizes.stages),
            replace_stride_with_dilation=[False, False, dilation],
            norm_layer=FrozenBatchNorm2d,
        )
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            self.add_module(name, getattr(whole, name))
        self.width = 512 * Bottleneck.expansion

    def forward(self, x: Tensor) -> Tensor:
        for part in self.children():
            x = part(x)
        return x


class Catr(nn.Module):
    """A `CaptionModule`. `backbone.0.body`, `input_proj`, `transformer` and `mlp` are the checkpoint's names."""

    def __init__(self, sizes: CatrSizes, *, dilation: bool = True) -> None:
        super().__init__()
        self.sizes = sizes
        self.max_length = sizes.max_length
        body = _Body(sizes, dilation)
        holder = nn.Module()
        holder.add_module("body", body)
        self.backbone = nn.ModuleList([holder])
        self.input_proj = nn.Conv2d(body.width, sizes.embed_dim, 1)
        self.transformer = _Transformer(sizes)
        self.mlp = _Mlp((sizes.embed_dim, *sizes.head_widths, sizes.vocab_size))

    @property
    def decoder_attentions(self) -> list[tuple[str, str]]:
        """For each decoder layer the dotted names of its self-attention and its cross-attention module."""
        names = [f"transformer.decoder.layers.{number}" for number in range(self.sizes.decoder_depth)]
        return [(f"{name}.self_attn", f"{name}.multihead_attn") for name in names]

    def encode(self, pixels: Tensor) -> Memory:
        """The encoded feature map of the normalised pictures [B, 3, H, W]; its grid is that of the map."""
        body: Any = self.backbone[0]
        features = self.input_proj(body.body(pixels))
        rows, columns = features.shape[-2:]
        x = features.flatten(2).transpose(1, 2)
        positions = sine_positions(rows, columns, self.sizes.embed_dim).to(x)
        for layer in self.transformer.encoder.layers:
            x = layer(x, positions, None)
        return Memory(self.transformer.encoder.norm(x), rows, columns, 0)

    def decode(self, ids: Tensor, memory: Memory, cache: DecoderCache | None = None) -> Tensor:
        """Scores of the token after each of `ids`; see `CaptionModule.decode`."""
        past = 0 if cache is None else cache.length
        fits(past + ids.shape[1], self.max_length)
        embeddings = self.transformer.embeddings
        places = embeddings.position_embeddings.weight[None, past : past + ids.shape[1]]
        x = embeddings.LayerNorm(embeddings.word_embeddings(ids) + places)
        placed = memory.tokens
        if past == 0:  # afterwards the layers hold the picture's keys and values
            placed = placed + sine_positions(memory.rows, memory.columns, self.sizes.embed_dim).to(x)
        for number, layer in enumerate(self.transformer.decoder.layers):
            x = layer(x, places, memory.tokens, placed, memory.mask, None if cache is None else cache.layer(number))
        if cache is not None:
            cache.length += ids.shape[1]
        scores: Tensor = self.mlp(self.transformer.decoder.norm(x))
        return scores


def sine_positions(rows: int, columns: int, embed_dim: int, temperature: float = 10_000.0) -> Tensor:
    """DETR's sine positions [1, rows * columns, embed_dim]: half for the row, half for the column, scaled to 2 pi."""
    half = embed_dim // 2
    places = torch.arange(half, dtype=torch.float32)
    divisor = temperature ** (2 * (places // 2) / half)

    def waves(count: int) -> Tensor:
        angles = torch.arange(1, count + 1, dtype=torch.float32) / (count + 1e-6) * 2 * torch.pi
        phases = angles[:, None] / divisor
        return torch.stack((phases[:, 0::2].sin(), phases[:, 1::2].cos()), dim=2).flatten(1)

    down = waves(rows)[:, None].expand(rows, columns, half)
    across = waves(columns)[None].expand(rows, columns, half)
    return torch.cat((down, across), dim=2).reshape(1, rows * columns, embed_dim)


def build_catr(tensors: Mapping[str, Tensor], *, num_heads: int = HEADS) -> Catr:
    """The captioner of a checkpoint's tensors, in evaluation mode. Raises UserError if they do not fit together."""
    sizes = CatrSizes.of(tensors, num_heads)
    module = Catr(sizes)
    try:
        module.load_state_dict(dict(tensors))
    except RuntimeError as error:
        first = str(error).split("\n")[-1].strip()
        raise UserError(f"The checkpoint does not fit CATR's network ({first}).") from error
    return module.eval()
