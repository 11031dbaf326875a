"""Randomness is a function of where a run is, never a state that was carried along."""

import random
from functools import cache

import numpy as np
import torch


def derive_seed(*numbers: int) -> int:
    """One 64-bit seed from several numbers; any change of one changes all bits (numpy's SeedSequence)."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def seed_everything(*numbers: int) -> None:
    """Sets the generators of torch (CPU and GPUs), numpy and Python to a function of `numbers`.

    `torch.manual_seed` asks every kind of device, and each that is not there formats a traceback for later: at every
    step of a small network that takes longer than the step.
    """
    seed = derive_seed(*numbers)
    torch.default_generator.manual_seed(seed)
    if _has_gpu():
        torch.cuda.manual_seed_all(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@cache
def _has_gpu() -> bool:
    return torch.cuda.is_available()
