"""The place for runs: whether it can be written, how much room it has, and whether locks hold there."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from vitbench.doctor.finding import Finding

GIB = 2**30
_ROOM = 5 * GIB
"""A run of ViT-B with its checkpoints takes about 2 GB."""
_FEW_FILES = 10_000
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "afs", "glusterfs", "9p")

_TRY_LOCK = """
import fcntl, sys
with open(sys.argv[1]) as stream:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(3)
"""


@dataclass(frozen=True)
class Mount:
    """Where a folder lies: the kind of its file system, and the options of its mount."""

    kind: str
    options: frozenset[str]

    @property
    def is_network(self) -> bool:
        """Whether other machines may use it too."""
        return self.kind in _NETWORK or self.kind.startswith("fuse.sshfs")


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    for place in (folder, *folder.parents):
        if place.is_dir():
            return place
    return Path("/")


def writing(store: Path) -> Finding:
    """Whether runs can be written; a file is made and taken away again, if the folder is there."""
    place = existing(store)
    words = str(store) if place == store else f"{store} (made with the first run)"
    try:
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError
        if place == store:
            with tempfile.TemporaryFile(dir=store, prefix=".doctor-") as stream:
                stream.write(b"x")
                stream.flush()
                os.fsync(stream.fileno())
    except PermissionError:
        advice = f"You may not write to {place}: choose another place with --store DIR or VITBENCH_HOME."
        return Finding("Store", words, advice, True)
    except OSError as error:
        advice = f"Writing fails ({error.strerror}): choose another place with --store DIR or VITBENCH_HOME."
        return Finding("Store", words, advice, True)
    return Finding("Store", words)


def disk(store: Path) -> Finding:
    """Room for runs, in bytes and in files."""
    place = existing(store)
    try:
        usage, counts = shutil.disk_usage(place), os.statvfs(place)
    except OSError as error:
        return Finding("Disk", f"unknown: {error.strerror}")
    words = f"{usage.free / GIB:.0f} of {usage.total / GIB:.0f} GB free"
    if usage.free < _ROOM:
        advice = "Checkpoints need room, about 2 GB per run of ViT-B: free some, or choose another disk with --store."
        return Finding("Disk", words, advice, usage.free < GIB // 2)
    if counts.f_files and counts.f_favail < _FEW_FILES:
        return Finding("Disk", f"{words}, but only {counts.f_favail:,} files", "Delete files, or choose another disk.")
    return Finding("Disk", words)


def locks(store: Path) -> Finding:
    """Whether a lock (flock) keeps another process out, and whether another machine would see it."""
    place = existing(store)
    mount = mount_of(place)
    where = f"{mount.kind}, a network drive" if mount.is_network else mount.kind or "an unknown file system"
    held = _lock_holds(place)
    if held is None:
        return Finding("Locks", f"not tried: {place} cannot be written ({where})")
    if isinstance(held, str):
        advice = f"flock fails there ({held}): choose a place on a local disk with --store or VITBENCH_HOME."
        return Finding("Locks", where, advice, True)
    if not held:
        advice = "Two workers could write one run: choose a place on a local disk with --store or VITBENCH_HOME."
        return Finding("Locks", f"not honoured on {where}", advice, True)
    local = mount.options & {"nolock", "local_lock=flock", "local_lock=all", "localflock", "nobrl"}
    if mount.is_network and local:
        advice = "Other machines do not see its locks: use this store from one machine, or mount it without that."
        return Finding("Locks", f"honoured here only, on {where} ({', '.join(sorted(local))})", advice)
    return Finding("Locks", f"honoured on {where}")


def _lock_holds(place: Path) -> bool | str | None:
    """Whether another process is kept out by a lock on a file in `place`; what went wrong; None if it cannot be tried.

    A process of its own tries: on some network drives locks of one process do not exclude each other.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-lock-") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                return error.strerror or str(error)
            command = [sys.executable, "-I", "-S", "-c", _TRY_LOCK, stream.name]
            return subprocess.run(command, check=False, timeout=20, capture_output=True).returncode == 3
    except subprocess.TimeoutExpired:
        return "it hangs"
    except OSError:
        return None


def mount_of(place: Path, table: str | None = None) -> Mount:
    """The mount in which a folder lies, by /proc/self/mountinfo (`table`; man 5 proc)."""
    if table is None:
        try:
            table = Path("/proc/self/mountinfo").read_text(errors="replace")
        except OSError:
            return Mount("", frozenset())
    real = place.resolve()
    best, found = -1, Mount("", frozenset())
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        fields, kinds = left.split(), right.split()
        if len(fields) < 6 or len(kinds) < 3:
            continue
        point = Path(_unescaped(fields[4]))
        # The last of two mounts on one folder is the one that is seen.
        if real.is_relative_to(point) and len(point.parts) >= best:
            best = len(point.parts)
            found = Mount(kinds[0], frozenset(fields[5].split(",")) | frozenset(kinds[2].split(",")))
    return found


def _unescaped(field: str) -> str:
    """Spaces, tabs, line ends and backslashes are written as octal numbers there."""
    for code, sign in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        field = field.replace(code, sign)
    return field
