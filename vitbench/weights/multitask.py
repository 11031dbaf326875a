"""The task that trains the package's classifier and captioner at once, around one encoder.

Besides the label and the caption, each patch learns of the object that it shows the kind, the colour, how many there
are and how they stand to the others, whether the picture has its label from it, and its piece of the silhouettes (token
labelling: Jiang et al. 2021). So a small network learns in hours on one core, and its tokens stay where their object
is. These heads are thrown away at the end. The class token learns to look at the object that gives the label.

Where the objects and the two groups are has a loss of its own: "above" follows from it at once, while from the word
alone it is an exclusive or (am I the first group, and is the other one below me?), which a gradient hardly finds.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vitbench.captions.captioner import CaptionNetwork
from vitbench.captions.decoder import Memory
from vitbench.captions.decoding import greedy
from vitbench.captions.network import Captioner, caption_loss
from vitbench.captions.scene_data import caption_ids
from vitbench.data.problems import LeftOut
from vitbench.data.scenes import COLOURS, KIND_SETS, RELATIONS
from vitbench.data.scenes.kinds import BASE_KINDS
from vitbench.progress import Progress, silent
from vitbench.ranks import ALONE, Ranks
from vitbench.training.task import BatchSize
from vitbench.weights.attention_supervision import attention_loss, watched_class_attention
from vitbench.weights.scene_records import MAX_GROUP, OUTLINE, SceneBatch, SceneRecords, collated
from vitbench.weights.stages import PICTURES_AN_EPOCH, Only

LAST_EPOCHS = 2
"""Doodles, 512 shapes in a third of the pictures, teach what a shape is; in the last epochs all are of base kinds."""
# What only an object's patches can learn is averaged over all patches, most of which show the background.
_WEIGHTS = {
    "label": 1.0,
    "caption": 3.0,
    "doodle": 0.5,
    "attention": 4.0,
    "patch_kind": 1.0,
    "patch_label": 2.0,
    "patch_colour": 0.5,
    "patch_number": 4.0,
    "patch_relation": 4.0,
    "patch_outline": 0.5,
    "patch_place": 3.0,
}
_EVALUATED = {"val": 900, "test": 3000, "test_heldout": 1500}


class MultitaskModule(nn.Module):
    """The captioner, whose encoder has the classifier's head, and the heads that only help to learn."""

    def __init__(self, captioner: Captioner, embed_dim: int) -> None:
        super().__init__()
        self.captioner = captioner
        doodles = len(KIND_SETS["doodles"])
        self.doodle_head = nn.Linear(embed_dim, doodles)
        self.patch_kind = nn.Linear(embed_dim, 1 + len(BASE_KINDS) + doodles)
        self.patch_label = nn.Linear(embed_dim, 3)
        self.patch_colour = nn.Linear(embed_dim, 1 + len(COLOURS))
        self.patch_number = nn.Linear(embed_dim, 1 + MAX_GROUP)
        self.patch_relation = nn.Linear(embed_dim, 1 + len(RELATIONS) + 2)
        self.patch_outline = nn.Linear(embed_dim, OUTLINE**2)
        self.patch_place = nn.Linear(embed_dim, 6)


