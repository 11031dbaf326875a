"""What takes how much, and freeing it: never of a running run, never the checkpoint that a run would go on from."""

import json

import pytest

from tests.runs.run_helpers import new
from vitbench import cli
from vitbench.errors import UserError
from vitbench.files.writing import temporary_folder
from vitbench.runs.checkpoints import Index, checkpoint_steps, read_index, step_folder, write_index
from vitbench.runs.disk_usage import free, freeable, run_usage, size_of
from vitbench.runs.lock import RunLock
from vitbench.runs.store import Store

SIZE = 40_960


@pytest.fixture(autouse=True)
def no_weights_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def trained(shop: Store, state: str, steps=(1, 2, 3, 4), best=3, kept=(1,), obsolete=(2,)):
    run = new(shop, state=state)
    folder = run.folder / "checkpoints"
    for step in steps:
        step_folder(folder, step).mkdir(parents=True)
        (step_folder(folder, step) / "model.safetensors").write_bytes(b"x" * SIZE)
    write_index(folder, Index(max(steps), best, frozenset(kept), obsolete=frozenset(obsolete)))
    return run


@pytest.fixture
def at_work():
    """Makes this process the worker of a run."""
    locks = []

    def holding(run):
        locks.append(RunLock(run.folder))
        assert locks[-1].acquire()
        return run

    yield holding
    for lock in locks:
        lock.release()


def steps_of(items):
    return {item.step for item in items if not item.keep}


def test_sizes_are_those_of_the_files_and_hard_links_count_once(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * SIZE)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").symlink_to("/etc")
    folder = size_of(tmp_path) - size_of(tmp_path / "a")
    assert size_of(tmp_path / "a") == SIZE
    assert 0 <= folder <= 8192


def test_checkpoints_that_a_run_needs_stay(store, at_work):
    shop = Store(store)
    stopped, finished = trained(shop, "stopped"), trained(shop, "finished")
    running = at_work(trained(shop, "running"))
    of = lambda **options: {  # noqa: E731
        run.id: steps_of(item for item in freeable(shop, ["checkpoints"], **options) if item.run == run.id)
        for run in (stopped, finished, running)
    }
    assert of() == {stopped.id: {2}, finished.id: {2, 4}, running.id: set()}
    everyone = [stopped, finished, running]
    assert of(runs=everyone) == {stopped.id: {1, 2}, finished.id: {1, 2, 4}, running.id: set()}
    assert of(runs=everyone, last_too=True) == {stopped.id: {1, 2, 4}, finished.id: {1, 2, 4}, running.id: set()}
    reasons = {item.step: item.keep for item in freeable(shop, ["checkpoints"], [stopped])}
    assert "can be resumed; name the run and say --last" in reasons[4]
    assert reasons[3] == "the best"


def test_a_freed_checkpoint_is_gone_and_the_index_is_right(store):
    shop = Store(store)
    run = trained(shop, "stopped")
    before = run_usage(run)
    for item in freeable(shop, ["checkpoints"], [run]):
        if not item.keep:
            free(shop, item)
    assert checkpoint_steps(run.folder / "checkpoints") == [3, 4]
    index = read_index(run.folder / "checkpoints")
    assert (index.last, index.best, index.kept, index.obsolete) == (4, 3, frozenset(), frozenset())
    assert before.checkpoints - run_usage(run).checkpoints >= 2 * SIZE
    assert not [path for path in (run.folder / "checkpoints").iterdir() if path.name.startswith(".")]


def test_a_run_that_was_started_meanwhile_keeps_all(store):
    shop = Store(store)
    run = trained(shop, "stopped")
    items = [item for item in freeable(shop, ["checkpoints"], [run]) if not item.keep]
    lock = RunLock(run.folder)
    assert lock.acquire()
    with pytest.raises(UserError, match="has been started"):
        free(shop, items[0])
    lock.release()
    assert len(checkpoint_steps(run.folder / "checkpoints")) == 4


def test_caches_stay_while_a_run_is_running(store, at_work):
    shop = Store(store)
    for kind in ("cache", "scenes"):
        (store / kind / "one").mkdir(parents=True)
        (store / kind / "one" / "pixels.bin").write_bytes(b"x" * SIZE)
    before = freeable(shop, ["cache", "scenes"])
    assert {item.keep for item in before} == {""}
    with temporary_folder(store / "cache" / "two"):
        assert [item.keep for item in freeable(shop, ["cache"])] == ["it is being made", ""]
    running = at_work(trained(shop, "running"))
    assert {item.keep for item in freeable(shop, ["cache", "scenes"])} == {
        f"run {running.id} is running, and may read it"
    }
    with pytest.raises(UserError, match="may read it"):
        free(shop, before[0])


def test_a_freed_cache_leaves_nothing(store):
    (store / "cache" / "one").mkdir(parents=True)
    (store / "cache" / "one.lock").touch()  # of an earlier version
    (store / "cache" / ".two.4711-abcd.tmp").mkdir()  # of a killed process
    shop = Store(store)
    for item in freeable(shop, ["cache"]):
        free(shop, item)
    assert list((store / "cache").iterdir()) == []


def test_the_commands_say_ask_and_free(store, capsys, monkeypatch, tmp_path):
    shop = Store(store)
    run = trained(shop, "finished")
    (store / "cache" / "one").mkdir(parents=True)
    (store / "cache" / "one" / "pixels.bin").write_bytes(b"x" * SIZE)
    weights = tmp_path / "hub" / "models--timm--some"
    weights.mkdir(parents=True)
    (weights / "model.safetensors").write_bytes(b"x" * SIZE)
    assert cli.main(["du", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["runs"][0]["run"] == run.id
    assert told["runs"][0]["checkpoints"] >= 4 * SIZE
    assert told["cache"][0]["size"] >= SIZE
    assert told["weights"][0]["path"] == str(weights)
    assert cli.main(["du"]) == 0
    assert "in all" in capsys.readouterr().out
    assert cli.main(["prune", "cache", "checkpoints", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "decoded again when needed" in said
    assert "kept: the best" in said
    assert len(checkpoint_steps(run.folder / "checkpoints")) == 4
    assert cli.main(["prune", "cache"]) == 2  # nobody can be asked
    assert "say --yes" in capsys.readouterr().err
    assert cli.main(["prune", "checkpoints", "--last"]) == 2
    assert "name the runs with --run" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert cli.main(["prune", "cache"]) == 1
    assert (store / "cache" / "one").exists()
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert cli.main(["prune", "cache", "checkpoints"]) == 0
    assert "Freed" in capsys.readouterr().out
    assert not (store / "cache" / "one").exists()
    assert checkpoint_steps(run.folder / "checkpoints") == [1, 3]
    assert weights.exists()
    assert cli.main(["prune", "weights", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["freed"] >= SIZE
    assert not weights.exists()


class Terminal:
    """A terminal in which somebody answers."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self.answer
