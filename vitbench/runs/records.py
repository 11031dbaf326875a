"""The wire format of event files: TFRecord framing around `Event` messages, read without loading protobuf.

A record is: length (uint64), its checksum (uint32), data, checksum of the data (uint32), all little-endian. Most
records of a file differ only in their times, steps and values: a layout is found once by walking one record, and all
records whose other bytes are equal are read with numpy at once. Any other shape goes to TensorBoard's own protobuf
classes. Sources: tensorflow/core/lib/io/record_writer.h, core/util/event.proto, core/framework/summary.proto; wire
types: protobuf.dev/programming-guides/encoding.
"""

import re
import struct
from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vitbench.runs.checksums import are_sound, masked_crc32c

_HEADER = struct.Struct("<QI")
_HEADER_SIZE, _FOOTER_SIZE = 12, 4

# A key byte of protobuf is (field number << 3) | wire type.
_WALL_TIME, _STEP, _FILE_VERSION, _SUMMARY, _SOURCE = 0x09, 0x10, 0x1A, 0x2A, 0x52
_VALUE = 0x0A
_TAG, _SIMPLE_VALUE = 0x0A, 0x15

_SESSION_START = 1
_VERSION = re.compile(rb"brain\.Event:(\d{1,4})")
_LONGEST_VARINT = 10
"""Bytes that a number takes at most."""
_LIKELY_MORE = 16
"""Records with one header in a row from which on more of them are looked for at once."""
_MOST_LAYOUTS = 16
"""Layouts tried for the records of one length in one batch; a file that has more is read record by record."""


@dataclass
class Points:
    """Points of one scalar. `records` numbers the records of the batch that they come from, in rising order."""

    records: NDArray[np.int64]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    wall_times: NDArray[np.float64]

    def between(self, first: int, end: int) -> "Points":
        """The points of the records `first` to `end` - 1."""
        part = slice(*np.searchsorted(self.records, (first, end)))
        return Points(self.records[part], self.steps[part], self.values[part], self.wall_times[part])


@dataclass
class ReadRecords:
    """What the whole records in some bytes say.

    `size` is how many bytes they take and `count` how many they are; `restarts` has record number and first step of
    each restart; `damaged` counts the records whose data have another checksum, which are left out; `corrupt` is
    whether the bytes at `size` are no record, so that what follows cannot be found.
    """

    size: int = 0
    count: int = 0
    points: dict[str, Points] = field(default_factory=dict)
    restarts: list[tuple[int, int]] = field(default_factory=list)
    damaged: int = 0
    corrupt: bool = False


def read_batch(data: bytes) -> ReadRecords:
    """Reads the whole records at the beginning of `data`. A record whose end is missing is not there yet."""
    starts, lengths, batch = _frames(data)
    pieces: dict[bytes, list[Points]] = {}
    for length in np.unique(lengths):
        same = np.flatnonzero(lengths == length)
        for number in _read_alike(data, starts, same, int(length), pieces, batch):
            end = int(starts[number] + length)
            checksum = int.from_bytes(data[end : end + _FOOTER_SIZE], "little")
            _read_with_protobuf(data[starts[number] : end], checksum, number, pieces, batch)
    batch.restarts.sort()
    batch.points = {tag.decode(errors="replace"): _joined(parts) for tag, parts in pieces.items()}
    return batch


def _frames(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], ReadRecords]:
    """Where the messages start, how long they are, and a batch that says where they end."""
    starts, lengths = array("q"), array("q")
    offset, size, corrupt = 0, len(data), False
    before, same = b"", 0
    while offset + _HEADER_SIZE <= size:
        header = data[offset : offset + _HEADER_SIZE]
        length = _known_headers.get(header)
        same = same + 1 if header == before else 0
        before = header
        if same == _LIKELY_MORE and length is not None:
            places = _places_of(header, data, offset, length)
            starts.frombytes(places.tobytes())
            lengths.extend([length] * len(places))
            offset += len(places) * (_HEADER_SIZE + length + _FOOTER_SIZE)
            if len(places):
                continue
        if length is None:
            length = _checked_length(header)
            if length is None:
                corrupt = True
                break
        end = offset + _HEADER_SIZE + length + _FOOTER_SIZE
        if end > size:
            break
        starts.append(offset + _HEADER_SIZE)
        lengths.append(length)
        offset = end
    batch = ReadRecords(size=offset, count=len(starts), corrupt=corrupt)
    return np.array(starts, dtype=np.int64), np.array(lengths, dtype=np.int64), batch


