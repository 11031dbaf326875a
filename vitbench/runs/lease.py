"""A GPU of one's own: what is reserved, what a process sees, and what it computes on are one thing, the lease.

A lease is a name in the kernel, an abstract Unix socket that bears the GPU's UUID. Binding it is atomic among all users
of a machine; nobody can delete it, and there is no file that a stranger may own, or put a link or a FIFO in the place
of. A process that inherits the descriptor goes on holding it; it is free when the last of them ends, however it ends.

The holder sees that GPU alone (CUDA_VISIBLE_DEVICES), so that its `cuda:0` is the GPU of the lease.
"""

import errno
import hashlib
import json
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.runs.nvml import SeenGpu, seen_gpus

HANDED_OVER = "VITBENCH_LEASE"
"""The environment variable in which a launcher tells its worker of the lease that it inherits."""
CUDA_CONTEXT = 2**29
"""Bytes that a process takes on a GPU for its CUDA context, beside what torch reserves there."""
WITHOUT_NVML = (
    "NVML is missing, so GPUs are known by their numbers alone, and what other processes hold on them cannot be seen."
)
_LONGEST_NAME = 100
"""Bytes of an abstract socket's name; the kernel takes 107."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that may be used: by UUID, or by number where there is no NVML to ask for it."""

    name: str
    seen: SeenGpu | None = None

    @property
    def title(self) -> str:
        """What a person calls it: `GPU 1`."""
        if self.seen is None:
            return f"GPU {self.name.removeprefix('GPU-')}"
        part = f" ({self.name})" if self.name.startswith("MIG-") else ""
        return f"GPU {self.seen.number}{part}"

    def obstacle(self, needed: int, asked: int = 0) -> str | None:
        """Why a run has no room, as a clause; None if it has: `needed` bytes have to fit beside a stranger's process,
        and `asked` ones, which a person asked for, have to be free."""
        usage = self.seen.usage() if self.seen else None
        if usage is None:
            return None
        if usage.free < asked:
            has = usage.sentence() if usage.is_shared else f"{usage.total / 2**30:.0f} GB"
            return f"{self.title} has {has}, and {asked / 1e9:.0f} GB are asked for"
        if not usage.is_shared or usage.free >= needed + (CUDA_CONTEXT if needed else 0):
            return None
        return f"{self.title} has {usage.sentence()}, and this needs {needed / 2**30:.0f} GB or a little more"

    def is_shared(self) -> bool:
        """Whether a stranger's process is on it."""
        usage = self.seen.usage() if self.seen else None
        return usage is not None and usage.is_shared


@dataclass(frozen=True)
class Busy:
    """No GPU is free now; `reason` is a sentence that says why, GPU by GPU."""

    reason: str


@dataclass(frozen=True)
class Lease:
    """GPUs that are ours while `descriptors` are open, here or in a process that inherited them; mostly one."""

    gpus: tuple[str, ...]
    """Their UUIDs, or their numbers where there is no NVML."""
    descriptors: tuple[int, ...]

    @property
    def gpu(self) -> str:
        """What CUDA_VISIBLE_DEVICES says: the GPU, or all of them with commas."""
        return ",".join(self.gpus)

    def environment(self) -> dict[str, str]:
        """The environment of a process that inherits `descriptors`: it sees these GPUs and no others."""
        outer = outer_environment()
        told = {"gpus": self.gpus, "descriptors": self.descriptors, "visible": outer.get("CUDA_VISIBLE_DEVICES")}
        return {
            **outer,
            "CUDA_VISIBLE_DEVICES": self.gpu,
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as NVML counts, for a GPU by number
            HANDED_OVER: json.dumps(told),
        }

    def bind(self) -> None:
        """Makes this process see these GPUs alone, for life: CUDA looks once, at its first call."""
        os.environ.update(self.environment())

    def close(self) -> None:
        """Closes our descriptors; a GPU is free unless another process has it too."""
        for descriptor in self.descriptors:
            os.close(descriptor)


