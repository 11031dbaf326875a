"""The inspector as a process: answers, progress, cancellation, mistakes, and its own death."""

import asyncio
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from vitbench.errors import UserError
from vitbench.inspector.client import Inspector, InspectorError, Superseded


@pytest.fixture
async def inspector(tmp_path):
    client = Inspector(tmp_path, [sys.executable, str(Path(__file__).with_name("inspector_for_tests.py"))])
    yield client
    await client.close()


async def test_values_and_arrays_come_back_as_they_were(inspector):
    answer = await inspector.ask("echo", scale=2, text="ünï\n\x1b[0m")
    assert answer.values["heard"] == {"scale": 2, "text": "ünï\n\x1b[0m"}
    np.testing.assert_array_equal(answer.arrays["map"], np.arange(12, dtype=np.float32).reshape(3, 4) * 2)
    assert answer.arrays["none"].shape == (0, 5)


async def test_what_other_answers_have_too_is_sent_once(inspector):
    first, second = [await inspector.ask("constant", picture=7, layer=layer) for layer in (1, 2)]
    assert second.arrays["bare"] is first.arrays["bare"]
    assert (first.arrays["map"], second.arrays["map"]) == ([1], [2])
    for picture in range(20):
        answer = await inspector.ask("constant", picture=picture, layer=3)
        np.testing.assert_array_equal(answer.arrays["bare"], np.full((50, 40, 3), picture, np.uint8))
    both = await asyncio.gather(*(inspector.ask("constant", picture=p, layer=0) for p in (19, 1, 19, 1)))
    assert [answer.arrays["bare"][0, 0, 0] for answer in both] == [19, 1, 19, 1]
    with pytest.raises(InspectorError):
        await inspector.ask("die")
    assert (await inspector.ask("constant", picture=19, layer=5)).arrays["bare"][0, 0, 0] == 19


async def test_what_libraries_print_does_not_reach_the_frames(inspector):
    assert (await inspector.ask("chatter")).values["pid"] > 0
    assert (await inspector.ask("echo")).arrays["map"].shape == (3, 4)


async def test_progress_is_streamed(inspector):
    seen = []
    await inspector.ask("slow", steps=3, progress=lambda done, total, what: seen.append((done, total, what)))
    assert seen == [(0, 3, "waiting"), (1, 3, "waiting"), (2, 3, "waiting")]


async def test_a_cancelled_request_ends_at_once_and_the_next_is_answered(inspector):
    started = asyncio.Event()
    long = asyncio.create_task(inspector.ask("slow", steps=3000, progress=lambda *_: started.set()))
    await started.wait()
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    answer = await asyncio.wait_for(inspector.ask("echo"), timeout=10)
    assert answer.arrays["map"].shape == (3, 4)


async def test_work_that_reports_nothing_is_ended_too_and_holds_nobody_up(inspector):
    await inspector.ask("echo")
    long = asyncio.create_task(inspector.ask("deaf", seconds=60))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(inspector.ask("echo"))
    for _ in range(20):
        await asyncio.sleep(0)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert (await asyncio.wait_for(waiting, timeout=20)).arrays["map"].shape == (3, 4)
    assert (await asyncio.wait_for(inspector.ask("slow", steps=2), timeout=20)).values["done"]


@pytest.mark.parametrize("aside", [False, True])
async def test_an_import_is_not_cut_in_half(inspector, aside):
    """Typing on while the first check imported torch left half of it: every later check failed."""
    started = asyncio.Event()
    long = asyncio.create_task(inspector.ask("import_once", aside=aside, progress=lambda *_: started.set()))
    await started.wait()
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert (await asyncio.wait_for(inspector.ask("import_once", aside=aside), timeout=20)).values["whole"]


async def test_what_takes_long_is_answered_aside_and_holds_nobody_up(inspector):
    started = [asyncio.Event(), asyncio.Event()]
    long = [
        asyncio.create_task(inspector.ask("slow", steps=3000, aside=True, progress=lambda *_, n=n: started[n].set()))
        for n in range(2)
    ]
    for event in started:
        await asyncio.wait_for(event.wait(), timeout=20)
    answer = await asyncio.wait_for(inspector.ask("echo"), timeout=20)
    assert answer.arrays["map"].shape == (3, 4)
    assert not any(task.done() for task in long)
    for task in long:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await asyncio.wait_for(inspector.ask("slow", steps=2, aside=True), timeout=20)).values["done"]


