"""Data sets that are written when they are first asked for: `scenes:new?count=3700&size=96&seed=0`."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from vitbench.data.making import made_once
from vitbench.data.scenes import KIND_SETS
from vitbench.data.scenes.export import write_scenes
from vitbench.errors import UserError
from vitbench.nearest import perhaps
from vitbench.progress import Progress, silent

_DEFAULTS = {"count": 4000, "size": 96, "seed": 0}


@dataclass(frozen=True)
class ScenesAddress:
    """What `scenes:KINDS?count=N&size=N&seed=N` asks for: `count` pictures of `size` x `size` pixels."""

    kinds: str
    count: int
    size: int
    seed: int

    def folder(self, store: Path) -> Path:
        """Where they are once they are written."""
        return store / "scenes" / f"{self.kinds}-count{self.count}-size{self.size}-seed{self.seed}"

    @property
    def sentence(self) -> str:
        """What they are, without where."""
        return (
            f"Generated scenes of the {self.kinds} kinds: {self.count:,} pictures of {self.size}x{self.size}, "
            f"seed {self.seed}"
        )


def read_address(address: str) -> ScenesAddress:
    """The scenes that `address` names. Raises UserError for an address that names none."""
    kinds, _, query = address.removeprefix("scenes:").partition("?")
    kinds = kinds or "base"
    if kinds not in KIND_SETS:
        near, known = perhaps(kinds, KIND_SETS), " or scenes:".join(KIND_SETS)
        raise UserError(f"{address}: there are no {kinds!r} scenes{near}; write scenes:{known}.")
    numbers = dict(_DEFAULTS)
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in numbers:
            raise UserError(f"{address}: scenes have no {key!r}{perhaps(key, numbers)}; give {', '.join(numbers)}.")
        if not (value.isascii() and value.isdigit()):
            raise UserError(f"{address}: {key} is {value!r}; it must be a whole number.")
        numbers[key] = int(value)
    return ScenesAddress(kinds, **numbers)


def scenes_folder(address: str, store: Path, progress: Progress = silent) -> tuple[Path, str]:
    """The folder of the scenes that `address` names, written below the store if need be, and a sentence on them.

    Raises UserError for an address that names none.
    """
    scenes = read_address(address)
    folder = scenes.folder(store)

    def make(unfinished: Path) -> None:
        write_scenes(
            unfinished, kinds=scenes.kinds, count=scenes.count, size=scenes.size, seed=scenes.seed, progress=progress
        )

    return made_once(folder, make, what="the scenes", progress=progress), f"{scenes.sentence}, in {folder}."