def bound_lease() -> Lease | None:
    """The lease that this process was handed, or has bound itself to; None if it has none."""
    told = _told()
    if told is None or not all(map(_is_reservation, told["descriptors"], told["gpus"])):
        return None
    return Lease(tuple(told["gpus"]), tuple(told["descriptors"]))


def outer_environment() -> dict[str, str]:
    """The environment without the lease of this process: for a child that is to take a GPU of its own."""
    told = _told()
    environment = dict(os.environ)
    environment.pop(HANDED_OVER, None)
    if told is not None:
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        if told["visible"] is not None:
            environment["CUDA_VISIBLE_DEVICES"] = told["visible"]
    return environment


def lease_for(device: str, needed: int = 0) -> Lease | Busy | None:
    """A GPU for `train.device`, on which `needed` bytes find room; None where the CPU computes.

    Raises UserError for a number that no GPU has.
    """
    gpus = gpus_for(device)
    return take(gpus, needed) if gpus else None


def bind_process(device: str, count: int = 1) -> None:
    """Leases a GPU, or `count`, for `train.device` until this process ends, and lets it see no other.

    Does nothing for the CPU, or in a process that was handed a lease. Raises UserError if no GPU is free, or one is
    named that is not there.
    """
    if bound_lease() is not None:
        return
    gpus = gpus_for(device)
    if count > 1:
        refuse_if_never(gpus, count=count, asked=0)
    lease = take(gpus, count=count) if gpus else None
    if isinstance(lease, Busy):
        raise UserError(lease.reason)
    if lease is not None:
        lease.bind()


def take(gpus: Sequence[Gpu], needed: int = 0, *, count: int = 1, asked: int = 0) -> Lease | Busy:
    """The first `count` of these GPUs that are free, those without a stranger's process before the others; all of
    them or none. `needed` and `asked` bytes are those of `Gpu.obstacle`, on each of them.

    A GPU that cannot be reserved costs itself only: the answer names it if not enough others are free.
    """
    obstacles, taken = [], list[Lease]()
    for gpu in sorted(gpus, key=Gpu.is_shared):
        lease = _reserve(gpu)
        if isinstance(lease, str):
            obstacles.append(lease)
        elif (obstacle := gpu.obstacle(needed, asked)) is not None:
            lease.close()
            obstacles.append(obstacle)
        else:
            taken.append(lease)
            if len(taken) == count:
                return Lease(
                    tuple(name for lease in taken for name in lease.gpus),
                    tuple(descriptor for lease in taken for descriptor in lease.descriptors),
                )
    for lease in taken:
        lease.close()
    free = (
        "No GPU is free" if not taken else f"{len(taken)} of the {count} GPUs that it asks for {_is_or_are(taken)} free"
    )
    return Busy(f"{free}: {'; '.join(obstacles)}.")


def _is_or_are(things: Sequence[object]) -> str:
    return "is" if len(things) == 1 else "are"


def refuse_if_never(gpus: Sequence[Gpu], *, count: int, asked: int) -> None:
    """Raises UserError if `count` GPUs with `asked` bytes each will never be free among these, whoever leaves them."""
    if count > len(gpus):
        there = "there is no GPU" if not gpus else f"there {_is_or_are(gpus)} {len(gpus)} that it may have"
        raise UserError(f"The run asks for {count} GPU{'s' if count > 1 else ''}, and {there}.")
    if not asked:
        return
    totals = [gpu.seen.usage() if gpu.seen else None for gpu in gpus]
    sizes = sorted((usage.total for usage in totals if usage is not None), reverse=True)
    if len(sizes) < count:
        raise UserError(f"The run asks for {asked / 1e9:.0f} GB of GPU memory, which cannot be seen: {WITHOUT_NVML}")
    if sizes[count - 1] < asked:
        largest = ", ".join(f"{size / 2**30:.0f}" for size in sizes)
        raise UserError(
            f"The run asks for {count} GPU{'s' if count > 1 else ''} with {asked / 1e9:.0f} GB, and those that it may"
            f" have have {largest} GB."
        )


