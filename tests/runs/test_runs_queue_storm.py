"""Kills of schedulers and workers over a queue: a few in `make test`, 50 over 30 trainings under `make test-storm`."""

import json
import os
import subprocess
import sys

import pytest

from tests.runs.walking import ROOM_FOR_MARK
from vitbench.runs.process import MARK

FULL = os.environ.get("VITBENCH_STORM") == "full"


@pytest.mark.storm
@pytest.mark.timeout(7200 if FULL else 300)
def test_every_run_of_a_queue_ends_once_whoever_is_killed() -> None:
    runs, kills, kind = (30, 50, "real") if FULL else (5, 8, "played")
    command = [sys.executable, "-m", "tests.runs.queue_storm", "50", str(runs), str(kills), kind]
    answer = subprocess.run(command, capture_output=True, text=True, env={**os.environ, MARK: ROOM_FOR_MARK})
    assert answer.returncode == 0, answer.stderr[-6000:]
    counts = json.loads(answer.stdout)
    assert counts["runs"] == runs
    assert counts["kills"] >= kills
