"""What leaves the program: no escape codes, valid JSON, and a sentence where the output cannot be written."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vitbench.cli import main
from vitbench.recipe import Recipe
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.log import RunLog
from vitbench.runs.status import Best, Status, write_status
from vitbench.runs.store import Run, Store

ESCAPE = "\x1b]0;title\x07\x1b[31mred\x9b1m\r\u202e\nnew line"
HARMFUL = ("\x1b", "\x07", "\x9b", "\r", "\u202e")


@pytest.fixture
def hostile(store: Path) -> Run:
    """A run with escape codes wherever text is kept."""
    recipe = Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "pictures"}})
    run = Store(store).create(recipe)
    folder = run.folder.rename(run.folder.with_name(f"run {ESCAPE.replace('/', '')}"))
    write_status(
        folder,
        Status(
            state="finished",
            created_at=time.time(),
            name=ESCAPE,
            model=ESCAPE,
            data=ESCAPE,
            device=ESCAPE,
            error=ESCAPE,
            latest={ESCAPE: float("nan"), "train/loss": float("inf")},
            best=Best(metric=ESCAPE, value=float("nan"), step=3),
        ),
    )
    RunLog(folder / "log.jsonl").write(1, ESCAPE, ESCAPE)
    writer = EventWriter(folder)
    writer.scalars(1, {ESCAPE: float("nan")})
    writer.close()
    return Run(folder)


@pytest.mark.parametrize(
    "command", [["runs"], ["show", "last"], ["log", "last"], ["metrics", "last"], ["kill", "last"], ["rm", "last"]]
)
def test_no_escape_code_reaches_the_terminal(hostile, capsys, command):
    code = main(command)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert "red" in printed.out
    assert not [sign for sign in HARMFUL if sign in printed.out + printed.err]
    assert not [line for line in printed.out.splitlines() if line.startswith("new line")]


@pytest.mark.parametrize("command", [["runs", "--json"], ["show", "last", "--json"], ["metrics", "last", "--json"]])
def test_json_is_valid_whatever_the_run_holds(hostile, capsys, command):
    assert main(command) == 0
    json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def vitbench(*arguments: str, shell: str = "", **environment: str | None) -> subprocess.CompletedProcess[str]:
    """The real command; `shell` goes behind it in a command line."""
    variables = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    line = f'exec "$@" {shell}'
    command = ["bash", "-c", line, "bash", sys.executable, "-m", "vitbench", *arguments]
    root = Path(__file__).resolve().parent.parent
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**variables, "PYTHONPATH": str(root)}, check=False
    )


def assert_sentence(answer: subprocess.CompletedProcess[str], *words: str) -> None:
    assert answer.returncode == 2, answer
    assert answer.stderr.startswith("vitbench: "), answer.stderr
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert all(word in answer.stderr for word in words), answer.stderr


@pytest.mark.parametrize(
    "command", [["runs"], ["runs", "--json"], ["metrics", "last"], ["--help"], ["models"], ["show", "last"]]
)
def test_a_full_disk_under_the_output_is_a_sentence(hostile, command):
    assert_sentence(vitbench(*command, shell="> /dev/full"), "No space left on device", "free some space")


def test_a_full_disk_under_both_outputs_is_an_exit_code(hostile):
    answer = vitbench("runs", shell="> /dev/full 2> /dev/full")
    assert (answer.returncode, answer.stdout, answer.stderr) == (2, "", "")


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_mishap(hostile, closed):
    answer = vitbench("runs", shell=closed)
    assert answer.returncode == 0, answer
    assert answer.stderr == ""


def test_a_file_never_becomes_the_closed_output(hostile, tmp_path):
    answer = vitbench("recipe", "demo", "--curve", str(tmp_path / "curve.png"), shell="<&- >&- 2>&-")
    assert answer.returncode == 0
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_text_that_the_locale_cannot_show_is_escaped(hostile):
    write_status(hostile.folder, Status(state="finished", created_at=time.time(), name="grün 🌱"))
    answer = vitbench("show", "last", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert answer.returncode == 0, answer.stderr
    assert "gr\\xfcn \\U0001f331" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runs", "--store", "~nosuch/x"], ["~nosuch/x", "no such user"]),
        (["runs", "--store", "x" * 5000], ["File name too long"]),
        (["runs", "--store", "/dev/null"], ["/dev/null", "not a folder"]),
        (["runs", "--store", "/dev/null/below"], ["Not a directory"]),
        (["show", "last", "--store", "/proc/nothing"], ["no run"]),
    ],
)
def test_a_store_that_cannot_be_is_a_sentence(arguments, words):
    answer = vitbench(*arguments)
    assert_sentence(answer, *words)
    assert len(answer.stderr) < 1000


def test_without_a_home_the_way_out_is_told():
    # Imported first: another user may not be able to read root's Python.
    program = (
        "import os, sys, vitbench.commands.runs; from vitbench.__main__ import main; import vitbench.cli\n"
        "os.setgid(54321); os.setuid(54321); sys.exit(main())"
    )
    if os.getuid() != 0:
        pytest.skip("only root can become a user without a home")
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "VITBENCH_HOME")}
    answer = subprocess.run(
        [sys.executable, "-c", program, "runs"], capture_output=True, text=True, env=environment, check=False
    )
    assert_sentence(answer, "HOME", "--store")


def test_a_working_folder_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["data", "."]) == 2
    assert (
        capsys.readouterr().err == "vitbench: The folder from which this was started is gone; change to another one.\n"
    )
