"""Captioning as a task of the training loop: pictures with captions, a loss a token, and scores of whole captions."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vitbench.captions.captioner import CaptionNetwork, new_captioner
from vitbench.captions.decoding import greedy
from vitbench.captions.grounding import ground
from vitbench.captions.grounding_by_head import measure_heads, to_json
from vitbench.captions.heads_by_kind import step_name
from vitbench.captions.index import CaptionedPicture, CaptionIndex, open_caption_data
from vitbench.captions.network import Captioner, caption_loss, padded
from vitbench.captions.pictures import PictureSource
from vitbench.captions.saved import DecoderSizes
from vitbench.captions.scene_scores import scene_scores
from vitbench.captions.scores import CIDER_NEEDS, caption_scores
from vitbench.captions.tokenizer import (
    CharacterTokenizer,
    Tokenizer,
    WordTokenizer,
    split_words,
    tokenizer_from_dict,
    train_tokenizer,
)
from vitbench.data.pictures import UnreadablePicture
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.problems import LeftOut, Problem
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import DESCRIPTION
from vitbench.files.writing import write_whole
from vitbench.models.network import RANDOM, build_network
from vitbench.progress import Progress, silent
from vitbench.ranks import ALONE, Ranks
from vitbench.recipe import Recipe
from vitbench.text import split_name
from vitbench.training.task import BatchSize

TOKENIZER_NAME = "tokenizer.json"
_EVALUATED_AT_ONCE = 64
_GROUNDED = 48
"""Pictures whose words are grounded at each evaluation: enough to see a role become grounded, cheap enough to do."""


@dataclass(frozen=True)
class CaptionBatch:
    """`pixels` uint8 [B, H, W, 3], `ids` int64 [B, L] with start, end and padding."""

    pixels: Tensor
    ids: Tensor

    def pinned(self) -> "CaptionBatch":
        """A copy in pinned memory, from which a GPU reads while the CPU goes on."""
        return CaptionBatch(self.pixels.pin_memory(), self.ids.pin_memory())


class Captioning:
    """The Task (see `vitbench.training.task`) of a captioner on a caption data set."""

    def __init__(
        self,
        network: CaptionNetwork,
        data: CaptionIndex,
        pictures: PictureSource,
        *,
        seed: int,
        label_smoothing: float,
        device: torch.device,
    ) -> None:
        self.ranks: Ranks = ALONE
        self.network = network
        self.data = data
        self.pictures = pictures
        self.seed = seed
        self.label_smoothing = label_smoothing
        self.device = device
        self.pictures_of = {
            split: data.split(split) for split in dict.fromkeys(picture.split for picture in data.pictures)
        }
        self.splits = tuple(self.pictures_of)
        self.train_size = len(self.pictures_of["train"])
        self.left_out = LeftOut()
        self.evaluation_batch = _EVALUATED_AT_ONCE
        truth = all(picture.truth for picture in self.pictures_of["val"])
        self.monitored_metric = (
            "exact_match" if truth else "cider" if len(self.pictures_of["val"]) >= CIDER_NEEDS else "bleu4"
        )

    @property
    def tokenizer(self) -> Tokenizer:
        return self.network.tokenizer

    def batches(self, epoch: int, first_batch: int, batch_size: int) -> Iterator[CaptionBatch]:
        """The batches of an epoch from number `first_batch` on, in the order f(seed, epoch).

        Of a picture's captions each epoch shows one, chosen by f(seed, epoch, picture).
        """
        train = self.pictures_of["train"]
        order = np.random.default_rng([self.seed, epoch]).permutation(len(train))
        starts = range(first_batch * batch_size, len(order), batch_size)
        places = [self.ranks.share(order[start : start + batch_size]) for start in starts]
        chosen = [[train[place] for place in batch] for batch in places]
        for rows, numbers, taken in zip(chosen, places, self.pictures.ahead(chosen), strict=True):
            self.left_out.note(taken.left_out)
            captions = [_caption(rows[n], self.seed, epoch, int(numbers[n])) for n in taken.places]
            batch = CaptionBatch(torch.from_numpy(taken.pixels), self._ids(captions))
            yield batch.pinned() if self.device.type == "cuda" else batch

    def loss(self, module: nn.Module, batch: CaptionBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean cross-entropy a token (scalar, nats), and the share (0 to 1) of tokens that are the likeliest."""
        ids = batch.ids.to(self.device, non_blocking=True)
        scores = module(self._normalized(batch.pixels), ids[:, :-1])
        loss, accuracy = caption_loss(scores, ids, self.tokenizer.pad_id, label_smoothing=self.label_smoothing)
        return loss, {"token_accuracy": accuracy}

    def size(self, batch: CaptionBatch) -> BatchSize:
        """The loss is a mean over the tokens that follow the start."""
        return BatchSize(len(batch.ids), int((batch.ids[:, 1:] != self.tokenizer.pad_id).sum()))

    @torch.no_grad()
    def evaluate(
        self, module: nn.Module, split: str, *, step: int, folder: Path | None, progress: Progress = silent
    ) -> dict[str, float]:
        """Loss and token accuracy on true captions, and scores of the captions that greedy decoding writes.

        On Scenes also exact match, slots and hallucination. Each picture's caption goes to
        `folder/SPLIT-STEP.jsonl`. Raises UserError for a split that the data lack.
        """
        assert isinstance(module, Captioner)
        everything = self.pictures_of.get(split, [])
        mine = self.ranks.share(np.arange(len(everything)))
        pictures = [everything[number] for number in mine]
        if not everything:
            raise UserError(f"{self.data.root} has no {split} split; it has {', '.join(self.splits)}.")
        left_out, numbers = LeftOut(), list[int]()
        written: list[str] = []
        loss_sum = correct = tokens = 0.0
        at_once = self.evaluation_batch
        starts = range(0, len(pictures), at_once)
        batches = [pictures[start : start + at_once] for start in starts]
        for start, asked, taken in zip(starts, batches, self.pictures.ahead(batches), strict=True):
            left_out.note(taken.left_out)
            rows = [asked[place] for place in taken.places]
            if not rows:
                continue
            numbers += [int(mine[start + place]) for place in taken.places]
            memory = module.encode(self._normalized(torch.from_numpy(taken.pixels)))
            ids = self._ids([row.captions[0] for row in rows]).to(self.device)
            loss, accuracy = caption_loss(module.decode(ids[:, :-1], memory), ids, self.tokenizer.pad_id)
            count = float((ids[:, 1:] != self.tokenizer.pad_id).sum())
            loss_sum, correct, tokens = (
                loss_sum + float(loss) * count,
                correct + float(accuracy) * count,
                tokens + count,
            )
            written += [self.tokenizer.decode(hypothesis.ids) for hypothesis in greedy(module, memory, self.tokenizer)]
            progress(len(written), len(pictures), f"captioning the {split_name(split)}")
        told = self.ranks.gather((loss_sum, correct, tokens))
        loss_sum, correct, tokens = (sum(column) for column in zip(*told, strict=True))
        pairs = sorted(self.ranks.gather_all(list(zip(numbers, written, strict=True))))
        read, written = [everything[number] for number, _ in pairs], [caption for _, caption in pairs]
        if folder is not None:
            _write_captions(folder / f"{split}-{step}.jsonl", self.data.root, read, written)
        self.left_out.note(problems := self.ranks.gather_all(left_out.news()))
        words = [split_words(caption) for caption in written]
        references = [[split_words(caption) for caption in picture.captions] for picture in read]
        scalars = {"loss": loss_sum / tokens, "token_accuracy": correct / tokens, **caption_scores(words, references)}
        if problems:
            scalars["left_out"] = float(len(problems))
        if all(picture.truth for picture in read):
            scalars |= scene_scores(words, [picture.truth for picture in read]).scalars()
            scalars |= self._grounding(module, read) if self.ranks.is_first else {}
        if split == "val" and folder is not None:
            self._measure_heads(module, read, folder / step_name(step))
        return scalars

    def close(self) -> None:
        """Does nothing: batches are made in threads, which end with each of them."""

    def _grounding(self, module: Captioner, pictures: list[CaptionedPicture]) -> dict[str, float]:
        """AUC of raw attention against the words' masks, a role at a time, on the first pictures."""
        found: dict[str, list[float]] = {}
        for picture in pictures[:_GROUNDED]:
            try:
                records = ground(replace(self.network, module=module), [picture], deletion=False)
            except UnreadablePicture as error:  # decoded earlier, and gone since
                self.left_out.note([Problem(os.path.relpath(picture.file, self.data.root), error.reason)])
                continue
            for record in records:
                if not np.isnan(record.auc):
                    found.setdefault(record.role, []).append(record.auc)
        return {f"grounding_auc/{role}": float(np.mean(values)) for role, values in found.items()}

    def _measure_heads(self, module: Captioner, pictures: list[CaptionedPicture], file: Path) -> None:
        """Writes down which layer and head ground each kind of word best, where words have masks: what looks inside
        begins with it."""
        able = [picture for picture in pictures if picture.truth or picture.regions][:_GROUNDED]
        if not able:
            return
        where = f"{len(able)} validation pictures"
        try:
            network = replace(self.network, module=module)
            scores = measure_heads(network, able, where, spoken=self.data.pictures)
        except UserError:  # no word has a mask, or a picture is gone: then the mean over all is shown
            return
        file.parent.mkdir(exist_ok=True)  # without its parents: a run that was deleted does not come back
        write_whole(file, to_json(scores))

    def _normalized(self, pixels: Tensor) -> Tensor:
        return self.network.preprocessing.normalize(pixels.to(self.device, non_blocking=True))

    def _ids(self, captions: list[str]) -> Tensor:
        """Captions as tokens; one that is too long loses its end, and its end token with it."""
        limit = self.network.decoder.max_length
        tokenizer = self.tokenizer
        sequences = [[tokenizer.start_id, *tokenizer.encode(text), tokenizer.end_id][:limit] for text in captions]
        return padded(sequences, tokenizer.pad_id) if sequences else torch.empty((0, 1), dtype=torch.int64)


