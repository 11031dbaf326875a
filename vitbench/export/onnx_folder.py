"""A network as ONNX, for onnxruntime: any number of pictures at once. Beside it, what vitbench opens again.

An ONNX graph has no layers to look into, so the folder also holds the weights with their description.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vitbench.errors import UserError
from vitbench.models.description import WEIGHTS_NAME
from vitbench.models.network import Network

FILE_NAME = "model.onnx"
OPSET = 18
_NEEDED = ("onnx", "onnxscript")


class _Half(nn.Module):
    """The network in half precision between pictures and logits in single precision."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.module(pixels.half())
        return logits.float()


def check_installed() -> None:
    """Raises UserError where ONNX cannot be written; before the work."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(f"ONNX needs {' and '.join(missing)}: pip install 'vitbench[onnx]'.")


def write(network: Network, state: Mapping[str, Tensor], folder: Path) -> None:
    """Writes model.onnx, and network.json with model.safetensors. Raises UserError where torch cannot export it."""
    check_installed()
    import copy

    half = next(iter(state.values())).dtype == torch.float16
    module = _Half(copy.deepcopy(network.module).half()) if half else network.module
    module.eval()
    pixels = torch.zeros(2, 3, *network.image_size)
    try:
        with _quiet():
            torch.onnx.export(
                module,
                (pixels,),
                str(folder / FILE_NAME),
                input_names=["pixels"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(f"torch cannot write this network as ONNX: {first}") from error
    save_file(dict(state), folder / WEIGHTS_NAME, metadata={"format": "pt"})
    network.write_network_json(folder)


def open_again(folder: Path, num_classes: int) -> Callable[[Tensor], Tensor]:
    """Logits of normalised pictures [B, 3, H, W], as onnxruntime computes them on the CPU."""
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(str(folder / FILE_NAME), providers=["CPUExecutionProvider"])
    return lambda pixels: torch.from_numpy(session.run(None, {"pixels": pixels.numpy()})[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings on its own workings, which a person can do nothing about."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger("torch.onnx").setLevel(level)