async def test_what_is_answered_aside_is_ended_though_it_reports_nothing(inspector):
    """Seconds of processor time that a cancelled thread goes on to use show whether it has ended."""
    long = asyncio.create_task(inspector.ask("deaf", seconds=600, aside=True))
    pid = (await inspector.ask("chatter")).values["pid"]
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    for _ in range(100):
        before = used_time(pid)
        await asyncio.sleep(0.2)
        if used_time(pid) - before < 0.05:
            break
    else:
        pytest.fail("the cancelled work goes on")
    assert (await asyncio.wait_for(inspector.ask("deaf", seconds=0.01, aside=True), timeout=20)).values["done"]


def used_time(pid: int) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_newer_request_replaces_one_that_waits(inspector):
    started = asyncio.Event()
    first = asyncio.create_task(inspector.ask("slow", steps=20, progress=lambda *_: started.set()))
    await started.wait()
    second = asyncio.create_task(inspector.ask("echo", replaces="preview", scale=1))
    await asyncio.sleep(0)
    third = asyncio.create_task(inspector.ask("echo", replaces="preview", scale=3))
    with pytest.raises(Superseded):
        await second
    assert (await third).arrays["map"][0, 1] == 3
    assert (await first).values["done"]


async def test_mistakes_are_told_apart_from_faults(inspector):
    with pytest.raises(UserError, match="No such picture"):
        await inspector.ask("refuse")
    with pytest.raises(UserError, match="knows no request 'nonsense'"):
        await inspector.ask("nonsense")
    with pytest.raises(InspectorError, match="ZeroDivisionError"):
        await inspector.ask("fail", zero=0)
    with pytest.raises(UserError, match="not enough memory on this machine"):
        await inspector.ask("fill")
    assert (await inspector.ask("echo")).values


async def test_after_a_crash_the_next_request_starts_a_new_one(inspector):
    before = (await inspector.ask("chatter")).values["pid"]
    with pytest.raises(InspectorError, match=r"exit code 3.*out of everything"):
        await inspector.ask("die")
    assert (await inspector.ask("chatter")).values["pid"] != before


async def test_it_ends_with_its_parent(inspector):
    await inspector.ask("echo")
    process = inspector._process
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), timeout=10) == 0


async def test_an_inspector_that_was_started_ahead_answers_and_its_idle_time_is_known(inspector, monkeypatch):
    monkeypatch.setattr("vitbench.inspector.client._is_busy", lambda: False)
    await inspector.start_ahead()
    assert inspector.is_running
    process = inspector._process
    started = asyncio.Event()
    asked = asyncio.create_task(inspector.ask("slow", steps=5, progress=lambda *_: started.set()))
    await started.wait()
    assert inspector.idle_seconds == 0.0
    await asked
    assert 0 < inspector.idle_seconds < 60
    assert inspector._process is process


async def test_what_loads_slowly_on_a_busy_machine_is_begun_anew(inspector, monkeypatch):
    monkeypatch.setattr("vitbench.inspector.client._is_busy", lambda: True)
    await inspector.start_ahead()
    first = inspector._process
    assert (await inspector.ask("chatter")).values["pid"] != first.pid
    assert first.returncode is not None


async def test_the_real_inspector_loads_ahead_and_says_what_it_loads(tmp_path, monkeypatch):
    monkeypatch.setattr("vitbench.inspector.client._is_busy", lambda: False)
    client = Inspector(tmp_path)
    said = []
    try:
        await client.start_ahead()
        answer = await client.ask("attention_pictures", network="demo", path="", progress=lambda *p: said.append(p))
        assert answer.values["files"]
        assert {what for _, _, what in said} <= {"loading PyTorch", "loading networks"}
        assert said
        assert client._ready
    finally:
        await client.close()


async def test_a_chart_is_saved_and_made_again_before_pytorch_is_loaded(tmp_path):
    curve = {"name": "one", "colour": "#112233", "x": [1, 2, 3], "y": [3, 2, 1]}
    request = {"title": "val/loss", "curves": [curve]}
    client = Inspector(tmp_path / "store")
    try:
        saved = await client.ask("save_sheet", kind="curves", request=request, file=str(tmp_path / "chart.png"))
        again = await client.ask("figure_again", file=saved.values["file"])
        assert Path(again.values["file"]).read_bytes() == Path(saved.values["file"]).read_bytes()
        assert "libtorch" not in Path(f"/proc/{client._process.pid}/maps").read_text()
    finally:
        await client.close()
