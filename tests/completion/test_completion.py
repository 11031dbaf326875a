"""Completion: what is offered at a place, and that real shells offer it."""

import os
import shutil
import sys
from pathlib import Path

import pexpect
import pytest

from tests.screens.fake_runs import FakeRun
from vitbench.cli import main
from vitbench.completion.candidates import candidates
from vitbench.recipe import preset_names

COMPLETION = Path(__file__).resolve().parents[2] / "vitbench" / "completion"


def words(*typed: str) -> list[str]:
    """The words that are offered for the last one typed."""
    return [word for word, _ in candidates(typed).words]


def test_commands_options_and_choices():
    assert words("tr") == ["train"]
    assert {"train", "attention", "completion"} <= set(words(""))
    assert words("--st") == ["--store"]
    assert words("figure", "") == ["again", "list", "make"]
    assert words("positions", "RUN", "--view", "ti") == ["tile"]
    assert words("positions", "RUN", "--view=ti") == ["--view=tile"]
    assert words("prune", "figures", "f") == []
    assert words("prune", "figures", "c") == ["checkpoints", "cache"]
    assert "--data" in words("evaluate", "RUN", "--")
    assert "--data" not in words("evaluate", "RUN", "--data", "pets", "--")
    assert "--set" in words("train", "fast", "--set", "optim.lr=1", "--")
    assert "libra" in words("attention", "demo", "a.png", "--method", "")
    assert words("figure", "again", "a.png", "--o") == ["--out", "--overwrite"]


def test_presets_keys_and_networks():
    assert set(preset_names()) <= set(words("train", ""))
    assert words("train", "fast", "--set", "optim.l") == ["optim.lr=", "optim.layer_decay="]
    assert words("attention", "pre") == ["pretrained_vit:"]
    assert "timm:vit_small_patch16_224" in words("attention", "timm:vit_small_patch16")
    assert "vit_small_patch16_224" in words("attention", "vit_small_patch16")
    assert words("settings", "be") == ["bell="]


def test_paths_are_the_shells_own():
    assert candidates(["train", "fast", "--data", ""]).files
    assert candidates(["attention", "demo", ""]).files
    assert not candidates(["runs", "--tag", ""]).files
    assert not candidates(["show", ""]).files


def test_runs_by_id_and_name_and_their_checkpoints(store, tmp_path):
    run = FakeRun(store, "first").run
    assert {"last", "first"} <= set(words("show", ""))
    assert run.id in words("show", "2")
    assert words("show", "fi") == ["first"]
    assert {"first@best", "first@last"} <= set(words("attention", "first@"))
    assert words("--store", str(tmp_path / "other"), "show", "fi") == []
    assert words("show", "--store", str(tmp_path / "other"), "fi") == []


@pytest.mark.parametrize(
    "typed",
    [["nothing", ""], ["figure", "nothing", ""], ["show", "nobody@"], ["--store", "/dev/null/x", "show", ""]],
)
def test_what_cannot_be_understood_offers_nothing(typed):
    assert words(*typed) == []


def test_the_scripts_are_printed(capsys):
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert capsys.readouterr().out == (COMPLETION / f"vitbench.{shell}").read_text()


@pytest.fixture
def program(tmp_path) -> dict[str, str]:
    """An environment with `vitbench` on its path, and a folder to complete."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "vitbench"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m vitbench "$@"\n')
    script.chmod(0o755)
    (tmp_path / "pictures").mkdir()
    here = Path(__file__).resolve().parents[2]
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(here), "TERM": "dumb", "HOME": str(tmp_path)}


LINES = {
    "vitbench compa": "compare",
    "vitbench show fir": "first",
    "vitbench train probe --set optim.weight_d": "optim.weight_decay=",
    "vitbench attention timm:vit_small_patch14_re": "timm:vit_small_patch14_reg4_dinov2",
    "vitbench data pict": "pictures",
}
"""What is typed, and what Tab makes of its last word."""


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_in_a_shell(shell, program, store, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    FakeRun(store, "first")
    start = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}[shell]
    child = pexpect.spawn(shell, start, env=program, cwd=str(tmp_path), timeout=120, encoding="utf-8", echo=False)
    child.delaybeforesend = None
    ready = "autoload -Uz compinit; compinit -u; " if shell == "zsh" else ""
    child.sendline(f'{ready}eval "$(vitbench completion {shell})"; echo rea""dy')
    child.expect("ready\r")
    for typed, wanted in LINES.items():
        # The line is asked for by running it as a word: the echo of a line editor is full of escapes.
        child.send(f"{typed}\t")
        child.send("\x01echo '[\x05]'\r")
        child.expect(r"(?:\n|[#$%] )\[(vitbench[^\]\r\n]*)\]\r")
        assert child.match[1].strip().removesuffix("/").endswith(wanted), typed
    child.close(force=True)


def test_tab_in_fish(program, store, tmp_path):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    FakeRun(store, "first")
    asked = "; ".join(f"complete -C '{typed}'" for typed in LINES)
    said, code = pexpect.run(
        f'fish --no-config -c "vitbench completion fish | source; {asked}"',
        env=program,
        cwd=str(tmp_path),
        timeout=120,
        withexitstatus=True,
    )
    assert code == 0, said
    for wanted in LINES.values():
        assert wanted.encode() in said, said
