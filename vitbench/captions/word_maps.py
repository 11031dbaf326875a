"""The part of the picture behind every word of a caption: one map a word, by several methods.

Each method gives every decoder position a relevance for each picture token; here the positions become words, prefix
tokens (class token, registers) are dropped, and each map is scaled to sum 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitbench.captions.caption_pass import CaptionPass, read_caption
from vitbench.captions.decoder import Memory
from vitbench.captions.heads_by_kind import KindHeads
from vitbench.captions.network import CaptionModule
from vitbench.captions.relevance import explained_away, gradient_attention, occlusion, relevancy
from vitbench.captions.tokenizer import Tokenizer
from vitbench.errors import UserError
from vitbench.nearest import perhaps
from vitbench.progress import Progress, silent
from vitbench.requests.captions import WORD_METHODS, Row

METHODS = {name: method.title for name, method in WORD_METHODS.items()}
OF_ATTENTION = tuple(name for name, method in WORD_METHODS.items() if method.has_heads)
"""The methods that need nothing but the attention of one pass: they answer at once."""
HAS_LAYERS = tuple(name for name, method in WORD_METHODS.items() if method.has_layers)
"""The methods for which a layer can be chosen; a head can be for those of attention alone."""


@dataclass(frozen=True)
class MapSettings:
    """How maps are made. `layer` and `head` count from 0, from the end if negative; None is the mean over all.

    With `by_kind` raw cross-attention of each word is that of the layer and head of its kind.
    """

    method: str = "raw"
    layer: int | None = None
    head: int | None = None
    row: Row = "predicting"
    by_kind: KindHeads | None = None

    def describe(self) -> str:
        """As figures say it."""
        if self.by_kind is not None:
            return f"{METHODS[self.method]}, {self.by_kind.describe()}; {self.row} row"
        facts = self.facts()
        parts = [
            f"mean over {what}s" if facts[what] == "mean" else f"{what} {facts[what]}"
            for what in ("layer", "head")
            if facts[what]
        ]
        return ", ".join([METHODS[self.method], *parts, f"{self.row} row"])

    def facts(self) -> dict[str, str]:
        """As tables say it: `layer` and `head` count from 1, are `mean`, or empty where the method has none;
        by kind of word they name each kind."""
        if self.by_kind is not None:
            of_kinds = {which: self.by_kind.fact(which) for which in ("layer", "head")}
            return {"method": self.method, **of_kinds, "row": self.row}
        layer = _counted(self.layer) if self.method in HAS_LAYERS else ""
        head = _counted(self.head) if self.method in OF_ATTENTION else ""
        return {"method": self.method, "layer": layer, "head": head, "row": self.row}


@dataclass(frozen=True)
class WordMaps:
    """One map for each of `words` (the last is `<end>` if the caption ends): float32 [words, rows, columns].

    Each map is not negative and sums to 1, or is all 0 where the method found nothing. `prefix_mass` [words] is the
    share of relevance on prefix tokens, which the maps leave out. `log_probs` [words] are natural and summed over a
    word's pieces; `ranks` [words] are those of its worst piece (1: the likeliest token).
    """

    words: tuple[str, ...]
    maps: NDArray[np.float32]
    prefix_mass: NDArray[np.float32]
    log_probs: NDArray[np.float32]
    ranks: NDArray[np.int64]
    settings: MapSettings

    @property
    def entropy(self) -> NDArray[np.float64]:
        """Entropy of each map over the largest possible one, log(patches): 0 is one patch, 1 is everywhere."""
        flat = self.maps.reshape(len(self.words), -1).astype(np.float64)
        return -(flat * np.log(np.where(flat > 0, flat, 1))).sum(1) / np.log(max(2, flat.shape[1]))

    @property
    def peak(self) -> NDArray[np.float64]:
        """The largest value of each map as a multiple of the uniform map's."""
        flat = self.maps.reshape(len(self.words), -1).astype(np.float64)
        return flat.max(1) * flat.shape[1]

    @property
    def distinctness(self) -> NDArray[np.float64]:
        """1 - the highest cosine of each word's map with another word's: 0 if two words share one map."""
        flat = self.maps.reshape(len(self.words), -1).astype(np.float64)
        unit = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
        cosine = unit @ unit.T
        np.fill_diagonal(cosine, -1)
        return 1 - np.clip(cosine.max(1), 0, 1) if len(self.words) > 1 else np.ones(1)

    def warnings(self) -> list[str]:
        """Plain sentences on maps that should not be believed: all alike, on the border, on prefix tokens."""
        found = []
        if len(self.words) > 2 and float(self.distinctness.max()) < 0.02:
            found.append("The maps have collapsed: all words share one map.")
        if float(self.prefix_mass.mean()) > 0.5:
            found.append(f"{self.prefix_mass.mean():.0%} of the attention is on prefix tokens, which no map shows.")
        border = np.ones(self.maps.shape[1:], dtype=bool)
        border[1:-1, 1:-1] = False
        share, area = float(self.maps[:, border].sum(1).mean()), float(border.mean())
        if area < 0.75 and share > max(0.75, 1.5 * area):
            found.append(f"{share:.0%} of the attention is on the border patches, which are {area:.0%} of the picture.")
        return found