class SceneTask:
    """The Task (see `vitbench.training.task`) of the shipped networks. `network.module` is a `MultitaskModule`."""

    splits: tuple[str, ...] = ("train", "val", "test", "test_heldout")
    ranks: Ranks = ALONE
    train_size = PICTURES_AN_EPOCH

    def __init__(
        self,
        captioner: CaptionNetwork,
        epochs: int,
        file: Path | None = None,
        processes: int = 1,
        *,
        only: Only | None = None,
    ) -> None:
        """`file` keeps the pictures that were drawn; `only` one of the two is learned (a doodle has no caption)."""
        self.captioner = captioner
        self.epochs = epochs
        self.file = file
        self.processes = processes
        self.labels, self.captions = only != "captions", only != "labels"
        self.monitored_metric = {"labels": "accuracy", "captions": "exact_match", None: "score"}[only]
        self.network = MultitaskNetwork(captioner)
        self.left_out = LeftOut()
        self.evaluation_batch = 0
        self.colour_words = torch.tensor(captioner.tokenizer.encode(" ".join(COLOURS)))

    def batches(self, epoch: int, first_batch: int, batch_size: int) -> Iterator[SceneBatch]:
        """The pictures of an epoch, in order: they are random as they are."""
        done = first_batch * batch_size
        records = SceneRecords(
            "train",
            epoch * PICTURES_AN_EPOCH + done,
            PICTURES_AN_EPOCH - done,
            doodles=self.labels and epoch < self.epochs - LAST_EPOCHS,
            vary=True,
            blank=not self.captions,
            file=self.file,
        )
        return iter(self._loader(records, batch_size))

    def _loader(self, records: SceneRecords, batch_size: int) -> DataLoader[Any]:
        return DataLoader(
            records,
            batch_size,
            collate_fn=collated,
            num_workers=self.processes,
            prefetch_factor=16 if self.processes else None,
            multiprocessing_context="forkserver" if self.processes else None,
            generator=torch.Generator(),
        )

    def size(self, batch: SceneBatch) -> BatchSize:
        """Micro-steps weigh as their pictures."""
        return BatchSize(len(batch.pixels), len(batch.pixels))

    def loss(self, module: nn.Module, batch: SceneBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of all losses (a scalar), and the parts of it."""
        multitask: Any = module
        encoder = multitask.captioner.encoder
        watching: AbstractContextManager[list[Tensor]]
        watching = watched_class_attention(encoder) if self.labels else nullcontext([])
        with watching as class_rows:
            memory = multitask.captioner.encode(self._normalized(batch.pixels))
        true = ~batch.recoloured
        owned = _owned(batch.shares)
        whole, patches = encoder.pool(memory.tokens), memory.tokens[:, memory.num_prefix_tokens :]

        parts = {
            "patch_kind": _patch_loss(multitask.patch_kind(patches), owned, batch.kinds),
            "patch_colour": _patch_loss(multitask.patch_colour(patches[true]), owned[true], batch.colours[true]),
            "patch_number": _patch_loss(multitask.patch_number(patches), owned, batch.numbers),
            "patch_relation": _patch_loss(multitask.patch_relation(patches), owned, batch.relations),
            "patch_outline": F.binary_cross_entropy_with_logits(multitask.patch_outline(patches), batch.outline),
            "patch_place": _place_loss(multitask.patch_place(patches), batch),
        }
        scalars: dict[str, Tensor] = {}
        if self.labels:
            named = len(batch.captions)
            base = encoder.head(whole[:named])
            parts["label"] = _label_loss(base, batch.label[:named], batch.second_label[:named])
            scalars["accuracy"] = (base.detach().argmax(-1) == batch.label[:named]).float().mean()
            gives_label = (batch.kinds == batch.label[:, None]).long()
            parts["patch_label"] = _patch_loss(multitask.patch_label(patches), owned, gives_label)
            parts["attention"] = attention_loss(class_rows, batch)
            if named < len(whole):
                doodles = multitask.doodle_head(whole[named:])
                parts["doodle"] = F.cross_entropy(doodles, batch.label[named:] - len(BASE_KINDS))
        if self.captions:
            parts["caption"], scalars["token_accuracy"] = self._caption_loss(multitask.captioner, memory, batch)
        loss = torch.stack([_WEIGHTS[name] * part for name, part in parts.items()]).sum()
        return loss, scalars | {f"loss_{name}": part.detach() for name, part in parts.items()}

    def _caption_loss(self, captioner: Captioner, memory: Memory, batch: SceneBatch) -> tuple[Tensor, Tensor]:
        """Loss and token accuracy of the captions; no colour's word counts where colours were exchanged."""
        named = len(batch.captions)
        ids = caption_ids(batch.captions, self.captioner.tokenizer)
        scores = captioner.decode(ids[:, :-1], memory.first(named))
        untrue = torch.isin(ids, self.colour_words) & batch.recoloured[:named, None]
        pad_id = self.captioner.tokenizer.pad_id
        return caption_loss(scores, ids.masked_fill(untrue, pad_id), pad_id)

    @torch.no_grad()
    def evaluate(
        self, module: nn.Module, split: str, *, step: int, folder: Path | None, progress: Progress = silent
    ) -> dict[str, float]:
        """Shares of labels and of captions (greedy decoding, word by word) that are right, of what is taught."""
        multitask: Any = module
        records = SceneRecords(split, 0, _EVALUATED[split])
        right = exact = 0
        for done, batch in enumerate(self._loader(records, 100)):
            memory = multitask.captioner.encode(self._normalized(batch.pixels))
            if self.labels:
                right += int((multitask.captioner.encoder.forward_head(memory.tokens).argmax(-1) == batch.label).sum())
            if self.captions:
                written = greedy(multitask.captioner, memory, self.captioner.tokenizer)
                decoded = [self.captioner.tokenizer.decode(hypothesis.ids) for hypothesis in written]
                exact += sum(one == other for one, other in zip(decoded, batch.captions, strict=True))
            progress(done * 100, len(records), f"evaluating the {split} split")
        scores = {"accuracy": right / len(records)} if self.labels else {}
        if self.captions:
            scores["exact_match"] = exact / len(records)
        return {**scores, "score": fmean(scores.values())}

    def close(self) -> None:
        """Nothing: the processes that draw end with their batches."""

    def _normalized(self, pixels: Tensor) -> Tensor:
        return self.captioner.preprocessing.normalize(pixels)


class MultitaskNetwork:
    """A `MultitaskModule` as the loop's checkpoints see it."""

    name = "captioner and classifier"
    source = "Fresh weights, which learn from Scenes alone."

    def __init__(self, captioner: CaptionNetwork) -> None:
        self.captioner = captioner
        self.module = MultitaskModule(captioner.module, int(captioner.module.encoder.num_features))  # type: ignore[arg-type]  # an int of timm's networks

    def write_network_json(self, folder: Path) -> None:
        """The captioner's description; `make weights` takes both networks out of the checkpoint."""
        self.captioner.write_network_json(folder)


def _label_loss(logits: Tensor, label: Tensor, second: Tensor) -> Tensor:
    """Cross-entropy against 0.9 for the largest object's kind and 0.1 for the other's, where there is one."""
    log_probability = logits.log_softmax(-1)
    first = -log_probability.gather(1, label[:, None])[:, 0]
    other = -log_probability.gather(1, second.clamp(min=0)[:, None])[:, 0]
    return torch.where(second >= 0, 0.9 * first + 0.1 * other, first).mean()


def _owned(shares: Tensor) -> Tensor:
    """To what a patch belongs, shares [B, 1 + objects, P] made whole: to an object that covers at least half of it.

    An object that covers half of none has those that it covers most. So what a caption needs is told inside an object
    and not at its edge, and attention that looks for it points at the object.
    """
    objects = shares[:, 1:]
    most = objects.amax(-1, keepdim=True)
    belongs = (objects >= most.clamp(max=0.5)) & (most > 0)
    whole = torch.cat((~belongs.any(1, keepdim=True), belongs), dim=1).to(shares.dtype)
    return whole / whole.sum(1, keepdim=True)


def _patch_loss(logits: Tensor, shares: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy a patch [B, P, 1 + classes] against its shares [B, 1 + objects, P] of background and objects."""
    chosen = logits.gather(2, (classes[:, None, :] + 1).expand(-1, logits.shape[1], -1))
    picked = torch.cat((logits[:, :, :1], chosen), dim=2)
    return (logits.logsumexp(-1) - (picked * shares.transpose(1, 2)).sum(-1)).mean()


def _place_loss(places: Tensor, batch: SceneBatch) -> Tensor:
    """How far off the middles of an object, of the first and of the second group are, given [B, P, 6] by its patches.

    Of half the picture's side; the mean over what the patches show of objects.
    """
    own, groups = places[:, :, None, :2], places[:, :, 2:].unflatten(-1, (2, 2))
    there = ~batch.group_places.isnan()
    off_object = (own - batch.places[:, None].nan_to_num()).abs().sum(-1)
    off_group = ((groups - batch.group_places[:, None].nan_to_num()) * there[:, None]).abs().sum((-1, -2))
    shares = batch.shares[:, 1:].transpose(1, 2)
    return ((off_object + off_group[:, :, None]) * shares).sum() / shares.sum()