def gpus_for(device: str) -> list[Gpu]:
    """The GPUs of which one will do for `train.device`; empty where the CPU computes.

    Raises UserError for a number that no GPU has.
    """
    gpus = [] if device == "cpu" else allowed_gpus()
    number = device.partition(":")[2]
    if not number or not gpus:
        return gpus
    if int(number) >= len(gpus):
        some = "1 GPU, cuda:0" if len(gpus) == 1 else f"{len(gpus)} GPUs: cuda:0 to cuda:{len(gpus) - 1}"
        raise UserError(f"train.device = {device}, but there {'is' if len(gpus) == 1 else 'are'} {some}.")
    return [gpus[int(number)]]


def gpus_named(names: Sequence[str]) -> list[Gpu]:
    """The GPUs of these names that are there, whatever the environment allows."""
    seen = seen_gpus()
    if seen is None:
        return [Gpu(name) for name in names]
    there = {gpu.uuid: gpu for gpu in seen}
    return [Gpu(name, there[name]) for name in names if name in there]


def allowed_gpus() -> list[Gpu]:
    """The GPUs that a person or SLURM allows; `cuda:N` counts them from 0. Empty without a GPU.

    CUDA_VISIBLE_DEVICES is read as CUDA reads it: numbers, UUIDs or their beginnings, MIG names; a word that means no
    GPU ends the list. Numbers count as nvidia-smi does. VITBENCH_GPUS, in the same words, chooses among these and
    orders them. Raises UserError for a word of VITBENCH_GPUS that means no GPU of this machine.
    """
    environment = outer_environment()
    visible, chosen = (_words(environment.get(name)) for name in ("CUDA_VISIBLE_DEVICES", "VITBENCH_GPUS"))
    seen = seen_gpus()
    if seen is None:
        return _allowed_unseen(visible, chosen)
    gpus = [Gpu(gpu.uuid, gpu) for gpu in seen]
    if visible is not None:
        gpus = _as_cuda_reads(visible, gpus)
    if chosen is None:
        return gpus
    everything = [Gpu(gpu.uuid, gpu) for gpu in seen]
    meant: dict[str, Gpu] = {}
    for word in chosen:
        named = _meant(word, everything)
        if not named:
            known = ", ".join(gpu.name for gpu in everything) or "none"
            raise UserError(f"VITBENCH_GPUS names {word}, which is not one GPU of this machine; it has {known}.")
        meant |= {gpu.name: gpu for gpu in named if gpu in gpus}
    return list(meant.values())


def hidden_by_mistake() -> str | None:
    """A sentence if CUDA_VISIBLE_DEVICES hides every GPU by a word that means none; None if it hides none, or all on
    purpose: empty, -1, or SLURM's NoDevFiles."""
    text = outer_environment().get("CUDA_VISIBLE_DEVICES")
    if text is None or text.strip() in ("", "-1", "NoDevFiles"):
        return None
    seen = seen_gpus()
    if not seen or _as_cuda_reads(_words(text) or [], [Gpu(gpu.uuid, gpu) for gpu in seen]):
        return None
    known = ", ".join(f"{gpu.number} ({gpu.uuid})" for gpu in seen)
    return f"CUDA_VISIBLE_DEVICES = {text} hides every GPU of this machine; it has {known}."


def _allowed_unseen(visible: list[str] | None, chosen: list[str] | None) -> list[Gpu]:
    """Without NVML a name is believed, and a number is one of the driver's device files or of what is visible."""
    if visible is None:
        names = [file.name.removeprefix("nvidia") for file in Path("/dev").glob("nvidia[0-9]*")]
        names = sorted(filter(_is_number, names), key=int)
        names += [word for word in chosen or [] if not _is_number(word)]
    else:
        names = list(dict.fromkeys(_until_hidden(visible)))
    if chosen is not None:
        names = [name for word in chosen for name in names if name == word or _begins(name, word)]
    return [Gpu(name) for name in dict.fromkeys(names)]


