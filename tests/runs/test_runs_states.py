"""The states of a run: the code does what docs/run-states.md says, and there is one writer of them."""

import ast
import itertools
import re
from pathlib import Path
from typing import get_args

import pytest

from vitbench.errors import UserError
from vitbench.recipe import Recipe
from vitbench.runs.states import ENDED, STARTABLE, TRANSITIONS, Actor, State
from vitbench.runs.status import read_status, status_file, write_status
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import RunBusy, RunGone, StateChanged, leave_request, state_lock, transition

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "run-states.md"
ACTORS: tuple[Actor, ...] = get_args(Actor)
STATES: tuple[State, ...] = get_args(State)


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without the head of the table."""
    section = DOCUMENT.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row] for row in rows[2:]]


def documented() -> set[tuple[str, str, str]]:
    rows = table("Who may change which into which")
    return {(before, after, by) for before, after, who, _ in rows for by in re.split(r",\s*", who)}


@pytest.fixture
def run(store: Path) -> Run:
    values = {"model": {"name": "demo"}, "data": {"path": "pictures"}}
    return Store(store).create(Recipe.model_validate(values), name="pets")


def test_the_table_is_what_the_code_allows() -> None:
    allowed = {(b, a, by) for by, changes in TRANSITIONS.items() for b, afters in changes.items() for a in afters}
    assert documented() == allowed
    assert [row[0] for row in table("What each state means")] == list(STATES)


def test_the_table_says_what_can_be_resumed_and_where_a_worker_lives() -> None:
    rows = table("What each state means")
    assert {state for state, _, _, then in rows if "resume" in then} == set(STARTABLE)
    assert [state for state, _, lives, _ in rows if lives == "yes"] == ["running"]


def test_every_change_is_made_or_refused_as_the_table_says(run: Run) -> None:
    allowed = documented()
    assert 20 < len(allowed) < len(STATES) ** 2 * len(ACTORS)
    for before, after, by in itertools.product(STATES, STATES, ACTORS):
        write_status(run.folder, read_status(run.folder).model_copy(update={"state": before}))
        if (before, after, by) in allowed:
            status = transition(run, before, after, by=by)
            assert status == read_status(run.folder)
            assert status.state == after
            assert (status.ended_at is not None) == (after in ENDED)
            assert after == "running" or (status.process, status.gpus) == (None, [])
        else:
            with pytest.raises(ValueError, match="may not change"):
                transition(run, before, after, by=by)
            assert read_status(run.folder).state == before


def test_a_run_that_somebody_else_has_changed_is_left_alone(run: Run) -> None:
    transition(run, "queued", "stopped", by="person")
    before = status_file(run.folder).read_bytes()
    with pytest.raises(StateChanged, match="is stopped meanwhile"):
        transition(run, "queued", "paused", by="person")
    with pytest.raises(StateChanged):
        transition(run, "stopped", "queued", by="launcher", where=lambda status: status.name == "birds")
    assert status_file(run.folder).read_bytes() == before


def test_requests_are_for_the_worker_that_runs(run: Run) -> None:
    assert not leave_request(run, "pause")
    assert run.requests() == set()
    run.request("stop")
    transition(run, "queued", "running", by="launcher")
    assert run.requests() == set()
    assert leave_request(run, "pause")
    transition(run, "running", "running", by="worker")
    assert run.requests() == {"pause"}
    transition(run, "running", "finished", by="worker")
    assert run.requests() == set()


def test_a_stop_that_was_asked_for_while_the_worker_pauses_counts(run: Run) -> None:
    transition(run, "queued", "running", by="launcher")
    assert leave_request(run, "stop")
    assert transition(run, "running", "paused", by="worker").state == "stopped"
    assert run.requests() == set()


def test_a_run_that_is_gone_does_not_come_back(run: Run, store: Path) -> None:
    moved = run.folder.rename(store / "elsewhere")
    with pytest.raises(RunGone, match="has been deleted"):
        transition(run, "queued", "paused", by="person")
    assert not run.folder.exists()
    assert read_status(moved).state == "queued"


def test_a_lock_that_hangs_is_named(run: Run) -> None:
    with state_lock(run), pytest.raises(RunBusy, match=r"state\.lock for 0 seconds"), state_lock(run, patience=0.0):
        pass


def test_a_damaged_status_is_set_aside_and_the_recipe_fills_the_gap(run: Run) -> None:
    status_file(run.folder).write_text('{"state": "runn')
    assert run.status().state == "crashed"
    assert transition(run, "crashed", "stopped", by="person").model == "demo"
    assert (run.folder / "status.json.damaged").read_text() == '{"state": "runn'
    assert run.status().state == "stopped"


def test_nothing_else_writes_a_status() -> None:
    """`write_status` is called by `transition`, and by the store when it makes a run; nobody opens the file."""
    callers = set()
    for file in [*(ROOT / "vitbench").rglob("*.py"), *(ROOT / "screens").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Name) and node.id in ("write_status", "status_file"):
                callers.add(str(file.relative_to(ROOT)))
    expected = {"transition.py", "store.py", "status.py"}
    assert callers == {f"vitbench/runs/{name}" for name in expected}


def test_a_person_is_told_and_not_shown_a_traceback() -> None:
    for kind in (StateChanged, RunGone, RunBusy):
        assert issubclass(kind, UserError)
