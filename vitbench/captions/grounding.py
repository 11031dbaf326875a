"""How well the maps of words find what the words mean: numbers for each word, and tables by the role of the word.

A patch belongs to a word if one of the word's objects covers at least half of it, or, for an object that covers no
patch by half, if it covers no patch more. So a map of patches can be perfect. On pixels it cannot: the middle of the
patch that an object covers most may lie beside it, and a perfect map of 12x12 patches misses 2 to 3% of the objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from vitbench.captions.caption_pass import read_caption
from vitbench.captions.captioner import Box, OpenedCaptioner, device_of
from vitbench.captions.fitting import fitted_masks
from vitbench.captions.index import CaptionedPicture
from vitbench.captions.lexicon import regions_of, role_of
from vitbench.captions.masks import Mask, on_grid, word_masks
from vitbench.captions.relevance import blank
from vitbench.captions.scene_scores import align
from vitbench.captions.tokenizer import UNKNOWN
from vitbench.captions.word_maps import MapSettings, WordMaps, word_maps
from vitbench.data.pictures import open_picture
from vitbench.errors import UserError
from vitbench.progress import Progress, silent
from vitbench.requests.studies import CONTROLS

Values = NDArray[np.floating]
_DELETED_SHARE = 0.1
_RANDOM_DRAWS = 4
_ATTRIBUTES = ("COLOUR", "SIZE", "NUMBER")
_REACH = 3


@dataclass(frozen=True)
class WordTruth:
    """What a word is: its role, and the pixels in the original picture of each object that it means, if known."""

    role: str
    masks: tuple[Mask, ...] = ()

    @property
    def mask(self) -> Mask | None:
        """All pixels that the word means, or None where nothing is known of them."""
        return np.logical_or.reduce(self.masks) if self.masks else None


@dataclass(frozen=True)
class WordRecord:
    """The numbers of one word; NaN where a number needs a mask that there is not.

    `auc` of patch scores against the word's patches; `pointing` is 1 if the highest patch is one of them (ties share),
    `chance` the share of patches that are; `mass_ratio` the mass in the mask over the mask's share of the picture;
    `entropy` 0 (one patch) to 1 (everywhere); `distinctness` 1 - the highest cosine with another word's map;
    `deletion_drop` the fall of the word's log-probability (nats) when its top tenth of patches is blanked, beyond
    that for random patches; `correct` 1 if the word was the likeliest.
    """

    picture: int
    word: str
    role: str
    correct: float
    auc: float
    pointing: float
    chance: float
    mass_ratio: float
    entropy: float
    distinctness: float
    deletion_drop: float


def ground(
    captioner: OpenedCaptioner,
    pictures: Sequence[CaptionedPicture],
    settings: MapSettings | None = None,
    *,
    control: str | None = None,
    deletion: bool = True,
    seed: int = 0,
    progress: Progress = silent,
    problems: list[str] | None = None,
) -> list[WordRecord]:
    """Records of every word of each picture's first caption, read in one teacher-forced pass.

    `problems` gets a sentence for each mask that is left out or is not as its file says. `control` replaces the maps
    by one of `CONTROLS`. `deletion` can be left out: it is most of the time.
    """
    records = []
    for number, picture in enumerate(pictures):
        records += _of_picture(
            captioner,
            picture,
            number,
            settings or MapSettings(),
            control,
            deletion,
            seed,
            problems if problems is not None else [],
        )
        progress(number + 1, len(pictures), "grounding words")
    return records


def _of_picture(
    captioner: OpenedCaptioner,
    picture: CaptionedPicture,
    number: int,
    settings: MapSettings,
    control: str | None,
    deletion: bool,
    seed: int,
    problems: list[str],
) -> list[WordRecord]:
    module, tokenizer = captioner.module, captioner.tokenizer
    prepared = captioner.prepare(open_picture(picture.file))
    pixels = prepared.pixels.to(device_of(captioner))
    ids = [tokenizer.start_id, *tokenizer.encode(picture.captions[0]), tokenizer.end_id][: module.max_length]
    with torch.no_grad():
        memory = module.encode(pixels)
    caption_pass = read_caption(module, memory, ids)
    maps = word_maps(module, tokenizer, pixels, ids, settings, memory=memory, caption_pass=caption_pass)
    fitted = fitted_masks(picture.file, picture.regions)
    problems += fitted.problems
    truths = truths_of(picture, maps.words, fitted.masks)
    rows, columns = maps.maps.shape[1:]
    seen = [Seen.of(truth, prepared.box, rows, columns) for truth in truths]
    if control is not None:
        maps = replace(maps, maps=_controlled(control, maps, seen))
    values = maps.maps
    spans = tokenizer.words(ids)
    chosen = [word for word, truth in enumerate(truths) if truth.role]
    drops = np.full(len(maps.words), np.nan)
    if deletion and control is None:
        places = [(spans[word].first, spans[word].stop) for word in chosen]
        drops[chosen] = _deletion_drops(captioner, pixels, ids, values[chosen], places, seed + number)
    entropy, distinctness = maps.entropy, maps.distinctness
    return [
        WordRecord(
            picture=number,
            word=maps.words[word],
            role=truths[word].role,
            correct=float(maps.ranks[word] == 1),
            **against(values[word], seen[word]),
            entropy=float(entropy[word]),
            distinctness=float(distinctness[word]),
            deletion_drop=float(drops[word]),
        )
        for word in chosen
    ]


def truths_of(
    picture: CaptionedPicture, words: Sequence[str], masks: Sequence[Mask | None] | None = None
) -> list[WordTruth]:
    """What each of `words` of a picture's caption is; the role is empty for the end and for full stops.

    `masks` are those of the picture's regions (see `fitted_masks`), which are read if they are not given. On Scenes the
    truth is known. Elsewhere roles come from the lexicon: a noun has the mask of the objects that it names, a colour,
    size or number that of the noun at most three words on.
    """
    if masks is None:
        masks = fitted_masks(picture.file, picture.regions).masks
    if picture.truth:
        told = {place: picture.truth[n] for n, place in align([word.text for word in picture.truth], words)}
        # A word that the vocabulary lacks stands where the truth has it, under another name.
        same = [told.get(n) if n in told and word in (told[n].text, UNKNOWN) else None for n, word in enumerate(words)]
        return [WordTruth("") if t is None else WordTruth(t.role, word_masks(t, masks)) for t in same]
    roles = [role_of(word, picture.regions) if word[:1].isalnum() else "" for word in words]
    return [WordTruth(role, _meant(place, words, roles, picture, masks)) for place, role in enumerate(roles)]


def _meant(
    place: int,
    words: Sequence[str],
    roles: Sequence[str],
    picture: CaptionedPicture,
    masks: Sequence[Mask | None],
) -> tuple[Mask, ...]:
    noun = place
    if roles[place] in _ATTRIBUTES:
        noun = next((n for n in range(place + 1, min(place + 1 + _REACH, len(words))) if roles[n] == "NOUN"), place)
    named = {id(region) for region in regions_of(words[noun], picture.regions)}
    pairs = zip(picture.regions, masks, strict=True)
    return tuple(mask for region, mask in pairs if id(region) in named and mask is not None)


@dataclass(frozen=True)
class Seen:
    """A word's objects in the part of the picture that the network saw: the share of each patch that they cover, and
    which patches belong to the word, [rows, columns]."""

    patches: Values
    belongs: NDArray[np.bool_]

    @staticmethod
    def of(truth: WordTruth, box: Box, rows: int, columns: int) -> "Seen | None":
        """None where the word has no mask, or where what was seen shows nothing, or nothing else."""
        parts = [part for mask in truth.masks if (part := cut(mask, box)).any()]
        if not parts:
            return None
        shares = [on_grid(part, rows, columns) for part in parts]
        belongs = np.logical_or.reduce([share >= min(0.5, float(share.max())) for share in shares])
        return None if belongs.all() else Seen(on_grid(np.logical_or.reduce(parts), rows, columns), belongs)


def cut(mask: Mask, box: Box) -> Mask:
    """The part of a mask [height, width] of the whole picture that the network saw; `box` in its pixels."""
    left, top, right, bottom = (round(edge) for edge in box)
    height, width = mask.shape
    return mask[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]


def against(values: Values, seen: Seen | None) -> dict[str, float]:
    """A word's map [rows, columns] against its mask, NaN without one: auc, pointing and chance from 0 to 1; mass_ratio,
    the part of the map that lies on the mask over the part that the mask has of the picture (1 is chance)."""
    if seen is None:
        return dict.fromkeys(("auc", "pointing", "chance", "mass_ratio"), float("nan"))
    highest = values == values.max()
    total, share = float(values.sum()), float(seen.patches.mean())
    return {
        "auc": auc(values, seen.belongs),
        "pointing": float((highest & seen.belongs).sum() / highest.sum()),
        "chance": float(seen.belongs.mean()),
        "mass_ratio": float((values * seen.patches).sum()) / total / share if total else float("nan"),
    }


def auc(values: Values, belongs: NDArray[np.bool_]) -> float:
    """The chance, 0 to 1, that a patch of the word scores higher than another one; ties count half (Mann and Whitney).

    `values` and `belongs` are [rows, columns], with patches of both kinds.
    """
    flat, labels = values.ravel(), belongs.ravel()
    _, place, counts = np.unique(flat, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive, negative = int(labels.sum()), int((~labels).sum())
    return float((ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _controlled(control: str, maps: WordMaps, seen: Sequence[Seen | None]) -> Values:
    if control == "uniform":
        return np.full_like(maps.maps, 1 / maps.maps[0].size)
    if control == "shuffled":
        return np.roll(maps.maps, 1, axis=0)
    if control == "oracle":
        even = np.full(maps.maps.shape[1:], 1 / maps.maps[0].size)
        perfect = [even if s is None else s.patches + s.belongs for s in seen]
        return np.stack([values / values.sum() for values in perfect])
    raise UserError(f"The control {control!r} is not known; choose {', '.join(CONTROLS)}.")


@torch.no_grad()
def _deletion_drops(
    captioner: OpenedCaptioner,
    pixels: torch.Tensor,
    ids: Sequence[int],
    maps: Values,
    places: Sequence[tuple[int, int]],
    seed: int,
) -> Values:
    """For each word: fall of its log-probability with its own top patches blanked, less that with random ones."""
    rows, columns = maps.shape[1:]
    count = max(1, round(_DELETED_SHARE * rows * columns))
    random = np.random.default_rng(seed)
    draws = [random.permutation(rows * columns)[:count].tolist() for _ in range(_RANDOM_DRAWS)]
    tops = [np.argsort(-values, axis=None, kind="stable")[:count].tolist() for values in maps]
    pictures = torch.cat([blank(pixels, rows, columns, patches) for patches in (*draws, *tops)])
    sequence = torch.tensor([list(ids)], device=pixels.device).expand(len(pictures), -1)
    scores = captioner.module.decode(sequence, captioner.module.encode(pictures)).float().log_softmax(-1)
    chosen = scores[:, :-1].gather(2, sequence[:, 1:, None])[..., 0].cpu().numpy()
    own = np.array([chosen[len(draws) + n, first - 1 : stop - 1].sum() for n, (first, stop) in enumerate(places)])
    others = np.array([chosen[: len(draws), first - 1 : stop - 1].sum(1).mean() for first, stop in places])
    return others - own
