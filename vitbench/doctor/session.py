"""The terminal and the login: colours, signs, what a dropped line ends, and what a logout ends."""

import os
import pwd
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from vitbench.doctor.finding import Finding
from vitbench.terminal_colours import find_colours, innermost_multiplexer
from vitbench.terminal_signs import wants_ascii

_RUNS_LIVE = "runs go on after logout"


def colours(environment: Mapping[str, str], setting: str) -> Finding:
    """What the terminal shows, and how that was found."""
    found = find_colours(environment, setting)
    return Finding("Colours", f"{found.depth.words} ({found.source})", found.advice)


def signs(environment: Mapping[str, str]) -> Finding:
    """Whether more than ASCII can be drawn."""
    if not wants_ascii(environment):
        return Finding("Signs", "Unicode")
    if environment.get("VITBENCH_ASCII"):
        return Finding("Signs", f"ASCII, by VITBENCH_ASCII={environment['VITBENCH_ASCII']}")
    advice = "For charts in braille and pictures in half blocks set LANG=C.UTF-8, if the terminal has Unicode."
    return Finding("Signs", "ASCII, by the locale or TERM", advice)


def line(environment: Mapping[str, str]) -> Finding:
    """Whether the app itself outlives a line that drops; runs always do."""
    inside = innermost_multiplexer(environment)
    if inside in ("tmux", "screen"):
        return Finding("Line", f"inside {inside}: the app outlives a line that drops")
    if inside == "mosh":
        return Finding("Line", "mosh: the app outlives a line that drops, while this machine runs")
    if environment.get("SSH_CONNECTION"):
        return Finding("Line", "SSH without tmux: the app ends when the line drops, and its runs go on")
    return Finding("Line", "a terminal of this machine")


def logout(environment: Mapping[str, str]) -> Finding:
    """Whether a worker outlives the login in which it was started."""
    topic = "Logout"
    for variable, name in (("SLURM_JOB_ID", "SLURM"), ("PBS_JOBID", "PBS"), ("LSB_JOBID", "LSF")):
        if environment.get(variable):
            advice = f"Ask {name} for as much time as the runs need; `vitbench resume` goes on in a later job."
            return Finding(topic, f"inside a job of {name}: runs end with the job", advice)
    first = _name_of_first_process()
    if first != "systemd" or not Path("/run/systemd/system").is_dir():
        if _is_container(environment):
            advice = "Leave it running while runs do, and keep the store on a volume that outlives it."
            return Finding(topic, f"a container (pid 1 is {first}): {_RUNS_LIVE} and end with the container", advice)
        return Finding(topic, f"pid 1 is {first}, no systemd: {_RUNS_LIVE}")
    user = _user()
    if not kills_user_processes(user):
        return Finding(topic, f"{_RUNS_LIVE} (systemd, KillUserProcesses=no)")
    if lingers(user):
        return Finding(topic, f"{_RUNS_LIVE} (systemd, lingering is on)")
    return Finding(
        topic,
        f"systemd ends {user}'s processes at logout (KillUserProcesses=yes), also runs and tmux",
        "`loginctl enable-linger` and then `systemd-run --user --scope tmux`: start vitbench in there.",
        True,
    )


def kills_user_processes(user: str, folders: tuple[Path, ...] | None = None) -> bool:
    """Whether logind ends what a user leaves running: by its own answer, else by its files (`folders`, for tests)."""
    settings = _logind_settings(folders or (Path("/usr/lib/systemd"), Path("/run/systemd"), Path("/etc/systemd")))
    answer = None if folders else _logind_says("KillUserProcesses")
    kills = settings.get("KillUserProcesses", "no").lower() in ("yes", "true", "on", "1") if answer is None else answer
    if not kills:
        return False
    # As logind.conf(5) says: KillOnlyUsers, if it is set, and then KillExcludeUsers, whose default is root.
    only = settings.get("KillOnlyUsers", "").split()
    return (not only or user in only) and user not in settings.get("KillExcludeUsers", "root").split()


def lingers(user: str) -> bool:
    """Whether the user's services go on without a login."""
    return (Path("/var/lib/systemd/linger") / user).exists()


def _logind_says(name: str) -> bool | None:
    words = ["org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", name]
    try:
        done = subprocess.run(
            ["busctl", "get-property", *words], capture_output=True, text=True, timeout=1.0, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.fullmatch(r"b (true|false)\s*", done.stdout)
    return None if found is None else found[1] == "true"


def _logind_settings(folders: tuple[Path, ...]) -> dict[str, str]:
    """What the configuration says: the main file of the last folder that has one, then all fragments by their names."""
    main = [folder / "logind.conf" for folder in folders if (folder / "logind.conf").is_file()]
    fragments = {file.name: file for folder in folders for file in (folder / "logind.conf.d").glob("*.conf")}
    settings: dict[str, str] = {}
    for file in [*main[-1:], *(fragments[name] for name in sorted(fragments))]:
        try:
            text = file.read_text(errors="replace")
        except OSError:
            continue
        for name, value in re.findall(r"^\s*(Kill\w+)\s*=\s*(.*?)\s*$", text, re.MULTILINE):
            settings[name] = value
    return settings


def _name_of_first_process() -> str:
    try:
        return Path("/proc/1/comm").read_text(errors="replace").strip()
    except OSError:
        return "unknown"


def _is_container(environment: Mapping[str, str]) -> bool:
    if environment.get("container") or Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return True
    try:
        return bool(re.search(r"docker|kubepods|containerd|lxc", Path("/proc/1/cgroup").read_text()))
    except OSError:
        return False


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