def word_maps(
    module: CaptionModule,
    tokenizer: Tokenizer,
    pixels: Tensor,
    ids: Sequence[int],
    settings: MapSettings | None = None,
    *,
    memory: Memory | None = None,
    caption_pass: CaptionPass | None = None,
    progress: Progress = silent,
) -> WordMaps:
    """The maps of the words of the caption `ids` (with start) on one normalised picture [1, 3, H, W].

    `memory` and `caption_pass` are taken if they are there already (the encoded picture, `read_caption`'s answer).
    Raises UserError for an unknown method, layer or head, and for a caption that is too long.
    """
    settings = settings or MapSettings()
    if settings.method not in METHODS:
        near = perhaps(settings.method, METHODS)
        raise UserError(f"The method {settings.method!r} is not known{near}; choose {', '.join(METHODS)}.")
    if memory is None:
        with torch.no_grad():
            memory = module.encode(pixels)
    caption_pass = caption_pass or read_caption(module, memory, ids)
    if settings.method in OF_ATTENTION:
        return attention_maps(caption_pass, tokenizer, settings)
    if settings.method == "gradient_attention":
        relevance = _layer(gradient_attention(module, memory, caption_pass), settings.layer, "layers")
    elif settings.method == "relevancy":
        relevance = relevancy(module, pixels, caption_pass, progress)
    else:
        patches = occlusion(module, pixels, caption_pass, progress)
        relevance = torch.nn.functional.pad(patches, (caption_pass.num_prefix_tokens, 0))
    return _words(caption_pass, tokenizer, relevance, settings)


def attention_maps(caption_pass: CaptionPass, tokenizer: Tokenizer, settings: MapSettings) -> WordMaps:
    """`word_maps` for the methods of attention alone: arithmetic on what one pass has shown, no pass of its own."""
    if settings.by_kind is not None:
        return _words(caption_pass, tokenizer, _by_kind(caption_pass, tokenizer, settings), settings)
    attention = _layer(_layer(caption_pass.attention, settings.layer, "layers"), settings.head, "heads")
    if settings.method == "explained_away":
        attention = explained_away(attention, caption_pass.self_attention.mean((0, 1)))
    found = _words(caption_pass, tokenizer, attention, settings)
    if settings.method == "raw_minus_mean":
        above = np.clip(found.maps - found.maps.mean(0), 0, None)
        return replace(found, maps=_scaled(above))
    return found


def _by_kind(caption_pass: CaptionPass, tokenizer: Tokenizer, settings: MapSettings) -> Tensor:
    """Attention [L, N], in the rows of each word that of its kind's layer and head."""
    assert settings.by_kind is not None
    attention = caption_pass.attention
    chosen = attention.mean(0).mean(0)
    offset = 1 if settings.row == "predicting" else 0
    for span in tokenizer.words(caption_pass.ids):
        if (at := settings.by_kind.of(span.text)) is not None:
            rows = slice(span.first - offset, span.stop - offset)
            chosen[rows] = _layer(_layer(attention, at[0] - 1, "layers"), at[1] - 1, "heads")[rows]
    return chosen


def all_word_maps(caption_pass: CaptionPass, tokenizer: Tokenizer, row: Row = "predicting") -> NDArray[np.float32]:
    """Raw cross-attention of every layer and head, word by word: [layers, heads, words, rows, columns], each of sum 1.

    Equal to `attention_maps` for each layer and head, in one go.
    """
    spans = tokenizer.words(caption_pass.ids)
    offset = 1 if row == "predicting" else 0
    patches = caption_pass.attention[..., caption_pass.num_prefix_tokens :].float().cpu().numpy()
    merged = [patches[:, :, span.first - offset : span.stop - offset].mean(2) for span in spans]
    maps = np.stack(merged, axis=2)
    return _scaled(maps.reshape(*maps.shape[:3], caption_pass.rows, caption_pass.columns))


def _words(caption_pass: CaptionPass, tokenizer: Tokenizer, relevance: Tensor, settings: MapSettings) -> WordMaps:
    """Positions [L, N] to words: the chosen row of each piece, the mean over a word's pieces, prefix tokens dropped."""
    spans = tokenizer.words(caption_pass.ids)
    if not spans:
        raise UserError("The caption has no words.")
    offset = 1 if settings.row == "predicting" else 0
    values = relevance.float().cpu().numpy()
    rows = np.stack([values[span.first - offset : span.stop - offset].mean(0) for span in spans])
    prefix, patches = rows[:, : caption_pass.num_prefix_tokens], rows[:, caption_pass.num_prefix_tokens :]
    total = np.maximum(rows.sum(1), 1e-12)
    log_probs, ranks = caption_pass.log_probs.cpu().numpy(), caption_pass.ranks.cpu().numpy()
    return WordMaps(
        words=tuple(span.text for span in spans),
        maps=_scaled(patches.reshape(len(spans), caption_pass.rows, caption_pass.columns)),
        prefix_mass=(prefix.sum(1) / total).astype(np.float32),
        log_probs=np.array([log_probs[span.first - 1 : span.stop - 1].sum() for span in spans], dtype=np.float32),
        ranks=np.array([ranks[span.first - 1 : span.stop - 1].max() for span in spans], dtype=np.int64),
        settings=settings,
    )


def _scaled(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    total = maps.sum(axis=(-2, -1), keepdims=True)
    return np.where(total > 1e-12, maps / np.maximum(total, 1e-12), 0).astype(np.float32)


def _layer(values: Tensor, chosen: int | None, what: str) -> Tensor:
    """One entry of the first axis, or the mean over it."""
    if chosen is None:
        return values.mean(0)
    if not -len(values) <= chosen < len(values):
        raise UserError(f"There are {len(values)} {what}; number {_counted(chosen)} is none of them.")
    return values[chosen]


def _counted(number: int | None) -> str:
    if number is None:
        return "mean"
    return f"{number + 1}" if number >= 0 else "last" if number == -1 else f"{-number} from the end"
