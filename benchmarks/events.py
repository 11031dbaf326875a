"""Loads 1,000,000 scalars of one run (250,000 records of 4): ours against terminalboard 0.5.3 `--once`.

    python benchmarks/events.py [--terminalboard PATH] [--records 250000] [--rounds 3]

Without a path, terminalboard is installed by pip into a temporary environment. Both read the same file, in turn,
each as a whole process; the reader's own part is measured too, and what an increment costs afterwards.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from result_file import ResultFile

OURS = """
import resource, sys, time
from pathlib import Path
from vitbench.runs.events import EventReader
began = time.perf_counter()
reader = EventReader(Path(sys.argv[1]))
reader.read()
loaded = time.perf_counter() - began
assert sum(len(series) for series in reader.series.values()) == 4 * int(sys.argv[2])
began = time.perf_counter()
assert not reader.read()
print(loaded, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
PROTOBUF = """
import struct, sys, time
from pathlib import Path
from tensorboard.compat.proto.event_pb2 import Event
began = time.perf_counter()
count = 0
for path in Path(sys.argv[1]).glob("events.out.tfevents.*"):
    data, offset = path.read_bytes(), 0
    while offset < len(data):
        (length,) = struct.unpack_from("<Q", data, offset)
        event = Event.FromString(data[offset + 12 : offset + 12 + length])
        count += len([(event.step, value.tag, value.simple_value) for value in event.summary.value])
        offset += 16 + length
assert count == 4 * int(sys.argv[2])
print(time.perf_counter() - began)
"""


def write_run(folder: Path, records: int) -> None:
    """One event file with four scalars a step."""
    from vitbench.runs.event_writer import EventWriter

    writer = EventWriter(folder)
    for step in range(records):
        writer.scalars(step, {f"train/{name}": step * 0.001 for name in ("loss", "accuracy", "rate", "norm")})
    writer.close()


def measured(command: list[str], **options) -> tuple[float, float, str]:
    """Wall seconds, peak memory in MiB, and output of a whole process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} failed with status {status}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024, output


def installed_terminalboard(folder: Path) -> str:
    """terminalboard in an environment of its own; this release does not run with plotext 6."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", "terminalboard==0.5.3", "plotext<6"], check=True)
    return str(folder / "bin" / "terminalboard")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--terminalboard")
    parser.add_argument("--records", type=int, default=250_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    result = ResultFile("events", f"Loading {4 * arguments.records:,} scalars", "tensorboard", "protobuf", "numpy")
    with tempfile.TemporaryDirectory() as temporary:
        run = Path(temporary) / "logs" / "run"
        run.mkdir(parents=True)
        write_run(run, arguments.records)
        other = arguments.terminalboard or installed_terminalboard(Path(temporary) / "environment")
        ours, theirs, plain = [], [], []
        for _ in range(arguments.rounds):
            seconds, memory, output = measured([sys.executable, "-c", OURS, str(run), str(arguments.records)])
            inside, again, _ = map(float, output.split())
            ours.append((seconds, memory, inside, again))
            theirs.append(measured([other, "--once", str(run.parent)])[:2])
            plain.append(float(measured([sys.executable, "-c", PROTOBUF, str(run), str(arguments.records)])[2]))
    our_seconds, our_memory, inside, again = (statistics.median(column) for column in zip(*ours, strict=True))
    their_seconds, their_memory = (statistics.median(column) for column in zip(*theirs, strict=True))
    result.say(f"Median of {arguments.rounds} rounds, whole processes in turn.\n")
    result.say("| | seconds | peak MiB |\n|---|---|---|")
    result.say(f"| vitbench | {our_seconds:.2f} | {our_memory:.0f} |")
    result.say(f"| terminalboard 0.5.3 --once | {their_seconds:.2f} | {their_memory:.0f} |")
    result.say(f"| plain protobuf loop, without its imports | {statistics.median(plain):.2f} | |\n")
    result.say(f"Faster by {their_seconds / our_seconds:.2f}, memory {our_memory / their_memory:.2f} of theirs.")
    result.say(f"The reader alone takes {inside:.2f} s; a look that finds nothing new {again * 1e6:.0f} us.")
    result.write()


if __name__ == "__main__":
    main()
