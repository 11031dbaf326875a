"""A linear probe: heads of several learning rates, trained at once on one pass of frozen features.

How good frozen features are is measured by the best of several learning rates, which differs from network to network
(Caron et al. 2021; Oquab et al. 2023, whose evaluation trains a head for each rate beside the others).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitbench.errors import UserError
from vitbench.models.adaptation import classifiers
from vitbench.progress import Progress
from vitbench.training.classification import Classification, Features, Pictures
from vitbench.training.probe_heads import HEADS


class _Head(nn.Linear):
    """A linear layer that stays out of the weights of its network: only the best one becomes the network's head."""

    def _save_to_state_dict(self, *arguments: Any) -> None:
        pass

    def _load_from_state_dict(self, *arguments: Any) -> None:
        pass


class Probe(Classification):
    """As Classification with the head alone, but a head for each of `optim.probe_lrs`, all from the same start.

    Each evaluation of the validation split finds the best one and makes it the network's head: that of the highest
    accuracy (or what `train.monitor` names), of equal ones that of the lowest learning rate.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        module = self.network.module
        (head,) = classifiers(module)
        if not isinstance(head, nn.Linear):
            raise UserError(f"{self.network.name} has no linear head, so optim.probe_lrs cannot train several.")
        self.rates = tuple(sorted(self.recipe.optim.probe_lrs or ()))
        module.requires_grad_(False)
        heads = nn.ModuleList(_Head(head.in_features, head.out_features) for _ in self.rates)
        for one in heads:
            with torch.no_grad():
                one.weight.copy_(head.weight)  # type: ignore[operator]  # each is a linear layer, which ModuleList does not say
                one.bias.zero_()  # type: ignore[operator]  # each is a linear layer, which ModuleList does not say
        module.add_module(HEADS, heads)
        self.heads = heads
        self.best = 0
        """The number of the head that was the best in the last evaluation."""
        self._known: dict[str, tuple[Tensor, Tensor]] = {}

    def loss(self, module: nn.Module, batch: Pictures | Features) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean of the heads' losses, with the gradient of their sum: each head learns as if it were alone."""
        assert isinstance(batch, Features)
        losses, accuracies = [], []
        for head in self._heads_of(module):
            logits = head(batch.features).float()
            losses.append(self.cross_entropy(logits, batch.labels))
            accuracies.append((logits.detach().argmax(1) == batch.labels).float().mean())
        total, mean = torch.stack(losses).sum(), torch.stack(losses).mean()
        return total + (mean - total).detach(), {"accuracy": accuracies[self.best]}

    def evaluate(
        self, module: nn.Module, split: str, *, step: int, folder: Path | None, progress: Progress
    ) -> dict[str, float]:
        """As Classification, of the best head; on the validation split it is chosen, and each head has a figure."""
        scores: dict[str, float] = {}
        if split == "val":
            found = [self._judged(head, split, progress) for head in self._heads_of(module)]
            values = [scalars[self.monitored_metric] for scalars in found]
            self.best = max(range(len(values)), key=lambda number: (values[number], -number))
            self._take(module, self.best)
            pairs = zip(self.rates, values, strict=True)
            scores = {f"probe_{self.monitored_metric}/lr {rate:g}": value for rate, value in pairs}
            scores["probe_lr"] = self.rates[self.best]
        return super().evaluate(module, split, step=step, folder=folder, progress=progress) | scores

    def extra_state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the weights of the network."""
        return {"best": self.best, **{f"{n}.{name}": value for n, name, value in self._tensors()}}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Sets the heads to what `extra_state` gave. Raises KeyError and ValueError for what is none."""
        for number, name, value in self._tensors():
            saved = state[f"{number}.{name}"]
            if saved.shape != value.shape:
                raise ValueError(f"a head of {tuple(saved.shape)}")
            value.copy_(saved)
        self.best = int(state["best"])

    def _tensors(self) -> Iterator[tuple[int, str, Tensor]]:
        for number, head in enumerate(self.heads):
            yield number, "weight", head.weight.detach()  # type: ignore[operator]  # each is a linear layer, which ModuleList does not say
            yield number, "bias", head.bias.detach()  # type: ignore[operator]  # each is a linear layer, which ModuleList does not say

    def _heads_of(self, module: nn.Module) -> list[nn.Module]:
        return list(getattr(module, HEADS, self.heads))

    @torch.no_grad()
    def _take(self, module: nn.Module, number: int) -> None:
        """Makes a head the network's own."""
        (own,) = classifiers(module)
        best = self._heads_of(module)[number]
        own.weight.copy_(best.weight)  # type: ignore[operator,arg-type]  # each is a linear layer, which ModuleList does not say
        own.bias.copy_(best.bias)  # type: ignore[operator,arg-type]  # each is a linear layer, which ModuleList does not say

    @torch.inference_mode()
    def _judged(self, head: nn.Module, split: str, progress: Progress) -> dict[str, float]:
        """How good a head is on a split, from features that are computed once."""
        if split not in self._known:
            features, labels, known = self.features_of(split)
            self._known[split] = (features, labels) if known is None else (features[known], labels[known])
        features, labels = self._known[split]
        predicted = head(features).argmax(1)
        count = self.network.num_classes
        matrix = torch.zeros(count, count, device=features.device)
        matrix.index_put_((labels, predicted), torch.ones_like(labels, dtype=torch.float32), accumulate=True)
        hits, labelled, said = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
        there = labelled > 0
        either = labelled + said > 0
        return {
            "accuracy": float(hits.sum() / labelled.sum()),
            "mean_class_accuracy": float((hits[there] / labelled[there]).mean()),
            "macro_f1": float((2 * hits[either] / (labelled + said)[either]).mean()),
        }