def _places_of(header: bytes, data: bytes, offset: int, length: int) -> NDArray[np.int64]:
    """Where the messages start of the whole records from `offset` on that have the same header, one after the other."""
    stride = _HEADER_SIZE + length + _FOOTER_SIZE
    count = (len(data) - offset) // stride
    records = np.frombuffer(data, dtype=np.uint8, count=count * stride, offset=offset).reshape(count, stride)
    others = np.flatnonzero((records[:, :_HEADER_SIZE] != np.frombuffer(header, dtype=np.uint8)).any(axis=1))
    return np.arange(others[0] if others.size else count) * stride + (offset + _HEADER_SIZE)


@dataclass(frozen=True)
class _Layout:
    """Where a message keeps its figures, in bytes from its start; `varying` marks the bytes that are such figures."""

    wall_time: int | None
    step: int | None
    step_size: int
    scalars: list[tuple[bytes, int]]
    varying: NDArray[np.bool_]


def _read_alike(
    data: bytes,
    starts: NDArray[np.int64],
    numbers: NDArray[np.int64],
    length: int,
    pieces: dict[bytes, list[Points]],
    batch: ReadRecords,
) -> list[int]:
    """Reads records of one length, layout by layout; returns the numbers of those that are not regular."""
    irregular: list[int] = []
    windows = sliding_window_view(np.frombuffer(data, dtype=np.uint8), length + _FOOTER_SIZE) if length else None
    for _ in range(_MOST_LAYOUTS):
        if not numbers.size or windows is None:
            break
        framed = windows[starts[numbers]]
        rows = framed[:, :length]
        layout = _layout_of(rows[0].tobytes())
        if layout is None:
            irregular.append(int(numbers[0]))
            numbers = numbers[1:]
            continue
        alike = ((rows == rows[0]) | layout.varying).all(axis=1)
        if layout.step is not None:
            # A varint goes on while its high bit is set, so these bits belong to the layout.
            high = rows[:, layout.step : layout.step + layout.step_size] & 0x80
            alike &= (high == high[0]).all(axis=1)
        sound = are_sound(rows[alike], _column(framed[alike], length, "<u4"), layout.varying)
        batch.damaged += int(np.count_nonzero(~sound))
        _read_rows(rows[alike][sound], numbers[alike][sound], layout, pieces)
        numbers = numbers[~alike]
    return irregular + numbers.tolist()


def _read_rows(
    rows: NDArray[np.uint8], numbers: NDArray[np.int64], layout: _Layout, pieces: dict[bytes, list[Points]]
) -> None:
    """Reads records of one layout: `rows` is [records, bytes]."""
    steps = np.zeros(len(rows), dtype=np.int64)
    wall_times = np.zeros(len(rows))
    if layout.wall_time is not None:
        wall_times = _column(rows, layout.wall_time, "<f8")
    if layout.step is not None:
        for place in range(layout.step_size):
            steps |= (rows[:, layout.step + place] & 0x7F).astype(np.int64) << 7 * place
    for tag, offset in layout.scalars:
        values = _column(rows, offset, "<f4").astype(np.float64)
        pieces.setdefault(tag, []).append(Points(numbers, steps, values, wall_times))


def _column(rows: NDArray[np.uint8], offset: int, kind: str) -> NDArray[Any]:
    size = np.dtype(kind).itemsize
    return np.ascontiguousarray(rows[:, offset : offset + size]).view(kind)[:, 0]


def _joined(parts: list[Points]) -> Points:
    if len(parts) == 1:
        return parts[0]
    records = np.concatenate([part.records for part in parts])
    order = np.argsort(records, kind="stable")
    steps = np.concatenate([part.steps for part in parts])
    values = np.concatenate([part.values for part in parts])
    wall_times = np.concatenate([part.wall_times for part in parts])
    return Points(records[order], steps[order], values[order], wall_times[order])


def _layout_of(message: bytes) -> _Layout | None:
    """The layout of a regular event: time, step, and scalars as plain floats. None for any other shape."""
    try:
        return _walk(message)
    except IndexError:
        return None


