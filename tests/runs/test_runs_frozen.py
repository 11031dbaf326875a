"""What a run was queued with, and what is said at its start when that is not so any more."""

import json
import os

import pytest

from tests.runs.run_helpers import new
from vitbench.runs import frozen
from vitbench.runs.frozen import FILE, data_state, differences, freeze
from vitbench.runs.launcher import launch
from vitbench.runs.store import Store


@pytest.fixture
def pictures(tmp_path):
    for name in ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg"):
        file = tmp_path / "pictures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 10)
        os.utime(file, (1e9, 1e9))
    return tmp_path / "pictures"


@pytest.fixture
def run(store, pictures):
    run = new(Store(store))
    recipe = run.recipe().with_data(str(pictures))
    (run.folder / "recipe.toml").write_text(recipe.to_toml())
    freeze(run, recipe)
    return run


def said(run):
    return " ".join(differences(run, run.recipe()))


def test_nothing_is_said_where_nothing_changed_nor_of_a_run_that_never_waited(run, store):
    assert said(run) == ""
    assert said(new(Store(store))) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda folder: (folder / "dog/2.jpg").write_bytes(b"more"),
            "are 4 files with 34 bytes; there were 3 files with",
        ),
        (lambda folder: (folder / "dog/1.jpg").unlink(), "are 2 files with 20 bytes; there were 3 files"),
        (lambda folder: (folder / "dog/1.jpg").rename(folder / "cat/3.jpg"), "have changed since the run was queued"),
        (lambda folder: (folder / "dog/1.jpg").write_bytes(b"x" * 11), "are 3 files with 31 bytes"),
        (lambda folder: (folder / "dog/1.jpg").write_bytes(b"y" * 10), "written anew since the run was queued"),
        (
            lambda folder: (folder / "dog/1.jpg").symlink_to("/dev/zero") if (folder / "dog/1.jpg").unlink() else 0,
            "have",
        ),
        (lambda folder: folder.rename(folder.with_name("elsewhere")), "could not be compared"),
    ],
)
def test_what_happened_to_the_data_is_said(run, pictures, change, words):
    change(pictures)
    assert words in said(run)


def test_a_second_time_in_the_queue_does_not_hide_a_change(run, pictures):
    (pictures / "dog/2.jpg").write_bytes(b"more")
    freeze(run, run.recipe())
    assert "have changed" in said(run)


def test_the_recipe_and_the_packages_are_compared(run):
    with (run.folder / "recipe.toml").open("a") as stream:
        stream.write("\n# a word\n")
    document = json.loads((run.folder / FILE).read_text())
    document["packages"] |= {"torch": "1.0", "timm": None}
    (run.folder / FILE).write_text(json.dumps(document))
    words = said(run)
    assert "recipe.toml in the run's folder has been edited" in words
    assert ", and was 1.0 when the run was queued" in words
    assert ", and was missing when the run was queued" in words


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"data": 3, "packages": []}', '{"data": {"files": "x"}}', "\0"])
def test_a_damaged_record_is_said_and_stops_nothing(run, text):
    (run.folder / FILE).write_text(text)
    assert said(run)


def test_odd_data_cost_a_moment_at_most(tmp_path, pictures, monkeypatch):
    (pictures / "again").symlink_to(pictures)
    os.mkfifo(pictures / "pipe.jpg")
    (pictures / "new\nline \x1b[31m.jpg").touch()
    (pictures / os.fsdecode(b"\xff\xfe")).mkdir()
    state = data_state(str(pictures))
    assert state.files == 6
    table = tmp_path / "table.csv"
    table.write_text("file,label\n")
    assert data_state(str(table)).files == 1
    assert data_state("scenes:base") is None
    assert data_state("nul\0byte") is None
    assert data_state(str(pictures), longest=-1.0) is None


def test_a_run_that_waits_is_frozen_and_one_that_starts_is_not(store, monkeypatch):
    monkeypatch.setenv("VITBENCH_GPUS", "")
    monkeypatch.setattr("vitbench.runs.queue.start_scheduler", lambda store: None)
    held = new(Store(store))
    assert launch(held, held=True) is None
    assert set(json.loads((held.folder / FILE).read_text())["packages"]) == set(frozen.DECIDE_BITS)
