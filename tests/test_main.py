"""The one door: what goes to the app, and what to a command."""

import os

import pytest

from vitbench.__main__ import main, store_last


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ([], []),
        (["--store", "here"], ["--store", "here"]),
        (["--store", "here", "--run", "last"], ["--store", "here", "--run", "last"]),
        (["--store", "here", "runs", "--json"], ["runs", "--json", "--store", "here"]),
        (["--store=here", "runs"], ["runs", "--store=here"]),
        (["runs", "--store", "here"], ["runs", "--store", "here"]),
    ],
)
def test_the_store_may_be_named_before_a_command(typed, meant):
    assert store_last(typed) == meant


@pytest.mark.parametrize(("before", "after"), [(None, "passive"), ("active", "active")])
def test_threads_wait_without_spinning_unless_a_person_says_so(monkeypatch, before, after):
    monkeypatch.setenv("OMP_WAIT_POLICY", before or "")  # so that it is put back after the test
    if before is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    monkeypatch.setattr("vitbench.cli.main", lambda arguments: 0)
    monkeypatch.setattr("sys.argv", ["vitbench", "runs"])
    assert main() == 0
    assert os.environ["OMP_WAIT_POLICY"] == after
