"""Methods beyond raw attention: from a read caption to the relevance of each picture token at each position.

All answer for the score that a position produces: that of the caption's next token, or after the last token that of
the likeliest one. L is the number of the caption's tokens, N that of the picture's, T that of its patches.
"""

import torch
from torch import Tensor

from vitbench.captions.caption_pass import CaptionPass, decoder_calls, encoder_calls
from vitbench.captions.decoder import Memory
from vitbench.captions.network import CaptionModule
from vitbench.models.attention_hooks import AttentionHooks
from vitbench.models.inference import quiet
from vitbench.progress import Progress, silent

_PICTURES_AT_ONCE = 32


def gradient_attention(module: CaptionModule, memory: Memory, caption_pass: CaptionPass) -> Tensor:
    """Mean over heads of relu(A * dy/dA) for each layer's cross-attention A: [layers, L, N].

    One pass forward and back: the caption stands L times in a batch, and entry r answers for position r.
    """
    ids, targets = _ids_and_targets(caption_pass, memory.tokens.device)
    length = len(ids)
    repeated = memory.repeated(length)
    with quiet(_as_module(module)), torch.enable_grad(), AttentionHooks(_as_module(module), keep=_in_graph) as hooks:
        scores = module.decode(ids.expand(length, length), repeated)
        places = torch.arange(length, device=ids.device)
        score = scores[places, places, targets].sum()
    maps = [cross.kept for _, cross in decoder_calls(module, hooks.calls)]
    gradients = torch.autograd.grad(score, maps)
    products = [(a.detach() * g).clamp(min=0).mean(1) for a, g in zip(maps, gradients, strict=True)]
    return torch.stack([product[places, places] for product in products])


def relevancy(module: CaptionModule, pixels: Tensor, caption_pass: CaptionPass, progress: Progress = silent) -> Tensor:
    """Relevancy of Chefer, Gur and Wolf (ICCV 2021), section 3, for an encoder-decoder: [L, N].

    Relevance of the picture's tokens for each other comes from the encoder's attention (equation 6), that of words for
    words and of tokens for words from the decoder's (equations 6, 10 and 11, with row-normalised self-relevance).
    Where the encoder has no attention over all tokens its part is the identity.
    """
    ids, targets = _ids_and_targets(caption_pass, pixels.device)
    length = len(ids)
    with quiet(_as_module(module)), torch.enable_grad(), AttentionHooks(_as_module(module), keep=_in_graph) as hooks:
        memory = module.encode(pixels)
        scores = module.decode(ids[None], memory)[0]
    tokens = memory.tokens.shape[1]
    encoder = [call.kept for call in encoder_calls(module, hooks.calls, tokens)]
    layers = decoder_calls(module, hooks.calls)
    own, cross = [call.kept for call, _ in layers], [call.kept for _, call in layers]
    maps = [*encoder, *own, *cross]

    rows = []
    for place in range(length):
        last = place == length - 1
        found = torch.autograd.grad(scores[place, targets[place]], maps, retain_graph=not last, allow_unused=True)
        weighted = [
            torch.zeros_like(a[0, 0]) if g is None else (a.detach() * g).clamp(min=0).mean(1)[0]
            for a, g in zip(maps, found, strict=True)
        ]
        of_encoder = weighted[: len(encoder)]
        of_words, of_picture = weighted[len(encoder) : len(encoder) + len(own)], weighted[len(encoder) + len(own) :]
        rows.append(_relevancy_of(of_encoder, of_words, of_picture, tokens)[place])
        progress(place + 1, length, "relevancy of each word")
    return torch.stack(rows)


def _relevancy_of(encoder: list[Tensor], own: list[Tensor], cross: list[Tensor], tokens: int) -> Tensor:
    """Relevance of the picture's tokens for each word [L, N], from head-averaged relu(A * dy/dA) of each layer."""
    length = own[0].shape[0]
    picture = torch.eye(tokens, dtype=own[0].dtype, device=own[0].device)
    words = torch.eye(length, dtype=own[0].dtype, device=own[0].device)
    relevance = torch.zeros(length, tokens, dtype=own[0].dtype, device=own[0].device)
    for attention in encoder:
        picture = picture + attention @ picture
    for words_attention, picture_attention in zip(own, cross, strict=True):
        words, relevance = words + words_attention @ words, relevance + words_attention @ relevance
        relevance = relevance + _normalized(words).T @ picture_attention @ _normalized(picture)
    return relevance


