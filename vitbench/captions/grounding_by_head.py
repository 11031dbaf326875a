"""Which layers and heads of a captioner ground best: every one of them measured in the same pass over each picture.

The choice is made on the validation split and used elsewhere, so that a table on the test split is not its own judge.
It is made for each kind of word: a head that points at nouns may look past colours. The best head of a kind is the one
with the highest mean of AUC and pointing; it takes the place of the mean over all heads only where it is better than
that by more than chance: where the interval of the difference (95%, bootstrap over pictures) lies above 0.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vitbench.captions.caption_pass import read_caption
from vitbench.captions.captioner import OpenedCaptioner, device_of
from vitbench.captions.fitting import fitted_masks
from vitbench.captions.grounding import Seen, against, truths_of
from vitbench.captions.grounding_table import ROLE_ORDER
from vitbench.captions.heads_by_kind import HeadScores, KindScores
from vitbench.captions.index import CaptionedPicture
from vitbench.captions.lexicon import role_of
from vitbench.captions.tokenizer import split_words
from vitbench.captions.word_maps import MapSettings, all_word_maps, attention_maps
from vitbench.data.pictures import open_picture
from vitbench.errors import UserError
from vitbench.progress import Progress, silent
from vitbench.requests.captions import Row
from vitbench.statistics import bootstrap_counts, clustered_mean

_FEWEST_PICTURES = 6
"""Fewer than these may all agree by chance more often than once in twenty."""
_MOST_READ = 5000
"""Pictures whose captions tell of which kind a word is."""


@dataclass(frozen=True)
class _Word:
    """A word with a mask: (AUC, pointing) of each head [layers, heads, 2] and of the mean over all [2]."""

    picture: int
    role: str
    heads: NDArray[np.float64]
    mean: NDArray[np.float64]
    chance: float


def measure_heads(
    captioner: OpenedCaptioner,
    pictures: Sequence[CaptionedPicture],
    where: str,
    *,
    row: Row = "predicting",
    spoken: Sequence[CaptionedPicture] = (),
    progress: Progress = silent,
) -> HeadScores:
    """Measures raw cross-attention of each layer and head on the first caption of each picture.

    `spoken` are pictures whose captions tell, beside those measured, of which kind a word is. Raises UserError where
    no word has a mask.
    """
    found: list[_Word] = []
    for number, picture in enumerate(pictures):
        found += _of_picture(captioner, picture, number, row)
        progress(number + 1, len(pictures), "grounding by head")
    if not found:
        raise UserError(f"No word of {where} has a mask, so no head can be measured there.")
    times = bootstrap_counts(len(pictures), seed=0)
    seen = {word.role for word in found}
    roles = [role for role in ROLE_ORDER if role in seen] + sorted(seen - set(ROLE_ORDER))
    kinds = {role: _scores([word for word in found if word.role == role], times) for role in roles}
    words = words_by_kind([*pictures, *spoken][:_MOST_READ])
    return HeadScores(
        kinds=kinds,
        spoken={role: words[role] for role in roles if role in words},
        where=where,
        pictures=len(pictures),
    )


def _scores(words: Sequence[_Word], times: NDArray[np.int64]) -> KindScores:
    """The numbers of one kind, and its head where one is better than the mean."""
    heads, means = np.stack([word.heads for word in words]), np.stack([word.mean for word in words])
    gains = heads.mean(-1) - means.mean(-1)[:, None, None]
    mean, gain = heads.mean(0), gains.mean(0)
    best = max(np.ndindex(gain.shape), key=lambda at: (round(float(gain[at]), 6), float(mean[(*at, 0)])))
    where = np.array([word.picture for word in words])
    estimate = clustered_mean(gains[(slice(None), *best)], where, times)
    better = estimate is not None and estimate.low > 0 and len(set(where.tolist())) >= _FEWEST_PICTURES
    return KindScores(
        pointing=tuple(map(tuple, mean[..., 1].tolist())),
        auc=tuple(map(tuple, mean[..., 0].tolist())),
        chance=float(np.mean([word.chance for word in words])),
        words=len(words),
        mean_pointing=float(means[:, 1].mean()),
        mean_auc=float(means[:, 0].mean()),
        layer=int(best[0]) + 1 if better else None,
        head=int(best[1]) + 1 if better else None,
    )


@torch.no_grad()
def _of_picture(captioner: OpenedCaptioner, picture: CaptionedPicture, number: int, row: Row) -> list[_Word]:
    """The words of a picture's first caption that have a mask."""
    module, tokenizer = captioner.module, captioner.tokenizer
    prepared = captioner.prepare(open_picture(picture.file))
    pixels = prepared.pixels.to(device_of(captioner))
    ids = [tokenizer.start_id, *tokenizer.encode(picture.captions[0]), tokenizer.end_id][: module.max_length]
    caption_pass = read_caption(module, module.encode(pixels), ids)
    maps = all_word_maps(caption_pass, tokenizer, row)
    mean = attention_maps(caption_pass, tokenizer, MapSettings(row=row))
    truths = truths_of(picture, mean.words, fitted_masks(picture.file, picture.regions).masks)
    found = []
    for place, truth in enumerate(truths):
        seen = Seen.of(truth, prepared.box, *maps.shape[3:]) if truth.role else None
        if seen is None:
            continue
        each = [[_two(against(values, seen)) for values in layer] for layer in maps[:, :, place]]
        of_all = against(mean.maps[place], seen)
        found.append(_Word(number, truth.role, np.array(each), np.array(_two(of_all)), of_all["chance"]))
    return found


def _two(found: dict[str, float]) -> tuple[float, float]:
    return found["auc"], found["pointing"]


def words_by_kind(pictures: Sequence[CaptionedPicture]) -> dict[str, tuple[str, ...]]:
    """The words of each kind in the pictures' captions, in lower case; a word of several kinds is of the most frequent.

    A word that names an object in one picture and none in another is a noun.
    """
    counts: dict[str, Counter[str]] = {}
    for picture in pictures:
        if picture.truth:
            pairs = [(word.text, word.role) for word in picture.truth]
        else:
            words = [word for caption in picture.captions for word in split_words(caption)]
            pairs = [(word, role_of(word, picture.regions)) for word in words if word[:1].isalnum()]
        for word, role in pairs:
            if role and role != "OTHER":
                counts.setdefault(word.lower(), Counter())[role] += 1
    kinds: dict[str, list[str]] = {}
    for word in sorted(counts):
        kinds.setdefault(counts[word].most_common(1)[0][0], []).append(word)
    return {role: tuple(words) for role, words in kinds.items()}


def to_json(scores: HeadScores) -> str:
    """What `heads_of` reads."""
    return json.dumps(scores.document(), indent=1, ensure_ascii=False) + "\n"


def table(scores: KindScores) -> str:
    """Pointing, and AUC in brackets: a row a layer, a column a head; the chosen one, if there is one, is marked."""
    heads = len(scores.pointing[0])
    lines = ["layer  " + "".join(f"{f'head {head}':>15}" for head in range(1, heads + 1))]
    for layer, (points, areas) in enumerate(zip(scores.pointing, scores.auc, strict=True), 1):
        cells = []
        for head, (point, area) in enumerate(zip(points, areas, strict=True), 1):
            mark = "*" if (layer, head) == (scores.layer, scores.head) else " "
            cells.append(f"{f'{point:.2f} ({area:.2f}){mark}':>15}")
        lines.append(f"{layer:>5}  {''.join(cells)}")
    return "\n".join(lines)
