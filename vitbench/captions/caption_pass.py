"""One pass over a finished caption: what the decoder attended to at each position, and how likely each token was.

In a causal decoder the query at position i predicts token i + 1. So of the token at place k, row k - 1 is the
*predicting* row, and row k the *reading* row: what the decoder looks at once the token is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitbench.captions.decoder import Memory
from vitbench.captions.network import Captioner, CaptionModule
from vitbench.errors import UserError
from vitbench.models.attention_hooks import ROW_SUM_TOLERANCE, AttentionCall, AttentionHooks
from vitbench.models.inference import quiet


@dataclass(frozen=True)
class CaptionPass:
    """What one teacher-forced pass over the caption `ids` (L tokens, with start) of one picture shows.

    `attention` [layers, heads, L, N] is the cross-attention to N = num_prefix_tokens + rows * columns picture tokens,
    `self_attention` [layers, heads, L, L] that to the words so far. `log_probs` (natural) and `ranks` (1 is the most
    likely) [L - 1] are those of `ids[1:]`; `likeliest` [L] is the token that each position would have gone on with.
    """

    ids: tuple[int, ...]
    attention: Tensor
    self_attention: Tensor
    log_probs: Tensor
    ranks: Tensor
    likeliest: Tensor
    rows: int
    columns: int
    num_prefix_tokens: int


def read_caption(module: CaptionModule, memory: Memory, ids: Sequence[int]) -> CaptionPass:
    """All maps of all layers and heads of a caption, from one pass of the decoder over one picture's `memory`.

    `ids` begins with the start token; it may be the network's own caption or any other.
    Raises UserError if the caption is too long for the network.
    """
    check_length(module, ids)
    scores, own, cross = _read_openly(module, memory, torch.tensor([list(ids)], device=memory.tokens.device))
    log_probs = scores.float().log_softmax(-1)
    following = torch.tensor(ids[1:], device=scores.device)
    chosen = log_probs[:-1].gather(1, following[:, None])
    return CaptionPass(
        ids=tuple(ids),
        attention=cross,
        self_attention=own,
        log_probs=chosen[:, 0],
        ranks=(log_probs[:-1] > chosen).sum(1) + 1,
        likeliest=log_probs.argmax(-1),
        rows=memory.rows,
        columns=memory.columns,
        num_prefix_tokens=memory.num_prefix_tokens,
    )


@torch.no_grad()
def _read_openly(module: CaptionModule, memory: Memory, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores [L, vocabulary], self-attention and cross-attention [layers, heads, L, ...] of one picture's caption."""
    inner = getattr(module, "_orig_mod", module)
    if isinstance(inner, Captioner) and not inner.training:
        with torch.autocast(ids.device.type, enabled=False):
            scores, shown = inner.decode_openly(ids, memory)
        own, cross = torch.cat(shown.words), torch.cat(shown.picture)
        if not float((cross.sum(-1) - 1).abs().max()) <= ROW_SUM_TOLERANCE:
            raise UserError(
                "An attention map is not a distribution, so nothing is drawn; the network's weights or the picture hold"
                " NaN or infinity."
            )
        return scores[0], own, cross
    names = [name for pair in module.decoder_attentions for name in pair]
    with quiet(_module(module)), AttentionHooks(_module(module), names=names) as hooks:
        scores = module.decode(ids, memory)
    layers = decoder_calls(module, hooks.calls)
    own, cross = (torch.cat([_with_batch(pair[part].kept) for pair in layers]) for part in (0, 1))
    return scores[0], own, cross


def _with_batch(attention: Tensor) -> Tensor:
    """[1, heads, L, ...]: some decoders of transformers fold the batch, here of one caption, into the heads."""
    return attention if attention.dim() == 4 else attention[None]


def decoder_calls(module: CaptionModule, calls: Sequence[AttentionCall]) -> list[tuple[AttentionCall, AttentionCall]]:
    """The (self-attention, cross-attention) call of each decoder layer.

    Raises UserError if a layer's attention was not computed by a softmax over its keys, so that no map is missing, or
    if gradients are wanted and the maps have no axis of their own for the heads.
    """
    found = []
    for own_name, cross_name in module.decoder_attentions:
        own = [call for call in calls if _within(call.module, own_name)]
        cross = [call for call in calls if _within(call.module, cross_name)]
        if len(own) != 1 or len(cross) != 1:
            raise UserError(f"The captioner's {cross_name} showed {len(cross)} attention maps instead of one.")
        if torch.is_grad_enabled() and cross[0].kept.dim() != 4:
            raise UserError(
                "This captioner's decoder folds its heads into the batch, where gradients of a map cannot be read;"
                " raw, raw_minus_mean, explained_away and occlusion work on it."
            )
        found.append((own[0], cross[0]))
    return found


def encoder_calls(module: CaptionModule, calls: Sequence[AttentionCall], tokens: int) -> list[AttentionCall]:
    """The encoder's self-attention over all `tokens` of the picture, block by block; empty where it has none."""
    decoder = [name for pair in module.decoder_attentions for name in pair]
    others = [call for call in calls if not any(_within(call.module, name) for name in decoder)]
    return [call for call in others if call.shape[-2:] == (tokens, tokens)]


def check_length(module: CaptionModule, ids: Sequence[int]) -> None:
    """Raises UserError if the caption has no word, or more tokens than the network has positions."""
    if len(ids) < 2:
        raise UserError("The caption has no words.")
    if len(ids) > module.max_length:
        raise UserError(f"The caption has {len(ids)} tokens with its marks; this captioner reads {module.max_length}.")


def _module(module: CaptionModule) -> nn.Module:
    assert isinstance(module, nn.Module)
    return module


def _within(name: str, parent: str) -> bool:
    return name == parent or name.startswith(parent + ".")
