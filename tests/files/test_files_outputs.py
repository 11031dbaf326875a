"""Outputs: never over an input, twice over one name, or over what somebody else wrote; and streams are streams."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vitbench.errors import UserError
from vitbench.files.ledger import Ledger
from vitbench.files.names import distinct_names, fitting_name
from vitbench.files.outputs import Outputs


@pytest.fixture
def photo(tmp_path):
    file = tmp_path / "photo.png"
    file.write_bytes(b"a picture of a cat")
    return file


def refused(outputs: Outputs, file: Path, words: str) -> None:
    """The plan is refused with `words`, and so is writing without a plan; what was there stays."""
    before = file.read_bytes() if file.is_file() else None
    for ask in (outputs.plan, lambda file: outputs.write(file, b"new")):
        with pytest.raises(UserError, match=words) as error:
            ask(file)
        assert "\n" not in str(error.value)
    assert (file.read_bytes() if file.is_file() else None) == before


def test_a_rerun_replaces_its_own_output_and_nothing_else(store, tmp_path, photo):
    file = tmp_path / "new" / "folder" / "table.csv"
    Outputs(store).write(file, "a,b\n")
    Outputs(store).write(file, "c,d\n")
    assert file.read_text() == "c,d\n"
    refused(Outputs(store), photo, "was not written by vitbench: name another file, or say --overwrite")
    Outputs(store, overwrite=True).write(photo, b"new")
    Outputs(store).write(photo, b"newer")
    assert photo.read_bytes() == b"newer"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["new", "photo.png", "store"]


def test_what_a_person_has_edited_is_theirs(store, tmp_path):
    file = tmp_path / "table.csv"
    Outputs(store).write(file, "a,b\n")
    file.write_text("a,c\n")
    refused(Outputs(store), file, "changed since vitbench wrote it")
    file.write_text("a,b\n")
    Outputs(store).write(file, "c,d\n")
    file.unlink()
    file.write_text("mine")
    refused(Outputs(store), file, "changed since")
    file.rename(tmp_path / "moved.csv")
    refused(Outputs(store), tmp_path / "moved.csv", "not written by vitbench")


@pytest.mark.parametrize("overwrite", [False, True])
def test_no_input_is_replaced_by_whatever_name(store, tmp_path, photo, monkeypatch, overwrite):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hard.png").hardlink_to(photo)
    (tmp_path / "soft.png").symlink_to(photo)
    (tmp_path / "folder").mkdir()
    (tmp_path / "door").symlink_to(tmp_path)
    for name in ("photo.png", "./folder/../photo.png", "door/photo.png", "hard.png", "soft.png", str(photo)):
        for inputs in ([photo], ["photo.png"], ["door/soft.png"]):
            refused(Outputs(store, inputs=inputs, overwrite=overwrite), Path(name), "is an input of this call")


def test_our_own_output_is_no_less_an_input(store, tmp_path):
    file = tmp_path / "figure.png"
    Outputs(store).write(file, b"1")
    refused(Outputs(store, inputs=[file]), file, "is an input")


def test_one_name_is_written_once(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "door").symlink_to(tmp_path)
    for one, other in (("a.png", "a.png"), ("a.png", "./a.png"), ("a.png", "door/a.png"), ("a.png", "A.png")):
        with pytest.raises(UserError, match="twice"):
            Outputs(store, overwrite=True).plan(Path(one), Path(other))
        outputs = Outputs(store, overwrite=True)
        outputs.write(Path(one), b"1")
        with pytest.raises(UserError, match="twice"):
            outputs.write(Path(other), b"2")


def test_a_link_is_never_written_through(store, tmp_path, photo):
    link = tmp_path / "figure.png"
    link.symlink_to(photo)
    refused(Outputs(store), link, "is a link")
    dangling = tmp_path / "nowhere.png"
    dangling.symlink_to(tmp_path / "gone.png")
    refused(Outputs(store), dangling, "is a link")
    for file in (link, dangling):
        Outputs(store, overwrite=True).write(file, b"new")
        assert not file.is_symlink()
    assert photo.read_bytes() == b"a picture of a cat"
    assert not (tmp_path / "gone.png").exists()


def test_what_cannot_be_written_is_refused_before_the_work(store, tmp_path, photo):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for file, words in (
        (tmp_path / "folder.png", "is a folder"),
        (photo / "figure.png", "is not a folder"),
        (tmp_path / ("x" * 300 + ".png"), "more than 255 bytes"),
        (tmp_path / "a\0b.png", "cannot be written"),
        (tmp_path / Path(*["d"] * 1500) / "a.png", "more than 100 folders"),
        (tmp_path / "pipe.png", "is not a file"),
        (Path("/dev/stdout"), "is not a file"),
        (Path("/dev/zero"), "is a device"),
        (Path("/proc/figure.png"), "cannot be written"),
    ):
        with pytest.raises(UserError, match=words) as error:
            Outputs(store, overwrite=True).write(file, b"x")
        assert len(str(error.value)) < 600
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(UserError, match="cannot be written"):
        Outputs(store).plan(loop / "a.png")


def test_a_folder_without_rights_is_refused_before_the_work(store, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(UserError, match="may not be changed"):
        Outputs(store).plan(tmp_path / "a" / "b.png")


def test_files_of_a_data_set_are_safe_even_from_overwrite(store, tmp_path, photo, capsys):
    labels, inner = tmp_path / "labels.csv", tmp_path / "inner"
    labels.write_text("photo.png,cat\n")
    inner.mkdir()
    (inner / "b.png").write_bytes(b"b")
    for data, files in ((tmp_path, (photo, labels, inner / "b.png")), (labels, (photo, labels, inner / "b.png"))):
        for file in files:
            refused(Outputs(store, data=[data], overwrite=True), file, "in the data set|is an input")
    outputs = Outputs(store, data=[tmp_path], overwrite=True)
    outputs.write(tmp_path / "out.md", "a table")
    outputs.write(inner / "sheet.png", b"sheet")
    assert "sheet.png will be taken for a picture of the data set" in capsys.readouterr().err
    Outputs(store, data=[tmp_path]).write(inner / "sheet.png", b"another sheet")


def test_a_damaged_ledger_forgets_and_harms_nothing(store, tmp_path):
    file = tmp_path / "table.csv"
    for damage in (b"", b"[]", b'{"path": 1}', b"[" * 100_000, b"\xff", b'{"path": "x", "written": [[1]]}'):
        Outputs(store, overwrite=True).write(file, "a,b\n")
        (entry,) = (store / "outputs").glob("*.json")
        entry.write_bytes(damage)
        refused(Outputs(store), file, "not written by vitbench")
    entry.unlink()
    os.mkfifo(entry)
    refused(Outputs(store), file, "not written by vitbench")


def test_a_store_that_cannot_be_written_is_said_once(tmp_path, capsys):
    store = tmp_path / "store"
    store.write_text("a file")
    outputs = Outputs(store)
    for name in ("a.csv", "b.csv"):
        outputs.write(tmp_path / name, "x")
    assert capsys.readouterr().err.count("cannot be noted") == 1
    refused(Outputs(store), tmp_path / "a.csv", "not written by vitbench")


def test_a_full_disk_leaves_the_old_file(store, tmp_path, monkeypatch):
    file = tmp_path / "table.csv"
    Outputs(store).write(file, "a,b\n")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"table\.csv cannot be written: No space left on device"):
        Outputs(store).write(file, "c,d\n")
    assert file.read_text() == "a,b\n"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["store", "table.csv"]


def test_a_disk_that_is_full_or_read_only_is_named_and_left_clean(store, mounted):
    disk = mounted("size=1m")
    figures = disk / "figures"
    figures.mkdir()
    for write in (Outputs(store).write, Outputs(store).write_new):
        with pytest.raises(UserError, match="No space left"):
            write(figures / "a.png", bytes(2**21))
    assert list(figures.iterdir()) == []
    Outputs(store).write(figures / "b.png", b"figure")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for write in (Outputs(store).plan, lambda file: Outputs(store).write_new(file, b"x"), Outputs(store).plan_folder):
        with pytest.raises(UserError, match=r"[Rr]ead-only"):
            write(figures / "c.png")
    assert (figures / "b.png").read_bytes() == b"figure"


def test_somebody_quicker_is_not_overwritten(store, tmp_path, monkeypatch):
    file = tmp_path / "table.csv"
    outputs = Outputs(store)
    outputs.plan(file)
    file.write_text("mine")
    with pytest.raises(UserError, match="not written by vitbench"):
        outputs.write(file, "theirs")
    # In the last instant, after the last look.
    other = tmp_path / "other.csv"
    real = os.link

    def late(source, target):
        Path(target).write_text("mine")
        real(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(UserError, match="File exists"):
        Outputs(store).write(other, "theirs")
    assert other.read_text() == "mine"


def test_a_file_system_without_hard_links(store, tmp_path, monkeypatch):
    def never(source, target):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", never)
    Outputs(store).write(tmp_path / "a.csv", "x")
    assert (tmp_path / "a.csv").read_text() == "x"
    assert Outputs(store).write_new(tmp_path / "a.csv", "y") == tmp_path / "a-2.csv"


KILLED = """
import os, signal, sys
from pathlib import Path
from vitbench.files.outputs import Outputs
left = int(sys.argv[3])
def watch(event, arguments):
    global left
    if event in ("open", "os.rename", "os.link", "os.remove", "os.chmod") and str(sys.argv[1]) in str(arguments):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