def _walk(message: bytes) -> _Layout | None:
    wall_time: int | None = None
    step: int | None = None
    step_size, scalars, position = 0, [], 0
    varying = np.zeros(len(message), dtype=bool)
    while position < len(message):
        key, begin = message[position], position + 1
        if key == _WALL_TIME:
            wall_time, position = begin, begin + 8
        elif key == _STEP:
            _, position = _varint(message, begin)
            step, step_size = begin, position - begin
            if step_size > 9:
                return None  # a negative step
        elif key == _SUMMARY:
            size, position = _varint(message, begin)
            found = _walk_summary(message, position, position + size)
            if found is None:
                return None
            scalars += found
            position += size
        elif key in (_FILE_VERSION, _SOURCE):
            size, position = _varint(message, begin)
            position += size
        else:
            return None
    if position != len(message):
        return None
    figures = [(wall_time, 8), (step, step_size), *((offset, 4) for _, offset in scalars)]
    for first, size in figures:
        if first is not None:
            varying[first : first + size] = True
    return _Layout(wall_time, step, step_size, scalars, varying)


def _walk_summary(message: bytes, position: int, end: int) -> list[tuple[bytes, int]] | None:
    """Tag and offset of each float of a summary; None if it holds anything but tags and floats."""
    scalars = []
    while position < end:
        if message[position] != _VALUE:
            return None
        size, position = _varint(message, position + 1)
        value_end = position + size
        if message[position] != _TAG:
            return None
        size, position = _varint(message, position + 1)
        tag = message[position : position + size]
        position += size
        if message[position] != _SIMPLE_VALUE or position + 5 != value_end:
            return None
        scalars.append((tag, position + 1))
        position = value_end
    return scalars if position == end else None


def _varint(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    if byte < 0x80:
        return byte, position + 1
    value, shift = byte & 0x7F, 7
    while True:
        position += 1
        if shift >= 7 * _LONGEST_VARINT:
            raise IndexError("a number that does not end")
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7


def _read_with_protobuf(
    message: bytes, checksum: int, number: int, pieces: dict[bytes, list[Points]], batch: ReadRecords
) -> None:
    """Any event that TensorBoard can read: scalars as tensors, restarts. Pictures and histograms are passed over.

    A message that is damaged inside is left out: its frame is whole, and the next record can be found. Of messages
    that say nothing that is kept, often large ones, the checksum is not looked at.
    """
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    event = Event()
    try:
        event.ParseFromString(message)
        scalars = [
            (value.tag.encode(), scalar) for value in event.summary.value if (scalar := _scalar(value)) is not None
        ]
    except (DecodeError, TypeError, ValueError, ArithmeticError, LookupError):
        batch.damaged += 1
        return
    restarts = event.session_log.status == _SESSION_START
    if (restarts or scalars) and masked_crc32c(message) != checksum:
        batch.damaged += 1
    elif restarts:
        batch.restarts.append((number, event.step))
    else:
        for tag, scalar in scalars:
            point = Points(np.array([number]), np.array([event.step]), np.array([scalar]), np.array([event.wall_time]))
            pieces.setdefault(tag, []).append(point)


def _scalar(value: Any) -> float | None:
    """The number of a summary's value (`Summary.Value`); None if it is no scalar."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return float(value.simple_value)
    if kind == "tensor" and value.metadata.plugin_data.plugin_name in ("", "scalars"):
        from tensorboard.util.tensor_util import make_ndarray

        # A shape is believed before the values are counted: it could ask for any amount of memory.
        if any(dimension.size != 1 for dimension in value.tensor.tensor_shape.dim):
            return None
        array = make_ndarray(value.tensor)
        if array.size == 1 and array.dtype.kind in "fiu":
            return float(array.reshape(()))
    return None


def file_version(data: bytes) -> int:
    """The version that the first record of a file says (`brain.Event:2`); 0 if it says none."""
    length = _checked_length(data[:_HEADER_SIZE]) if len(data) >= _HEADER_SIZE else None
    said = _VERSION.search(data[_HEADER_SIZE : _HEADER_SIZE + min(length or 0, 200)])
    return int(said[1]) if said else 0


def record_size(data: bytes) -> int | None:
    """How many bytes the record at the beginning of `data` takes; None if its header is damaged or not there yet."""
    if len(data) < _HEADER_SIZE or (length := _checked_length(data[:_HEADER_SIZE])) is None:
        return None
    return _HEADER_SIZE + length + _FOOTER_SIZE


_known_headers: dict[bytes, int] = {}


def _checked_length(header: bytes) -> int | None:
    """The length that a record's header gives; None if its checksum is wrong. Headers repeat: they are kept."""
    length, checksum = _HEADER.unpack(header)
    if masked_crc32c(header[:8]) != checksum:
        return None
    if len(_known_headers) < 4096:
        _known_headers[header] = int(length)
    return int(length)
