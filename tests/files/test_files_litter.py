"""What killed writers leave beside a file is removed by the next writer of that file, and nothing else is."""

import os
import signal
import subprocess
import sys

import pytest

from vitbench.files import writing
from vitbench.files.outputs import Outputs
from vitbench.files.writing import temporary_file, temporary_folder, temporary_name, write_whole

KILLED = """
import os, signal, sys
from pathlib import Path
from vitbench.files.writing import temporary_file, temporary_folder
with temporary_file(Path(sys.argv[1])), temporary_folder(Path(sys.argv[2])) as folder:
    (folder / "inside").touch()
    if sys.argv[3] == "stay":
        print("ready", flush=True)
        sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def new_process(monkeypatch):
    monkeypatch.setattr(writing, "_cleared", set())


def writer(tmp_path, how, **options):
    arguments = [str(tmp_path / "status.json"), str(tmp_path / "set"), how]
    return subprocess.Popen([sys.executable, "-c", KILLED, *arguments], **options)


def litter(tmp_path):
    return sorted(entry.name for entry in tmp_path.iterdir() if entry.name.endswith(".tmp"))


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path, store):
    assert writer(tmp_path, "die").wait(60) == -signal.SIGKILL
    (tmp_path / ".status.json.4711.tmp").touch()  # of earlier versions
    os.mkfifo(tmp_path / ".status.json.4712-abcd.tmp")
    assert len(litter(tmp_path)) == 4
    write_whole(tmp_path / "other.json", "{}")
    assert len(litter(tmp_path)) == 4
    write_whole(tmp_path / "status.json", "{}")
    assert [name for name in litter(tmp_path) if "status" in name] == []
    Outputs(store).make_folder(tmp_path / "set", lambda folder: None)
    assert litter(tmp_path) == []


def test_a_writer_at_work_is_left_alone(tmp_path):
    process = writer(tmp_path, "stay", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    before = litter(tmp_path)
    write_whole(tmp_path / "status.json", "{}")
    with temporary_folder(tmp_path / "set"):
        pass
    assert litter(tmp_path) == before
    process.communicate("")
    assert len(before) == 2


def test_names_of_other_files_are_not_litter(tmp_path):
    names = (".status.json.x.tmp", "status.json.1-abcd.tmp", ".status.json.1-abcd.tmp.png", ".xstatus.json.1-abcd.tmp")
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / ".status.json.2-abcd.tmp").symlink_to(tmp_path / "elsewhere")
    write_whole(tmp_path / "status.json", "{}")
    assert {entry.name for entry in tmp_path.iterdir()} >= {*names, "elsewhere"}
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_a_file_that_is_taken_for_litter_before_its_lock_is_made_again(tmp_path, monkeypatch):
    real, taken = writing._locked, []

    def late(path, descriptor):
        if not taken:
            taken.append(path)
            path.unlink()
        return real(path, descriptor)

    monkeypatch.setattr(writing, "_locked", late)
    write_whole(tmp_path / "status.json", "{}")
    assert (tmp_path / "status.json").read_text() == "{}"
    assert taken
    with temporary_file(tmp_path / "a") as (temporary, _):
        assert temporary.exists()
    assert not temporary.exists()
    assert len(os.fsencode(temporary_name(tmp_path / ("ä" * 127)).name)) <= 255
