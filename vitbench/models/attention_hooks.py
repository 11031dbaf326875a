"""The attention hooks: every attention map of an unmodified network, while it computes."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import TracebackType

import torch
from torch import Tensor, nn

from vitbench.errors import UserError
from vitbench.models.unfused import SOFTMAX_CALLS, UnfusedForward

UNFUSED_TOLERANCE = 1e-4
ROW_SUM_TOLERANCE = 1e-4

Keep = Callable[[Tensor], Tensor]
"""What of a map [B, H, queries, keys] is kept: itself, the head mean, one row. It decides how much memory they take."""


@dataclass(frozen=True)
class AttentionCall:
    """One softmax: the dotted name of the module that called it, the map's full shape, and what was kept of it."""

    module: str
    shape: tuple[int, ...]
    kept: Tensor


def whole(attention: Tensor) -> Tensor:
    """Keeps the map as it is: [B, H, queries, keys]."""
    return attention


def head_mean(attention: Tensor) -> Tensor:
    """Keeps the mean over heads: [B, queries, keys]."""
    return attention.mean(dim=1)


class AttentionHooks(UnfusedForward):
    """Records each softmax over a last dimension in `calls`, in the order of the computation.

    `with AttentionHooks(module) as hooks: logits = module(pixels)`. The values that the network computes stay the same.
    With gradients on, `keep` receives a map that is part of the graph: hooks on it see the gradient.
    Raises UserError on leaving if a map's rows do not sum to 1, or if opening an attention changed its output.
    """

    def __init__(self, module: nn.Module, keep: Keep = whole, names: Collection[str] | None = None) -> None:
        super().__init__(module, names)
        self.keep = keep
        self.calls: list[AttentionCall] = []
        self._row_errors: list[Tensor] = []
        for function in SOFTMAX_CALLS:
            self.rules[function] = self._softmax(function)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, value, trace)
        if kind is None:
            self._check()

    def _softmax(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def rule(*args: object, **kwargs: object) -> Tensor:
            result = function(*args, **kwargs)
            dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
            if result.dim() >= 3 and dim in (-1, result.dim() - 1):
                with torch.no_grad():
                    self._row_errors.append((result.sum(dim=-1) - 1).abs().max())
                self.calls.append(AttentionCall(self.caller, tuple(result.shape), self.keep(result)))
            return result

        return rule

    def _check(self) -> None:
        row_error = float(torch.stack(self._row_errors).max()) if self._row_errors else 0.0
        if not row_error <= ROW_SUM_TOLERANCE:
            raise UserError(
                f"An attention map is not a distribution (a row's sum is off by {row_error:.1e}), so nothing is drawn;"
                " the network's weights or the picture hold NaN or infinity."
            )
        if not self.unfused_error <= UNFUSED_TOLERANCE:
            raise UserError(
                f"Looking at the attention changed the network's output by {self.unfused_error:.1e} of its size,"
                " so the maps are not those of the network; compute in float32, without autocast."
            )
