"""The machine at one moment, as one value: what the Machine screen draws and `vitbench gpus` prints."""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from vitbench.machine.gpus import GpuReading, read_gpus
from vitbench.runs.host import MemoryRoom, memory_room
from vitbench.runs.process import mark_of
from vitbench.runs.queue import reason_to_wait
from vitbench.runs.store import Run, Store


@dataclass(frozen=True)
class MachineSnapshot:
    """`cores` is the load of each processor in per cent since the last look; disk sizes are of the store's disk."""

    time: float
    gpus: tuple[GpuReading, ...] | None
    """None without NVML."""
    cores: tuple[float, ...]
    load_average: float
    """Runnable processes, averaged over a minute."""
    memory: MemoryRoom
    disk_free: int | None
    disk_total: int | None
    """Bytes; None where the disk cannot be asked."""
    running: tuple[str, ...]
    """Runs of this store that are running here or elsewhere, by title."""
    waiting: tuple[tuple[str, str], ...]
    """Runs that wait, by title, with the reason in words."""

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def read_machine(store: Store) -> MachineSnapshot:
    """What the machine does now, in some milliseconds. Of other people's processes it reads only what is public."""
    runs = store.runs()
    statuses = [(run, run.status()) for run in runs]
    readings = read_gpus(marks_of(runs))
    try:
        disk = shutil.disk_usage(_existing(store.folder))
    except OSError:
        disk = None
    return MachineSnapshot(
        time=time.time(),
        gpus=None if readings is None else tuple(readings),
        cores=tuple(psutil.cpu_percent(percpu=True)),
        load_average=os.getloadavg()[0],
        memory=memory_room(),
        disk_free=disk.free if disk else None,
        disk_total=disk.total if disk else None,
        running=tuple(status.name or run.id for run, status in statuses if status.state == "running"),
        waiting=tuple(
            (status.name or run.id, reason_to_wait(run.id, status) or "waits for the scheduler")
            for run, status in statuses
            if status.is_waiting
        ),
    )


def marks_of(runs: Sequence[Run]) -> dict[str, str]:
    """The id of each run by the mark of its processes."""
    marks = {}
    for run in runs:
        try:
            marks[mark_of(run.folder)] = run.id
        except OSError:
            continue  # it was deleted meanwhile
    return marks


def _existing(folder: Path) -> Path:
    """The nearest folder above that exists: the store may not have been made yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
