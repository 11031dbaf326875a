"""A disk that has no room for another byte, or another file, from any moment of a training on."""

import json
import os
import random

import pytest
from test_training_storm import assert_equal_to_the_bit, ended, finish
from worker_for_tests import fill_disk, make_room, start_worker, worker_recipe, write_pictures

from vitbench.runs.launcher import MENDABLE
from vitbench.runs.store import Store

pytestmark = pytest.mark.storm
FULL = os.environ.get("VITBENCH_STORM") == "full"
OPERATIONS = 400
"""More than the file operations of one training in its store; in some rounds the disk is full too late to matter."""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lacking", ["bytes", "files"])
def test_a_disk_that_is_full_from_any_moment_on_costs_nothing_but_time(lacking, mounted, tmp_path):
    disk = mounted("size=12m,nr_inodes=300")
    store, recipe = Store(disk), worker_recipe(write_pictures(tmp_path / "pictures"))
    whole = store.create(recipe)
    finish(whole)
    chance, ways = random.Random(f"{lacking} 20211"), set()
    for _ in range(40 if FULL else 2):
        run = store.create(recipe)
        code = ended(start_worker(run.folder, (fill_disk, (run.folder, chance.randint(1, OPERATIONS), lacking))))
        status = run.status()
        ways.add(status.state)
        if status.state == "failed":
            assert code == MENDABLE
            assert "room" in status.error or "space" in status.error or "cannot be written" in status.error
        else:
            assert status.state in ("crashed", "queued", "finished"), status
        for entry in run.checkpoints():
            json.loads((entry.folder / "network.json").read_text())
        make_room(run.folder)
        if status.state != "finished":
            finish(run)
        assert not [path for path in run.folder.rglob("*.tmp") if path.exists()]
        assert_equal_to_the_bit(run, whole)
        store.remove(run)
    assert not FULL or "failed" in ways
