"""Figures of each step, kept on the device and read in one go: a read makes a GPU wait, so it happens seldom."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vitbench.training.outcome import Diverged


@dataclass
class _Step:
    step: int
    figures: Tensor
    learning_rate: float


class StepMetrics:
    """Collects the scalars of steps; `read` brings them over at once, each with its step."""

    def __init__(self, gradients_may_overflow: bool = False) -> None:
        self.gradients_may_overflow = gradients_may_overflow
        """With fp16 an infinite gradient is the scaler's business: it skips the step and lowers its scale."""
        self._steps: list[_Step] = []
        self._names: list[str] = []

    def __len__(self) -> int:
        return len(self._steps)

    def add(
        self, step: int, loss: Tensor, gradient_norm: Tensor, extras: Mapping[str, Tensor], learning_rate: float
    ) -> None:
        """Keeps the scalars of a step, which lie on the device, without waiting for them."""
        self._names = ["loss", "gradient_norm", *extras]
        figures = torch.stack([loss, gradient_norm.to(loss), *(value.to(loss) for value in extras.values())])
        self._steps.append(_Step(step, figures, learning_rate))

    def read(self) -> list[tuple[int, dict[str, float]]]:
        """The scalars `train/...` of each step since the last read. This waits for the device."""
        if not self._steps:
            return []
        table = torch.stack([step.figures for step in self._steps]).tolist()
        rows = []
        for kept, values in zip(self._steps, table, strict=True):
            scalars = {f"train/{name}": value for name, value in zip(self._names, values, strict=True)}
            rows.append((kept.step, scalars | {"train/learning_rate": kept.learning_rate}))
        self._steps = []
        return rows

    def check(self, step: int, scalars: Mapping[str, float]) -> None:
        """Raises Diverged if the loss or the gradient norm of a step is not finite."""
        watched = {"train/loss": "loss"}
        if not self.gradients_may_overflow:
            watched["train/gradient_norm"] = "norm of the gradient"
        for tag, what in watched.items():
            if not math.isfinite(scalars[tag]):
                raise Diverged(step, what, scalars[tag])
