"""What a person is told of runs that have ended."""

import time
from dataclasses import replace

import pytest

from screens.endings import ended_since, in_words, notice_sequence
from screens.snapshot import RunRow
from tests.screens.fake_runs import FakeRun
from tests.screens.opened_app import opened
from vitbench.cli import main
from vitbench.runs.process import this_process


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-256color"}, "\x07\x1b]9;pets is finished\x07"),
        ({"TERM": "tmux-256color", "TMUX": "x"}, "\x07\x1bPtmux;\x1b\x1b]9;pets is finished\x07\x1b\\"),
        ({"TERM": "screen"}, "\x07\x1bP\x1b]9;pets is finished\x07\x1b\\"),
    ],
)
def test_the_notice_is_wrapped_for_what_stands_between(environment, expected):
    assert notice_sequence("pets is finished", environment) == expected


def test_a_name_cannot_end_the_notice_and_begin_another_sequence():
    sequence = notice_sequence("pets\x07\x1b]52;c;aGFja2Vk\x07\x1b\\ x", {"TERM": "xterm"})
    assert sequence.count("\x1b") == 1
    assert sequence.count("\x07") == 2


def test_what_ended_by_itself_is_counted_by_state():
    runs = [RunRow(id=str(k), name=f"run {k}", state="finished", ended_at=100.0 + k) for k in range(5)]
    runs += [RunRow(id="c", name="c", state="crashed", ended_at=200.0), RunRow(id="s", state="stopped", ended_at=300.0)]
    ended = ended_since(runs, 101.0)
    assert [run.id for run in ended] == ["c", "4", "3", "2"]
    assert in_words(ended_since(runs, 0.0)) == "5 finished (run 4, run 3, run 2, and 2 more), 1 crashed (c)"
    assert in_words([]) == ""
    assert len(in_words([replace(runs[0], name="long " * 40)])) < 80


async def test_opening_the_app_says_what_ended_meanwhile(store):
    fakes = [FakeRun(store, name).train(50) for name in ("one", "two", "three")]
    for fake in fakes:
        fake.status("running", process=this_process())
    async with opened(store) as at:
        await at.see("one", "two", "three")
        assert "Since you were here" not in at.text()
    moment = time.time() + 120
    fakes[0].status("finished", ended_at=moment)
    fakes[1].status("failed", ended_at=moment, error="the disk is full")
    async with opened(store) as at:
        await at.see("Since you were here: 1 finished (one), 1 failed (two)")
        await at.press("escape")
        await at.until(lambda: "Since you were here" not in at.text(), "the end of the line")


async def test_the_bell_rings_when_a_run_ends_and_not_when_it_is_off(store, monkeypatch):
    fakes = [FakeRun(store, name).train(50) for name in ("one", "two")]
    for fake in fakes:
        fake.status("running", process=this_process())
    async with opened(store) as at:
        rung = []
        monkeypatch.setattr(at.app._driver, "write", lambda text: rung.append(text) if "\x1b]9;" in text else None)
        fakes[0].status("finished", ended_at=time.time())
        await at.until(lambda: rung, "the bell")
        assert "one is finished" in rung[0]
        main(["settings", "bell=false"])
        fakes[1].status("finished", ended_at=time.time())
        await at.until(lambda: at.app.endings.states[fakes[1].id] == "finished", "the second end")
        assert len(rung) == 1
