"""The worker's side of the scalars: event files written with TensorBoard's own parts, so every tool can read them."""

import io
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from vitbench.runs.events import event_files, name_time

_LARGEST_PENDING = 1 << 16
"""Bytes of records that wait in memory at most."""


class EventWriter:
    """Writes one new event file. A resumed run says at which step it begins, so that nothing is shown twice.

    The file ends with a whole record always: a write that fails in the middle (a full disk) is cut off again, and
    its records wait in memory for the next flush.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        earlier = [name_time(path) for path in event_files(folder)]
        # The order of the files is the order of the times in their names, also when the clock was set back.
        moment = max([int(time.time()), *(known + 1 for known in earlier)])
        name = f"events.out.tfevents.{moment:010d}.{socket.gethostname()}.{os.getpid()}"
        self._stream = (folder / name).open("xb", buffering=0)
        self._written = 0
        self._pending = io.BytesIO()
        self._records = RecordWriter(self._pending)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if earlier:
            start = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=first_step, session_log=start))
        self.flush()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes the scalars of one step as one event. Raises OSError (a full disk)."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        self._write(Event(wall_time=time.time(), step=step, summary=summary))
        if self._pending.tell() > _LARGEST_PENDING:
            self.flush()

    def _write(self, event) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - protobuf classes have no types
        self._records.write(event.SerializeToString())

    def flush(self) -> None:
        """Hands all that was written to the system. Raises OSError (a full disk), and then nothing of it is there."""
        data, done = self._pending.getvalue(), 0
        try:
            while done < len(data):
                done += self._stream.write(data[done:])
        except OSError:
            self._stream.truncate(self._written)
            self._stream.seek(self._written)
            raise
        self._written += len(data)
        self._pending.seek(0)
        self._pending.truncate()

    def sync(self) -> None:
        """Returns when all that was written is on the disk."""
        self.flush()
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Flushes and closes the file."""
        try:
            self.flush()
        finally:
            self._stream.close()
