"""Files from outside are opened without blocking, without surprises, and within a limit."""

import os
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vitbench.errors import UserError
from vitbench.files.reading import MIB, Kind, MissingFile, Unreadable, open_file, read_bytes, read_text
from vitbench.files.writing import Unwritable, temporary_name, write_whole

SMALL = Kind("note", 1000)


def test_a_regular_file_is_read_whole(tmp_path):
    (tmp_path / "note").write_bytes(b"\xef\xbb\xbfgr\xc3\xbcn\r\n")
    assert read_bytes(tmp_path / "note", SMALL) == b"\xef\xbb\xbfgr\xc3\xbcn\r\n"
    assert read_text(tmp_path / "note", SMALL) == "grün\r\n"


def test_what_has_the_most_bytes_is_read_and_one_byte_more_is_not(tmp_path):
    (tmp_path / "note").write_bytes(bytes(1000))
    assert len(read_bytes(tmp_path / "note", SMALL)) == 1000
    (tmp_path / "note").write_bytes(bytes(1001))
    with pytest.raises(Unreadable, match=r"note is too large for a note: it has 1.0 kB, and at most 1.0 kB are read"):
        read_bytes(tmp_path / "note", SMALL)


def test_a_file_that_says_it_is_empty_is_read_up_to_the_limit():
    assert b"MemTotal" in read_bytes("/proc/meminfo", Kind("table", 100_000))
    with pytest.raises(Unreadable, match="too large for a note"):
        read_bytes("/proc/meminfo", Kind("note", 100))


@pytest.fixture
def odd(tmp_path):
    """A name for each thing in a folder that is not a regular file."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    listening = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(tmp_path)  # the path of a socket is short
    listening.bind("socket")
    os.chdir(here)
    yield tmp_path
    listening.close()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("fifo", "is a pipe (FIFO), not a regular file"),
        ("folder", "is a folder, not a regular file"),
        ("zero", "is a device, not a regular file"),
        ("socket", "is a socket, not a regular file"),
        ("loop", "Too many levels of symbolic links"),
        ("dangling", "does not exist"),
        ("absent", "does not exist"),
        ("x" * 5000, "File name too long"),
        ("nul\0byte", "cannot be the path of a file"),
        ("half \ud800", "cannot be the path of a file"),
    ],
)
def test_what_is_no_regular_file_is_refused_at_once(odd, name, why):
    with pytest.raises(Unreadable) as caught:
        read_bytes(odd / name, SMALL)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 600
    assert isinstance(caught.value, UserError)
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, MissingFile) == (why == "does not exist")


def test_a_writer_who_waits_at_a_fifo_is_left_alone(odd):
    waiting = threading.Thread(target=lambda: (odd / "fifo").write_text("for somebody else"))
    waiting.start()
    try:
        with pytest.raises(Unreadable):
            open_file(odd / "fifo", SMALL)
        assert waiting.is_alive()
    finally:
        assert (odd / "fifo").read_text() == "for somebody else"
        waiting.join()


def test_a_sparse_file_of_twenty_gigabytes_costs_nothing(tmp_path):
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(20_000 * MIB)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Unreadable, match="it has 21 GB"):
        read_bytes(tmp_path / "sparse", Kind("picture", 512 * MIB))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_too_little_memory_is_a_sentence(tmp_path):
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(400 * MIB)
    program = (
        "import resource, sys\n"
        "from vitbench.files.reading import Kind, Unreadable, read_bytes\n"
        "resource.setrlimit(resource.RLIMIT_AS, (300 * 1024**2,) * 2)\n"
        "try: read_bytes(sys.argv[1], Kind('picture', 2**30))\n"
        "except Unreadable as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "large"], capture_output=True, text=True)
    assert "there is not enough memory for it" in done.stdout, done.stderr


def test_text_that_is_not_utf_8_is_named_with_its_line(tmp_path):
    (tmp_path / "note").write_bytes(b"one\ntwo\nth\xffree\n")
    with pytest.raises(Unreadable, match="note, line 3: it is not UTF-8 text"):
        read_text(tmp_path / "note", SMALL)


def test_a_file_is_replaced_in_one_step_and_leaves_no_litter(tmp_path):
    write_whole(tmp_path / "note", "old")
    write_whole(tmp_path / "note", "grün")
    assert (tmp_path / "note").read_bytes() == "grün".encode()
    with pytest.raises(Unwritable, match="not a character of UTF-8"):
        write_whole(tmp_path / "note", "half \ud800")
    assert [file.name for file in tmp_path.iterdir()] == ["note"]


def test_a_device_is_not_replaced_by_a_file(odd):
    for name in ("zero", "fifo", "folder"):
        with pytest.raises(Unwritable, match="not a regular file"):
            write_whole(odd / name, "content")
    assert (odd / "zero").is_symlink()
    assert (odd / "fifo").is_fifo()


def test_the_longest_name_can_be_written(tmp_path):
    name = "ü" * 127
    write_whole(tmp_path / name, "content")
    assert (tmp_path / name).read_text() == "content"
    assert len(os.fsencode(temporary_name(tmp_path / ("x" * 255)).name)) <= 255
