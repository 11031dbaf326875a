"""The one door: what goes to the app, and what to a command."""

import pytest

from vitbench.__main__ import store_last


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
