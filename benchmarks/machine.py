"""What a result was measured on, in a few lines for the top of a results file."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def describe(*packages: str) -> str:
    """Processor, cores, memory, system, and the versions of `packages`."""
    information = Path("/proc/cpuinfo").read_text()
    processor = re.search(r"model name\s*: (.*)", information)
    memory = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
    lines = [
        f"- processor: {processor[1] if processor else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        f"- system: {platform.system()} {platform.release()}, Python {platform.python_version()}",
    ]
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} (not installed)")
    return "\n".join([*lines, f"- versions: {', '.join(versions)}"] if versions else lines)
