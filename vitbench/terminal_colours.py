"""How many colours the terminal shows, found from what it says of itself: nothing is guessed, and nothing is asked of
the terminal over the line, since an answer that comes late arrives as key presses.

A terminal multiplexer stands between the program and the person: it takes any colour and sends on what its client
shows. So inside tmux the client is what counts, and it may be another one after each re-attach.
"""

import functools
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from vitbench.terminfo import Terminfo, read_terminfo
from vitbench.text import clean

SETTING = "VITBENCH_COLOURS"
"""The environment variable that decides before anything is looked for."""


class Depth(Enum):
    """What a terminal can show. The values are those of the setting."""

    TRUE = "true"
    PALETTE = "256"
    SIXTEEN = "16"
    NONE = "none"

    @property
    def words(self) -> str:
        """For people."""
        return {"true": "true colour", "256": "256 colours", "16": "16 colours", "none": "no colours"}[self.value]


CHOICES = ("auto", *(depth.value for depth in Depth))

_ALWAYS_TRUE = ("alacritty", "contour", "foot", "rio", "wezterm", "xterm-ghostty", "xterm-kitty")
"""Values of TERM that name a terminal of which every version shows true colour (TERM crosses SSH, COLORTERM seldom)."""

_OUR_OWN = ("alacritty", "ghostty", "iterm.app", "rio", "vscode", "wezterm")
"""Values of TERM_PROGRAM, in small letters, of terminals that show true colour."""

_MULTIPLEXERS = {"tmux": "tmux", "screen": "screen", "mosh-server": "mosh"}
"""The first word of a process's name, and what it is."""


@dataclass(frozen=True)
class Colours:
    """What was found, and the clause that says how. Where that is less than true colour and nobody chose it: one line
    for the screen that says how to get more, and the same in full."""

    depth: Depth
    source: str
    hint: str = ""
    advice: str = ""


@dataclass(frozen=True)
class TmuxClient:
    """The client that looks at our tmux session now: its terminal's name and what tmux knows of it."""

    terminal: str
    true: bool
    colours: int
    version: str = ""


def find_colours(
    environment: Mapping[str, str] = os.environ,
    setting: str = "auto",
    *,
    tmux: Callable[[Mapping[str, str]], TmuxClient | None] | None = None,
    terminfo: Callable[[str], Terminfo] | None = None,
    multiplexer: Callable[[Mapping[str, str]], str] | None = None,
    mosh_version: Callable[[], tuple[int, ...]] | None = None,
) -> Colours:
    """What this terminal shows: `VITBENCH_COLOURS`, else `setting`, else what the terminal says of itself.

    The keyword arguments ask the system; tests give their own.
    """
    said = ""
    for name, chosen in ((SETTING, environment.get(SETTING, "").strip().lower()), ("the app's setting", setting)):
        if chosen in CHOICES[1:]:
            return Colours(Depth(chosen), f"{name}={chosen}" if name == SETTING else f"{name}, {chosen}")
        if chosen not in ("", "auto"):
            said = f"; {name} {clean(chosen)[:20]!r} is none of {', '.join(CHOICES)}"
    found = _found(
        environment,
        tmux or tmux_client,
        terminfo or read_terminfo,
        (multiplexer or innermost_multiplexer)(environment),
        mosh_version or _mosh_version,
    )
    return replace(found, source=found.source + said)