Outputs(Path(sys.argv[2])).write(Path(sys.argv[1]) / "table.csv", "new")
"""


def test_killed_at_any_moment_a_rerun_needs_no_overwrite(tmp_path):
    for number in range(1, 40):
        folder = tmp_path / str(number)
        Outputs(folder / "store").write(folder / "table.csv", "old")
        command = [sys.executable, "-c", KILLED, str(folder), str(folder / "store"), str(number)]
        code = subprocess.run(command, check=False).returncode
        assert (folder / "table.csv").read_text() in ("old", "new")
        Outputs(folder / "store").write(folder / "table.csv", "newer")
        if code == 0:
            break
    assert code == 0
    assert number > 6


def test_parallel_calls_write_one_whole_file_that_is_ours(store, tmp_path):
    file, failures = tmp_path / "table.csv", []

    def work(number):
        try:
            for _ in range(10):
                Outputs(store).write(file, f"{number}" * 1000)
        except UserError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Two that both find the name free: one of them is told so.
    assert all("File exists" in str(failure) for failure in failures)
    text = file.read_text()
    assert len(text) == 1000
    assert len(set(text)) == 1
    assert Ledger(store).is_ours(file)


def test_a_key_never_replaces_and_takes_a_free_name(store, tmp_path, photo):
    outputs = Outputs(store)
    assert outputs.write_new(photo, b"figure") == tmp_path / "photo-2.png"
    assert outputs.write_new(photo, b"figure") == tmp_path / "photo-2.png"
    assert outputs.write_new(photo, b"another") == tmp_path / "photo-3.png"
    (tmp_path / "photo-4.png").symlink_to(tmp_path / "gone")
    assert outputs.write_new(photo, b"a third") == tmp_path / "photo-5.png"
    assert photo.read_bytes() == b"a picture of a cat"
    long = outputs.write_new(tmp_path / ("ä" * 127 + "x.png"), b"1")
    assert len(os.fsencode(long.name)) <= 255
    assert outputs.write_new(tmp_path / ("ä" * 127 + "x.png"), b"2") != long


def test_a_new_folder_is_new(store, tmp_path, photo):
    def fill(folder):
        (folder / "a").write_text("x")

    outputs = Outputs(store, overwrite=True)
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/deep"):
        assert (outputs.make_folder(tmp_path / name, fill) / "a").read_text() == "x"
        with pytest.raises(UserError, match="not empty"):
            outputs.make_folder(tmp_path / name, fill)
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    for file, words in (
        (photo, "is not a folder"),
        (tmp_path / "dangling", "leads nowhere"),
        (photo / "a", "is not a folder"),
    ):
        with pytest.raises(UserError, match=words):
            outputs.make_folder(file, fill)

    def interrupted(folder):
        fill(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outputs.make_folder(tmp_path / "half", interrupted)
    assert not [entry for entry in tmp_path.iterdir() if "half" in entry.name]


def test_names_of_outputs_differ_as_their_inputs_do():
    files = [Path(name) for name in ("a/x.png", "a/x.jpg", "b/y.png", "b/Z.png", "a/z.png", "b/x.png", "c/x.png")]
    names = distinct_names(files, ".png")
    assert names == [
        "x.png.png", "x.jpg.png", "y.png", "Z.png.png", "z.png-2.png", "x.png-2.png", "x.png-3.png"
    ]  # fmt: skip
    assert len({name.casefold() for name in names}) == len(names)
    assert distinct_names([Path("é.png"), Path("e\u0301.png")], ".png")[0] != "é.png"
    assert fitting_name(Path("a/b.png"), "-2") == Path("a/b-2.png")


STREAM = """
import sys
from pathlib import Path
from vitbench.errors import UserError
from vitbench.files.outputs import Outputs
outputs = Outputs(Path(sys.argv[1]), streams=True)
print("first")
try:
    outputs.plan(Path(sys.argv[2]))
    outputs.write(Path(sys.argv[2]), "second\\n")
