"""CPU slots: how many runs of a person may compute on this machine's processors at a time.

A slot is a name in the kernel, as a GPU's lease is: a process that inherits the descriptor holds it, and it is free
when the last of them ends, however it ends.
"""

import errno
import os
import socket
from dataclasses import dataclass

from vitbench.errors import UserError
from vitbench.runs.lease import Busy, Lease, kernel_name, outer_environment

VARIABLE = "VITBENCH_SLOTS"
CPU = "cpu"
"""What a run that waits for a slot is queued for."""
_MOST = 1024


@dataclass(frozen=True)
class CpuSlot(Lease):
    """A slot that is ours while its descriptor is open. It changes nothing in what a process sees."""

    gpus: tuple[str, ...] = ()
    descriptors: tuple[int, ...] = ()

    def environment(self) -> dict[str, str]:
        """The environment as it is without any lease."""
        return outer_environment()

    def bind(self) -> None:
        """Does nothing: every process sees the processors."""


def slots() -> int:
    """How many there are: `VITBENCH_SLOTS`, else 1. Raises UserError for what is not a number from 1 on."""
    text = os.environ.get(VARIABLE, "").strip() or "1"
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= _MOST:
        raise UserError(f"{VARIABLE} = {text!r}: it is the number of runs at a time on the CPU, 1 to {_MOST:,}.")
    return int(text)


def take_slot() -> CpuSlot | Busy:
    """A slot, or why there is none, as a sentence."""
    allowed = slots()
    for number in range(allowed):
        reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            reservation.bind(kernel_name(f"{CPU}-{os.getuid()}-{number}"))
        except OSError as error:
            reservation.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        return CpuSlot(descriptors=(reservation.detach(),))
    others = "another run of yours computes" if allowed == 1 else f"{allowed} runs of yours compute"
    return Busy(f"No CPU slot is free: {others} on the CPU ({VARIABLE} = {allowed}).")
