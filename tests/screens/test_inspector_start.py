"""When the inspector starts by itself, and when it leaves."""

import pytest

from screens.inspector_start import DEFAULT_MINUTES, InspectorStart, idle_minutes
from vitbench.runs.host import INSPECTOR_ROOM, memory_room


class FakeInspector:
    def __init__(self) -> None:
        self.is_running, self.idle_seconds, self.said = False, 0.0, []

    async def start_ahead(self) -> None:
        self.is_running = True
        self.said.append("start")

    async def close(self) -> None:
        self.is_running = False
        self.said.append("close")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def made(minutes: float = 10.0, free: int = INSPECTOR_ROOM) -> tuple[InspectorStart, FakeInspector, Clock]:
    inspector, clock = FakeInspector(), Clock()
    return InspectorStart(inspector, minutes, lambda: free, clock), inspector, clock


async def test_it_starts_when_the_person_has_been_quiet_for_two_seconds() -> None:
    start, inspector, clock = made()
    clock.now += 1.9
    await start.poll()
    assert inspector.said == []
    start.touched()
    clock.now += 1.9
    await start.poll()
    assert inspector.said == []
    clock.now += 0.2
    await start.poll()
    await start.poll()
    assert inspector.said == ["start"]


async def test_it_does_not_start_with_little_memory_or_when_it_is_not_wanted() -> None:
    for minutes, free in ((10.0, INSPECTOR_ROOM - 1), (0.0, INSPECTOR_ROOM)):
        start, inspector, clock = made(minutes, free)
        clock.now += 60
        await start.poll()
        assert inspector.said == []


async def test_it_leaves_when_nobody_asks_and_comes_back_with_the_person() -> None:
    start, inspector, clock = made(minutes=10.0)
    clock.now += 3
    await start.poll()
    inspector.idle_seconds = 599.0
    await start.poll()
    assert inspector.said == ["start"]
    inspector.idle_seconds = 600.0
    await start.poll()
    clock.now += 3600
    await start.poll()
    assert inspector.said == ["start", "close"]
    start.touched()
    clock.now += 2
    await start.poll()
    assert inspector.said == ["start", "close", "start"]


@pytest.mark.parametrize(("text", "minutes"), [("", DEFAULT_MINUTES), ("0", 0.0), ("2.5", 2.5)])
def test_the_setting(text: str, minutes: float) -> None:
    assert idle_minutes({"VITBENCH_INSPECTOR_MINUTES": text}) == (minutes, "")


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_a_setting_that_is_no_number_is_said(text: str) -> None:
    minutes, sentence = idle_minutes({"VITBENCH_INSPECTOR_MINUTES": text})
    assert minutes == DEFAULT_MINUTES
    assert text in sentence


def test_memory_of_this_machine() -> None:
    room = memory_room()
    assert 0 < room.free <= room.total
