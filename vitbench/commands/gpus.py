"""`vitbench gpus`: each GPU, who holds it, and what waits."""

import argparse
import time
from typing import TYPE_CHECKING

from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.runs.store import Store
from vitbench.text import clean

if TYPE_CHECKING:
    from vitbench.machine.gpus import GpuReading

_GIB = 2**30
_SAMPLE = 0.2
"""Seconds over which the load of the processors is measured."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--json", action="store_true", help="everything as one JSON object; sizes in bytes")


def run(arguments: argparse.Namespace) -> int:
    """Prints a line a GPU with those who hold it, then processors, memory, disk, and what waits."""
    import psutil

    from vitbench.machine.snapshot import read_machine

    store = Store(store_folder(arguments.store))
    psutil.cpu_percent(percpu=True)
    time.sleep(_SAMPLE)
    seen = read_machine(store)
    if arguments.json:
        print_json(seen.document())
        return 0
    if seen.gpus is None:
        print("GPUs       none that NVML knows of")
    for gpu in seen.gpus or ():
        print(clean(gpu_line(gpu)))
        for holder in gpu.holders:
            size = "some memory" if holder.size is None else f"{holder.size / _GIB:.1f} GB"
            print(clean(f"           {size:>10}  {holder.user}  {holder.title}"))
    busy = sum(seen.cores) / len(seen.cores) if seen.cores else 0.0
    print(f"processors {len(seen.cores)}, {busy:.0f}% busy, load {seen.load_average:.1f}")
    print(f"memory     {seen.memory.free / _GIB:.1f} of {seen.memory.total / _GIB:.1f} GB free")
    if seen.disk_free is not None and seen.disk_total is not None:
        print(f"disk       {seen.disk_free / _GIB:.0f} of {seen.disk_total / _GIB:.0f} GB free, where the store is")
    print(clean(f"running    {', '.join(seen.running) or 'nothing'}"))
    for title, reason in seen.waiting:
        print(clean(f"waiting    {title}: {reason}"))
    return 0


def gpu_line(gpu: "GpuReading") -> str:
    """One GPU in a line: load, memory, power, temperature, and whether it is to be had."""
    load = "load ?" if gpu.load is None else f"{gpu.load:3d}% busy"
    known = gpu.used is not None and gpu.total is not None
    memory = f"{(gpu.used or 0) / _GIB:.1f} of {(gpu.total or 0) / _GIB:.1f} GB used" if known else "memory ?"
    power = "" if gpu.power is None else f", {gpu.power:.0f}{_limit(gpu.power_limit)} W"
    heat = "" if gpu.temperature is None else f", {gpu.temperature} °C"
    state = "leased" if gpu.leased else "free" if not gpu.holders else "in use"
    hidden = "" if gpu.allowed else "; hidden from runs of this session"
    return f"GPU {gpu.number:<6} {gpu.name}: {load}, {memory}{power}{heat}; {state}{hidden}"


def _limit(watts: float | None) -> str:
    return "" if watts is None else f" of {watts:.0f}"
