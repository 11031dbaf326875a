"""The name of a process that no other ever bears: host, boot, pid, and the tick at which it began.

A pid alone is used again, and a wall-clock start time shifts when a clock is corrected; ticks since boot do not.
"""

import os
import socket
from pathlib import Path

from pydantic import BaseModel

MARK = "VITBENCH_RUN"
"""The environment variable that a worker and all its children carry, with the id of their run."""


class ProcessName(BaseModel, frozen=True):
    """`start_ticks` is field 22 of /proc/PID/stat, in clock ticks since boot."""

    host: str
    boot_id: str
    pid: int
    start_ticks: int


def this_process() -> ProcessName:
    """The name of the calling process."""
    return ProcessName(host=this_host(), boot_id=boot_id(), pid=os.getpid(), start_ticks=start_ticks(os.getpid()) or 0)


def this_host() -> str:
    """The name of this machine."""
    return socket.gethostname()


def boot_id() -> str:
    """What the kernel calls this boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int | None:
    """When process `pid` began; None if there is none, or only its unburied remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def is_local(name: ProcessName) -> bool:
    """Whether `name` belongs to this machine, so that `/proc` can be asked."""
    return name.host == this_host()


def is_alive(name: ProcessName) -> bool:
    """Whether a process of this machine still runs."""
    return name.boot_id == boot_id() and start_ticks(name.pid) == name.start_ticks


def marked_processes(run_id: str) -> list[int]:
    """The pids of this user's processes that carry the mark of a run, wherever their sessions and groups are."""
    wanted = f"{MARK}={run_id}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if entry.stat().st_uid == os.getuid() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue  # it ended while we looked, or is not ours to see
    return [pid for pid in found if start_ticks(pid) is not None]
