"""From scores to sentences: greedy, beam search, sampling.

The picture is encoded once by the caller; keys and values of the picture and of the words so far are cached. Beams and
samples are folded into the batch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vitbench.captions.decoder import DecoderCache, Memory
from vitbench.captions.network import CaptionModule
from vitbench.captions.tokenizer import Tokenizer


@dataclass(frozen=True)
class Hypothesis:
    """A sentence: tokens with start, and with end if it was reached within the length.

    `log_probs` has one natural logarithm for each token after start; `score` is what sentences were ranked by.
    """

    ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    score: float
    finished: bool


@torch.no_grad()
def greedy(
    module: CaptionModule, memory: Memory, tokenizer: Tokenizer, *, max_length: int | None = None
) -> list[Hypothesis]:
    """The most likely token at each step, one sentence a picture."""
    return _one_by_one(module, memory, tokenizer, max_length, lambda scores: scores.argmax(-1))


@torch.no_grad()
def sample(
    module: CaptionModule,
    memory: Memory,
    tokenizer: Tokenizer,
    *,
    seed: int,
    temperature: float = 1.0,
    top_k: int = 0,
    max_length: int | None = None,
) -> list[Hypothesis]:
    """Tokens drawn from softmax(scores / temperature), among the `top_k` most likely if not 0; one sentence a picture.

    The same seed draws the same sentences. The reported log-probabilities are the network's own (temperature 1).
    """
    generator = torch.Generator(device=memory.tokens.device).manual_seed(seed)

    def draw(scores: Tensor) -> Tensor:
        scaled = scores.float() / temperature
        if top_k:
            worst = scaled.topk(min(top_k, scaled.shape[-1])).values[:, -1:]
            scaled = scaled.masked_fill(scaled < worst, -torch.inf)
        return torch.multinomial(scaled.softmax(-1), 1, generator=generator).squeeze(1)

    return _one_by_one(module, memory, tokenizer, max_length, draw)


def _one_by_one(
    module: CaptionModule,
    memory: Memory,
    tokenizer: Tokenizer,
    max_length: int | None,
    choose: Callable[[Tensor], Tensor],
) -> list[Hypothesis]:
    batch, device = memory.tokens.shape[0], memory.tokens.device
    limit = min(max_length or module.max_length, module.max_length)
    ids = torch.full((batch, 1), tokenizer.start_id, dtype=torch.int64, device=device)
    log_probs = torch.zeros(batch, 0, device=device)
    done = torch.zeros(batch, dtype=torch.bool, device=device)
    cache = DecoderCache()
    while ids.shape[1] < limit and not bool(done.all()):
        scores = module.decode(ids[:, cache.length :], memory, cache)[:, -1]
        chosen = choose(scores).masked_fill(done, tokenizer.pad_id)
        step = scores.float().log_softmax(-1).gather(1, chosen[:, None])
        ids, log_probs = torch.cat((ids, chosen[:, None]), 1), torch.cat((log_probs, step), 1)
        done |= chosen == tokenizer.end_id
    return [
        _hypothesis(sequence, log_prob, tokenizer.end_id)
        for sequence, log_prob in zip(ids.tolist(), log_probs.tolist(), strict=True)
    ]


def _hypothesis(sequence: list[int], log_probs: list[float], end_id: int) -> Hypothesis:
    # In some vocabularies the start token is also the end token.
    finished = end_id in sequence[1:]
    stop = sequence.index(end_id, 1) + 1 if finished else len(sequence)
    kept = tuple(log_probs[: stop - 1])
    return Hypothesis(tuple(sequence[:stop]), kept, sum(kept), finished)


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6)^alpha of Wu et al. 2016 (GNMT), equation 14; `length` counts the tokens after start."""
    return ((5 + length) / 6) ** alpha


