"""Data sets that are written when they are first asked for: `scenes:new?count=3700&size=96&seed=0`."""

from pathlib import Path
from urllib.parse import parse_qsl

from vitbench.data.making import made_once
from vitbench.data.scenes import KIND_SETS
from vitbench.data.scenes.export import write_scenes
from vitbench.errors import UserError
from vitbench.progress import Progress, silent

_DEFAULTS = {"count": 4000, "size": 96, "seed": 0}


def scenes_folder(address: str, store: Path, progress: Progress = silent) -> tuple[Path, str]:
    """The folder of the scenes that `address` names, written below the store if need be, and a sentence on them.

    Raises UserError for an address that names none.
    """
    kinds, _, query = address.removeprefix("scenes:").partition("?")
    kinds = kinds or "base"
    if kinds not in KIND_SETS:
        raise UserError(f"{address}: there are no {kinds!r} scenes; write scenes:{' or scenes:'.join(KIND_SETS)}.")
    numbers = dict(_DEFAULTS)
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in numbers:
            raise UserError(f"{address}: scenes have no {key!r}; give {', '.join(numbers)}.")
        if not (value.isascii() and value.isdigit()):
            raise UserError(f"{address}: {key} is {value!r}; it must be a whole number.")
        numbers[key] = int(value)
    name = "-".join([kinds, *(f"{key}{number}" for key, number in numbers.items())])
    folder = store / "scenes" / name
    sentence = (
        f"Generated scenes of the {kinds} kinds: {numbers['count']:,} pictures of "
        f"{numbers['size']}x{numbers['size']}, seed {numbers['seed']}, in {folder}."
    )

    def make(unfinished: Path) -> None:
        write_scenes(unfinished, kinds=kinds, progress=progress, **numbers)

    return made_once(folder, make, what="the scenes", progress=progress), sentence
