"""Kills, walks and attacks with their full counts: all tests with the marker `storm`; writes `results/storm.md`.

    python benchmarks/storm.py [--few] [-- PYTEST ARGUMENTS]

An hour or more on two cores. With `--few` (five rounds each, as `make test` runs them) or with arguments that choose
some of the tests, what was found is printed and the file is left as it is. `walks.md`, `queue_storm.md` and
`attacks.md` have the counts of those three.
"""

import argparse
import ast
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from result_file import ResultFile

ROOT = Path(__file__).resolve().parent.parent
NOTHING_CHOSEN = 5
"""Pytest's exit code where no test has the marker."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", action="store_true", help="five rounds each")
    parser.add_argument("arguments", nargs="*", help="handed to pytest")
    chosen = parser.parse_args()
    result = ResultFile("storm", "The storm" + (", five rounds each" if chosen.few else ", in full"), "torch", "timm")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-m", "storm", "-v", f"--junitxml={report}"]
        if not chosen.few:
            command.append("--timeout=0")  # the limit of the suite is for the few rounds
        command += chosen.arguments
        environment = {**os.environ, "VITBENCH_STORM": "" if chosen.few else "full"}
        code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        if code == NOTHING_CHOSEN or not report.exists():
            return code or 1
        tests = list(ET.parse(report).iter("testcase"))
    say(result, tests)
    if not chosen.few and not chosen.arguments:
        result.write()
    return code


def say(result: ResultFile, tests: list[ET.Element]) -> None:
    """A row a test function, with how many of its cases passed, and the reason of each that did not."""
    cases: dict[tuple[str, str], list[ET.Element]] = {}
    for test in tests:
        name = test.get("name", "").partition("[")[0]
        cases.setdefault((test.get("classname", ""), name), []).append(test)
    result.say("| test | what it says | passed | failed | left out | seconds |\n|---|---|---:|---:|---:|---:|")
    for (module, name), own in sorted(cases.items()):
        failed, skipped = (sum(ended(test) == how for test in own) for how in ("failed", "left out"))
        seconds = sum(float(test.get("time", 0)) for test in own)
        passed = len(own) - failed - skipped
        row = (f"`{file_of(module)}`", what_it_says(module, name), passed, failed, skipped, f"{seconds:.0f}")
        result.say("| " + " | ".join(map(str, row)) + " |")
    for test in tests:
        if ended(test) != "passed":
            said = " ".join((test[0].get("message") or test[0].text or "").split())
            result.say(f"\n{test.get('name')} {ended(test)}: {said[:300]}")
    result.say()
    result.goal(f"none of {len(tests)} cases fails", all(ended(test) != "failed" for test in tests))


def ended(test: ET.Element) -> str:
    """How a case ended."""
    kinds = {child.tag for child in test}
    return "failed" if kinds & {"failure", "error"} else "left out" if "skipped" in kinds else "passed"


def file_of(module: str) -> str:
    """The file of a module of tests, from the root of the tree."""
    return f"{module.replace('.', '/')}.py"


def what_it_says(module: str, name: str) -> str:
    """The first sentence of a test's docstring; its name in words where it has none."""
    tree = ast.parse((ROOT / file_of(module)).read_text())
    found = next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name), None)
    words = " ".join((ast.get_docstring(found) or "").split()) if found is not None else ""
    first = words.partition(". ")[0].rstrip(".")
    return first or name.removeprefix("test_").replace("_", " ")


if __name__ == "__main__":
    sys.exit(main())
