"""Who has the GPU: what a pause frees, what the inspector gives back, who waits for whom, and which GPU it is."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from gpu.bench import Bench, is_free
from gpu.recipes import little
from gpu.workers import ended, until
from vitbench.inspector.client import Inspector
from vitbench.runs import control
from vitbench.runs.launcher import launch
from vitbench.runs.lease import Busy, lease_for
from vitbench.runs.nvml import seen_gpus
from vitbench.runs.store import Run, Store

LONG = {"epochs": 400, "deterministic": False}


def run(bench: Bench) -> None:
    bench.need_gpu()
    store = Store(bench.store)
    _pause(bench, store)
    _number(bench, store)
    _queue(bench, store)
    asyncio.run(_inspector(bench, store))


def used() -> float:
    """GiB of the GPU's memory that somebody holds, as NVML says."""
    gpus = seen_gpus()
    usage = gpus[0].usage() if gpus else None
    assert usage is not None
    return (usage.total - usage.free) / 2**30


def soon(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether `condition` comes to hold."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def begun(run: Run, step: int = 3) -> Run:
    """Waits until the run has done some steps."""
    until(lambda: run.status().step >= step, run)
    return run


def settled(seconds: float = 10.0) -> float:
    """What is used once it stays the same for a second: the driver frees what a process had a moment after its end."""
    last, since, deadline = used(), time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < min(since + 1, deadline):
        time.sleep(0.1)
        if abs(used() - last) > 0.01:
            last, since = used(), time.monotonic()
    return last


def _pause(bench: Bench, store: Store) -> None:
    before = settled()
    one = store.create(little(bench, train=LONG), "paused")
    launch(one)
    begun(one)
    during = used()
    bench.goal("no second lease while a run computes", isinstance(lease_for("auto"), Busy), "lease_for answers Busy")
    start = time.monotonic()
    control.pause(one)
    until(lambda: one.status().state == "paused", one)
    bench.note("from the pause to its state", time.monotonic() - start, "s")
    control.wait(one, 60)
    until(is_free)
    seconds = time.monotonic() - start
    bench.goal("a pause frees the GPU for a next run within 5 s", seconds <= 5, f"{seconds:.2f} s")
    freed = soon(lambda: used() < before + 0.1)
    measured = f"{before:.2f} GiB before, {during:.2f} during, {used():.2f} after"
    bench.goal("a pause frees the memory (NVML)", during > before + 0.2 and freed, measured)


def _number(bench: Bench, store: Store) -> None:
    """`cuda:0` counts what VITBENCH_GPUS allows."""
    gpus = seen_gpus()
    assert gpus
    os.environ["VITBENCH_GPUS"] = gpus[-1].uuid
    try:
        one = store.create(little(bench, train={**LONG, "device": "cuda:0"}), "numbered")
        launch(one)
        begun(one)
        status = one.status()
        held = not is_free()
        process = status.process
        assert process is not None
        visible = _environment(process.pid).get("CUDA_VISIBLE_DEVICES")
        right = status.gpus == [gpus[-1].uuid] and visible == gpus[-1].uuid and held
        bench.goal("cuda:0 computes on the GPU that it holds", right, f"holds {status.gpus}, sees {visible}")
        control.kill(one)
    finally:
        del os.environ["VITBENCH_GPUS"]


def _queue(bench: Bench, store: Store) -> None:
    first, second = (store.create(little(bench), name) for name in ("first", "second"))
    launch(first)
    waits = launch(second) is None
    bench.note("why the second waits", second.status().waits_for or "", "")
    ended(first)
    ended(second)
    started, stopped = second.status().started_at, first.status().ended_at
    assert started is not None
    assert stopped is not None
    # The worker notes its start a moment after it has the lease, and its end a moment before it gives it back.
    between = started - stopped
    bench.goal("two queued runs go one after the other", waits and between >= 0, f"{between:.1f} s between")


async def _inspector(bench: Bench, store: Store) -> None:
    inspector = Inspector(store.folder)
    picture = next(Path(__file__).resolve().parents[2].joinpath("sample_images").glob("*.png"))
    question = {"network": "demo", "pictures": [str(picture)], "method": "raw"}
    try:
        await inspector.ask("sheet", kind="attention", request=question)
        bench.goal("the inspector takes a free GPU", not is_free(), f"{used():.2f} GiB in use")
        one = store.create(little(bench, train=LONG), "beside the inspector")
        waits = launch(one) is None
        start = time.monotonic()
        await asyncio.to_thread(begun, one)
        later = f"the run computed {time.monotonic() - start:.1f} s later"
        bench.goal("the inspector gives it back to a run", waits, later)
        answer = await inspector.ask("sheet", kind="attention", request=question)
        bench.goal("and answers from the CPU", bool(answer.values), "an answer")
        control.kill(one)
    finally:
        await inspector.close()


def _environment(pid: int) -> dict[str, str]:
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(word.decode(errors="replace").split("=", 1) for word in words if b"=" in word)
