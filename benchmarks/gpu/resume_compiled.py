"""The same as `resume` with a compiled network: no kernel may be chosen by measuring."""

from gpu.bench import Bench
from gpu.recipes import little
from gpu.resume import compare


def run(bench: Bench) -> None:
    bench.need_gpu()
    compare(bench, little(bench, train={"compile": True}))