def _found(
    environment: Mapping[str, str],
    tmux: Callable[[Mapping[str, str]], TmuxClient | None],
    terminfo: Callable[[str], Terminfo],
    multiplexer: str,
    mosh_version: Callable[[], tuple[int, ...]],
) -> Colours:
    term = environment.get("TERM", "")
    if multiplexer == "tmux":
        client = tmux(environment)
        if client is not None:
            return _of_tmux(client)
    by_term = _of_term(term, terminfo)
    no_more = Depth.PALETTE if by_term.depth is Depth.TRUE else by_term.depth
    if multiplexer == "screen":
        return _with_advice(
            Colours(no_more, f"{by_term.source}, inside GNU screen"),
            "tmux instead of GNU screen shows true colour",
            "GNU screen 4 passes 256 colours at most: use tmux. In screen 5, after `truecolor on` in ~/.screenrc, set "
            f"{SETTING}=true.",
        )
    if multiplexer == "mosh" and mosh_version() < (1, 4):
        return _with_advice(
            Colours(no_more, f"{by_term.source}, through a mosh before 1.4"),
            "mosh 1.4 and ssh pass true colour",
            f"mosh passes true colour from 1.4 on: update it on both sides, or use ssh, and set {SETTING}=true.",
        )
    colorterm = environment.get("COLORTERM", "").strip().lower()
    if colorterm in ("truecolor", "24bit"):
        return Colours(Depth.TRUE, f"COLORTERM={colorterm}")
    if by_term.depth is Depth.TRUE:
        return by_term
    if not multiplexer and (named := _named_by_terminal(environment)):
        return Colours(Depth.TRUE, named)
    lost = " SSH does not carry COLORTERM unless it is told to." if environment.get("SSH_CONNECTION") else ""
    return _with_advice(
        by_term,
        'if this terminal shows true colour: ^p, "Colours: true"',
        f"Nothing here says that the terminal shows true colour.{lost} If it does, set COLORTERM=truecolor or "
        f"{SETTING}=true, or choose it in the app (^p, Colours: true).",
    )


def _of_tmux(client: TmuxClient) -> Colours:
    name = clean(client.terminal)[:40]
    if client.true:
        return Colours(Depth.TRUE, f"tmux: its client, {name}, has RGB")
    old = re.match(r"(\d+)\.(\d+)", client.version)
    has_features = not old or (int(old[1]), int(old[2])) >= (3, 2)
    option = f"terminal-features ',{name}:RGB'" if has_features else f"terminal-overrides ',{name}:Tc'"
    return _with_advice(
        Colours(_depth_of(client.colours), f"tmux: its client, {name}, has no RGB"),
        f"more: tmux set -as {option}, reattach",
        f"If the terminal around tmux shows true colour, tell tmux so: `tmux set -as {option}` (and the same line in "
        f"~/.tmux.conf, with set instead of tmux set), then detach and attach again.",
    )


def _with_advice(found: Colours, hint: str, advice: str) -> Colours:
    if found.depth is Depth.TRUE:
        return found
    words = found.depth.words
    return replace(found, hint=f"{words[0].upper()}{words[1:]}; {hint}", advice=advice)


def _of_term(term: str, terminfo: Callable[[str], Terminfo]) -> Colours:
    if term in _ALWAYS_TRUE:
        return Colours(Depth.TRUE, f"TERM={term} always shows it")
    shown = f"TERM={clean(term)[:40]}" if term else "no TERM"
    known = terminfo(term) if term else Terminfo(None)
    if known.true:
        return Colours(Depth.TRUE, f"terminfo of {shown}")
    if known.colours is not None:
        return Colours(_depth_of(known.colours), f"terminfo of {shown}")
    if "direct" in term or "truecolor" in term:
        return Colours(Depth.TRUE, shown)
    if "256" in term:
        return Colours(Depth.PALETTE, shown)
    return Colours(Depth.NONE if term in ("dumb", "unknown") else Depth.SIXTEEN, f"{shown}, unknown to terminfo")


def _depth_of(colours: int) -> Depth:
    if colours >= 1 << 24:
        return Depth.TRUE
    return Depth.PALETTE if colours >= 256 else Depth.SIXTEEN if colours >= 8 else Depth.NONE


def _named_by_terminal(environment: Mapping[str, str]) -> str:
    """The variable by which a terminal that is known to show true colour names itself; "" when none does."""
    if environment.get("WT_SESSION"):
        return "WT_SESSION, Windows Terminal"
    if environment.get("VTE_VERSION", "").isdecimal() and int(environment["VTE_VERSION"]) >= 3600:
        return f"VTE_VERSION={environment['VTE_VERSION']}"
    if environment.get("KONSOLE_VERSION"):
        return "KONSOLE_VERSION"
    program = environment.get("TERM_PROGRAM", "")
    return f"TERM_PROGRAM={program}" if program.lower() in _OUR_OWN else ""


