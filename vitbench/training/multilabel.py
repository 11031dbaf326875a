"""Several labels a picture as a task of the training loop: each label is a yes or no of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitbench.data.balance import class_weights
from vitbench.progress import Progress
from vitbench.training.classification import Classification, Features, Pictures
from vitbench.training.multilabel_evaluation import THRESHOLD, evaluate_multilabel


class Multilabel(Classification):
    """As Classification, with a binary cross-entropy for each label.

    Batches have `labels` float32 [B, classes] of 0 and 1, and NaN where nobody knows. `data.class_weights` multiply
    the loss of the pictures that have a label: "balanced" by its negatives over its positives (torch's `pos_weight`).
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.monitored_metric = "mean_average_precision"
        truth = self.data.targets(self.train.positions)
        targets = torch.from_numpy(np.where(self.data.known(self.train.positions), truth, np.nan)).float()
        outputs = self.network.num_classes
        self.targets = F.pad(targets, (0, outputs - targets.shape[1])).to(self.device)
        self.positive_weights: Tensor | None = None
        said = self.recipe.data.class_weights
        if said == "balanced":
            positives, negatives = (self.targets == 1).sum(dim=0), (self.targets == 0).sum(dim=0)
            self.positive_weights = torch.where(positives > 0, negatives / positives.clamp(min=1), 1.0)
        elif said is not None:
            known = truth.nonzero()[1]
            weights = class_weights(said, known, self.data.classes, outputs)
            assert weights is not None
            self.positive_weights = torch.from_numpy(weights).float().to(self.device)

    def target_of(self, numbers: Tensor, labels: Tensor) -> Tensor:
        """The labels of the training pictures `numbers` int64 [B]: float32 [B, classes]."""
        return self.targets[numbers]

    def loss(self, module: nn.Module, batch: Pictures | Features) -> tuple[Tensor, dict[str, Tensor]]:
        """Binary cross-entropy, the mean over pictures and labels; with the share of pictures with all labels right.

        What is unknown adds nothing and is divided by all the same, so that a picture weighs the same in whatever batch
        it lies (U-Ignore of Irvin et al. 2019, CheXpert, up to that constant). Smoothing moves each target that much of
        the way to a half.
        """
        logits = self.logits_of(module, batch)
        smoothing = self.recipe.train.label_smoothing
        known = ~batch.labels.isnan()
        target = batch.labels.nan_to_num() * (1 - smoothing) + smoothing / 2
        loss = F.binary_cross_entropy_with_logits(logits, target, known.float(), pos_weight=self.positive_weights)
        said = logits.detach().sigmoid() >= THRESHOLD
        return loss, {"exact_match": ((said == (batch.labels > 0)) | ~known).all(dim=1).float().mean()}

    def evaluate(
        self, module: nn.Module, split: str, *, step: int, folder: Path | None, progress: Progress
    ) -> dict[str, float]:
        """Loss, mean average precision, F1, and the average precision of each label; rows go into `folder`."""
        dataset = self.evaluated(split)
        evaluation = evaluate_multilabel(
            module,
            dataset,
            self.data.targets(dataset.positions),
            self.data.known(dataset.positions),
            classes=self.network.labels or self.data.classes,
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
