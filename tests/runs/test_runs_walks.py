"""Random walks over the states of runs: a share in a few seconds, thousands under `make test-storm`."""

import json
import os
import subprocess
import sys

import pytest

from tests.runs.walking import ROOM_FOR_MARK
from vitbench.runs.process import MARK

FULL = os.environ.get("VITBENCH_STORM") == "full"
WALKS = 2000 if FULL else 1000
SECONDS = 7200 if FULL else 12
"""The share of `make test` is as many walks as fit into this time."""


@pytest.mark.storm
@pytest.mark.timeout(SECONDS + 300)
def test_disk_processes_and_locks_agree_after_each_step() -> None:
    command = [sys.executable, "-m", "tests.runs.walks", "20211", str(WALKS), str(SECONDS)]
    answer = subprocess.run(command, capture_output=True, text=True, env={**os.environ, MARK: ROOM_FOR_MARK})
    assert answer.returncode == 0, answer.stderr[-6000:]
    counts = json.loads(answer.stdout)
    assert counts["walks"] == WALKS if FULL else counts["walks"] >= 1
    assert counts["processes"] >= counts["walks"]


@pytest.mark.storm
@pytest.mark.skipif(not FULL, reason="waits for what never agrees; under make test-storm")
@pytest.mark.parametrize("fault", ["two writers", "deaf worker"])
def test_a_walk_finds_a_fault_that_is_put_in(fault: str) -> None:
    """The negative control: with an old fault in the code, the same walks find a disagreement."""
    command = [sys.executable, "-m", "tests.runs.walks", "20211", "400", "240", fault]
    answer = subprocess.run(command, capture_output=True, text=True, env={**os.environ, MARK: ROOM_FOR_MARK})
    assert answer.returncode != 0
    assert "Disagreement" in answer.stderr, answer.stderr[-3000:]


@pytest.mark.storm
@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.skipif(not FULL, reason="real workers; under make test-storm")
def test_disturbed_runs_end_with_the_weights_of_an_undisturbed_one() -> None:
    command = [sys.executable, "-m", "tests.runs.real_walks", "20211", "200", str(SECONDS)]
    answer = subprocess.run(command, capture_output=True, text=True, env={**os.environ, MARK: ROOM_FOR_MARK})
    assert answer.returncode == 0, answer.stderr[-6000:]
    assert json.loads(answer.stdout)["walks"] == 200
