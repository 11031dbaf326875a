"""20,000 hostile inputs: no traceback, hang, memory beyond the limit, write outside, executed payload or silent loss.

`make test` runs a share of them, `make test-storm` all, and writes benchmarks/results/attacks.md.
"""

import multiprocessing
import os
import platform
import random
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import data_targets
import network_targets
import pytest
import run_targets
from attack import Outcome, Target, run, table
from hostile import NO_FILES

FULL = os.environ.get("VITBENCH_STORM") == "full"
INPUTS = 20_000 if FULL else 1_000
SEED = 20_000 if FULL else int(os.environ.get("VITBENCH_ATTACK_SEED", "1"))

TARGETS = [
    Target("recipe files", 0.14, run_targets.recipes),
    Target("--set", 0.06, run_targets.overrides),
    Target("pictures", 0.06, data_targets.pictures),
    Target("tables of labels", 0.06, data_targets.tables),
    Target("captions", 0.06, data_targets.captions),
    Target("masks", 0.08, data_targets.masks),
    Target("odd folders", 0.02, data_targets.odd_folders),
    Target("status.json", 0.08, run_targets.statuses),
    Target("log.jsonl", 0.08, run_targets.logs),
    Target("event files", 0.06, run_targets.events),
    Target("names.json", 0.04, run_targets.names),
    Target("run names", 0.03, run_targets.run_names),
    Target("checkpoints", 0.02, network_targets.checkpoints),
    Target("environment.json", 0.03, network_targets.environments),
    Target("weight files", 0.04, network_targets.weight_files),
    Target("network.json", 0.01, network_targets.network_json),
    Target("captioner.json", 0.02, network_targets.captioner_json),
    Target("saved folders", 0.02, network_targets.saved_folders),
    Target("settings", 0.04, data_targets.settings),
    Target("inspector frames", 0.05, data_targets.frames),
]

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.storm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_an_attack_ends_in_a_value_or_a_sentence(target: Target, tmp_path: Path) -> None:
    if FULL:
        pytest.skip("all of them are attacked at once")
    outcome = run(target, round(INPUTS * target.share), SEED, tmp_path)
    assert not outcome.faults, "\n".join(outcome.faults[:30])
    assert outcome.taken + outcome.refused == round(INPUTS * target.share)


@pytest.mark.storm
@pytest.mark.timeout(7200)
def test_all_attacks_in_full_and_the_result_is_written(tmp_path: Path) -> None:
    if not FULL:
        pytest.skip("`make test-storm` runs them in full")
    # Each target has a process of its own, so that the memory of one is not another's.
    context = multiprocessing.get_context("spawn")
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, mp_context=context, max_tasks_per_child=1) as pool:
        order = sorted(range(len(TARGETS)), key=lambda number: -TARGETS[number].share)
        jobs = {number: pool.submit(_attack, number, tmp_path / str(number)) for number in order}
        outcomes = [jobs[number].result() for number in range(len(TARGETS))]
    results = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "attacks.md"
    results.write_text(report(outcomes))
    assert sum(outcome.inputs for outcome in outcomes) >= INPUTS
    assert not [fault for outcome in outcomes for fault in outcome.faults]


def _attack(number: int, folder: Path) -> Outcome:
    warnings.simplefilter("ignore")
    return run(TARGETS[number], round(INPUTS * TARGETS[number].share), SEED, folder)


def report(outcomes: list[Outcome]) -> str:
    """The committed result."""
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    return (
        "# Attacks\n\n"
        f"Written by `make test-storm` (`tests/attacks/`, seed {SEED}), Python {platform.python_version()} on"
        f" {platform.system()} with {len(os.sched_getaffinity(0))} cores, as"
        f" {'root' if os.getuid() == 0 else 'an ordinary user'}."
        " A fault is any exception but a sentence for the person, more than 10 s for one input, more than 600 MB for"
        " all inputs of a target, escape codes or invalid JSON that is printed, a file written outside, a payload that"
        " ran, or a checkpoint that is gone. About 3 of 100 files are none: "
        f"{', '.join(NO_FILES)}.\n\n{table(outcomes)}\n"
        + (f"## Faults\n\n{''.join(f'- {fault}' + chr(10) for fault in faults[:100])}" if faults else "No faults.\n")
    )


def test_the_judge_finds_each_kind_of_fault(tmp_path: Path) -> None:
    """A control: a target that does everything wrong has a fault for each."""

    def prepare(place: Path):
        def attempt(seed: random.Random, place: Path) -> str:
            number = len(list(place.iterdir()))
            (place / str(number)).touch()
            if number == 0:
                raise ValueError("a traceback")
            if number == 1:
                while True:
                    pass
            if number == 2:
                (place.parent / "outside" / "new").touch()
            if number == 3:
                (place.parent / "executed").touch()
            return ""

        return attempt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("attack.SECONDS", 0.3)
        outcome = run(Target("bad", 1.0, prepare), 4, 0, tmp_path)
    assert [fault.split(": ")[1].split(" ")[0] for fault in outcome.faults] == ["ValueError", "Hang", "wrote", "a"]
    assert outcome.taken == 2