def _normalized(relevance: Tensor) -> Tensor:
    """What has been added to the identity, its rows scaled to sum 1, and the identity again (equations 8 and 9)."""
    identity = torch.eye(len(relevance), dtype=relevance.dtype, device=relevance.device)
    added = relevance - identity
    total = added.sum(1, keepdim=True)
    return torch.where(total > 0, added / total.clamp(min=1e-30), 0) + identity


def explained_away(attention: Tensor, self_attention: Tensor) -> Tensor:
    """What is left of each position's map [L, N] when what earlier words explain is taken away: [L, N].

    After the token activation map of Li et al. (ICCV 2025): the interference is the mean of the earlier positions'
    maps, weighted by how much the position attends to them (`self_attention` [L, L]); its scale is the least-squares
    fit, at most 1; what stays is positive.
    """
    weights = self_attention.tril(-1)
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-12)
    interference = weights @ attention
    energy = interference.square().sum(1, keepdim=True)
    scale = ((attention * interference).sum(1, keepdim=True) / energy.clamp(min=1e-12)).clamp(max=1)
    return (attention - scale * interference).clamp(min=0)


@torch.no_grad()
def occlusion(module: CaptionModule, pixels: Tensor, caption_pass: CaptionPass, progress: Progress = silent) -> Tensor:
    """Fall of each position's log-probability when one patch is blanked (set to 0, the mean after normalising): [L, T].

    Rises count as 0. One pass of encoder and decoder a patch: slow, and the truth for faithfulness.
    """
    ids, targets = _ids_and_targets(caption_pass, pixels.device)
    rows, columns = caption_pass.rows, caption_pass.columns
    with quiet(_as_module(module)):
        whole = _log_probs(module, pixels, ids, targets)[0]
        falls = []
        for first in range(0, rows * columns, _PICTURES_AT_ONCE):
            places = range(first, min(first + _PICTURES_AT_ONCE, rows * columns))
            blanked = torch.cat([blank(pixels, rows, columns, [place]) for place in places])
            falls.append(whole - _log_probs(module, blanked, ids, targets))
            progress(places.stop, rows * columns, "blanking patches")
    return torch.cat(falls).T.clamp(min=0)


def blank(pixels: Tensor, rows: int, columns: int, patches: list[int]) -> Tensor:
    """A copy of the pictures [B, 3, H, W] in which the numbered patches, counted row by row, are 0."""
    height, width = pixels.shape[-2:]
    blanked = pixels.clone()
    for patch in patches:
        row, column = divmod(patch, columns)
        top, bottom = row * height // rows, (row + 1) * height // rows
        blanked[..., top:bottom, column * width // columns : (column + 1) * width // columns] = 0
    return blanked


def _log_probs(module: CaptionModule, pixels: Tensor, ids: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of each position's target for each picture: [B, L]."""
    scores = module.decode(ids.expand(len(pixels), -1), module.encode(pixels))
    return scores.float().log_softmax(-1).gather(2, targets.expand(len(pixels), -1)[..., None])[..., 0]


def _ids_and_targets(caption_pass: CaptionPass, device: torch.device) -> tuple[Tensor, Tensor]:
    ids = torch.tensor(caption_pass.ids, device=device)
    return ids, torch.cat((ids[1:], caption_pass.likeliest[-1:].to(device)))


def _in_graph(attention: Tensor) -> Tensor:
    # Parameters are constant while looking, so the first maps depend on nothing that has a gradient: they begin one.
    return attention if attention.requires_grad else attention.requires_grad_()


def _as_module(module: CaptionModule) -> torch.nn.Module:
    assert isinstance(module, torch.nn.Module)
    return module
