"""Results in pipes: no escape codes, ASCII where the locale has no more, no complaint when the reader leaves."""

import os
import subprocess
import sys

import pytest

POOR = {"LANG": "C", "LC_ALL": "C", "NO_COLOR": "1", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "dumb"}


def piped(*arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A command whose output goes into pipes."""
    return subprocess.run(
        [sys.executable, "-m", "vitbench", *arguments], env=os.environ | variables, capture_output=True, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("recipe", "fast"), ("train", "--help"), ("doctor",)],
    ids=" ".join,
)
def test_no_colours_and_plain_signs_in_a_poor_pipe(store, arguments):
    done = piped(*arguments, **POOR)
    assert done.returncode in (0, 1), done.stderr.decode()  # doctor: 1 where something is to be mended
    assert len(done.stdout) > 200
    assert b"\x1b" not in done.stdout + done.stderr
    assert (done.stdout + done.stderr).isascii()


def test_colours_are_not_forced_into_a_pipe(store):
    done = piped("runs", COLORTERM="truecolor", TERM="xterm-256color", FORCE_COLOR="1")
    assert done.returncode == 0
    assert b"No runs in" in done.stdout
    assert b"\x1b" not in done.stdout + done.stderr


def test_a_reader_that_leaves_is_no_mishap(store):
    line = f"{sys.executable} -m vitbench models | head -n 2; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], env=os.environ, capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 2
    assert done.stderr == b""
