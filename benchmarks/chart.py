"""Rasters 4 series of 100,000 points at 120x40 cells.   python benchmarks/chart.py [--points 100000]"""

import argparse
import statistics
import time

import numpy as np
from result_file import ResultFile

from screens.widgets.chart_raster import Line, Viewport, draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    points = parser.parse_args().points
    result = ResultFile("chart", "The chart's raster", "numpy")
    noise = np.random.default_rng(0)
    x = np.arange(points, dtype=float)
    lines = [Line(x, np.exp(-x / points) + noise.normal(0, 0.1, points)) for _ in range(4)]
    viewport = Viewport(0, points - 1, -0.5, 1.5)
    clock, cpu = [], []
    for _ in range(20):
        began, used = time.perf_counter(), time.process_time()
        draw(lines, viewport, 120, 40).text()
        clock.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
    result.say(
        f"4 series of {points:,} points into 120x40 cells, median of 20: {statistics.median(clock) * 1e3:.1f} ms by the"
        f" clock, {statistics.median(cpu) * 1e3:.1f} ms of CPU time."
    )
    result.say("The raster and its text alone; smoothing, axes and Textual's painting are not in it.")
    result.write()


if __name__ == "__main__":
    main()
