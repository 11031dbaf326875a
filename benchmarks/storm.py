"""Kills, walks and attacks with their full counts: all tests with the marker `storm`; writes `results/storm.md`.

    python benchmarks/storm.py [--few] [-- PYTEST ARGUMENTS]

Two hours or more on two cores; `storm.py -- tests/compose` runs the tests of one folder or file. What was run replaces
its own rows of the file, and each row says of which code it is. With `--few` (five rounds each, as `make test` runs
them) what was found is printed and the file is left as it is. `walks.md`, `queue_storm.md` and `attacks.md` have the
counts of those three.
"""

import argparse
import ast
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from result_file import ResultFile

ROOT = Path(__file__).resolve().parent.parent
HEAD = """| test | what it says | passed | failed | left out | seconds | day and code | failed or left out because |
|---|---|---:|---:|---:|---:|---|---|"""


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
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return code  # nothing was chosen, or not all could be read: no result
        # A file that is left out whole, for want of a package, is a case without a class.
        tests = [test for test in ET.parse(report).iter("testcase") if test.get("classname")]
    rows = rows_of(tests)
    earlier = {} if chosen.few or not result.file.exists() else rows_in(result.file.read_text())
    result.say("\n".join([HEAD, *(row for _, row in sorted((earlier | rows).items()))]) + "\n")
    result.goal(f"none of {len(tests)} cases of this time fails", all(ended(test) != "failed" for test in tests))
    if not chosen.few:
        result.write()
    return code


def rows_of(tests: list[ET.Element]) -> dict[str, str]:
    """A row a test function, by the row's beginning: how many of its cases passed, and why the others did not."""
    cases: dict[tuple[str, str], list[ET.Element]] = {}
    for test in tests:
        name = test.get("name", "").partition("[")[0]
        cases.setdefault((test.get("classname", ""), name), []).append(test)
    code = output("git", "rev-parse", "--short", "HEAD")
    if output("git", "status", "--porcelain", "--", "vitbench", "screens", "tests"):
        code += ", changed"
    found = {}
    for (module, name), own in cases.items():
        failed, skipped = (sum(ended(test) == how for test in own) for how in ("failed", "left out"))
        seconds = sum(float(test.get("time", 0)) for test in own)
        why = "; ".join(sorted({reason(test) for test in own if ended(test) != "passed"}))
        numbers = (len(own) - failed - skipped, failed, skipped, f"{seconds:.0f}")
        key = f"| `{file_of(module)}` | {what_it_says(module, name)} |"
        found[key] = " ".join((key, *(f"{value} |" for value in (*numbers, f"{time.strftime('%F')} {code}", why))))
    return found


def output(*command: str) -> str:
    """What a command of git says about this tree."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def rows_in(text: str) -> dict[str, str]:
    """The rows of an earlier file whose tests are still there, by their beginnings."""
    rows = [line for line in text.splitlines() if line.startswith("| `tests/")]
    return {"|".join(row.split("|")[:3]) + "|": row for row in rows if (ROOT / row.split("`")[1]).exists()}


def reason(test: ET.Element) -> str:
    """Why a case failed or was left out, in one line that fits into a table."""
    return " ".join((test[0].get("message") or test[0].text or "").split())[:300].replace("|", "/")


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
    first = words.partition(". ")[0].rstrip(".").replace("|", "/")
    return first or name.removeprefix("test_").replace("_", " ")


if __name__ == "__main__":
    sys.exit(main())