def _as_cuda_reads(words: list[str], gpus: list[Gpu]) -> list[Gpu]:
    found: dict[str, Gpu] = {}
    for word in words:
        named = _meant(word, gpus)
        if not named:
            break
        found |= {gpu.name: gpu for gpu in named}
    return list(found.values())


def _until_hidden(words: list[str]) -> list[str]:
    """The words up to the first that can be no GPU's: CUDA hides the rest."""
    for place, word in enumerate(words):
        if not (_is_number(word) or word.startswith(("GPU-", "MIG-"))):
            return words[:place]
    return words


def _meant(word: str, gpus: list[Gpu]) -> list[Gpu]:
    """What a word means: a number all MIG devices of a GPU that is split, else one GPU or none."""
    if _is_number(word):
        return [gpu for gpu in gpus if gpu.seen is not None and gpu.seen.number == int(word)]
    exact = [gpu for gpu in gpus if gpu.name == word]
    begun = exact or [gpu for gpu in gpus if _begins(gpu.name, word)]
    return begun if len(begun) == 1 else []


def _is_number(word: str) -> bool:
    """Whether a word is the number of a GPU; `isdigit` would take `²` too."""
    return re.fullmatch("[0-9]{1,4}", word) is not None


def _begins(name: str, word: str) -> bool:
    return len(word) > len("GPU-") and name.startswith(word)


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def _reserve(gpu: Gpu) -> Lease | str:
    """The lease of this GPU, or why there is none, as a clause."""
    reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        reservation.bind(kernel_name(gpu.name))
    except OSError as error:
        reservation.close()
        if error.errno != errno.EADDRINUSE:
            return f"{gpu.title} cannot be reserved ({error.strerror or error})"
        usage = gpu.seen.usage() if gpu.seen else None
        held = f" ({usage.sentence()})" if usage is not None and usage.is_shared else ""
        return f"{gpu.title} is in use by another run or command{held}"
    return Lease((gpu.name,), (reservation.detach(),))


def is_leased(gpu: str) -> bool:
    """Whether some process holds the lease of a GPU by this name. Nothing is reserved by asking."""
    name = kernel_name(gpu)[1:].decode(errors="surrogateescape")
    try:
        return any(line.rstrip("\n").endswith(f" @{name}") for line in _unix_sockets())
    except OSError:
        return False


def _unix_sockets() -> list[str]:
    return Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()


def kernel_name(gpu: str) -> bytes:
    """The name of the abstract socket of a GPU or a slot.

    VITBENCH_GPU_LOCKS, any text, sets leases apart from those of other tests.
    """
    name = f"vitbench-gpu/{os.environ.get('VITBENCH_GPU_LOCKS', '')}/{gpu}".encode(errors="surrogateescape")
    if len(name) > _LONGEST_NAME:
        name = b"vitbench-gpu/" + hashlib.sha256(name).hexdigest().encode()
    return b"\0" + name


def _told() -> dict[str, Any] | None:
    """What HANDED_OVER says, while CUDA_VISIBLE_DEVICES is still as the lease has set it."""
    try:
        told = json.loads(os.environ[HANDED_OVER])
        gpus, descriptors, visible = told["gpus"], told["descriptors"], told["visible"]
        fits = len(gpus) == len(descriptors) > 0 and all(isinstance(number, int) for number in descriptors)
        fits = fits and isinstance(visible, str | None)
        return told if fits and ",".join(gpus) == os.environ.get("CUDA_VISIBLE_DEVICES") else None
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _is_reservation(descriptor: int, gpu: str) -> bool:
    """Whether a descriptor holds the name of a GPU: the variable may be left over from another process."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as reservation:
            return reservation.getsockname() == kernel_name(gpu)
    except (OSError, OverflowError):
        return False
