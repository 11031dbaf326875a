"""Randomness as a function: what happens to a picture depends on seed, epoch and index, and on nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

# The first number of each seed, so that no two purposes share their draws.
ORDER, SAMPLE, MIXING, SPLIT = range(4)


def generator(purpose: int, *numbers: int) -> np.random.Generator:
    """A generator that depends on its arguments (each 0 to 2**64 - 1) alone."""
    return np.random.default_rng([purpose, *numbers])


@contextmanager
def torch_seeded(purpose: int, *numbers: int) -> Iterator[None]:
    """Within, torch's global CPU generator depends on the arguments alone; afterwards it is as it was before.

    torchvision draws from that generator. Generators of GPUs are not touched, which `torch.manual_seed` would do.
    """
    import torch  # which a command that starts a run does not load

    before = torch.default_generator.get_state()
    seed = np.random.SeedSequence([purpose, *numbers]).generate_state(1, np.uint64)[0]
    try:
        torch.default_generator.manual_seed(int(seed) >> 1)
        yield
    finally:
        torch.default_generator.set_state(before)
