"""What continues a path that is being typed: folders, and the files that a question is about."""

import os
from collections.abc import Iterable
from pathlib import Path

from screens.widgets.picker import Choice
from vitbench.errors import UserError
from vitbench.paths import expanded

_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin")


def folders_below(typed: str) -> list[Choice]:
    """Folders, CSV files and captions in JSON that continue a typed path; an empty one begins in the working folder."""
    folder, start, entries = _continued(typed or f"{Path.cwd()}/")
    wanted = [(name, is_folder) for name, is_folder in entries if name.lower().startswith(start.lower())]
    return [
        Choice(f"{folder}/{name}" + "/" * is_folder, "", more=is_folder)
        for name, is_folder in wanted
        if is_folder or name.lower().endswith((".csv", ".json"))
    ]


def data_places(typed: str, used: Iterable[str]) -> list[Choice]:
    """Data that were `used` before, then what is in the working folder; of a path that is typed, what continues it."""
    if typed.startswith(("/", "~", ".")):
        return folders_below(typed)
    return [*(Choice(path, "used before") for path in used if typed.lower() in path.lower()), *folders_below(typed)]


def files_below(typed: str, endings: tuple[str, ...]) -> list[Choice]:
    """Folders and the files with these endings that continue a typed path, or that of the working folder."""
    folder, start, entries = _continued(typed or f"{Path.cwd()}/")
    wanted = [(name, is_folder) for name, is_folder in entries if name.lower().startswith(start.lower())]
    return [
        Choice(f"{folder}/{name}" + "/" * is_folder, "", more=is_folder)
        for name, is_folder in wanted
        if is_folder or name.lower().endswith(endings)
    ]


def captioners_below(typed: str) -> list[Choice]:
    """Folders and weight files that continue a typed path; a folder that holds a captioner can be taken itself."""
    folder, start, entries = _continued(typed or f"{Path.cwd()}/")
    names = {name for name, is_folder in entries if not is_folder}
    whole = names & {"config.json", "network.json"} and not start
    here = [Choice(folder or "/", "the captioner saved in this folder")] if whole else []
    below = [Choice(f"{folder}/{name}/", "", more=True) for name, is_folder in entries if is_folder]
    below += [Choice(f"{folder}/{name}") for name in sorted(names) if name.endswith(_WEIGHTS)]
    return here + [choice for choice in below if choice.value[len(folder) + 1 :].lower().startswith(start.lower())]


def pictures_below(typed: str) -> list[Choice]:
    """Folders and pictures that continue a typed path; a folder with a picture in it can be taken itself."""
    from vitbench.data.pictures import picture_extensions

    folder, start, entries = _continued(typed or f"{Path.cwd()}/")
    endings = picture_extensions()
    pictures = [name for name, is_folder in entries if not is_folder and Path(name).suffix.lower() in endings]
    here = [Choice(folder or "/", f"all {len(pictures)} pictures of this folder")] if pictures and not start else []
    wanted = start.lower()
    below = [Choice(f"{folder}/{name}/", "", more=True) for name, is_folder in entries if is_folder]
    chosen = below + [Choice(f"{folder}/{name}") for name in pictures]
    return here + [choice for choice in chosen if choice.value[len(folder) + 1 :].lower().startswith(wanted)]


def _continued(typed: str) -> tuple[str, str, list[tuple[str, bool]]]:
    """The folder of a typed path, how its last part begins, and (name, is a folder) of all that is there."""
    folder, _, start = typed.rpartition("/")
    try:
        with os.scandir(typed_path(folder or "/")) as found:
            return folder, start, sorted((entry.name, entry.is_dir()) for entry in found if entry.name[:1] != ".")
    except OSError:
        return folder, start, []


def typed_path(text: str) -> Path:
    """The path that a person typed, with `~` replaced if that means a home; else as it is, which is then not found."""
    try:
        return expanded(text)
    except UserError:
        return Path(text)


def full_path(data: str) -> str:
    """The data path as the worker, which starts elsewhere, can find it; `scenes:` stays."""
    return data if ":" in data.split("/")[0] else str(typed_path(data).absolute())
