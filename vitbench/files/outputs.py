"""The files that a person asks for (figures, tables, arrays, data sets): every one is written through `Outputs`.

Nothing replaces an input of the same call, nothing is written twice under one name, and a file that this program did
not write, or that a person has changed since, is replaced only with `--overwrite`. What is refused is refused by
`plan`, before the work.
"""

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.disk_errors import refused_by_disk, told_of_disk
from vitbench.files.ledger import Content, Ledger, content_of
from vitbench.files.names import LONGEST_NAME, alike, fitting_name, shown
from vitbench.files.reading import Kind, read_bytes, what_it_is
from vitbench.files.streams import Stream, is_stream, open_stream
from vitbench.files.writing import sync_folder, temporary_file, temporary_folder

_MOST_NUMBERS = 9999
_MOST_NEW_FOLDERS = 100
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES)
_PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff"}
_TABLES = {".csv", ".tsv", ".json", ".jsonl", ".txt"}

StrPath = str | os.PathLike[str]
_Inode = tuple[int, int]


class Outputs:
    """The outputs of one call: a command, or a key of the app."""

    def __init__(
        self,
        store: Path,
        *,
        inputs: Iterable[StrPath] = (),
        data: Iterable[StrPath] = (),
        overwrite: bool = False,
        streams: bool = False,
        remedy: str = "name another file, or say --overwrite",
    ) -> None:
        """`inputs` are files that the call reads, and `data` data sets: folders, or a table beside its pictures.

        With `streams`, /dev/stdout, pipes, terminals and /dev/null may be written to. `remedy` ends the refusal of a
        file that is not ours. What is not a path (a run, `demo`, `scenes:base`) is passed over.
        """
        self.overwrite, self.remedy = overwrite, remedy
        self._streams_allowed = streams
        self._ledger = Ledger(store)
        self._inputs: dict[_Inode, str] = {}
        self._data: dict[_Inode, tuple[str, set[str]]] = {}
        self._planned: dict[str, Stream | None] = {}
        self._written: set[str] = set()
        self._warned = False
        self.add_inputs(inputs)
        self.add_inputs(data)
        for path in data:
            if (inode := _inode(path, folder=True)) is not None:
                self._data[inode] = os.fspath(path), _PICTURES | _TABLES
            elif (inode := _inode(Path(path).parent, folder=True)) is not None and _inode(path, folder=False):
                self._data[inode] = os.fspath(Path(path).parent), _PICTURES

    def add_inputs(self, files: Iterable[StrPath]) -> None:
        """More files that the call reads; no output may be one of them, by whatever name or link."""
        for file in files:
            if (inode := _inode(file, folder=False)) is not None:
                self._inputs[inode] = os.fspath(file)

    def plan(self, *files: Path) -> None:
        """Says which files will be written. Raises UserError, before the work, for each reason why one cannot be."""
        for file in files:
            key = _key(file)
            if key in self._planned:
                raise UserError(f"{shown(file)} would be written twice by this call; give each output its own name.")
            self._planned[key] = self._checked(file, first=True)

    def write(self, file: Path, content: bytes | str) -> Path:
        """Writes an output, whole or not at all, and notes it in the ledger; the folders above it are made.

        Raises UserError as `plan` does, and if the disk refuses.
        """
        key = _key(file)
        if key not in self._planned:
            self.plan(file)
        if key in self._written:
            raise UserError(f"{shown(file)} would be written twice by this call; give each output its own name.")
        self._written.add(key)
        stream = self._planned[key]
        try:
            if stream is not None:
                stream.write(_encoded(content))
            else:
                self._replace(file, _encoded(content))
        except BrokenPipeError:
            raise
        except OSError as error:
            raise refused_by_disk(file, error) from error
        return file

    def write_new(self, file: Path, content: bytes | str) -> Path:
        """Writes an output under the first free name of `file`, `file-2`, `file-3` ...; nothing is ever replaced.

        Where one of these holds these very bytes, nothing is written. The answer is where they are. Raises UserError
        where the disk refuses.
        """
        data = _encoded(content)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            for number in range(1, _MOST_NUMBERS):
                candidate = fitting_name(file, "" if number == 1 else f"-{number}")
                if not os.path.lexists(candidate):
                    with suppress(FileExistsError):
                        self._create(candidate, data)
                        return candidate
                elif _holds(candidate, data):
                    return candidate
        except (OSError, ValueError) as error:
            raise refused_by_disk(file, error) from error
        raise UserError(f"{file.parent} has {_MOST_NUMBERS:,} files named like {file.name}; name another folder.")

    def plan_folder(self, folder: Path) -> None:
        """Raises UserError if `make_folder` would refuse this folder."""
        try:
            if os.path.lexists(folder):
                if folder.is_symlink() and not folder.exists():
                    raise UserError(f"{shown(folder)} is a link that leads nowhere; name a new folder.")
                if not folder.is_dir():
                    raise UserError(f"{shown(folder)} exists already and is not a folder; name a new folder.")
                if any(folder.iterdir()):
                    raise UserError(f"{shown(folder)} exists already and is not empty; name a new folder.")
            _check_place(folder.resolve())
        except (OSError, ValueError, RuntimeError) as error:
            raise refused_by_disk(folder, error) from error

    def make_folder(self, folder: Path, fill: Callable[[Path], None]) -> Path:
        """A new folder, filled by `fill(temporary folder)`, which appears when it is whole.

        One that exists must be empty. Raises UserError for another, and if the disk refuses.
        """
        self.plan_folder(folder)
        real = folder.resolve()
        with told_of_disk(folder):
            real.parent.mkdir(parents=True, exist_ok=True)
            with temporary_folder(real) as unfinished:
                fill(unfinished)
                unfinished.replace(real)  # refused by the system where it is not empty by now
            sync_folder(real.parent)
        return folder

    # What may be written ----------------------------------------------------------------------------------------

    def _checked(self, file: Path, *, first: bool) -> Stream | None:
        """Raises UserError unless `file` may be written now; if it is a stream, the stream, opened."""
        try:
            self._check_no_input(file)
            if is_stream(file):
                if not self._streams_allowed:
                    raise UserError(f"{shown(file)} is not a file; name a file.")
                return open_stream(file) if first else None
            real = _real(file)
            _check_place(real)
            found = _lstat(real)
            if found is None:
                if first:
                    self._warn_of_data(file, real)
            elif stat.S_ISLNK(found.st_mode):
                if not self.overwrite:
                    raise UserError(f"{shown(file)} is a link, which is not replaced: {self.remedy}.")
            elif not stat.S_ISREG(found.st_mode):
                raise UserError(f"{shown(file)} is {what_it_is(found.st_mode)}; name a file.")
            else:
                self._check_ours(file, real)
        except (OSError, ValueError, RuntimeError) as error:
            raise refused_by_disk(file, error) from error
        return None

    def _check_no_input(self, file: Path) -> None:
        inode = _inode(file, folder=False)
        name = self._inputs.get(inode) if inode is not None else None
        if name is not None:
            other = "" if name == os.fspath(file) else f" ({shown(name)})"
            raise UserError(f"{shown(file)} is an input of this call{other}, and is never replaced; name another file.")

    def _check_ours(self, file: Path, real: Path) -> None:
        """A regular file that exists must be ours and unchanged, or be given up by --overwrite."""
        if self._ledger.is_ours(real):
            return
        data = self._data_around(real)
        if data is not None:
            raise UserError(f"{shown(file)} lies in the data set {data}, which this call reads; name another file.")
        if not self.overwrite:
            known = bool(self._ledger.written(real))
            why = "has been changed since vitbench wrote it" if known else "exists, and was not written by vitbench"
            raise UserError(f"{shown(file)} {why}: {self.remedy}.")

    def _warn_of_data(self, file: Path, real: Path) -> None:
        if file.suffix.lower() in _PICTURES and (data := self._data_around(real)):
            print(f"vitbench: {shown(file)} will be taken for a picture of the data set {data}.", file=sys.stderr)

    def _data_around(self, real: Path) -> str | None:
        """The data set that `real` lies in and may be a part of, as a picture, table or caption."""
        for folder in real.parents if self._data else ():
            inode = _inode(folder, folder=True)
            if inode in self._data and real.suffix.lower() in self._data[inode][1]:
                return self._data[inode][0]
        return None

    # Writing ----------------------------------------------------------------------------------------------------

    def _replace(self, file: Path, data: bytes) -> None:
        """Writes beside the file, then takes its name if that is still free, or still ours."""
        real = _real(file)
        real.parent.mkdir(parents=True, exist_ok=True)
        with _written_beside(real, data) as temporary, self._ledger.locked():
            self._checked(file, first=False)
            found = _lstat(real)
            if found is not None and stat.S_ISREG(found.st_mode):
                temporary.chmod(stat.S_IMODE(found.st_mode))
            # Both contents until the new one is there, so that a kill in between costs no rerun an --overwrite.
            self._note(real, self._ledger.written(real) | {content_of(data)})
            if found is None:
                _take_free_name(temporary, real)
            else:
                temporary.replace(real)
            self._note(real, {content_of(data)})
        sync_folder(real.parent)

    def _create(self, file: Path, data: bytes) -> None:
        """Writes a file that does not exist. Raises FileExistsError if another process was quicker."""
        real = _real(file)
        with _written_beside(real, data) as temporary, self._ledger.locked():
            _take_free_name(temporary, real)
            self._note(real, {content_of(data)})
        sync_folder(real.parent)

    def _note(self, real: Path, contents: set[Content]) -> None:
        try:
            self._ledger.note(real, contents)
        except OSError as error:
            if not self._warned:
                where, reason = self._ledger.folder, error.strerror or error
                remark = f"outputs cannot be noted in {where} ({reason}), so replacing them will need --overwrite"
                print(f"vitbench: {remark}.", file=sys.stderr)
            self._warned = True


