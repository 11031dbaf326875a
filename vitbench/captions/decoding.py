"""From scores to captions: greedy, beam search, sampling.

The picture is encoded once by the caller; keys and values of the picture and of the words so far are cached. Beams and
samples are folded into the batch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vitbench.captions.decoder import DecoderCache, Memory
from vitbench.captions.network import CaptionModule
from vitbench.captions.tokenizer import Tokenizer


@dataclass(frozen=True)
class Hypothesis:
    """A caption: tokens with start, and with end if it was reached within the length.

    `log_probs` has one natural logarithm for each token after start; `score` is what captions were ranked by.
    """

    ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    score: float
    finished: bool


@torch.inference_mode()
def greedy(
    module: CaptionModule, memory: Memory, tokenizer: Tokenizer, *, max_length: int | None = None
) -> list[Hypothesis]:
    """The most likely token at each step, one caption a picture."""
    return _one_by_one(module, memory, tokenizer, max_length, lambda scores: scores.argmax(-1))


@torch.inference_mode()
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
    """Tokens drawn from softmax(scores / temperature), among the `top_k` most likely if not 0; one caption a picture.

    The same seed draws the same captions. The reported log-probabilities are the network's own (temperature 1).
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
    ends = torch.tensor(sorted(tokenizer.end_ids), device=device)
    cache = DecoderCache()
    while ids.shape[1] < limit and not bool(done.all()):
        scores = module.decode(ids[:, cache.length :], memory, cache)[:, -1]
        chosen = choose(scores).masked_fill(done, tokenizer.pad_id)
        step = scores.float().log_softmax(-1).gather(1, chosen[:, None])
        ids, log_probs = torch.cat((ids, chosen[:, None]), 1), torch.cat((log_probs, step), 1)
        done |= torch.isin(chosen, ends)
    return [
        _hypothesis(sequence, log_prob, tokenizer.end_ids)
        for sequence, log_prob in zip(ids.tolist(), log_probs.tolist(), strict=True)
    ]


