"""Classification as a task of the training loop: labelled pictures, a soft or hard cross-entropy, and accuracy."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitbench.data.augment import Augmentation
from vitbench.data.balance import class_weights
from vitbench.data.cache import DecodedCache
from vitbench.data.dataset import Dataset, evaluation_dataset
from vitbench.data.index import DataIndex
from vitbench.data.loader import Loader, in_order
from vitbench.data.mixing import Mixing
from vitbench.data.on_device import on_device
from vitbench.data.problems import LeftOut
from vitbench.errors import UserError
from vitbench.models.adaptation import classifiers
from vitbench.models.network import Network
from vitbench.progress import Progress
from vitbench.ranks import ALONE, Ranks
from vitbench.recipe import Recipe
from vitbench.training.evaluation import evaluate_classifier
from vitbench.training.precision import Precision
from vitbench.training.task import BatchSize


@dataclass(frozen=True)
class Pictures:
    """What the network sees: `pixels` float32 [B, 3, H, W] and `labels` int64 [B], on the device.

    Mixed pictures have `soft_targets` over the classes, float32 [B, classes].
    """

    pixels: Tensor
    labels: Tensor
    soft_targets: Tensor | None = None


@dataclass(frozen=True)
class Features:
    """What the head sees: `features` float32 [B, D] of a frozen network, and `labels` int64 [B], on the device."""

    features: Tensor
    labels: Tensor


class Classification:
    """The Task (see task.py) of a classifier on labelled pictures.

    The first `train.head_epochs` epochs give the head the features of the pictures, which are computed once, without
    augmentation and with nothing dropped; after them the whole network sees augmented pictures.
    """

    def __init__(
        self,
        network: Network,
        data: DataIndex,
        recipe: Recipe,
        *,
        device: torch.device,
        augmentation: Augmentation,
        cache: DecodedCache | None = None,
        evaluation_cache: DecodedCache | None = None,
        progress: Progress,
    ) -> None:
        self.ranks: Ranks = ALONE
        self.network, self.data, self.recipe, self.device = network, data, recipe, device
        self.evaluation_cache = evaluation_cache
        self.progress = progress
        self.monitored_metric: str = recipe.train.monitor
        self.splits = data.splits
        self.train = Dataset(data, data.positions("train"), augmentation, seed=recipe.train.seed, cache=cache)
        self.train_size = len(self.train)
        self.class_weights: Tensor | None = None
        if recipe.task == "classify":
            weights = class_weights(recipe.data.class_weights, self.train.labels, data.classes, network.num_classes)
            self.class_weights = None if weights is None else torch.from_numpy(weights).float().to(device)
        self.left_out = LeftOut()
        self.at_least = 2 if needs_two(network.module) else 1
        self.evaluation_batch = recipe.train.batch_size
        self.precision = Precision("none" if recipe.train.amp == "fp16" else recipe.train.amp, device)
        self.mixing = Mixing(network.num_classes, recipe.data.mixup, recipe.data.cutmix)
        self._loader: Loader | None = None
        self._features: tuple[Tensor, Tensor, Tensor | None] | None = None

    def batches(self, epoch: int, first_batch: int, batch_size: int) -> Iterator[Pictures | Features]:
        """The batches of an epoch, on the device and normalised."""
        loader = self._loader_of(batch_size)
        if epoch < self.recipe.train.head_epochs:
            features, labels, known = self._frozen_features()
            plan = loader.plan
            order = plan.order(epoch)
            for start in range(first_batch * batch_size, len(order), batch_size):
                numbers = plan.share(plan.whole(order, start, batch_size)) % len(self.train)
                chosen = torch.from_numpy(numbers).to(self.device)
                chosen = chosen if known is None else chosen[known[chosen]]
                yield Features(features[chosen], self.target_of(chosen, labels[chosen]))
            return
        self._features = None
        for number, batch in enumerate(on_device(loader.batches(epoch, first_batch), self.device), first_batch):
            pixels = self.network.preprocessing.normalize(batch.pixels)
            soft_targets = None
            if self.mixing.is_on and len(batch):
                pixels, soft_targets = self.mixing.apply(
                    pixels, batch.labels, seed=self.recipe.train.seed, epoch=epoch, batch=number
                )
            yield Pictures(pixels, self.target_of(batch.indices, batch.labels), soft_targets)

    def target_of(self, numbers: Tensor, labels: Tensor) -> Tensor:
        """What the training pictures `numbers` are to be taken for: their `labels`, int64 [B]."""
        return labels

    def logits_of(self, module: nn.Module, batch: Pictures | Features) -> Tensor:
        """The outputs for a batch, float32 [B, classes]: of the whole network, or of the head on frozen features."""
        if isinstance(batch, Features):
            return self._head(module, batch.features).float()
        return module(batch.pixels).float()

    def loss(self, module: nn.Module, batch: Pictures | Features) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy, smoothed or mixed as the recipe says; with the accuracy where pictures are not mixed.

        Class weights multiply the loss of each picture, and the sum is divided by the number of pictures, not by the
        sum of the weights: a picture then weighs the same in whatever batch it lies. A mixed picture has the mean
        weight of its soft targets.
        """
        logits = self.logits_of(module, batch)
        if isinstance(batch, Pictures) and batch.soft_targets is not None:
            return self.cross_entropy(logits, batch.soft_targets), {}
        accuracy = (logits.detach().argmax(1) == batch.labels).float().mean()
        return self.cross_entropy(logits, batch.labels), {"accuracy": accuracy}

    def cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        """`target` is int64 [B], or the share of each class, float32 [B, classes]."""
        smoothing = self.recipe.train.label_smoothing
        if self.class_weights is None:
            return F.cross_entropy(logits, target, label_smoothing=smoothing)
        weights = target @ self.class_weights if target.is_floating_point() else self.class_weights[target]
        return (weights * F.cross_entropy(logits, target, label_smoothing=smoothing, reduction="none")).mean()

    def size(self, batch: Pictures | Features) -> BatchSize:
        """The loss is a mean over pictures; one alone, where two are needed (batch norm), counts as none."""
        count = len(batch.labels)
        return BatchSize(count, count if count >= self.at_least else 0)

    def evaluate(
        self, module: nn.Module, split: str, *, step: int, folder: Path | None, progress: Progress
    ) -> dict[str, float]:
        """Loss, accuracy and accuracy of each class; a row a picture goes into `folder/SPLIT-STEP.npz`."""
        evaluation = evaluate_classifier(
            module,
            self.evaluated(split),
            classes=self.network.labels or self.data.classes,
            batch_size=self.recipe.train.batch_size,
            at_once=self.evaluation_batch,
            device=self.device,
            precision=self.precision,
            progress=progress,
            ranks=self.ranks,
        )
        self.left_out.note(evaluation.left_out)
        if folder is not None:
            evaluation.save(folder, split, step)
        return evaluation.scalars()

    def close(self) -> None:
        """Ends the loader's processes now: up to torch 2.14 the end of ours waits five seconds for each of them."""
        if self._loader is not None:
            self._loader.close()
            self._loader = None

    def evaluated(self, split: str) -> Dataset:
        """The pictures of a split as an evaluation sees them. Raises UserError if the data has no such split."""
        positions = self.data.positions(split)
        if not len(positions):
            raise UserError(f"{self.data.root} has no {split} split; it has {', '.join(self.data.splits)}.")
        return evaluation_dataset(self.data, positions, self.network.preprocessing, self.evaluation_cache)

    def _loader_of(self, batch_size: int) -> Loader:
        """One loader as long as the batch size stays, so that its processes stay too."""
        if self._loader is None or self._loader.plan.batch_size != batch_size:
            self.close()
            self._loader = Loader(
                self.train,
                seed=self.recipe.train.seed,
                batch_size=batch_size,
                processes=self.recipe.data.workers,
                pin_memory=self.device.type == "cuda",
                balanced=self.recipe.data.sampler == "balanced",
                normalize=False,
                epochs=self.recipe.train.epochs,
                at_least=self.at_least,
                left_out=self.left_out,
                share=self._share,
            )
        return self._loader

    def _share(self, numbers: np.ndarray) -> np.ndarray:
        return self.ranks.share(numbers, mirrored=self.mixing.is_on)

    def _frozen_features(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """What the head sees of each training picture [N, D], and the labels [N]; computed once.

        Where some cannot be read any more, also which can: bool [N], else None.
        """
        if self._features is None:
            self._features = self.features_of("train")
        return self._features

    @torch.no_grad()
    def features_of(self, split: str) -> tuple[Tensor, Tensor, Tensor | None]:
        """What the head sees of each picture of a split [N, D], the labels [N], and which could be read: bool [N],
        None if all."""
        module = self.network.module
        was_training = module.training
        module.eval()
        dataset = self.evaluated(split)
        part = dataset.chosen(mine := self.ranks.share(np.arange(len(dataset))))
        labels = torch.from_numpy(dataset.labels).to(self.device)
        found, numbers = [torch.empty(0, device=self.device)], [labels[:0]]
        for batch in on_device(in_order(part, self.evaluation_batch, self.device, self.left_out), self.device):
            pixels = self.network.preprocessing.normalize(batch.pixels)
            with self.precision.autocast():
                found.append(pooled_features(module, pixels).float())
            numbers.append(batch.indices)
            self.progress(sum(map(len, found)), len(part), "computing the features of the frozen network")
        module.train(was_training)
        features, seen, known = torch.cat(found), torch.cat(numbers), None
        if not self.ranks.alone:
            rows = self.ranks.gather_rows(mine[seen.cpu().numpy()], features.cpu().numpy())
            seen, features = (torch.from_numpy(column).to(self.device) for column in rows)
        if len(features) < len(dataset):
            known = torch.zeros(len(dataset), dtype=torch.bool, device=self.device).index_fill(0, seen, True)
            features = features.new_zeros(len(dataset), features.shape[1]).index_copy(0, seen, features)
        return features, labels, known

    def _head(self, module: nn.Module, features: Tensor) -> Tensor:
        dropout = getattr(module, "head_drop", nn.Identity())
        (head,) = classifiers(module)
        return head(dropout(features))


def needs_two(module: nn.Module) -> bool:
    """Whether a network normalises over the pictures of a batch, so that it cannot learn from one alone."""
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())


def pooled_features(module: nn.Module, pixels: Tensor) -> Tensor:
    """What the last layer of a timm network sees [B, D]."""
    tokens = module.forward_features(pixels)  # type: ignore[operator]  # a method of timm's networks
    return module.forward_head(tokens, pre_logits=True)  # type: ignore[operator]  # a method of timm's networks
