"""Stops making a network that outgrows its bound: a description may ask for a million blocks, or for a terabyte."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from vitbench.errors import UserError
from vitbench.text import shortened, size_in_words

_MOST_BLOCKS, _MOST_OF_ANYTHING = 2_000, 2**24
_MOST_PARTS = 20_000
"""Modules, parameters and buffers; the largest networks that timm knows have some 8,000."""
_PARTS_PER_TENSOR = 5
"""timm's networks have up to three, and some parts are replaced while a network is made."""
_PARTS_ASIDE, _NUMBERS_ASIDE = 200, 2**24
"""What a network may have, or draw and replace while it is made, besides what its weights fill."""


def check_options(options: Mapping[str, object]) -> None:
    """Raises UserError for numbers of which timm makes lists before it makes a network: 10^9 blocks fill the memory."""
    for name, value in options.items():
        for number in value if isinstance(value, list | tuple) else (value,):
            if isinstance(number, int | float) and abs(number) > (most := _most(name)):
                raise UserError(f"{name} = {shortened(str(number), 40)} is beyond {most:,}, the most that is tried.")


def _most(name: str) -> int:
    return _MOST_BLOCKS if "depth" in name or "layers" in name or "blocks" in name else _MOST_OF_ANYTHING


@dataclass
class Bound:
    """The most parts (modules, parameters, buffers), and numbers in them, of a network; `reason` ends the refusal."""

    parts: int
    numbers: int
    reason: str


def bound_of_weights(weights: Mapping[str, Tensor], where: str) -> Bound:
    """What a network may be made of that is filled with `weights`; `where` names their file."""
    numbers = sum(tensor.numel() for tensor in weights.values())
    reason = f"and {where} holds {len(weights):,} tensors with {numbers:,}"
    return Bound(_PARTS_PER_TENSOR * len(weights) + _PARTS_ASIDE, 2 * numbers + _NUMBERS_ASIDE, reason)


def bound_of_machine() -> Bound:
    """What a network may be made of that fits into this machine's memory."""
    memory = psutil.virtual_memory().total
    return Bound(_MOST_PARTS, memory // 4, f"more than this machine with its {size_in_words(memory)} can work with")


@contextmanager
def bounded(bound: Bound) -> Iterator[None]:
    """Raises UserError inside as soon as the modules that this thread makes have more weights than `bound` says.

    Tensors on the meta device take no memory; only their number counts.
    """
    thread, made, numbers = threading.get_ident(), 0, 0

    def count(module: nn.Module, name: str, value: object) -> None:
        nonlocal made, numbers
        if threading.get_ident() != thread:
            return
        made += 1
        if isinstance(value, Tensor) and value.device.type != "meta":
            numbers += value.numel()
        if made > bound.parts or numbers > bound.numbers:
            raise UserError(
                f"The network that is described has at least {made:,} parts with {numbers:,} numbers, {bound.reason}."
            )

    hooks = [
        register_module_module_registration_hook(count),
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
