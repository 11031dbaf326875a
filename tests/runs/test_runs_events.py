"""Event files: TensorBoard's own reader agrees with ours, whole or cut, once or in increments."""

import math
import os
import resource
import struct
import time

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from vitbench.runs.checksums import masked_crc32c
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.events import EventReader, event_files
from vitbench.runs.records import read_batch


def write(folder, steps, first_step=0, scale=1.0):
    writer = EventWriter(folder, first_step)
    for step in steps:
        writer.scalars(step, {"train/loss": scale / (step + 1), "validation/accuracy": step * 0.01})
    writer.close()


def tensorboard_scalars(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    return {tag: [(e.step, e.value) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}


def our_scalars(folder):
    reader = EventReader(folder)
    reader.read()
    return {
        tag: list(zip(s.steps.tolist(), np.float32(s.values).tolist(), strict=True)) for tag, s in reader.series.items()
    }


def test_tensorboard_reads_the_same(tmp_path):
    write(tmp_path, range(300))
    ours = our_scalars(tmp_path)
    assert ours == tensorboard_scalars(tmp_path)
    assert len(ours["train/loss"]) == 300


def test_a_resumed_run_shows_no_step_twice(tmp_path):
    write(tmp_path, range(50))
    write(tmp_path, range(30, 60), first_step=30, scale=2.0)
    write(tmp_path, range(45, 50), first_step=45, scale=3.0)
    ours = our_scalars(tmp_path)
    assert [step for step, _ in ours["train/loss"]] == list(range(50))
    assert ours == tensorboard_scalars(tmp_path)
    assert len({path.name for path in event_files(tmp_path)}) == 3


def test_a_clock_set_back_keeps_the_order(tmp_path, monkeypatch):
    monkeypatch.setattr("vitbench.runs.event_writer.time.time", lambda: 2_000_000_000.0)
    write(tmp_path, range(5))
    monkeypatch.setattr("vitbench.runs.event_writer.time.time", lambda: 1_000_000_000.0)
    write(tmp_path, range(3, 6), first_step=3, scale=5.0)
    assert our_scalars(tmp_path)["train/loss"][3:] == [(s, pytest.approx(5 / (s + 1), rel=1e-6)) for s in (3, 4, 5)]


def test_every_cut_of_the_last_record_is_not_yet(tmp_path):
    (tmp_path / "whole").mkdir()
    write(tmp_path / "whole", range(3))
    path = event_files(tmp_path / "whole")[-1]
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", last_header(data))
    start = len(data) - (16 + length)
    for end in range(start, len(data)):
        folder = tmp_path / f"cut{end}"
        folder.mkdir()
        copy = folder / path.name
        copy.write_bytes(data[:end])
        reader = EventReader(folder)
        reader.read()
        assert reader.series["train/loss"].steps.tolist() == [0, 1]
        assert not reader.problems
        copy.write_bytes(data)
        assert reader.read()
        assert reader.series["train/loss"].steps.tolist() == [0, 1, 2]
        assert not reader.read()


def last_header(data):
    offset = 0
    while True:
        header = data[offset : offset + 8]
        size = 16 + struct.unpack("<Q", header)[0]
        if offset + size == len(data):
            return header
        offset += size


def test_a_damaged_record_is_named_and_what_came_before_stands(tmp_path):
    write(tmp_path, range(10))
    path = event_files(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
    path.write_bytes(data)
    reader = EventReader(tmp_path)
    reader.read()
    assert 0 < len(reader.series["train/loss"]) < 10
    assert "damaged at byte" in reader.problems[0]
    assert not reader.read()


def test_a_stretch_of_records_of_one_length_ends_where_it_is_cut_or_damaged():
    """Long stretches are read at once; they are what single records are."""
    steps = [*range(100), *range(1000, 1100)]  # of one byte, then of two
    framed = []
    for step in steps:
        entry = Summary.Value(tag="loss", simple_value=step)
        message = Event(step=step, wall_time=1.0, summary=Summary(value=[entry])).SerializeToString()
        header = struct.pack("<Q", len(message))
        checksums = [struct.pack("<I", masked_crc32c(part)) for part in (header, message)]
        framed.append(header + checksums[0] + message + checksums[1])
    data = b"".join(framed)
    whole = read_batch(data)
    assert (whole.count, whole.size, whole.corrupt) == (200, len(data), False)
    assert whole.points["loss"].steps.tolist() == steps
    for number in (1, 15, 16, 17, 18, 60, 99, 100, 117, 199):
        place = sum(map(len, framed[:number]))
        cut = read_batch(data[: place + 5])
        assert (cut.count, cut.size, cut.corrupt) == (number, place, False)
        damaged = bytearray(data)
        damaged[place + 9] ^= 1
        found = read_batch(bytes(damaged))
        assert (found.count, found.size, found.corrupt) == (number, place, True)
        assert found.points["loss"].steps.tolist() == steps[:number]


@pytest.mark.parametrize("count", [5, 40])  # few records are summed byte by byte, many with tables
def test_one_bit_inside_a_record_costs_that_record_and_is_told(tmp_path, count):
    write(tmp_path, range(count))
    path = event_files(tmp_path)[0]
    whole, expected = path.read_bytes(), our_scalars(tmp_path)["train/loss"]
    header = whole.rindex(b"\x09", 0, whole.rindex(b"train/loss"))  # the wall time of the last record
    random = np.random.default_rng(count)
    for place in [header, *random.integers(header + 1, len(whole), 30)]:
        data = bytearray(whole)
        data[place] ^= 1 << int(random.integers(8))
        path.write_bytes(data)
        reader = EventReader(tmp_path)
        reader.read()
        assert reader.series["train/loss"].steps.tolist() == [step for step, _ in expected[:-1]]
        assert reader.problems == [f"{path.name} is damaged in 1 record, which is left out."]


def test_a_restart_with_a_hole_cuts_nothing(tmp_path):
    path = tmp_path / "events.out.tfevents.1.host"
    start = Event(step=3, session_log=SessionLog(status=SessionLog.START)).SerializeToString()
    with path.open("wb") as stream:
        records = RecordWriter(stream)
        for step in range(8):
            value = Summary.Value(tag="loss", simple_value=step)
            records.write(Event(step=step, summary=Summary(value=[value])).SerializeToString())
        records.write(start)
        records.flush()
    data = path.read_bytes()
    assert len(our_scalars(tmp_path)["loss"]) == 3
    path.write_bytes(data.replace(start, start.replace(b"\x03", b"\x02")))
    assert len(our_scalars(tmp_path)["loss"]) == 8


def test_other_tools_scalars_are_read(tmp_path):
    """Newer writers store scalars as tensors; pictures and odd events in between are passed over."""
    with (tmp_path / "events.out.tfevents.1.host").open("wb") as stream:
        records = RecordWriter(stream)
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
        value = Summary.Value(tag="loss", tensor=make_tensor_proto(np.float32(0.25)), metadata=metadata)
        records.write(Event(step=7, wall_time=3.0, summary=Summary(value=[value])).SerializeToString())
        picture = Summary.Value(tag="picture", image=Summary.Image(height=1, width=1, encoded_image_string=b"x"))
        records.write(Event(step=8, summary=Summary(value=[picture])).SerializeToString())
        strange = Summary.Value(tag="loss", simple_value=math.nan)
        records.write(Event(step=2**40, wall_time=4.0, summary=Summary(value=[strange])).SerializeToString())
        records.flush()
    reader = EventReader(tmp_path)
    reader.read()
    assert reader.series["loss"].steps.tolist() == [7, 2**40]
    assert reader.series["loss"].values[0] == 0.25
    assert math.isnan(reader.series["loss"].values[1])
    assert set(reader.series) == {"loss"}


def test_a_file_that_vanishes_or_shrinks(tmp_path):
    write(tmp_path, range(20))
    reader = EventReader(tmp_path)
    reader.read()
    event_files(tmp_path)[0].unlink()
    assert not reader.read()
    assert len(reader.series["train/loss"]) == 20


def test_a_file_that_was_replaced_is_read_again_and_not_twice(tmp_path):
    write(tmp_path, range(20))
    path = event_files(tmp_path)[0]
    reader = EventReader(tmp_path)
    reader.read()
    held = reader.series["train/loss"].steps
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", range(7))
    event_files(tmp_path / "other")[0].replace(path)
    assert reader.read()
    assert reader.series["train/loss"].steps.tolist() == list(range(7))
    assert held.tolist() == list(range(20))
    path.write_bytes(path.read_bytes()[:-1])
    assert reader.read()
    assert reader.series["train/loss"].steps.tolist() == list(range(6))


def test_records_of_every_shape_keep_their_order(tmp_path):
    """Step sizes, tags, tensors, negative steps and restarts mixed: as TensorBoard reads them, also in pieces."""
    random = np.random.default_rng(0)
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
    path = tmp_path / "events.out.tfevents.0000000001.host"
    with path.open("wb") as stream:
        records = RecordWriter(stream)
        records.write(Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
        for step in [-3, *range(0, 40_000, 97)]:
            tags = random.choice(["a", "bb", "c/ü"], size=random.integers(0, 4))
            values = [Summary.Value(tag=tag, simple_value=random.normal()) for tag in tags]
            if random.random() < 0.1:
                values.append(Summary.Value(tag="t", tensor=make_tensor_proto(np.float32(step)), metadata=metadata))
            event = Event(step=step, wall_time=step + 0.5, summary=Summary(value=values))
            records.write(event.SerializeToString())
            if random.random() < 0.02:
                start = SessionLog(status=SessionLog.START)
                records.write(Event(step=max(0, step - 300), session_log=start).SerializeToString())
        records.flush()
    ours = our_scalars(tmp_path)
    theirs = tensorboard_scalars(tmp_path)
    assert {tag: ours[tag] for tag in theirs} == theirs
    assert set(theirs) == {"a", "bb", "c/ü"}
    assert ours["t"]
    (tmp_path / "slow").mkdir()
    reader, data = EventReader(tmp_path / "slow"), path.read_bytes()
    for end in range(0, len(data) + 500, 500):
        (tmp_path / "slow" / path.name).open("ab").write(data[end : end + 500])
        reader.read()
    assert {tag: series.steps.tolist() for tag, series in reader.series.items()} == {
        tag: [step for step, _ in points] for tag, points in ours.items()
    }


def append(folder, *events, name="events.out.tfevents.1000000000.other"):
    with (folder / name).open("ab") as stream:
        records = RecordWriter(stream)
        for event in events:
            records.write(event if isinstance(event, bytes) else event.SerializeToString())
        records.flush()


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path):
    write(tmp_path, range(3))
    os.mkfifo(tmp_path / "events.out.tfevents.2000000001.pipe")
    (tmp_path / "events.out.tfevents.2000000002.folder").mkdir()
    (tmp_path / "events.out.tfevents.2000000003.zero").symlink_to("/dev/zero")
    reader = EventReader(tmp_path)
    assert reader.read()
    assert not reader.read()
    assert len(reader.series["train/loss"]) == 3
    assert [problem.partition(" is not readable (")[2] for problem in reader.problems] == [
        "it is a pipe (FIFO), not a regular file).",
        "it is a folder, not a regular file).",
        "it is a device, not a regular file).",
    ]


def test_a_shape_that_asks_for_all_memory_is_no_scalar(tmp_path):
    event = Event(step=1, summary=Summary(value=[Summary.Value(tag="bomb", tensor=make_tensor_proto(1.0))]))
    tensor = event.summary.value[0].tensor
    for size in (10**6, 10**6, 10**6):
        tensor.tensor_shape.dim.add().size = size
    append(tmp_path, event, Event(step=2, summary=Summary(value=[Summary.Value(tag="good", simple_value=1.0)])))
    reader = EventReader(tmp_path)
    reader.read()
    assert list(reader.series) == ["good"]


def test_a_number_that_does_not_end_takes_no_time(tmp_path):
    append(tmp_path, b"\x10" + b"\x80" * 900_000 + b"\x01", b"\x2a" + b"\xff" * 900_000)
    began = time.monotonic()
    reader = EventReader(tmp_path)
    reader.read()
    assert time.monotonic() - began < 5
    assert "damaged in 2 records" in reader.problems[0]


def test_a_record_larger_than_any_scalar_is_passed_over_unread(tmp_path):
    file = tmp_path / "events.out.tfevents.1000000000.other"
    append(tmp_path, Event(step=1, summary=Summary(value=[Summary.Value(tag="a", simple_value=1.0)])))
    length = struct.pack("<Q", 3 * 2**30)
    with file.open("ab") as stream:
        stream.write(length + struct.pack("<I", masked_crc32c(length)))
        stream.truncate(stream.tell() + 3 * 2**30 + 4)
    append(tmp_path, Event(step=2, summary=Summary(value=[Summary.Value(tag="a", simple_value=2.0)])))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reader = EventReader(tmp_path)
    reader.read()
    assert reader.series["a"].steps.tolist() == [1, 2]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_any_number_of_scalars_is_bounded_and_told(tmp_path):
    values = [Summary.Value(tag=f"scalar {number}", simple_value=1.0) for number in range(25_000)]
    append(tmp_path, Event(step=1, summary=Summary(value=values)))
    reader = EventReader(tmp_path)
    reader.read()
    assert len(reader.series) == 20_000
    assert reader.problems == ["There are more than 20,000 scalars; the others are left out."]


def test_a_name_with_an_endless_time_does_not_stop_a_run(tmp_path):
    (tmp_path / f"events.out.tfevents.{'9' * 200}.host").touch()
    write(tmp_path, range(3))
    assert our_scalars(tmp_path)["train/loss"]
