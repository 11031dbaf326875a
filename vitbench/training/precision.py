"""In which number format the forward pass runs."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

_FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """Autocast, and the scaler that keeps small fp16 gradients from vanishing; `amp` is "none", "bf16" or "fp16".

    Weights and their updates are fp32 always. Without fp16 the scaler passes everything through.
    """

    def __init__(self, amp: str, device: torch.device) -> None:
        self.device_type = device.type
        self.format = _FORMATS.get(amp)
        self.scaler = torch.amp.GradScaler(device.type, enabled=amp == "fp16")

    def begin_again(self) -> None:
        """Forgets a step that was not finished: a scaler refuses to unscale the gradients of one step twice."""
        state = self.scaler.state_dict()
        self.scaler = torch.amp.GradScaler(self.device_type, enabled=self.scaler.is_enabled())
        if state:
            self.scaler.load_state_dict(state)

    def state_dict(self) -> dict[str, Any]:
        """The scaler's."""
        return self.scaler.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Sets the scaler, whichever it is by now."""
        self.scaler.load_state_dict(state_dict)

    def autocast(self) -> AbstractContextManager[object]:
        """The context of a forward pass."""
        if self.format is None:
            return nullcontext()
        return torch.autocast(self.device_type, dtype=self.format)
