"""The name of a process that no other ever bears: host, boot, pid, and the tick at which it began.

A pid alone is used again, and a wall-clock start time shifts when a clock is corrected; ticks since boot do not.
"""

import os
import socket
from pathlib import Path

from pydantic import BaseModel

MARK = "VITBENCH_RUN"
"""The environment variable that a worker and all its children carry, with the mark of their run's folder."""


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
    """When process `pid` began; None if there is none, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def is_local(name: ProcessName) -> bool:
    """Whether `name` belongs to this machine, so that `/proc` can be asked."""
    return name.host == this_host()


def is_alive(name: ProcessName) -> bool:
    """Whether a process of this machine still runs.

    Where /proc shows other users' processes to nobody (mounted with hidepid), one that is there is believed to be it.
    """
    if name.boot_id != boot_id():
        return False
    ticks = start_ticks(name.pid)
    return _is_hidden(name.pid) if ticks is None else ticks == name.start_ticks


def _is_hidden(pid: int) -> bool:
    """Whether there is a process that /proc does not show to us."""
    if Path(f"/proc/{pid}").exists():
        return False  # a zombie
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return False  # it has ended in the meantime, or the next took its number: ours would be shown


def mark_of(folder: Path) -> str:
    """What the processes of a run are marked with: device and inode of its folder.

    A copy is another folder, also one made of hard links, which share the inodes of files; a moved folder is the same.
    Raises OSError if the folder is gone.
    """
    status = folder.stat()
    return f"{status.st_dev}:{status.st_ino}"


def mark_of_process(pid: int) -> str | None:
    """The mark that a process was started with; None if it has none, or is not ours to ask."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    prefix = f"{MARK}=".encode()
    marks = [entry[len(prefix) :].decode(errors="replace") for entry in environment if entry.startswith(prefix)]
    return marks[0] if marks else None


def marked_processes(folder: Path) -> list[int]:
    """The pids of this user's processes that carry the mark of a run, wherever their sessions and groups are."""
    try:
        mark = mark_of(folder)
        pids = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
    except OSError:
        return []
    return [pid for pid in pids if mark_of_process(pid) == mark and _is_ours(pid) and start_ticks(pid) is not None]


def _is_ours(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}").stat().st_uid == os.getuid()
    except OSError:
        return False