# What the system says


def tmux_client(environment: Mapping[str, str]) -> TmuxClient | None:
    """The client that was last active in our session; None when there is none, or tmux does not answer."""
    pane = environment.get("TMUX_PANE", "")
    asked = ["display-message", "-p", *(["-t", pane] if re.fullmatch(r"%\d+", pane) else [])]
    wanted = "#{client_tty}\t#{client_termname}\t#{client_termfeatures}\t#{version}"
    socket = environment.get("TMUX", "").split(",")[0]
    command = ["tmux", *(["-S", socket] if socket else []), *asked, wanted, ";", "show-messages", "-T"]
    try:
        answer = subprocess.run(
            command, capture_output=True, timeout=1.0, check=False, stdin=subprocess.DEVNULL
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    first, _, terminals = answer.partition("\n")
    words = first.split("\t")
    if len(words) != 4 or not words[0]:
        return None
    tty, name, features, version = words
    capabilities = _capabilities(terminals, tty)
    true = "RGB" in features.split(",") or any(name in capabilities for name in ("Tc", "RGB", "setrgbf"))
    colours = capabilities.get("colors", "")
    if colours.isdecimal():
        count = int(colours)
    else:
        count = 256 if "256" in name or "256" in features.split(",") else 8
        count = 0 if capabilities else count  # listed without colours: it has none
    return TmuxClient(name, true, count, version)


def _capabilities(listing: str, tty: str) -> dict[str, str]:
    """What `tmux show-messages -T` lists for the terminal on `tty`: capabilities with their values."""
    found: dict[str, str] = {}
    ours = False
    for line in listing.splitlines():
        if line.startswith("Terminal "):
            ours = f" for {tty}," in line
        elif ours and (match := re.match(r"\s*\d+: (\w+): \((?:flag|number|string)\) (.*)", line)):
            found[match[1]] = match[2]
    return found


def innermost_multiplexer(environment: Mapping[str, str]) -> str:
    """`tmux`, `screen`, `mosh` or "": what stands nearest between this program and the person.

    The variables of all of them are inherited by what runs inside; the ancestors of this process tell which is next.
    """
    for name in _ancestors():
        kind = _MULTIPLEXERS.get(name.split(":")[0].lower(), "")
        if kind and (kind != "tmux" or environment.get("TMUX")):
            return kind
    if environment.get("TMUX"):
        return "tmux"
    return "screen" if environment.get("STY") else ""


def _ancestors() -> Iterator[str]:
    pid = os.getppid()
    for _ in range(64):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            return
        yield stat[stat.find("(") + 1 : stat.rfind(")")]
        pid = int(stat.rpartition(")")[2].split()[1])
        if pid <= 1:
            return


@functools.cache
def _mosh_version() -> tuple[int, ...]:
    try:
        answer = subprocess.run(["mosh-server", "--version"], capture_output=True, text=True, timeout=1.0, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"mosh (\d+)\.(\d+)", answer.stdout + answer.stderr)
    return (int(found[1]), int(found[2])) if found else (0,)


class ClientWatch:
    """Notices cheaply that another tmux client may be looking.

    tmux changes the permissions of its socket when the first client comes and when the last one goes, so one `stat`
    tells of a re-attach; `again` seconds after the last look at the latest, it is asked all the same, because a second
    client beside a first one changes nothing there.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ, again: float = 20.0) -> None:
        self._socket = environment.get("TMUX", "").split(",")[0]
        self._again = again
        self._seen = self._stamp()
        self._looked = 0.0

    @property
    def is_inside_tmux(self) -> bool:
        """Whether there is anything to watch."""
        return bool(self._socket)

    def may_have_changed(self, now: float) -> bool:
        """Whether the client should be asked about again, at `now` seconds of a clock that only goes forward."""
        if not self._socket:
            return False
        stamp = self._stamp()
        if stamp == self._seen and now - self._looked < self._again:
            return False
        self._seen, self._looked = stamp, now
        return True

    def _stamp(self) -> int:
        if not self._socket:
            return 0
        try:
            return Path(self._socket).stat().st_ctime_ns
        except OSError:
            return -1
