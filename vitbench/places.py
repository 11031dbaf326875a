"""Where things lie on disk: the store of runs, and the data that comes with the package."""

import os
from pathlib import Path

from vitbench.errors import UserError

_PACKAGE = Path(__file__).resolve().parent


def store_folder(chosen: str | os.PathLike[str] | None = None) -> Path:
    """The folder that holds runs and caches: `--store`, else `VITBENCH_HOME`, else the XDG data folder.

    Raises UserError if a file stands in its place.
    """
    if chosen:
        folder = Path(chosen)
    elif os.environ.get("VITBENCH_HOME"):
        folder = Path(os.environ["VITBENCH_HOME"])
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "vitbench"
    folder = folder.expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"The store {folder} is a file; name a folder with --store or VITBENCH_HOME.")
    return folder


def sample_images() -> Path:
    """The pictures that come with vitbench, in a checkout and in an installation alike."""
    installed = _PACKAGE / "sample_images"
    return installed if installed.is_dir() else _PACKAGE.parent / "sample_images"


def shipped_weights() -> Path:
    """The folder of the small trained weights that come with vitbench."""
    return _PACKAGE / "weights"
