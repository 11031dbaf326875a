"""Where the time of a step goes: kernels by kind, and the time in which the device has nothing to do."""

import re
from collections import defaultdict
from typing import Any

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from gpu.bench import Bench
from gpu.ours import OurLoop

KINDS = {
    "attention": r"flash|fmha|attention|sdpa|cudnn.*mha",
    "matrix products": r"gemm|cutlass|nvjet|xmma|cublas|addmm|aten::mm|bmm|linear|convolution|conv2d|implicit_",
    "optimizer": r"adam|sgd|multi_tensor|foreach|lp_norm",
    "copies": r"memcpy|memset|aten::copy_|aten::to\b|_to_copy",
}
REST = "norms, activations, sums and the rest"


def kind(name: str) -> str:
    """Which part of a step a kernel belongs to."""
    return next((kind for kind, words in KINDS.items() if re.search(words, name, re.IGNORECASE)), REST)


def losses(bench: Bench, loop: OurLoop, peak: float, flops: float) -> None:
    """Notes a step's time by kind, and the three largest losses: what is not a matrix product at the peak.

    `peak` TFLOP/s; `flops` of one picture. Kernels are counted on a GPU, operators on a CPU.
    """
    steps = 2 if bench.small else 6
    activity = ProfilerActivity.CUDA if loop.device.type == "cuda" else ProfilerActivity.CPU
    profiler = profile(activities=[activity])
    rate = loop.measure(warm=2, steps=steps, around=lambda: _Running(profiler)).pictures
    size = loop.recipe.train.batch_size
    step = size / rate * 1000
    times: dict[str, float] = defaultdict(float)
    for name, microseconds in _rows(profiler, loop.device.type == "cuda"):
        times[kind(name)] += microseconds / 1000 / steps
    bench.note("a step under the profiler", step, "ms")
    for name, milliseconds in sorted(times.items(), key=lambda row: -row[1]):
        bench.note(f"of it {name}", milliseconds, "ms")
    ideal = size * flops / peak / 1e9
    bench.note("the same products at the measured peak", ideal, "ms")
    lost = {name: value for name, value in times.items() if name not in ("matrix products", "attention")}
    products = times["matrix products"] + times["attention"]
    lost["products and attention below the peak"] = max(0.0, products - ideal)
    lost["device idle, or more than one kernel at once (negative)"] = step - sum(times.values())
    for place, (name, value) in enumerate(sorted(lost.items(), key=lambda row: -row[1])[:3], start=1):
        bench.note(f"loss {place}: {name}", 100 * value / step, "% of a step")


class _Running:
    def __init__(self, profiler: Any) -> None:
        self.profiler = profiler
        profiler.__enter__()

    def close(self) -> None:
        self.profiler.__exit__(None, None, None)


def _rows(profiler: Any, on_gpu: bool) -> list[tuple[str, float]]:
    """Names and microseconds."""
    if on_gpu:
        events = [event for event in profiler.events() if event.device_type == DeviceType.CUDA]
        # Ranges that torch names (the optimizer's step) hold kernels that are counted by themselves.
        events = [
            event for event in events if not getattr(event, "is_user_annotation", False) and "#" not in event.name
        ]
        return [(event.name, event.time_range.elapsed_us()) for event in events]
    return [(row.key, row.self_cpu_time_total) for row in profiler.key_averages()]