def open_caption_task(
    recipe: Recipe, run_folder: Path, store: Path, device: torch.device, progress: Progress = silent
) -> tuple[Captioning, str]:
    """The task of a recipe with task = "caption", and the fingerprint of its data.

    The tokenizer is trained on the training captions and kept in the run folder, so a resumed run has the same one.
    Raises UserError if data or network do not fit.
    """
    data = open_caption_data(recipe.data.path, store, progress, recipe.data.layout)
    for split in ("train", "val"):
        if not data.split(split):
            raise UserError(f"{data.root} has no pictures with captions for {split}; {data.sentence}.")
    tokenizer = _tokenizer(recipe, data, run_folder / TOKENIZER_NAME)
    encoder = build_network(recipe.model, num_classes=0, progress=progress)
    if encoder.tag == RANDOM:
        # Nothing was learned at another framing, and a caption speaks of the whole picture, its borders too.
        size = encoder.preprocessing
        encoder.preprocessing = Preprocessing(size.height, size.width, mean=size.mean, std=size.std)
    caption = recipe.caption
    sizes = DecoderSizes(
        embed_dim=caption.embed_dim,
        depth=caption.depth,
        num_heads=caption.num_heads,
        max_length=caption.max_length,
        dropout=caption.drop_rate,
    )
    network = new_captioner(encoder, tokenizer, sizes)
    pictures = PictureSource(
        data, network.preprocessing, keep=recipe.data.cache, threads=recipe.data.workers, progress=progress
    )
    task = Captioning(
        network,
        data,
        pictures,
        seed=recipe.train.seed,
        label_smoothing=recipe.train.label_smoothing,
        device=device,
    )
    return task, data.fingerprint


