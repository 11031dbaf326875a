"""The checksum of event files: CRC-32C, masked as tensorflow/core/lib/hash/crc32c.h asks; of many records at once.

A CRC without its constants is linear over bits: the checksums of two messages of one length differ by what their
differing bytes give, each by itself at its place. So of records that differ in a few bytes only these are looked up.
"""

import numpy as np
from numpy.typing import NDArray

_MASK = 0xA282EAD8
_FEW = 8
"""Up to so many records are summed byte by byte, which takes less time than the tables."""


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_CRC_TABLE = _crc_table()


def masked_crc32c(data: bytes) -> int:
    """CRC-32C, rotated and shifted as the record format asks."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def are_sound(rows: NDArray[np.uint8], checksums: NDArray[np.uint32], varying: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the messages `rows` [records, bytes] have their masked checksum; they differ only where `varying` is."""
    if len(rows) <= _FEW:
        pairs = zip(rows, checksums.tolist(), strict=True)
        return np.array([masked_crc32c(row.tobytes()) == checksum for row, checksum in pairs], dtype=bool)
    first = rows[0]
    difference = np.zeros(len(rows), dtype=np.uint32)
    for place, table in _tables(varying):
        difference ^= table[rows[:, place] ^ first[place]]
    return _unmasked(checksums) ^ difference == _unmasked(np.array([masked_crc32c(first.tobytes())], dtype=np.uint32))


def _tables(varying: NDArray[np.bool_]) -> list[tuple[int, NDArray[np.uint32]]]:
    """For each place that varies what each difference there, 0 to 255, changes in the checksum."""
    one_byte = np.array(_CRC_TABLE, dtype=np.uint32)
    places = np.flatnonzero(varying)
    tables, table = [], one_byte
    for place in range(len(varying) - 1, int(places[0]) - 1 if places.size else len(varying), -1):
        if varying[place]:
            tables.append((place, table))
        table = one_byte[table & 0xFF] ^ table >> 8
    return tables


def _unmasked(checksums: NDArray[np.uint32]) -> NDArray[np.uint32]:
    rotated = checksums - np.uint32(_MASK)
    return (rotated >> np.uint32(17) | rotated << np.uint32(15)).astype(np.uint32)
