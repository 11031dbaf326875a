"""Where a step stands: its size, its device, and the file that keeps whatever it has found."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import describe

from vitbench.files.writing import write_whole
from vitbench.runs import control
from vitbench.runs.lease import Lease, bind_process, lease_for
from vitbench.runs.nvml import gpu_and_driver, seen_gpus
from vitbench.runs.store import Store

PACKAGES = ("torch", "torchvision", "timm", "triton", "numpy", "pillow", "vitbench")


class NotRun(Exception):
    """Why a step, or a part of one, cannot be run here."""


@dataclass
class Bench:
    """One step. `store` is a vitbench store that all steps share."""

    step: str
    size: str
    out: Path
    store: Path

    @property
    def small(self) -> bool:
        """Whether it is only to be seen that everything works."""
        return self.size == "small"

    @property
    def has_gpu(self) -> bool:
        """Whether NVML sees a GPU; CUDA is not called."""
        return bool(seen_gpus())

    @property
    def device_name(self) -> str:
        """What recipes say."""
        return "cuda" if self.has_gpu else "cpu"

    def device(self) -> Any:
        """The torch device of a step that computes in its own process, on a GPU of its own."""
        from vitbench.training.device import choose_device

        bind_process(self.device_name)
        return choose_device(self.device_name)

    def need_gpu(self) -> None:
        """Ends the step where there is none."""
        if not self.has_gpu:
            raise NotRun("there is no GPU here")

    # What it found -------------------------------------------------------------------------------------------------

    def note(self, what: str, value: Any, unit: str = "") -> None:
        """Keeps a figure, or a sentence."""
        number = round(value, 5) if isinstance(value, float) else value
        self._change(lambda entry: entry["figures"].append([what, number, unit]))
        print(f"{self.step}: {what}: {number} {unit}", flush=True)

    def goal(self, what: str, met: bool, measured: str) -> None:
        """Keeps whether a goal was met, in words."""
        self._change(lambda entry: entry["goals"].append([what, bool(met), measured]))
        print(f"{self.step}: {'met' if met else 'MISSED'}: {what} ({measured})", flush=True)

    def begin(self) -> None:
        self._change(lambda entry: entry.update(_fresh(), state="running", began=time.time(), load_before=_load()))

    def end(self, state: str, why: str = "") -> None:
        """Notes how the step ended."""

        def change(entry: dict[str, Any]) -> None:
            seconds = round(time.time() - entry.get("began", time.time()), 1)
            entry.update(state=state, why=why, seconds=seconds, load_after=_load())

        self._change(change)

    def end_of_process(self, code: int | None) -> None:
        """Notes the death of a process that could say nothing any more."""
        if _read(self.out)["steps"][self.step]["state"] == "running":
            self.end("failed", f"its process ended with code {code}")

    def clear(self) -> None:
        """Ends whatever runs the step has left, and keeps what all of its runs have logged in `logs.txt`."""
        for run in Store(self.store).runs():
            if run.status().state in ("running", "queued"):
                control.kill(run)
            with (self.out / "logs.txt").open("a") as logs:
                logs.write(f"== {self.step}: {run.id}\n{_tail(run.log)}{_tail(run.folder / 'worker.log')}")

    def wait_for_gpu(self, seconds: float = 60.0) -> None:
        """Waits until what the step has ended has also left the GPU, and notes how long that took."""
        if not self.has_gpu:
            return
        began = time.monotonic()
        while not is_free() and time.monotonic() - began < seconds:
            time.sleep(0.1)
        self.note("until the GPU was free again", time.monotonic() - began, "s")

    def _change(self, change: Any) -> None:
        document = _read(self.out)
        change(document["steps"].setdefault(self.step, _fresh()))
        _write(self.out, document)


def is_free() -> bool:
    """Whether a lease of a GPU is to be had."""
    lease = lease_for("auto")
    if isinstance(lease, Lease):
        lease.close()
    return isinstance(lease, Lease)


def note_machine(out: Path, size: str) -> None:
    """Notes the machine, the card and the versions; keeps the steps that were run before."""
    document = _read(out)
    found = gpu_and_driver()
    gpu = seen_gpus() or []
    card = f"{found[0]}, driver {found[1]}" if found else "none"
    usage = gpu[0].usage() if gpu else None
    document["machine"] = {
        "date": time.strftime("%F %T %Z"),
        "size": size,
        "card": card + (f", {usage.total / 2**30:.0f} GB" if usage else ""),
        "machine": describe(*PACKAGES).splitlines(),
        "load": _load(),
    }
    _write(out, document)


def summary(out: Path, step: str) -> str:
    """One line on a step that has ended."""
    entry = _read(out)["steps"][step]
    missed = sum(not met for _, met, _ in entry["goals"])
    goals = f", {len(entry['goals']) - missed} goals met, {missed} missed" if entry["goals"] else ""
    return f"== {step}: {entry['state']}{f' ({why})' if (why := entry['why']) else ''}, {entry['seconds']} s{goals}"


def _fresh() -> dict[str, Any]:
    return {"state": "not run", "why": "", "figures": [], "goals": [], "seconds": 0.0}


def _load() -> dict[str, Any]:
    """Of the processors over a minute, and of the GPU's memory."""
    load: dict[str, Any] = {"processors": round(os.getloadavg()[0], 2)}
    gpus = seen_gpus()
    usage = gpus[0].usage() if gpus else None
    if usage is not None:
        load["gpu_gib"] = round((usage.total - usage.free) / 2**30, 2)
    return load


def _tail(file: Path) -> str:
    return file.read_text(errors="replace")[-10_000:] if file.exists() else ""


def _read(out: Path) -> dict[str, Any]:
    file = out / "results.json"
    return json.loads(file.read_text()) if file.exists() else {"machine": {}, "steps": {}}


def _write(out: Path, document: dict[str, Any]) -> None:
    write_whole(out / "results.json", json.dumps(document, indent=1))
    write_whole(out / "on_gpu.md", _markdown(document))


def _markdown(document: dict[str, Any]) -> str:
    machine = document["machine"]
    lines = [f"# On a GPU: {machine.get('card', '')}", ""]
    lines += [*machine.get("machine", []), f"- {machine.get('date', '')}, size {machine.get('size', '')}", ""]
    for step, entry in document["steps"].items():
        why = f": {entry['why']}" if entry["why"] else ""
        loads = f"load {entry.get('load_before', '')} to {entry.get('load_after', '')}".replace("'", "")
        lines += [f"## {step}", "", f"{entry['state']}{why}; {entry['seconds']} s; {loads}", ""]
        if entry["figures"]:
            lines += ["| | | |", "|---|---|---|"]
            lines += [f"| {what} | {_number(value)} | {unit} |" for what, value, unit in entry["figures"]]
            lines.append("")
        lines += [f"- {'met' if met else '**missed**'}: {what} ({measured})" for what, met, measured in entry["goals"]]
        lines += [""] if entry["goals"] else []
    return "\n".join(lines)


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
