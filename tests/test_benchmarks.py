"""Each result that is committed is one that a script writes whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
BY_OTHERS = {"attacks": "tests/attacks"}
"""Results of tests."""


@pytest.fixture
def result_file(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import result_file

    yield result_file
    for name in ("result_file", "machine"):
        sys.modules.pop(name, None)


def test_each_result_has_its_script():
    scripts = "\n".join(file.read_text() for file in BENCHMARKS.rglob("*.py"))
    results = {file.stem for file in (BENCHMARKS / "results").glob("*.md")} - set(BY_OTHERS)
    assert len(results) > 10
    for name in sorted(results):
        assert re.search(rf'ResultFile\(\s*"{name}"|{name}\.md"', scripts), f"no script writes {name}.md"


def test_a_result_names_machine_goals_and_load(result_file, tmp_path):
    result = result_file.ResultFile("any", "A title", "numpy", out=tmp_path / "any.md")
    result.goal("below 2 s", False)
    assert not (tmp_path / "any.md").exists()
    result.write()
    text = (tmp_path / "any.md").read_text()
    assert text.startswith("# A title\n\n- processor: ")
    assert "- versions: numpy 2" in text
    assert "Goal, below 2 s: MISSED." in text
    assert re.search(r"Other processes took \d+\.\d\d of \d+ cores", text)


OWN_WORK = r"""
import subprocess, sys
from result_file import _Busy, _all_seconds, _own_seconds
busy = _Busy()
burn = "import os\nwhile sum(os.times()[:2]) < 0.4: sum(range(10_000))"
subprocess.run([sys.executable, "-c", burn])
exec(burn)
print(_own_seconds() - busy.own, _all_seconds() - busy.all)
"""


def test_own_work_is_that_of_the_script_and_its_children():
    """In a process of its own: what a process of tests has for children comes and goes."""
    command = [sys.executable, "-c", OWN_WORK]
    found = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=True)
    own, everything = map(float, found.stdout.split())
    assert 0.4 < own < 1.5
    assert everything > own - 0.1