def _hypothesis(sequence: list[int], log_probs: list[float], end_ids: frozenset[int]) -> Hypothesis:
    # In some vocabularies the start token is also the end token.
    end = next((place for place in range(1, len(sequence)) if sequence[place] in end_ids), None)
    stop = len(sequence) if end is None else end + 1
    of_tokens = tuple(log_probs[: stop - 1])
    return Hypothesis(tuple(sequence[:stop]), of_tokens, sum(of_tokens), end is not None)


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6)^alpha of Wu et al. 2016 (GNMT), equation 14; `length` counts the tokens after start."""
    return ((5 + length) / 6) ** alpha


@torch.inference_mode()
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
    """The `best` captions of each picture, by sum of log-probabilities divided by `length_penalty`, best first.

    At each step a picture's `beams` unfinished captions are continued, and the `beams` best continuations kept; those
    among them that end are set aside. A picture is finished when no unfinished caption can still enter its `best`.
    Captions cut off by `max_length` are given only where too few ended.
    """
    batch, device = memory.tokens.shape[0], memory.tokens.device
    limit = min(max_length or module.max_length, module.max_length)
    searches = [_Search((tokenizer.start_id,), tokenizer.end_ids, beams, alpha, best, limit - 1) for _ in range(batch)]
    # All beams start alike: the first step has one row a picture, the others `width`.
    width, cache = 1, DecoderCache()
    tokens = torch.full((batch, 1), tokenizer.start_id, device=device)
    totals = torch.zeros(batch, 1, device=device)
    for _ in range(limit - 1):
        scores = module.decode(tokens, memory, cache)[:, -1]
        vocabulary = scores.shape[-1]
        continued = (totals.view(-1, 1) + scores.float().log_softmax(-1)).view(batch, width * vocabulary)
        # A beam has as many continuations that end as there are end tokens: so many always leave enough that go on.
        enough = min((1 + len(tokenizer.end_ids)) * beams, width * vocabulary)
        values, places = (found.tolist() for found in continued.topk(enough, dim=-1))
        for search, own_values, own_places in zip(searches, values, places, strict=True):
            search.advance([(v, *divmod(p, vocabulary)) for v, p in zip(own_values, own_places, strict=True)])
        if all(search.settled for search in searches):
            break

        if width != beams:
            width = beams
            cache.repeat(beams)
        rows = [n * beams + row for n, search in enumerate(searches) for row in search.rows]
        if rows != list(range(batch * beams)):
            cache.reorder(torch.tensor(rows, device=device))
        tokens = torch.tensor([[one] for search in searches for one in search.tokens], device=device)
        totals = torch.tensor([search.totals for search in searches], device=device)
    return [search.found for search in searches]


@dataclass(frozen=True)
class _Beam:
    """An unfinished caption, the log-probabilities of its tokens after start, and the row that it was continued in."""

    ids: tuple[int, ...]
    log_probs: tuple[float, ...] = ()
    total: float = 0.0
    row: int = 0


class _Search:
    """The beams of one picture. There are fewer than `beams` where the vocabulary is smaller: rows without one are
    dead, with a total of minus infinity."""

    def __init__(
        self, start: tuple[int, ...], end_ids: frozenset[int], beams: int, alpha: float, best: int, longest: int
    ) -> None:
        self.end_ids, self.beams, self.alpha, self.best, self.longest = end_ids, beams, alpha, best, longest
        self.alive = [_Beam(start)]
        self.ended: list[Hypothesis] = []

    def advance(self, candidates: Sequence[tuple[float, int, int]]) -> None:
        """Takes the best continuations (total log-probability, row, token), best first."""
        alive: list[_Beam] = []
        for rank, (total, row, token) in enumerate(candidates):
            if total == -math.inf or len(alive) == self.beams:
                break
            before = self.alive[row]
            ids, log_probs = (*before.ids, token), (*before.log_probs, total - before.total)
            if token not in self.end_ids:
                alive.append(_Beam(ids, log_probs, total, row))
            elif rank < self.beams:
                score = total / length_penalty(len(log_probs), self.alpha)
                self.ended.append(Hypothesis(ids, log_probs, score, finished=True))
        self.alive = alive

    @property
    def settled(self) -> bool:
        """Whether no continuation of an unfinished caption can still enter the best."""
        if not self.alive:
            return True
        if len(self.ended) < self.best:
            return False
        worst = sorted((hypothesis.score for hypothesis in self.ended), reverse=True)[self.best - 1]
        length = len(self.alive[0].log_probs)
        # Log-probabilities only fall; the penalty that divides them is extreme at one of the two lengths.
        reachable = (self.alive[0].total / length_penalty(reach, self.alpha) for reach in (length + 1, self.longest))
        return worst >= max(reachable)

    @property
    def rows(self) -> list[int]:
        """For each beam the row that it goes on from, [beams]."""
        return [beam.row for beam in self.alive] + [0] * (self.beams - len(self.alive))

    @property
    def tokens(self) -> list[int]:
        """The newest token of each beam, [beams]."""
        return [beam.ids[-1] for beam in self.alive] + [min(self.end_ids)] * (self.beams - len(self.alive))

    @property
    def totals(self) -> list[float]:
        """The log-probability of each beam, [beams]."""
        return [beam.total for beam in self.alive] + [-math.inf] * (self.beams - len(self.alive))

    @property
    def found(self) -> list[Hypothesis]:
        """The best captions; those that were cut off where too few ended."""
        ended = sorted(self.ended, key=lambda hypothesis: -hypothesis.score)[: self.best]
        cut_off = [
            Hypothesis(
                beam.ids, beam.log_probs, beam.total / length_penalty(len(beam.log_probs), self.alpha), finished=False
            )
            for beam in self.alive[: self.best - len(ended)]
        ]
        return ended + cut_off
