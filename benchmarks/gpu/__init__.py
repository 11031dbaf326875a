"""The steps of `benchmarks/on_gpu.py`, a file each: `run(bench)` measures, and notes what it finds as it finds it."""
