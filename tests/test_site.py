"""The site of the documents: every page is in its navigation, it builds strictly, and loads nothing from outside."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.site_hooks import on_page_markdown

ROOT = Path(__file__).resolve().parent.parent


def test_every_page_is_in_the_navigation():
    named = re.findall(r"([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(file.name for file in (ROOT / "docs").glob("*.md"))


def test_links_out_of_the_documents_become_paths():
    assert on_page_markdown("See [results](../benchmarks/results) and [keys](keys.md).") == (
        "See results (`benchmarks/results` in the repository) and [keys](keys.md)."
    )
    assert on_page_markdown("```bash needs=network\nls\n```") == "```bash\nls\n```"


def test_the_site_builds_strictly_and_loads_nothing_from_outside(tmp_path):
    pytest.importorskip("material", reason="the extra docs is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pages = [file.read_text() for file in tmp_path.rglob("*.html")]
    assert len(pages) > 20
    for page in pages:
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"?(https?:[^\" >]*)", page)
        loaded += re.findall(r"<link[^>]*rel=\"?(?:stylesheet|preconnect)[^>]*href=\"?(https?:[^\" >]*)", page)
        assert not loaded
    assert "needs=network" not in "".join(pages)
