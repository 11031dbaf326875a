"""The terminfo reader against entries that are put together here by hand, against tic's, and against damage."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitbench.terminfo import Terminfo, read_terminfo


def entry(colours: int, flags: dict[str, bool] | None = None, strings: dict[str, str] | None = None) -> bytes:
    """A compiled entry as man 5 term describes it, with user-defined flags and strings."""
    names = b"made|by hand\0"
    data = struct.pack("<6h", 0o432, len(names), 1, 14, 0, 0) + names + b"\1"
    data += b"\0" * (len(data) % 2) + struct.pack("<14h", *([-1] * 13), colours)
    if flags is None and strings is None:
        return data
    flags, strings = flags or {}, strings or {}
    values = b"".join(text.encode() + b"\0" for text in strings.values())
    labels = [*flags, *strings]
    table = values + b"".join(name.encode() + b"\0" for name in labels)
    offsets = [sum(len(text) + 1 for text in list(strings.values())[:number]) for number in range(len(strings))]
    starts = [sum(len(name) + 1 for name in labels[:number]) for number in range(len(labels))]
    data += struct.pack("<5h", len(flags), 0, len(strings), len(labels) + len(strings), len(table))
    data += bytes(flags.values())
    data += b"\0" * (len(data) % 2)
    return data + struct.pack(f"<{len(offsets) + len(starts)}h", *offsets, *starts) + table


def read(tmp_path: Path, data: bytes) -> Terminfo:
    (tmp_path / "m").mkdir(exist_ok=True)
    (tmp_path / "m" / "made").write_bytes(data)
    return read_terminfo("made", {"TERMINFO": str(tmp_path), "HOME": "/nowhere"})


@pytest.mark.parametrize("colours", [-1, 8, 256])
def test_the_number_of_colours(tmp_path: Path, colours: int) -> None:
    assert read(tmp_path, entry(colours)) == Terminfo(max(0, colours))


@pytest.mark.parametrize(
    ("flags", "strings", "true"),
    [
        ({"Tc": True}, {}, True),
        ({"Tc": False}, {}, False),
        ({"AX": True, "RGB": True}, {"Ss": "x", "Se": "y"}, True),
        ({"AX": True}, {"Smulx": "a", "setrgbf": "b"}, True),
        ({"AX": True, "XT": True}, {"Smulx": "a"}, False),
    ],
)
def test_user_defined_capabilities(tmp_path: Path, flags: dict[str, bool], strings: dict[str, str], true: bool) -> None:
    assert read(tmp_path, entry(256, flags, strings)) == Terminfo(256, true)


@pytest.mark.skipif(shutil.which("tic") is None, reason="tic is not installed")
@pytest.mark.parametrize(
    ("capabilities", "wanted"),
    [
        ("Tc", Terminfo(256, True)),
        ("RGB#8", Terminfo(256, True)),
        ("colors#0x1000000, pairs#0x10000, RGB", Terminfo(1 << 24, True)),
        ("XX, Smulx=\\E[4:%p1%dm", Terminfo(256)),
    ],
)
def test_entries_of_tic(tmp_path: Path, capabilities: str, wanted: Terminfo) -> None:
    (tmp_path / "source").write_text(f"made,\n\tcolors#256, {capabilities},\n")
    subprocess.run(["tic", "-x", "-o", tmp_path, tmp_path / "source"], check=True, capture_output=True)
    assert read_terminfo("made", {"TERMINFO": str(tmp_path)}) == wanted


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "a/b", "\0", "no-such-terminal"])
def test_names_that_are_no_terminal(name: str) -> None:
    assert read_terminfo(name, {}) == Terminfo(None)


@given(data=st.binary(max_size=300), cut=st.integers(0, 120), flip=st.integers(0, 100), value=st.integers(0, 255))
def test_damage_is_unknown_and_never_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int, flip: int, value: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = bytearray(entry(256, {"Tc": True}, {"Ss": "xyz"}))
    whole[flip % len(whole)] = value
    for damaged in (data, bytes(whole), bytes(whole[:cut])):
        read(folder, damaged)


def test_a_folder_and_a_huge_file_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "m" / "made").mkdir(parents=True)
    assert read_terminfo("made", {"TERMINFO": str(tmp_path)}) == Terminfo(None)
    (tmp_path / "m" / "made").rmdir()
    assert read(tmp_path, entry(256) + b"\0" * 100_000) == Terminfo(None)
