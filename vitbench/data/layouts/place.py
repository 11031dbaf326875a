"""A folder that is being recognised, listed once for all forms; and the picture that a name in a table means."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote

from vitbench.data.pictures import picture_extensions
from vitbench.data.problems import Problem
from vitbench.errors import UserError
from vitbench.nearest import perhaps_path
from vitbench.text import counted

T = TypeVar("T")

_NUMBER = re.compile(r"0*(?P<number>\d{1,18})(\.0+)?")
_JUNK_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information")
_JUNK_FILES = ("Thumbs.db", "desktop.ini")


class Place:
    """A folder, or a table in it, that somebody named: names of files below it, relative, with `/` between parts.

    `file` is the table that was named, if one was. Hidden files are passed over.
    """

    def __init__(self, path: Path, said: str | None = None) -> None:
        """`said` is the path as the person wrote it. Raises UserError if there is nothing, or nothing may be read."""
        if not os.path.lexists(path):
            raise UserError(f"There is no folder or file {path}{perhaps_path(path)}.")
        self.file = path if path.is_file() else None
        if self.file is None and not path.is_dir():
            raise UserError(f"{path} is neither a folder nor a regular file, or it leads nowhere.")
        self.root = path.parent if self.file else path
        self.said = said or str(path)
        self._read_once: dict[Callable[[Any], object], Any] = {}
        if not os.access(self.root, os.R_OK | os.X_OK):
            raise UserError(f"The folder {self.root} may not be read by you; ask its owner.")

    def once(self, read: Callable[["Place"], T]) -> T:
        """What `read` finds here, read for the first form that asks."""
        if read not in self._read_once:
            self._read_once[read] = read(self)
        found: T = self._read_once[read]
        return found

    @property
    def pictures(self) -> list[str]:
        """Files that are pictures by their names, sorted."""
        return self._listed[0]

    @property
    def others(self) -> list[str]:
        """All other files, sorted."""
        return self._listed[1]

    @cached_property
    def finder(self) -> "Finder":
        """Finds the picture that a name in a table means."""
        return Finder(self.pictures)

    @cached_property
    def _listed(self) -> tuple[list[str], list[str]]:
        return files_below(self.root)

    @cached_property
    def _others_by_name(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for other in self.others:
            found[other.rpartition("/")[2].lower()].append(other)
        return found

    def folder_with(self, *names: str) -> str | None:
        """The folder nearest to the root that holds files of all these names, as "" or "a/b/"; None if there is none.

        A name may have folders before it (`meta/train.txt`).
        """
        first = names[0].rpartition("/")[2].lower()
        bases = []
        for other in self._others_by_name.get(first, ()):
            if ("/" + other.lower()).endswith("/" + names[0].lower()):
                bases.append(other[: len(other) - len(names[0])])
        fitting = [base for base in bases if all((self.root / (base + name)).is_file() for name in names[1:])]
        return min(fitting, key=lambda base: (base.count("/"), base), default=None)

    def what_is_there(self) -> str:
        """The kinds of files in a folder without pictures, as the end of a sentence."""
        endings = Counter(PurePosixPath(name).suffix.lower() or "no ending" for name in self.others)
        if not endings:
            return ": it is empty"
        some = ", ".join(f"{counted(count, 'file')} of {ending}" for ending, count in endings.most_common(3))
        return f", only {some}"

    def within(self, path: Path) -> str | None:
        """A path relative to the root; None if it is not inside. Judged by the words: links may point anywhere."""
        inside = os.path.relpath(os.path.normpath(path), self.root)
        return None if inside in ("..", ".") or inside.startswith("../") else inside


class Finder:
    """Pictures by the last parts of their path, as tables name them: in any case or Unicode form, with `\\`, with
    folders of another machine before them, with or without the ending."""

    def __init__(self, pictures: Iterable[str]) -> None:
        self.pictures = list(pictures)
        self._exact = set(self.pictures)
        self._endings = picture_extensions()

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for picture in self.pictures:
            found[_plain(picture.rpartition("/")[2])].append(picture)
        return found

    @cached_property
    def _by_bent_name(self) -> dict[str, list[str]]:
        """Names that a table would spell in another way: with blanks around them, or with bytes of Latin-1."""
        found = defaultdict(list)
        for picture in self.pictures:
            name = picture.rpartition("/")[2]
            for bent in {_without_blanks(name), _from_latin(name)} - {name}:
                found[_plain(bent)].append(picture)
        return found

    @cached_property
    def _by_number(self) -> dict[int, list[str]]:
        found = defaultdict(list)
        for picture in self.pictures:
            stem = PurePosixPath(picture).stem
            if stem.isascii() and stem.isdigit():
                found[int(stem)].append(picture)
        return found

    def by_number(self, name: str) -> list[str]:
        """The pictures whose names are the number that `name` is, written with other zeros: 7 or 7.0 for 0007.jpg."""
        found = _NUMBER.fullmatch(name.strip())
        return list(self._by_number.get(int(found["number"]), ())) if found else []

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for picture in self.pictures:
            found[_plain(PurePosixPath(picture).stem)].append(picture)
        return found

    def find(self, name: str, folders: Iterable[str] = (), encoding: str = "utf-8") -> list[str]:
        """The pictures that `name` may mean, the likeliest ones only; several if nothing tells them apart.

        `folders` (such as "train" or "annotations/../images") are where it is looked for first. A name that was
        read in another `encoding` may have its bytes in the file's name as they are.
        """
        for spelling in _spellings(name, encoding):
            for folder in folders:
                tried = os.path.normpath(f"{folder}/{spelling}") if folder else os.path.normpath(spelling)
                if tried in self._exact:
                    return [tried]
                tried_with = [tried + ending for ending in self._likely_endings if tried + ending in self._exact]
                if tried_with:
                    return tried_with[:1]
        for spelling in _spellings(name, encoding):
            if found := self._by_last_parts(spelling):
                return found
        bent = _plain(_without_blanks(name.strip().replace("\\", "/").rpartition("/")[2]))
        return list(self._by_bent_name.get(bent, ()))

    def _by_last_parts(self, name: str) -> list[str]:
        parts = [_plain(part) for part in PurePosixPath(name).parts if part not in ("/", "..", ".")]
        if not parts:
            return []
        candidates = self._by_name.get(parts[-1])
        if candidates is None:
            stem = _without_ending(parts[-1], self._endings)
            candidates = self._by_stem.get(stem, []) or (self._by_stem.get(parts[-1], []) if stem != parts[-1] else [])
        if len(candidates) < 2:
            return list(candidates)
        # As many of the named folders as can be matched; a prefix of another machine is worth nothing.
        scores = {picture: _common_ending(parts[:-1], _plain(picture).split("/")[:-1]) for picture in candidates}
        best = max(scores.values())
        likeliest = [picture for picture, score in scores.items() if score == best]
        # Names that differ in case or Unicode form alone are told apart by the one that is written so.
        return [picture for picture in likeliest if f"/{picture}".endswith(f"/{name}")] or likeliest

    @cached_property
    def _likely_endings(self) -> list[str]:
        """The endings that occur, the most frequent first, as they are written."""
        return [ending for ending, _ in Counter(PurePosixPath(p).suffix for p in self.pictures).most_common(8)]


def files_below(folder: Path) -> tuple[list[str], list[str]]:
    """Names of pictures and of other files below a folder, sorted, relative to it; hidden ones are passed over.

    Links to folders are followed, each real folder once, so a link to a parent ends. Raises UserError for a
    folder that cannot be read.
    """
    endings = picture_extensions()
    pictures: list[str] = []
    others: list[str] = []
    seen: set[tuple[int, int]] = set()

    def unreadable(error: OSError) -> None:
        raise UserError(f"The folder {error.filename} cannot be read: {error.strerror}.") from error

    for here, folders, files in os.walk(folder, followlinks=True, onerror=unreadable):
        facts = Path(here).stat()
        if (facts.st_dev, facts.st_ino) in seen:
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _JUNK_FOLDERS)
        prefix = "" if here == str(folder) else os.path.relpath(here, folder) + "/"
        for name in files:
            if not name.startswith(".") and name not in _JUNK_FILES:
                wanted = pictures if PurePosixPath(name).suffix.lower() in endings else others
                wanted.append(prefix + name)
    return sorted(pictures), sorted(others)


def not_pictures(files: Iterable[str]) -> tuple[Problem, ...]:
    """A problem for each file that is not a picture by its name."""
    return tuple(Problem(file, "is not a picture by its name") for file in files)


def listed(names: Iterable[str]) -> str:
    """Names as a person lists them: `a, b and c`."""
    names = list(names)
    return "".join(names) if len(names) < 2 else f"{', '.join(names[:-1])} and {names[-1]}"


def _spellings(name: str, encoding: str) -> Iterator[str]:
    """The ways in which a name in a table may stand in the file system."""
    name = name.strip()
    yield name
    if encoding.lower().replace("-", "") not in ("utf8", "utf8sig"):
        with suppress(UnicodeError, LookupError):
            yield os.fsdecode(name.encode(encoding))
    if "\\" in name:
        yield from _spellings(name.replace("\\", "/"), "utf-8")
    if "://" in name and (other := re.split(r"[?#]", name)[0]) != name:
        yield other
    if "%" in name and (other := unquote(name)) != name:
        yield other
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, name)
        if other != name:
            yield other


def how_bent(name: str, picture: str) -> str:
    """In what the file's name of a picture differs from the name in a table that means it, as the end of a sentence;
    empty for case, Unicode form, folders and endings, in which they often do."""
    wanted, there = PurePosixPath(name.strip().replace("\\", "/")).name, picture.rpartition("/")[2]
    if _NUMBER.fullmatch(wanted) and PurePosixPath(there).stem not in (wanted, wanted.partition(".")[0]):
        return "but for zeros before or after the number"
    if _without_blanks(there) != there and _plain(there) != _plain(wanted):
        return "but for blanks around the name"
    if any("\udc80" <= letter <= "\udcff" for letter in there) and _plain(_from_latin(there)) == _plain(wanted):
        return "but for the encoding of the file's name, which is not UTF-8"
    return ""


def _without_blanks(name: str) -> str:
    """A file's name without blanks at its ends and before its ending."""
    stem, dot, ending = name.strip().rpartition(".")
    return f"{stem.strip()}{dot}{ending.strip()}" if dot else ending


def _from_latin(name: str) -> str:
    """A name whose bytes are not UTF-8, read as Windows-1252; else as it is."""
    if not any("\udc80" <= letter <= "\udcff" for letter in name):
        return name
    return os.fsencode(name).decode("cp1252", "replace")


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _without_ending(name: str, endings: frozenset[str]) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending}" in endings else name


def _common_ending(wanted: list[str], there: list[str]) -> int:
    count = 0
    while count < min(len(wanted), len(there)) and wanted[-1 - count] == there[-1 - count]:
        count += 1
    return count
