"""Randomness is a function of where a run is, never a state that was carried along."""

import random

import numpy as np
import torch


def derive_seed(*numbers: int) -> int:
    """One 64-bit seed from several numbers; any change of one changes all bits (numpy's SeedSequence)."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def seed_everything(*numbers: int) -> None:
    """Sets the generators of torch (all devices), numpy and Python to a function of `numbers`."""
    seed = derive_seed(*numbers)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
