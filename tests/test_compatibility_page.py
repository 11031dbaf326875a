"""Each row of `docs/compatibility.md` is a test, and each test of the files made for the page is a row."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "compatibility.md"


def defined(file: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE))


def test_each_row_names_a_test_of_the_files_of_its_section():
    counted = 0
    for section in PAGE.read_text().split("\n## ")[1:]:
        files = {TESTS.parent / name for name in re.findall(r"`(tests/[\w/]+\.py)`", section)}
        there = set().union(*map(defined, files))
        for name in re.findall(r"`(test_\w+)`", section):
            assert name in there, f"{name} of section {section.splitlines()[0]}"
            counted += 1
    assert counted > 60


def test_each_test_made_for_the_page_stands_on_it():
    files = [*TESTS.glob("*/test_compatibility_of_*.py"), *TESTS.glob("*/test_*_compatibility.py")]
    assert len(files) >= 6
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    for file in files:
        assert defined(file) <= named, file.name