def _check_place(real: Path) -> None:
    """The nearest folder above that exists must be one, and may be changed."""
    if len(os.fsencode(real.name)) > LONGEST_NAME:
        raise UserError(f"{shown(real)} cannot be written: its name has more than {LONGEST_NAME} bytes.")
    folder, missing = real.parent, 0
    while not os.path.lexists(folder):
        folder, missing = folder.parent, missing + 1
        if missing > _MOST_NEW_FOLDERS:
            raise UserError(f"{shown(real)} cannot be written: more than {_MOST_NEW_FOLDERS} folders would be made.")
    if not folder.is_dir():
        raise UserError(f"{shown(real)} cannot be written: {folder} is not a folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        reason = "lies on a disk that is read-only" if _is_read_only(folder) else "may not be changed (permissions)"
        raise UserError(f"{shown(real)} cannot be written: the folder {folder} {reason}.")


def _is_read_only(folder: Path) -> bool:
    """Whether the file system that a folder lies on is mounted read-only."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


@contextmanager
def _written_beside(real: Path, data: bytes) -> Iterator[Path]:
    with temporary_file(real) as (temporary, stream):
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
        yield temporary


def _take_free_name(temporary: Path, file: Path) -> None:
    """Gives a whole file its name. Raises FileExistsError where there is something by this name: a rename would not."""
    try:
        os.link(temporary, file)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(file):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file)) from error
        temporary.replace(file)


def _holds(file: Path, data: bytes) -> bool:
    """Whether the regular file at `file` holds these bytes."""
    found = _lstat(file)
    if found is None or not stat.S_ISREG(found.st_mode) or found.st_size != len(data):
        return False
    try:
        return read_bytes(file, Kind("output", len(data))) == data
    except OSError:
        return False


def _inode(path: StrPath, *, folder: bool) -> _Inode | None:
    """What tells a file (or a folder) from all others, links followed; None where there is none."""
    try:
        found = Path(path).expanduser().stat()
    except (OSError, ValueError, RuntimeError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) == folder else None


def _real(file: Path) -> Path:
    """The path without links above it; what it names itself may be one."""
    return file.absolute().parent.resolve() / file.name


def _key(file: Path) -> str:
    """What two outputs of one call must not share: names that differ in case only are one on some file systems."""
    try:
        return alike(str(_real(file)))
    except (OSError, ValueError, RuntimeError):
        return str(file)


def _lstat(file: Path) -> os.stat_result | None:
    try:
        return os.lstat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _encoded(content: bytes | str) -> bytes:
    """Names of files in a text are bytes, and go out as such."""
    return content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
