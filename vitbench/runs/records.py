"""The wire format of event files: TFRecord framing around `Event` messages, read without loading protobuf.

A record is: length (uint64), its checksum (uint32), data, checksum of the data (uint32), all little-endian. The
regular event (a step with scalars, as every writer makes them) is parsed here; any other shape goes to
TensorBoard's own protobuf classes. Sources: tensorflow/core/lib/io/record_writer.h, core/util/event.proto,
core/framework/summary.proto; wire types: protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = struct.Struct("<QI")
_DOUBLE = struct.Struct("<d")
_FLOAT = struct.Struct("<f")
_FOOTER = 4

# A key byte of protobuf is (field number << 3) | wire type.
_WALL_TIME, _STEP, _SUMMARY, _SESSION_LOG = 0x09, 0x10, 0x2A, 0x3A
_VALUE = 0x0A
_TAG, _SIMPLE_VALUE, _TENSOR, _METADATA = 0x0A, 0x15, 0x42, 0x4A

SESSION_START = 1


class CorruptRecord(Exception):
    """The bytes at `offset` are no record, and what follows them cannot be found any more."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"damaged at byte {offset:,}")
        self.offset = offset


@dataclass(frozen=True)
class Record:
    """One event: its step, its wall time, its scalars by tag, and whether it announces a restart at this step."""

    step: int
    wall_time: float
    scalars: list[tuple[bytes, float]]
    restart: bool = False


def records(data: bytes) -> Iterator[tuple[Record | None, int]]:
    """The whole records in `data`, each with the offset of its end; None for one that carries no scalar.

    A record whose end is missing is not there yet. Raises CorruptRecord where the framing is broken.
    """
    offset, size = 0, len(data)
    while offset + 12 <= size:
        length, checksum = _HEADER.unpack_from(data, offset)
        if masked_crc32c(data[offset : offset + 8]) != checksum:
            raise CorruptRecord(offset)
        start, end = offset + 12, offset + 12 + length
        if end + _FOOTER > size:
            return
        try:
            record = _parse(data, start, end)
        except (_Unusual, IndexError, struct.error):
            record = _parse_with_protobuf(data[start:end], offset)
        offset = end + _FOOTER
        yield record, offset


class _Unusual(Exception):
    """A shape that the fast path does not know."""


def _parse(data: bytes, position: int, end: int) -> Record | None:
    step, wall_time = 0, 0.0
    scalars: list[tuple[bytes, float]] = []
    while position < end:
        key = data[position]
        position += 1
        if key == _WALL_TIME:
            (wall_time,) = _DOUBLE.unpack_from(data, position)
            position += 8
        elif key == _STEP:
            step, position = _varint(data, position)
        elif key == _SUMMARY:
            length, position = _varint(data, position)
            stop = position + length
            while position < stop:
                if data[position] != _VALUE:
                    raise _Unusual
                length, position = _varint(data, position + 1)
                value_end = position + length
                if data[position] != _TAG:
                    raise _Unusual
                length, position = _varint(data, position + 1)
                tag = data[position : position + length]
                position += length
                if data[position] != _SIMPLE_VALUE or position + 5 != value_end:
                    raise _Unusual
                scalars.append((tag, _FLOAT.unpack_from(data, position + 1)[0]))
                position = value_end
        else:
            raise _Unusual
    return Record(step, wall_time, scalars) if scalars else None


def _varint(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    if byte < 0x80:
        return byte, position + 1
    value, shift = byte & 0x7F, 7
    while True:
        position += 1
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7


def _parse_with_protobuf(message: bytes, offset: int) -> Record | None:
    """Any event that TensorBoard can read: scalars as tensors, restarts; pictures and histograms are passed over."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.util.tensor_util import make_ndarray

    event = Event()
    try:
        event.ParseFromString(message)
    except DecodeError:
        raise CorruptRecord(offset) from None
    if event.session_log.status == SESSION_START:
        return Record(event.step, event.wall_time, [], restart=True)
    scalars = []
    for value in event.summary.value:
        kind = value.WhichOneof("value")
        if kind == "simple_value":
            scalars.append((value.tag.encode(), value.simple_value))
        elif kind == "tensor" and value.metadata.plugin_data.plugin_name in ("", "scalars"):
            array = make_ndarray(value.tensor)
            if array.size == 1 and array.dtype.kind in "fiu":
                scalars.append((value.tag.encode(), float(array.reshape(()))))
    return Record(event.step, event.wall_time, scalars) if scalars else None


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_CRC_TABLE = _crc_table()
_known_checksums: dict[bytes, int] = {}


def masked_crc32c(data: bytes) -> int:
    """The checksum of a record's length: CRC-32C, rotated and shifted as the format asks. Lengths repeat: kept."""
    known = _known_checksums.get(data)
    if known is not None:
        return known
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    if len(_known_checksums) < 4096:
        _known_checksums[data] = masked
    return masked
