"""How close captions are to their references: BLEU-1..4, ROUGE-L, CIDEr-D.

The numbers equal those of the COCO caption evaluation (pycocoevalcap) on the same tokens. Captions are given as lists
of words; each candidate has one or more references.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

Words = Sequence[str]
_ORDERS = 4
# The COCO evaluation's guards against division by zero; they make a corpus without a match score 1e-15, not 0.
_TINY, _SMALL = 1e-15, 1e-9
CIDER_NEEDS = 50
"""Below this number of pictures the document frequencies of CIDEr say little."""


def caption_scores(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> dict[str, float]:
    """`bleu1` to `bleu4`, `rouge_l` (0 to 1) and `cider` (0 to 10), over all pictures."""
    scores = {f"bleu{n}": value for n, value in enumerate(bleu(candidates, references), start=1)}
    return scores | {"rouge_l": rouge_l(candidates, references), "cider": cider_d(candidates, references)}


def bleu(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """Corpus BLEU-1 to BLEU-4 (Papineni et al. 2002), brevity against the closest reference length."""
    matched, offered = np.zeros(_ORDERS), np.zeros(_ORDERS)
    length = reference_length = 0
    for candidate, picture in zip(candidates, references, strict=True):
        length += len(candidate)
        reference_length += min((abs(len(r) - len(candidate)), len(r)) for r in picture)[1]
        for n in range(_ORDERS):
            counts = _ngrams(candidate, n + 1)
            most: Counter[tuple[str, ...]] = Counter()
            for reference in picture:
                most |= _ngrams(reference, n + 1)
            matched[n] += (counts & most).total()
            offered[n] += max(0, len(candidate) - n)
    precisions = np.cumprod((matched + _TINY) / (offered + _SMALL))
    ratio = (length + _TINY) / (reference_length + _SMALL)
    brevity = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    return [float(product ** (1 / (n + 1))) * brevity for n, product in enumerate(precisions)]


def rouge_l(candidates: Sequence[Words], references: Sequence[Sequence[Words]], beta: float = 1.2) -> float:
    """Mean ROUGE-L (Lin 2004), 0 to 1: F-measure of the longest common subsequence, best precision and recall apart."""
    values = []
    for candidate, picture in zip(candidates, references, strict=True):
        common = [_longest_common_subsequence(candidate, reference) for reference in picture]
        precision = max(shared / max(1, len(candidate)) for shared in common)
        recall = max(shared / max(1, len(reference)) for shared, reference in zip(common, picture, strict=True))
        together = recall + beta**2 * precision
        values.append((1 + beta**2) * precision * recall / together if together else 0.0)
    return float(np.mean(values))


def cider_d(candidates: Sequence[Words], references: Sequence[Sequence[Words]], sigma: float = 6.0) -> float:
    """Mean CIDEr-D (Vedantam et al. 2015), 0 to 10, document frequencies from these references.

    As in the COCO evaluation, a caption's length is its number of bigrams.
    """
    frequency: Counter[tuple[str, ...]] = Counter()
    for picture in references:
        frequency.update({ngram for reference in picture for ngram in _all_ngrams(reference)})
    pictures = math.log(len(references))

    def weights(words: Words) -> list[dict[tuple[str, ...], float]]:
        return [
            {
                ngram: count * (pictures - math.log(max(1, frequency[ngram])))
                for ngram, count in _ngrams(words, n).items()
            }
            for n in range(1, _ORDERS + 1)
        ]

    values = []
    for candidate, picture in zip(candidates, references, strict=True):
        offered = weights(candidate)
        total = 0.0
        for reference in picture:
            bigrams_apart = max(0, len(candidate) - 1) - max(0, len(reference) - 1)
            penalty = math.exp(-(bigrams_apart**2) / (2 * sigma**2))
            wanted = weights(reference)
            total += penalty * sum(_clipped_cosine(offered[n], wanted[n]) for n in range(_ORDERS))
        values.append(10 * total / _ORDERS / len(picture))
    return float(np.mean(values))


def _clipped_cosine(offered: dict[tuple[str, ...], float], wanted: dict[tuple[str, ...], float]) -> float:
    product = sum(min(value, wanted[ngram]) * wanted[ngram] for ngram, value in offered.items() if ngram in wanted)
    norms = math.hypot(*offered.values()) * math.hypot(*wanted.values())
    return product / norms if norms else product


def _ngrams(words: Words, n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[first : first + n]) for first in range(len(words) - n + 1))


def _all_ngrams(words: Words) -> set[tuple[str, ...]]:
    return {ngram for n in range(1, _ORDERS + 1) for ngram in _ngrams(words, n)}


def _longest_common_subsequence(first: Words, second: Words) -> int:
    lengths = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for place, other in enumerate(second, start=1):
            diagonal, lengths[place] = (
                lengths[place],
                diagonal + 1 if word == other else max(lengths[place], lengths[place - 1]),
            )
    return lengths[-1]
