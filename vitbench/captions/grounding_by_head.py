"""Which layers and heads of a captioner ground best: every one of them measured in the same pass over each picture.

The choice is made on the validation split and used elsewhere, so that a table on the test split is not its own judge.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vitbench.captions.caption_pass import read_caption
from vitbench.captions.captioner import OpenedCaptioner, device_of
from vitbench.captions.fitting import fitted_masks
from vitbench.captions.grounding import Seen, against, truths_of
from vitbench.captions.index import CaptionedPicture
from vitbench.captions.word_maps import all_word_maps
from vitbench.data.pictures import open_picture
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import MissingFile
from vitbench.paths import expanded, shipped_weights
from vitbench.progress import Progress, silent
from vitbench.requests.captions import Row

FILE_NAME = "grounding-heads.json"
"""In a run's `evaluations/`, with the step before the ending; beside the package's weights under their name."""
NOT_MEASURED = "mean over layers and heads: which point best was not measured (vitbench ground --by-head)"
"""How maps are made, in words, where `heads_of` finds nothing."""
ROLE = "NOUN"
"""Nouns have the clearest masks, so they choose."""


@dataclass(frozen=True)
class HeadScores:
    """Mean over nouns with masks, [layers][heads]: `pointing` is the share whose highest patch is one of the object's,
    `auc` that of the patch scores. Chosen are the layer and head, from 1, that point best (then the higher AUC)."""

    pointing: tuple[tuple[float, ...], ...]
    auc: tuple[tuple[float, ...], ...]
    chance: float
    words: int
    pictures: int
    mean_pointing: float
    """Of the mean over all layers and heads."""
    layer: int
    head: int
    where: str
    """What it was measured on."""

    def sentence(self) -> str:
        """What was chosen, and why."""
        return (
            f"layer {self.layer}, head {self.head} point best at nouns on {self.where}"
            f" ({self._chosen():.2f}; mean over all {self.mean_pointing:.2f}, chance {self.chance:.2f},"
            f" {self.words:,} nouns)"
        )

    def _chosen(self) -> float:
        return self.pointing[self.layer - 1][self.head - 1]

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def measure_heads(
    captioner: OpenedCaptioner,
    pictures: Sequence[CaptionedPicture],
    where: str,
    *,
    row: Row = "predicting",
    progress: Progress = silent,
) -> HeadScores:
    """Measures raw cross-attention of each layer and head on the first caption of each picture.

    Raises UserError where no noun has a mask.
    """
    pointing: list[NDArray[np.floating]] = []
    areas: list[NDArray[np.floating]] = []
    means, chances = [], []
    for number, picture in enumerate(pictures):
        for per_head, mean in _of_picture(captioner, picture, row):
            pointing.append(np.vectorize(lambda found: found["pointing"])(per_head))
            areas.append(np.vectorize(lambda found: found["auc"])(per_head))
            means.append(mean["pointing"])
            chances.append(mean["chance"])
        progress(number + 1, len(pictures), "grounding by head")
    if not pointing:
        raise UserError(f"No noun of {where} has a mask, so no head can be measured there.")
    points, auc = np.mean(pointing, axis=0), np.mean(areas, axis=0)
    best = max(np.ndindex(points.shape), key=lambda at: (round(float(points[at]), 6), float(auc[at])))
    return HeadScores(
        tuple(map(tuple, points.tolist())),
        tuple(map(tuple, auc.tolist())),
        float(np.mean(chances)),
        len(pointing),
        len(pictures),
        float(np.mean(means)),
        int(best[0]) + 1,
        int(best[1]) + 1,
        where,
    )


@torch.no_grad()
def _of_picture(
    captioner: OpenedCaptioner, picture: CaptionedPicture, row: Row
) -> list[tuple[NDArray[np.object_], dict[str, float]]]:
    """For each noun with a mask the numbers of each head [layers, heads], and those of the mean of all maps."""
    module, tokenizer = captioner.module, captioner.tokenizer
    prepared = captioner.prepare(open_picture(picture.file))
    pixels = prepared.pixels.to(device_of(captioner))
    ids = [tokenizer.start_id, *tokenizer.encode(picture.captions[0]), tokenizer.end_id][: module.max_length]
    caption_pass = read_caption(module, module.encode(pixels), ids)
    maps = all_word_maps(caption_pass, tokenizer, row)
    words = [span.text for span in tokenizer.words(ids)]
    truths = truths_of(picture, words, fitted_masks(picture.file, picture.regions).masks)
    found = []
    for word, truth in enumerate(truths):
        seen = Seen.of(truth, prepared.box, *maps.shape[3:]) if truth.role == ROLE else None
        if seen is None:
            continue
        per_head = np.empty(maps.shape[:2], dtype=object)
        for at in np.ndindex(*maps.shape[:2]):
            per_head[at] = against(maps[(*at, word)], seen)
        mean = caption_pass.attention[..., caption_pass.num_prefix_tokens :].float().mean(dim=(0, 1)).cpu().numpy()
        span, offset = tokenizer.words(ids)[word], 1 if row == "predicting" else 0
        of_all = mean[span.first - offset : span.stop - offset].mean(0).reshape(maps.shape[3:])
        found.append((per_head, against(of_all, seen)))
    return found


def heads_of(reference: str, runs: Path) -> HeadScores | None:
    """What was measured at the end of a training, of the checkpoint that `RUN@STEP` names, or of the package's
    captioner; None where nothing was. `runs` is the store's folder of runs."""
    if reference == "demo":
        file = shipped_weights() / f"captioner.{FILE_NAME}"
    elif expanded(reference).exists():
        return None
    else:
        run, _, step = reference.partition("@")
        file = runs / run / "evaluations" / step_name(int(step)) if step.isdecimal() else runs / FILE_NAME
    try:
        values = read_json_object(file)
        scores = {name: tuple(map(tuple, values[name])) for name in ("pointing", "auc")}
        return HeadScores(**(values | scores))
    except MissingFile:
        return None
    except (KeyError, TypeError, UserError) as error:
        raise UserError(f"{file} cannot be read ({error}); --layer and --head choose instead.") from None


def step_name(step: int) -> str:
    """The file of a run's checkpoint."""
    return f"grounding-heads-{step}.json"


def to_json(scores: HeadScores) -> str:
    """What `heads_of` reads."""
    return json.dumps(scores.document(), indent=1) + "\n"


def table(scores: HeadScores) -> str:
    """Pointing, and AUC in brackets: a row a layer, a column a head; the chosen one is marked."""
    heads = len(scores.pointing[0])
    lines = ["layer  " + "".join(f"{f'head {head}':>15}" for head in range(1, heads + 1))]
    for layer, (points, areas) in enumerate(zip(scores.pointing, scores.auc, strict=True), 1):
        cells = []
        for head, (point, area) in enumerate(zip(points, areas, strict=True), 1):
            mark = "*" if (layer, head) == (scores.layer, scores.head) else " "
            cells.append(f"{f'{point:.2f} ({area:.2f}){mark}':>15}")
        lines.append(f"{layer:>5}  {''.join(cells)}")
    return "\n".join(lines)
