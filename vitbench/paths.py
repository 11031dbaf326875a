"""Where things lie on disk: the store of runs, and the data that comes with the package."""

import os
import stat
from pathlib import Path

from vitbench.errors import UserError
from vitbench.text import shortened

_PACKAGE = Path(__file__).resolve().parent


def store_folder(chosen: str | os.PathLike[str] | None = None) -> Path:
    """The folder that holds runs and caches: `--store`, else `VITBENCH_HOME`, else the XDG data folder.

    Raises UserError if a file stands in its place.
    """
    if chosen:
        folder = expanded(chosen)
    elif os.environ.get("VITBENCH_HOME"):
        folder = expanded(os.environ["VITBENCH_HOME"])
    else:
        folder = expanded(os.environ.get("XDG_DATA_HOME") or "~/.local/share") / "vitbench"
    folder = folder.absolute()
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except FileNotFoundError:
        is_folder = not folder.is_symlink()  # it is made when it is needed; a link to nowhere is not replaced
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "no folder can have this name"
        raise UserError(f"The store {shortened(str(folder))} cannot be used: {reason}.") from error
    if not is_folder:
        raise UserError(f"The store {folder} is not a folder; name one with --store or VITBENCH_HOME.")
    return folder


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path with `~` and `~user` replaced. Raises UserError if there is no such user, or no home."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"{shortened(str(path))} has no meaning here: there is no such user, or no home folder (HOME is not set);"
            " give the path without ~, or name a store with --store or VITBENCH_HOME."
        ) from error


def sample_images() -> Path:
    """The pictures that come with vitbench, in a checkout and in an installation alike."""
    installed = _PACKAGE / "sample_images"
    return installed if installed.is_dir() else _PACKAGE.parent / "sample_images"


def shipped_weights() -> Path:
    """The folder of the small trained weights that come with vitbench."""
    return _PACKAGE / "weights"
