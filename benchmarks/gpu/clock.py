"""Time on a device that works on while the CPU goes ahead."""

import statistics
import time
from collections.abc import Callable

import torch


def synchronize(device: torch.device) -> None:
    """Waits until the device has done all it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def median_seconds(work: Callable[[], object], device: torch.device, *, rounds: int = 10, warm: int = 3) -> float:
    """Median seconds of `work`, by events on a GPU."""
    for _ in range(warm):
        work()
    synchronize(device)
    if device.type != "cuda":
        found = []
        for _ in range(rounds):
            start = time.perf_counter()
            work()
            found.append(time.perf_counter() - start)
        return statistics.median(found)
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(rounds)]
    for begin, end in events:
        begin.record()
        work()
        end.record()
    synchronize(device)
    return statistics.median(begin.elapsed_time(end) / 1000 for begin, end in events)
