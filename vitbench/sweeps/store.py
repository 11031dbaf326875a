"""The sweeps of a store: `STORE/sweeps/ID/` with the plan and whether it goes on. Everything else is in the runs."""

import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object, to_json
from vitbench.files.writing import temporary_folder, write_whole
from vitbench.runs.store import Store
from vitbench.sweeps.plan import Plan, parse_plan
from vitbench.text import clean, shortened

SweepState = Literal["running", "stopped", "finished", "failed"]
_STATES: tuple[SweepState, ...] = get_args(SweepState)


@dataclass(frozen=True)
class Sweep:
    """One sweep, read afresh at each question."""

    folder: Path

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def store(self) -> Store:
        """The store it belongs to."""
        return Store(self.folder.parent.parent)

    @property
    def lock_file(self) -> Path:
        """Held by its manager."""
        return self.folder / "manager.lock"

    def plan(self) -> Plan:
        """The plan as it stands. Raises UserError if it cannot be read."""
        file = self.folder / "plan.json"
        return parse_plan(read_json_object(file), str(file))

    def change(self, plan: Plan) -> None:
        """Replaces the plan. Raises OSError."""
        write_whole(self.folder / "plan.json", to_json(plan.model_dump(mode="json"), indent=1))

    def state(self) -> tuple[SweepState, str]:
        """Whether it goes on, and why not, as a sentence; a file that cannot be read means that it does not."""
        try:
            values = read_json_object(self.folder / "state.json")
        except UserError as error:
            return "failed", str(error)
        state = values.get("state")
        for known in _STATES:
            if known == state:
                return known, str(values.get("why") or "")
        return (
            "failed",
            f"{self.folder / 'state.json'} says {shortened(str(state))!r}, which is not a state of a sweep.",
        )

    def set_state(self, state: SweepState, why: str = "") -> None:
        """Raises OSError."""
        write_whole(self.folder / "state.json", to_json({"state": state, "why": why}, indent=1))


def create_sweep(store: Store, plan: Plan) -> Sweep:
    """A new sweep, running from the first moment that it can be seen. Raises UserError if it cannot be written."""
    readable = re.sub(r"[^a-z0-9]+", "-", plan.name.lower()).strip("-")[:24] or "sweep"
    sweeps = store.folder / "sweeps"
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{readable}-{secrets.token_hex(2)}"
    try:
        sweeps.mkdir(parents=True, exist_ok=True)
        with temporary_folder(sweeps / "new") as unfinished:
            sweep = Sweep(unfinished)
            sweep.change(plan)
            sweep.set_state("running")
            unfinished.rename(sweeps / name)
    except OSError as error:
        raise UserError(f"No sweep can be made in {sweeps}: {error.strerror or error}.") from error
    return Sweep(sweeps / name)


def all_sweeps(store: Store) -> list[Sweep]:
    """All sweeps, the oldest first."""
    try:
        folders = sorted(entry for entry in (store.folder / "sweeps").iterdir() if not entry.name.startswith("."))
    except OSError:
        return []
    return [Sweep(folder) for folder in folders if (folder / "plan.json").is_file()]


def find_sweep(store: Store, text: str) -> Sweep | None:
    """The sweep with this id, beginning of an id, or name; `last` is the newest; None if there is none.

    Raises UserError if several may be meant.
    """
    sweeps = all_sweeps(store)
    if text == "last" and sweeps:
        return sweeps[-1]
    exact = [sweep for sweep in sweeps if sweep.id == text]
    found = exact or [sweep for sweep in sweeps if text and sweep.id.startswith(text)]
    found = found or [sweep for sweep in sweeps if text and _name(sweep) == text]
    if len(found) > 1:
        some = ", ".join(sweep.id for sweep in found[:4])
        raise UserError(f"{clean(text)!r} may mean {len(found)} sweeps ({some}); give more of the id.")
    return found[0] if found else None


def _name(sweep: Sweep) -> str:
    try:
        return sweep.plan().name
    except UserError:
        return ""
