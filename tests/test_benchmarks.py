"""Each result that is committed is one that a script writes whole."""

import re
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
BY_OTHERS = {"attacks": "tests/attacks", "storm": "make test-storm", "faithfulness": "vitbench faithfulness"}
"""Results of tests and commands."""


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


def test_own_work_is_not_taken_for_that_of_others(result_file):
    busy = result_file._Busy()
    before = result_file._own_seconds()
    while result_file._own_seconds() < before + 0.2:
        sum(range(10_000))
    own = result_file._own_seconds() - busy.own
    everything = result_file._all_seconds() - busy.all
    assert own >= 0.2
    assert everything >= own - 0.1
