"""The script for a GPU machine, whole, on the CPU: nothing but the device differs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEED_A_GPU = {"lease", "oom", "resume_compiled"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_steps_run_in_small_on_the_cpu(tmp_path):
    script = ROOT / "benchmarks" / "on_gpu.py"
    # As on that machine: nothing is installed there, and the results go where OUT says.
    answer = subprocess.run(
        [sys.executable, str(script), "--size", "small", "--out", str(tmp_path / "out")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    document = json.loads((tmp_path / "out" / "results.json").read_text())
    assert document["machine"]["card"] == "none"
    steps = document["steps"]
    for name, entry in steps.items():
        expected = ("not run", "there is no GPU here") if name in NEED_A_GPU else ("done", "")
        assert (entry["state"], entry["why"]) == expected, name
        assert all(met for _, met, _ in entry["goals"]), name
    figures = {what: value for what, value, _ in steps["train"]["figures"]}
    assert figures["vitbench, from the cache"] > 0
    assert figures["the report's own way: the same from its files, 8 loader processes"] > 0
    assert next(goal for goal, _, _ in steps["resume"]["goals"]) == "final weights bit for bit"
    assert len(steps["maps"]["goals"]) == 12
    table = (tmp_path / "out" / "on_gpu.md").read_text()
    assert "# On a GPU: none" in table
    assert all(f"## {name}\n" in table for name in steps)


def test_a_step_alone_keeps_what_others_found_and_a_failure_ends_no_other(tmp_path):
    program = """
import sys
sys.path[:0] = [sys.argv[1]]
sys.argv = ["on_gpu.py", "--size", "small", "--out", sys.argv[2], "--step", "peak", "lease"]
import on_gpu, gpu.peak
gpu.peak.run = lambda bench: (bench.note("a figure", 7), 1 / 0)
sys.exit(on_gpu.main())
"""
    answer = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "benchmarks"), str(tmp_path)], capture_output=True, check=False
    )
    assert answer.returncode == 1
    steps = json.loads((tmp_path / "results.json").read_text())["steps"]
    assert steps["peak"]["state"] == "failed"
    assert steps["peak"]["figures"] == [["a figure", 7, ""]]
    assert "division" in steps["peak"]["why"]
    assert steps["lease"]["state"] == "not run"


def test_what_the_gpu_machine_lacks_is_what_vitbench_needs_beside_what_is_there():
    """Every package of pyproject.toml but the workbench's own is carried, or is there."""
    import tomllib

    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import wheels_for_gpu
    finally:
        sys.path.pop(0)
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {need.partition(">=")[0] for need in needed} - {"textual"}
    assert names <= {*wheels_for_gpu.MISSING, *wheels_for_gpu.THERE}