except UserError as error:
    sys.exit(str(error))
print("third")
"""


def stream(store, file, **options):
    return subprocess.run(
        [sys.executable, "-c", STREAM, str(store), str(file)],
        capture_output="stdout" not in options, check=False, text=True, timeout=60, **options,
    )  # fmt: skip


def test_standard_output_is_written_to_and_never_replaced(store, tmp_path):
    link = tmp_path / "link.csv"
    link.symlink_to("/dev/stdout")
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", link):
        assert stream(store, name).stdout == "first\nsecond\nthird\n"
        with (tmp_path / "all.txt").open("w") as file:
            stream(store, name, stdout=file)
        assert (tmp_path / "all.txt").read_text() == "first\nsecond\nthird\n"
    assert link.is_symlink()
    assert Path("/dev/stdout").is_symlink()
    assert stream(store, "/dev/null").stdout == "first\nthird\n"
    assert Path("/dev/null").is_char_device()
    assert "No space left" in stream(store, "/dev/full").stderr


def test_a_pipe_needs_a_reader(store, tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    assert "Nobody reads the pipe" in stream(store, pipe).stderr
    with (tmp_path / "read.txt").open("w") as file:
        reader = subprocess.Popen(["cat", str(pipe)], stdout=file)
        try:
            while "Nobody" in (answer := stream(store, pipe)).stderr:
                pass  # until the reader has opened it
            assert answer.returncode == 0
            assert reader.wait(30) == 0
        finally:
            reader.send_signal(signal.SIGKILL)
    assert (tmp_path / "read.txt").read_text() == "second\n"
    assert pipe.is_fifo()