@torch.no_grad()
def beam_search(
    module: CaptionModule,
    memory: Memory,
    tokenizer: Tokenizer,
    *,
    beams: int = 4,
    alpha: float = 0.7,
    best: int = 1,
    max_length: int | None = None,
) -> list[list[Hypothesis]]:
    """The `best` sentences of each picture, by sum of log-probabilities divided by `length_penalty`, best first.

    At each step a picture's `beams` unfinished sentences are continued, and the `beams` best continuations kept; those
    among them that end are set aside. A picture is finished when no unfinished sentence can still enter its `best`.
    Sentences cut off by `max_length` are given only where too few ended.
    """
    batch, device = memory.tokens.shape[0], memory.tokens.device
    limit = min(max_length or module.max_length, module.max_length)
    repeated = memory.repeated(beams)
    first_row = torch.arange(batch, device=device)[:, None] * beams
    ids = torch.full((batch * beams, 1), tokenizer.start_id, dtype=torch.int64, device=device)
    history = torch.zeros(batch * beams, 0, device=device)
    # All beams start alike: only the first may be continued, else each sentence would appear `beams` times.
    totals = torch.full((batch, beams), -torch.inf, device=device)
    totals[:, 0] = 0.0
    ended: list[list[Hypothesis]] = [[] for _ in range(batch)]
    cache = DecoderCache()

    while ids.shape[1] < limit:
        scores = module.decode(ids[:, cache.length :], repeated, cache)[:, -1]
        log_probs = scores.float().log_softmax(-1)
        vocabulary = log_probs.shape[-1]
        candidates = (totals.view(-1, 1) + log_probs).view(batch, beams * vocabulary)
        # One end token a beam at most, so twice the beams always leave enough sentences that go on.
        values, places = candidates.topk(min(2 * beams, beams * vocabulary), dim=-1)
        rows, tokens = first_row + places // vocabulary, places % vocabulary
        ends = tokens == tokenizer.end_id
        length = ids.shape[1]

        for picture, rank in (ends[:, :beams] & values[:, :beams].isfinite()).nonzero().tolist():
            row = int(rows[picture, rank])
            sequence = (*ids[row].tolist(), tokenizer.end_id)
            steps = (*history[row].tolist(), float(log_probs[row, tokenizer.end_id]))
            score = float(values[picture, rank]) / length_penalty(length, alpha)
            ended[picture].append(Hypothesis(sequence, steps, score, finished=True))

        alive = values.masked_fill(ends, -torch.inf)
        totals, kept = alive.topk(beams, dim=-1)
        chosen_rows, chosen_tokens = rows.gather(1, kept).flatten(), tokens.gather(1, kept).flatten()
        ids = torch.cat((ids[chosen_rows], chosen_tokens[:, None]), 1)
        history = torch.cat((history[chosen_rows], log_probs[chosen_rows, chosen_tokens][:, None]), 1)
        cache.reorder(chosen_rows)
        if all(_settled(ended[p], float(totals[p, 0]), length, limit - 1, alpha, best) for p in range(batch)):
            break

    return [
        _best_of(ended[picture], ids[picture * beams :], history[picture * beams :], totals[picture], alpha, best)
        for picture in range(batch)
    ]


def _settled(ended: list[Hypothesis], total: float, length: int, longest: int, alpha: float, best: int) -> bool:
    """Whether no continuation of a sentence with log-probability `total` can still enter the `best` of `ended`."""
    if total == -torch.inf:
        return True
    if len(ended) < best:
        return False
    worst = sorted((hypothesis.score for hypothesis in ended), reverse=True)[best - 1]
    # Log-probabilities only fall; the penalty that divides them is extreme at one of the two lengths.
    return worst >= max(total / length_penalty(reach, alpha) for reach in (length + 1, longest))


def _best_of(
    ended: list[Hypothesis], ids: Tensor, history: Tensor, totals: Tensor, alpha: float, best: int
) -> list[Hypothesis]:
    found = sorted(ended, key=lambda hypothesis: -hypothesis.score)[:best]
    cut_off = [
        Hypothesis(tuple(sequence), tuple(steps), total / length_penalty(len(steps), alpha), finished=False)
        for sequence, steps, total in zip(ids.tolist(), history.tolist(), totals.tolist(), strict=False)
        if total > -torch.inf
    ]
    return found + cut_off[: best - len(found)]
