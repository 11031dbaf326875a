"""The clock of a step, with a clock that the test turns, and with events that a GPU has not reached yet."""

import types

import pytest
import torch

from vitbench.training import step_clock
from vitbench.training.step_clock import StepClock


@pytest.fixture
def now(monkeypatch):
    moment = types.SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(step_clock.time, "perf_counter", lambda: moment.seconds)
    return moment


def test_each_part_has_what_lies_before_its_mark(now):
    clock = StepClock(torch.device("cpu"))
    clock.start()
    for part, seconds in (("data", 1), ("forward", 2), ("backward", 4), ("data", 8), ("forward", 16), ("update", 32)):
        now.seconds += seconds
        clock.mark(part)
    assert clock.read() == {"data": 9, "forward": 18, "backward": 4, "update": 32}
    assert set(clock.read().values()) == {0}


def test_an_evaluation_between_two_steps_is_no_part_of_either(now):
    clock = StepClock(torch.device("cpu"))
    clock.start()
    now.seconds += 1
    clock.mark("update")
    now.seconds += 100
    clock.start()
    now.seconds += 2
    clock.mark("data")
    assert clock.read() == {"data": 2, "forward": 0, "backward": 0, "update": 1}


class Event:
    """A CUDA event that happens when the test says so."""

    reached: float = 0.0
    recorded = 0

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self, stream):
        Event.recorded += 10
        self.at = Event.recorded

    def query(self):
        return self.at <= Event.reached

    def elapsed_time(self, other):
        return float(other.at - self.at)

    def synchronize(self):
        pytest.fail("the device is waited for")


def test_a_gpu_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    Event.recorded, Event.reached = 0, 0.0
    clock = StepClock(torch.device("cuda"))
    clock.start()
    for part in ("data", "forward", "backward", "update"):
        clock.mark(part)
    assert set(clock.read().values()) == {0}
    Event.reached = 30
    assert clock.read() == {"data": 0.01, "forward": 0.01, "backward": 0, "update": 0}
    Event.reached = 50
    assert clock.read() == {"data": 0, "forward": 0, "backward": 0.01, "update": 0.01}


def test_marks_do_not_pile_up(now):
    clock = StepClock(torch.device("cpu"))
    for _ in range(10_000):
        clock.mark("data")
    assert len(clock._marks) <= 4096
