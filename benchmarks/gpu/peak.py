"""The two ceilings: matrix products in bf16, and bytes through memory; and the way from the CPU's memory."""

import torch

from gpu.bench import Bench
from gpu.clock import median_seconds


def run(bench: Bench) -> None:
    device = bench.device()
    tflops = matrix_peak(bench, device)
    bench.note("bf16 matrix product, random values", tflops, "TFLOP/s")
    # A kind of product that a ViT-B does, too: the first half of an MLP on a batch of tokens.
    rows = 8 if bench.small else 128 * 577
    bench.note("bf16 product of an MLP of ViT-B", product(device, rows, 768, 3072), "TFLOP/s")
    count = 2**20 if bench.small else 2**30
    source, target = torch.rand(count, device=device), torch.empty(count, device=device)
    seconds = median_seconds(lambda: target.copy_(source), device)
    bench.note("copy inside memory, bytes read and written", 2 * 4 * count / seconds / 1e9, "GB/s")
    pinned = torch.randint(0, 255, (count // 4,), dtype=torch.uint8, pin_memory=device.type == "cuda")
    arrived = torch.empty_like(pinned, device=device)
    seconds = median_seconds(lambda: arrived.copy_(pinned, non_blocking=True), device)
    bench.note("copy from pinned memory to the device", len(pinned) / seconds / 1e9, "GB/s")


def matrix_peak(bench: Bench, device: torch.device) -> float:
    """TFLOP/s of a large square product in bf16."""
    size = 64 if bench.small else 8192
    return product(device, size, size, size)


def product(device: torch.device, rows: int, inner: int, columns: int) -> float:
    """TFLOP/s of [rows, inner] times [inner, columns]; random values, since zeros are faster than real data."""
    left = torch.randn(rows, inner, device=device).bfloat16()
    right = torch.randn(inner, columns, device=device).bfloat16()
    seconds = median_seconds(lambda: left @ right, device, rounds=20)
    return 2 * rows * inner * columns / seconds / 1e12
