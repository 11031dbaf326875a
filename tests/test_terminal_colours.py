"""How many colours a terminal shows, for each way in which it may say so."""

import pytest

from vitbench import terminal_colours
from vitbench.terminal_colours import ClientWatch, Depth, TmuxClient, find_colours
from vitbench.terminfo import Terminfo

DATABASE = {
    "xterm": Terminfo(8),
    "linux": Terminfo(8),
    "xterm-256color": Terminfo(256),
    "screen-256color": Terminfo(256),
    "tmux-256color": Terminfo(256),
    "vt100": Terminfo(0),
    "with-tc": Terminfo(256, True),
    "xterm-direct": Terminfo(1 << 24, True),
}


def found(
    environment: dict[str, str],
    *,
    setting: str = "auto",
    inside: str = "",
    client: TmuxClient | None = None,
    mosh: tuple[int, ...] = (1, 4),
) -> terminal_colours.Colours:
    return find_colours(
        environment,
        setting,
        tmux=lambda _: client,
        terminfo=lambda term: DATABASE.get(term, Terminfo(None)),
        multiplexer=lambda _: inside,
        mosh_version=lambda: mosh,
    )


@pytest.mark.parametrize(
    ("environment", "depth"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Depth.TRUE),
        ({"TERM": "xterm", "COLORTERM": "24bit"}, Depth.TRUE),
        ({"TERM": "xterm-256color", "COLORTERM": "yes"}, Depth.PALETTE),
        ({"TERM": "xterm-256color"}, Depth.PALETTE),
        ({"TERM": "tmux-256color"}, Depth.PALETTE),
        ({"TERM": "never-heard-of-256color"}, Depth.PALETTE),
        ({"TERM": "with-tc"}, Depth.TRUE),
        ({"TERM": "xterm-direct"}, Depth.TRUE),
        ({"TERM": "xterm-kitty"}, Depth.TRUE),
        ({"TERM": "xterm"}, Depth.SIXTEEN),
        ({"TERM": "linux"}, Depth.SIXTEEN),
        ({"TERM": "never-heard-of"}, Depth.SIXTEEN),
        ({"TERM": "vt100"}, Depth.NONE),
        ({"TERM": "dumb"}, Depth.NONE),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7200"}, Depth.TRUE),
        ({"TERM": "xterm-256color", "VTE_VERSION": "3400"}, Depth.PALETTE),
        ({"TERM": "xterm-256color", "WT_SESSION": "x"}, Depth.TRUE),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, Depth.TRUE),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, Depth.PALETTE),
    ],
)
def test_without_a_multiplexer(environment: dict[str, str], depth: Depth) -> None:
    colours = found(environment)
    assert colours.depth is depth
    assert bool(colours.hint) == bool(colours.advice) == (depth is not Depth.TRUE)
    assert len(colours.hint) <= 78


def test_inside_tmux_its_client_counts_and_not_what_was_inherited() -> None:
    inherited = {"TERM": "screen-256color", "COLORTERM": "truecolor", "VTE_VERSION": "7200"}
    poor = TmuxClient("xterm-256color", False, 256, "3.3a")
    assert found(inherited, inside="tmux", client=poor).depth is Depth.PALETTE
    assert found(inherited, inside="tmux", client=TmuxClient("linux", False, 8, "3.3a")).depth is Depth.SIXTEEN
    rich = TmuxClient("xterm-256color", True, 256, "3.3a")
    assert found({"TERM": "screen-256color"}, inside="tmux", client=rich).depth is Depth.TRUE
    assert "terminal-features ',xterm-256color:RGB'" in found(inherited, inside="tmux", client=poor).hint
    old = TmuxClient("xterm-256color", False, 256, "2.9")
    assert "terminal-overrides ',xterm-256color:Tc'" in found(inherited, inside="tmux", client=old).hint


def test_tmux_that_nobody_is_attached_to_leaves_it_to_the_environment() -> None:
    assert found({"TERM": "screen-256color", "COLORTERM": "truecolor"}, inside="tmux").depth is Depth.TRUE
    assert found({"TERM": "screen-256color", "VTE_VERSION": "7200"}, inside="tmux").depth is Depth.PALETTE


def test_screen_and_an_old_mosh_pass_no_true_colour() -> None:
    environment = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    assert found(environment, inside="screen").depth is Depth.PALETTE
    assert found({**environment, "TERM": "xterm-kitty"}, inside="screen").depth is Depth.PALETTE
    assert found({**environment, "TERM": "xterm"}, inside="screen").depth is Depth.SIXTEEN
    assert found(environment, inside="mosh", mosh=(1, 3)).depth is Depth.PALETTE
    assert found(environment, inside="mosh", mosh=(1, 4)).depth is Depth.TRUE


@pytest.mark.parametrize("depth", list(Depth))
def test_a_choice_decides_and_the_environment_before_the_app(depth: Depth) -> None:
    assert found({"TERM": "xterm"}, setting=depth.value).depth is depth
    chosen = found({"TERM": "xterm", "VITBENCH_COLOURS": depth.value.upper()}, setting="16")
    assert chosen.depth is depth
    assert not chosen.hint


def test_a_choice_that_is_none_is_said() -> None:
    colours = found({"TERM": "xterm", "VITBENCH_COLOURS": "lots\x1b[31m"})
    assert colours.depth is Depth.SIXTEEN
    assert "VITBENCH_COLOURS 'lots' is none of auto, true, 256, 16, none" in colours.source
    assert "\x1b" not in colours.source


LISTING = """Terminal 0: xterm-256color for /dev/pts/1, flags=0x31:
  13: colors: (number) 256
 197: RGB: [missing]
 223: Tc: (flag) true
Terminal 1: linux for /dev/pts/12, flags=0x20:
  13: colors: (number) 8
 208: setrgbf: [missing]
"""


def test_capabilities_of_one_client_among_several() -> None:
    assert terminal_colours._capabilities(LISTING, "/dev/pts/1") == {"colors": "256", "Tc": "true"}
    assert terminal_colours._capabilities(LISTING, "/dev/pts/12") == {"colors": "8"}
    assert terminal_colours._capabilities(LISTING, "/dev/pts/2") == {}


def test_the_socket_tells_that_the_client_may_have_changed(tmp_path) -> None:
    socket = tmp_path / "default"
    socket.touch()
    watch = ClientWatch({"TMUX": f"{socket},1,0"}, again=20.0)
    assert watch.may_have_changed(100.0)
    assert not watch.may_have_changed(101.0)
    socket.chmod(0o770)
    assert watch.may_have_changed(102.0)
    assert not watch.may_have_changed(103.0)
    assert watch.may_have_changed(123.0)
    assert not ClientWatch({}).may_have_changed(1000.0)
