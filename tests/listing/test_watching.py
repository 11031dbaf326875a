"""Other tools' TensorBoard logs as rows: which folders are one run, resumed runs, and what is said of the rest."""

import gzip
import json
import os
import time

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from vitbench.__main__ import opens_after
from vitbench.cli import main
from vitbench.listing.log_rows import LogRows

BEGAN = 1_700_000_000.0


def write(file, points, *, tensors=False, later=0.0, mode="wb"):
    """An event file as a tool writes it: `points` are (tag, step, value)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open(mode) as stream:
        writer = RecordWriter(stream)
        if mode == "wb":
            writer.write(Event(wall_time=BEGAN, file_version="brain.Event:2").SerializeToString())
        for tag, step, value in points:
            entry = Summary.Value(tag=tag, simple_value=value)
            if tensors:
                entry = Summary.Value(tag=tag, tensor=make_tensor_proto(value, dtype="float32"))
                entry.metadata.plugin_data.plugin_name = "scalars"
            event = Event(wall_time=BEGAN + later + step, step=step, summary=Summary(value=[entry]))
            writer.write(event.SerializeToString())
    return file


def line(tag, first, end, factor=1.0):
    return [(tag, step, factor / (step + 1)) for step in range(first, end)]


def name(number=1700000000, suffix=""):
    return f"events.out.tfevents.{number}.host.1.0{suffix}"


def read(*roots):
    rows = LogRows(roots)
    found, left = rows.poll()
    assert left == 0
    return rows, {row.name: row for row in found.values()}


def scalars(rows, row):
    return sorted(rows.reader(row.id).series)


def test_the_folders_of_each_tool_are_its_runs(tmp_path):
    write(tmp_path / "keras" / "train" / name(suffix=".v2"), line("epoch_loss", 0, 10), tensors=True)
    write(tmp_path / "keras" / "validation" / name(suffix=".v2"), line("epoch_accuracy", 0, 10), tensors=True)
    write(tmp_path / "lightning_logs" / "version_0" / name(), line("train_loss", 0, 50) + line("val_acc", 0, 5))
    write(tmp_path / "lightning_logs" / "version_1" / name(), line("train_loss", 0, 50))
    write(tmp_path / "hf" / "runs" / "Nov26_host" / name(), line("train/loss", 0, 20) + line("eval/accuracy", 0, 2))
    write(tmp_path / "hf" / "runs" / "Nov26_host" / "1700000000.123" / name(), line("hp_metric", 0, 1))
    write(tmp_path / "torch" / name(), line("lr", 0, 3))
    write(tmp_path / "torch" / "loss_train" / name(), line("loss", 0, 3))
    write(tmp_path / "torch" / "loss_val" / name(), line("loss", 0, 3))
    write(tmp_path / "outer" / name(), line("a", 0, 3))
    write(tmp_path / "outer" / "inner" / name(), line("b", 0, 3))
    rows, found = read(tmp_path)
    assert {key: scalars(rows, row) for key, row in found.items()} == {
        "hf/runs/Nov26_host": ["eval/accuracy", "hp_metric", "train/loss"],
        "keras": ["train/epoch_loss", "validation/epoch_accuracy"],
        "lightning_logs/version_0": ["train_loss", "val_acc"],
        "lightning_logs/version_1": ["train_loss"],
        "outer": ["a"],
        "outer/inner": ["b"],
        "torch": ["loss/train", "loss/val", "lr"],
    }
    assert found["keras"].accuracy == pytest.approx(0.1)
    assert found["keras"].best == "epoch_accuracy 100.0% at step 0"
    assert found["lightning_logs/version_0"].loss == pytest.approx(1 / 50)
    assert found["hf/runs/Nov26_host"].best_metric == "eval/accuracy"
    assert not any(row.is_own for row in found.values())


@pytest.mark.parametrize(
    ("tags", "judged", "best"),
    [
        (("train_loss", "val_loss", "val_mae"), "val_mae", 0.1),
        (("loss/train", "metrics/mAP", "metrics/lr"), "metrics/mAP", 1.0),
        (("train/loss", "eval/f1", "train/f1"), "eval/f1", 1.0),
        (("train/loss", "eval/rougeL", "eval/power"), "eval/rougeL", 1.0),
        (("train/loss", "eval/accuracy", "eval/map"), "eval/accuracy", 1.0),
    ],
)
def test_logs_without_an_accuracy_are_judged_by_another_score(tmp_path, tags, judged, best):
    write(tmp_path / "run" / name(), [event for tag in tags for event in line(tag, 0, 10)])
    _, found = read(tmp_path)
    row = found["run"]
    assert (row.best_metric, row.score_metric) == (judged, judged)
    assert row.best_value == pytest.approx(best), "of an error the least"
    assert row.score == pytest.approx(0.1)
    assert (row.accuracy is None) == (judged != "eval/accuracy")


def test_a_resumed_run_is_one_line_that_rises(tmp_path):
    write(tmp_path / "run" / name(1700000000), line("loss", 0, 100))
    write(tmp_path / "run" / name(1700000500), line("loss", 60, 150, factor=7.0), later=1000.0)
    rows, found = read(tmp_path)
    series = rows.reader(found["run"].id).series["loss"]
    assert series.steps.tolist() == list(range(150))
    assert series.values[59] == pytest.approx(1 / 60)
    assert series.values[60] == pytest.approx(7 / 61)
    assert rows.reader(found["run"].id).problems == [
        f"{name(1700000500)} goes on from step 60: 40 points of the files before are left out."
    ]


def test_two_files_written_at_one_time_stay_as_they_are(tmp_path):
    write(tmp_path / "run" / name(1700000000), line("loss", 0, 100))
    write(tmp_path / "run" / name(1700000001), line("loss", 50, 60), later=1.0)
    rows, found = read(tmp_path)
    assert len(rows.reader(found["run"].id).series["loss"]) == 110


def test_logs_are_read_on_while_they_grow_and_new_folders_come(tmp_path):
    file = write(tmp_path / "a" / "b" / "c" / name(), line("train/loss", 0, 10))
    rows = LogRows([tmp_path])
    before = next(iter(rows.poll()[0].values()))
    assert (before.name, before.step, before.state) == ("a/b/c", 9, "live")
    assert next(iter(rows.poll()[0].values())) is before
    write(file, line("train/loss", 10, 20), mode="ab")
    assert next(iter(rows.poll()[0].values())).step == 19
    os.utime(file, (time.time() - 1000, time.time() - 1000))
    assert next(iter(rows.poll()[0].values())).state == "log"
    write(tmp_path / "new" / name(), line("train/loss", 0, 5))
    rows._next_search = 0.0  # the search for folders comes every few seconds
    assert [row.name for row in rows.poll()[0].values()] == ["a/b/c", "new"]


def test_several_paths_and_equal_names_stay_apart(tmp_path):
    for root in ("one", "two"):
        write(tmp_path / root / "logs" / "run" / name(), line("loss", 0, 3))
    _, found = read(tmp_path / "one" / "logs", tmp_path / "two" / "logs")
    assert sorted(found) == ["logs/run", "logs/run (2)"]
    _, found = read(tmp_path / "one" / "logs" / "run")
    assert sorted(found) == ["run"]


def test_nothing_is_written_and_what_is_no_log_is_said(tmp_path):
    write(tmp_path / "run" / name(), line("loss", 0, 3))
    (tmp_path / "run" / name(1700000009)).write_bytes(b"no event file at all")
    (tmp_path / "run" / "again").symlink_to(tmp_path)
    before = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*"))
    rows, found = read(tmp_path)
    assert sorted(found) == ["run"]
    assert any("damaged" in problem for problem in rows.reader(found["run"].id).problems)
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*")) == before


def pack(file, cut=0):
    packed = gzip.compress(file.read_bytes(), mtime=0)
    target = file.with_name(f"{file.name}.gz")
    target.write_bytes(packed[: len(packed) - cut])
    return target


def test_packed_files_are_read_as_they_are(tmp_path):
    rows, found = read(tmp_path)
    whole = write(tmp_path / "keras" / "train" / name(suffix=".v2"), line("epoch_loss", 0, 10), tensors=True)
    lines = write(tmp_path / "pytorch" / "loss_train" / name(), line("loss", 0, 10))
    write(tmp_path / "pytorch" / name(), line("lr", 0, 10))
    for file in (whole, lines):
        pack(file)
        file.unlink()
    rows, found = read(tmp_path)
    assert scalars(rows, found["keras"]) == ["train/epoch_loss"]
    assert scalars(rows, found["pytorch"]) == ["loss/train", "lr"]
    assert (found["keras"].state, found["keras"].step) == ("log", 9)
    reader = rows.reader(found["keras"].id)
    assert not reader.read()
    assert reader.problems == []


def test_a_log_that_is_packed_or_unpacked_while_it_is_watched_is_the_same(tmp_path):
    file = write(tmp_path / "run" / name(), line("loss", 0, 20))
    write(tmp_path / "run" / name(1700000001), line("loss", 20, 30), later=0.5)
    rows, found = read(tmp_path)
    reader = rows.reader(found["run"].id)
    before = reader.series["loss"].values.tolist()
    content = file.read_bytes()
    packed = pack(file)
    assert not reader.read()
    assert reader.problems == [f"{packed.name} is not read, since {file.name} lies beside it."]
    file.unlink()
    assert reader.read()
    assert (reader.series["loss"].values.tolist(), reader.problems) == (before, [])
    file.write_bytes(content)
    packed.unlink()
    assert reader.read()
    assert reader.series["loss"].values.tolist() == before


def test_a_packed_file_that_is_cut_or_none_says_so_and_keeps_what_is_whole(tmp_path):
    file = write(tmp_path / "run" / name(), line("loss", 0, 5000))
    packed = pack(file, cut=9000)
    file.unlink()
    (tmp_path / "run" / f"{name(1700000001)}.gz").write_bytes(b"not packed at all")
    rows, found = read(tmp_path)
    reader = rows.reader(found["run"].id)
    kept = len(reader.series["loss"])
    assert 100 < kept < 5000
    assert reader.series["loss"].steps.tolist() == list(range(kept))
    assert [problem.partition(" (")[0] for problem in reader.problems] == [
        f"{packed.name} is packed and cannot be unpacked whole",
        f"{name(1700000001)}.gz is packed and cannot be unpacked whole",
    ]
    file.write_bytes(write(tmp_path / "other" / "x.tfevents", line("loss", 0, 7)).read_bytes())
    pack(file)
    file.unlink()
    assert reader.read()
    assert len(reader.series["loss"]) == 7


def test_the_command_lists_them(tmp_path, capsys, monkeypatch):
    write(tmp_path / "lightning_logs" / "version_0" / name(), line("train_loss", 0, 50) + line("val_acc", 0, 5))
    assert main(["watch", str(tmp_path), "--list"]) == 0
    assert "lightning_logs/version_0" in (out := capsys.readouterr().out)
    assert "val_acc 100.0% at 0" in out
    assert main(["watch", str(tmp_path), "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert document["scalars"] == ["train_loss", "val_acc"]
    assert main(["watch", str(tmp_path / "nowhere")]) == 2
    assert "There is no folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["watch", str(tmp_path / "empty")]) == 2
    assert "no TensorBoard event files" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert opens_after(["watch", "logs", "--store", "x"]) == ["logs", "--store", "x"]
    assert opens_after(["watch", "logs", "--list"]) is None