def _tokenizer(recipe: Recipe, data: CaptionIndex, file: Path) -> Tokenizer:
    if file.exists():
        return tokenizer_from_dict(read_json_object(file, DESCRIPTION))
    caption = recipe.caption
    captions = [caption for picture in data.split("train") for caption in picture.captions]
    if caption.tokenizer in ("word", "character"):
        words = WordTokenizer if caption.tokenizer == "word" else CharacterTokenizer
        tokenizer: Any = words.train(captions, vocab_size=caption.vocab_size, minimum_count=caption.min_count)
    else:
        tokenizer = train_tokenizer(caption.tokenizer, captions, vocab_size=caption.vocab_size)
    write_whole(file, json.dumps(tokenizer.to_dict(), ensure_ascii=False))
    return tokenizer


def _caption(picture: CaptionedPicture, seed: int, epoch: int, place: int) -> str:
    if len(picture.captions) == 1:
        return picture.captions[0]
    return picture.captions[int(np.random.default_rng([seed, epoch, place]).integers(len(picture.captions)))]


def _write_captions(file: Path, root: Path, pictures: list[CaptionedPicture], written: list[str]) -> None:
    rows = [
        {"file": os.path.relpath(picture.file, root), "caption": caption, "references": list(picture.captions)}
        for picture, caption in zip(pictures, written, strict=True)
    ]
    file.parent.mkdir(exist_ok=True)  # without its parents: a run that was deleted does not come back
    write_whole(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
