"""Public reports of logs that other programs stumbled over, as miniatures; `docs/compatibility.md` names the sources.

Each test is a row of that page.
"""

import gzip
import tarfile
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from vitbench.errors import UserError
from vitbench.watching.event_files import read_event_files


def write_steps(folder: Path, *steps: int, number: int = 0, tag: str = "loss", version: bool = True) -> Path:
    """An event file whose values are its steps and its number; without a version as old writers wrote it."""
    events = [
        Event(step=step, wall_time=1.0, summary=Summary(value=[Summary.Value(tag=tag, simple_value=step + number)]))
        for step in steps
    ]
    return write_events(folder, events, number=number, version=version)


def write_events(folder: Path, events: list[Event], *, number: int = 0, version: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"events.out.tfevents.{1700000000 + number}.host.{number}"
    with file.open("wb") as stream:
        records = RecordWriter(stream)
        for event in [Event(wall_time=1.0, file_version="brain.Event:2")] * version + events:
            records.write(event.SerializeToString())
    return file


def as_tensorboard(folder: Path, tag: str = "loss") -> list[tuple[int, float]]:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    return [(point.step, point.value) for point in accumulator.Scalars(tag)]


def points(folder: Path, tag: str = "loss") -> list[tuple[int, float]]:
    series = read_event_files(folder).series[tag]
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def test_a_file_without_a_version_is_purged_where_its_steps_go_back(tmp_path):
    write_steps(tmp_path / "one", 0, 10, 20, 30, 20, 30, 40, version=False)
    write_steps(tmp_path / "two", 0, 10, 20, 30, version=False)
    write_steps(tmp_path / "two", 15, 25, number=1, version=False)
    for name, steps in (("one", [0, 10, 20, 30, 40]), ("two", [0, 10, 15, 25])):
        assert [step for step, _ in points(tmp_path / name)] == steps
        assert points(tmp_path / name) == as_tensorboard(tmp_path / name)
        assert read_event_files(tmp_path / name).problems == []


def test_steps_that_go_back_are_said(tmp_path):
    write_steps(tmp_path / "resumed", 0, 10, 20, 30)
    write_steps(tmp_path / "resumed", 20, 30, 40, number=1)
    write_steps(tmp_path / "alone", 0, 10, 5)
    write_steps(tmp_path / "purged", 0, 10, 20, 30)
    start = Event(step=20, session_log=SessionLog(status=SessionLog.START))
    write_events(tmp_path / "purged", [start], number=1)
    write_steps(tmp_path / "purged", 20, 40, number=2)
    logs = read_event_files(tmp_path)
    assert [problem.partition(":")[0] for problem in logs.problems] == ["alone/", "resumed/"]
    assert "the steps of loss go back (from 10 to 5): the run went on" in logs.problems[0]
    assert "from 30 to 20): 2 files were written here" in logs.problems[1]
    assert "all points are kept" in logs.problems[1]
    for name in ("resumed", "purged"):
        assert points(tmp_path / name) == as_tensorboard(tmp_path / name)
    assert len(points(tmp_path / "resumed")) == 7


def test_a_tag_that_is_also_a_folder_and_a_tag(tmp_path):
    write_steps(tmp_path, 1, tag="train/loss")
    write_steps(tmp_path / "train", 5)
    logs = read_event_files(tmp_path)
    assert {name: series.steps.tolist() for name, series in logs.series.items()} == {
        "train/loss": [1], "train:loss": [5],
    }  # fmt: skip
    assert "train/loss is a scalar of two folders" in logs.problems[0]


def test_scalars_as_tensors_of_every_kind(tmp_path):
    def value(tag: str, number: np.generic, first: bool = True) -> Event:
        one = Summary.Value(tag=tag, tensor=make_tensor_proto(number))
        if first:
            one.metadata.CopyFrom(SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars")))
        return Event(step=int(not first), wall_time=1.0, summary=Summary(value=[one]))

    kinds = {"half": np.float16(1.5), "double": np.float64(2.5), "whole": np.int64(3)}
    events = [value(tag, number, first) for first in (True, False) for tag, number in kinds.items()]
    write_events(tmp_path, events)
    for tag, number in kinds.items():
        assert points(tmp_path, tag) == [(0, float(number)), (1, float(number))]


def test_a_packed_copy_beside_its_file(tmp_path):
    file = write_steps(tmp_path, 0, 1, 2)
    (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    assert points(tmp_path) == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert read_event_files(tmp_path).problems == [f"{file.name}.gz is not read, since {file.name} lies beside it."]


def test_logs_of_other_kinds_are_named(tmp_path):
    file = write_steps(tmp_path / "inside", 0)
    for name in ("packed", "csv", "trainer"):
        (tmp_path / name).mkdir()
    with tarfile.open(tmp_path / "packed" / "logs.tar.gz", "w:gz") as archive:
        archive.add(file)
    (tmp_path / "csv" / "metrics.csv").write_text("epoch,step,loss\n0,1,2\n")
    (tmp_path / "trainer" / "trainer_state.json").write_text("{}")
    for path, words in {
        "packed": "logs.tar.gz is an archive, which may hold some: unpack it",
        "packed/logs.tar.gz": "is an archive; unpack it",
        "csv": "CSVLogger; its TensorBoardLogger writes event files",
        "csv/metrics.csv": "CSVLogger; its TensorBoardLogger writes event files",
        "trainer": "report_to=tensorboard",
    }.items():
        with pytest.raises(UserError, match=words):
            read_event_files(tmp_path / path)
