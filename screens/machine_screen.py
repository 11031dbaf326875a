"""What this machine is doing: its GPUs and who holds them, processors, memory, disk, and what waits for them."""

import socket

from rich.text import Text
from textual import work
from textual.app import ComposeResult

from screens.actions import BACK, COPY, bindings
from screens.base import WorkbenchScreen
from screens.navigation import Opening, ScreenDeclaration
from screens.widgets.lines import TextLine
from screens.widgets.machine_view import GIB, MachineView, Meter, MeterHistory, gigabytes, holder_line
from screens.widgets.picker import Choice
from vitbench.errors import UserError
from vitbench.machine.gpus import GpuReading
from vitbench.machine.snapshot import MachineSnapshot, read_machine
from vitbench.text import counted

_EVERY = 2.0
"""Seconds between two looks, while the screen is seen."""


ACTIONS = (
    BACK,
    COPY,
)
"""What its keys do."""


class MachineScreen(WorkbenchScreen):
    """Looks every two seconds while it is visible; the curves are of these looks. It changes nothing."""

    BINDINGS = bindings(ACTIONS)

    def __init__(self) -> None:
        super().__init__()
        self.seen: MachineSnapshot | None = None
        self._history = MeterHistory()

    def body(self) -> ComposeResult:
        yield TextLine(id="title")
        yield MachineView(id="machine")

    def on_mount(self) -> None:
        self.query_one(MachineView).focus()
        self._show_title()
        self.set_interval(_EVERY, self._poll)
        self._poll()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self._poll()

    def on_resize(self) -> None:
        self._show()

    @work(thread=True, exclusive=True, group="machine")
    def _poll(self) -> None:
        if self.app.screen is not self:
            return  # nobody sees it
        try:
            seen = read_machine(self.workbench.store)
        except UserError as error:  # VITBENCH_GPUS names what is not there
            self.app.call_from_thread(self.workbench.tell, str(error), "warning")
            return
        self.app.call_from_thread(self._take, seen)

    def _take(self, seen: MachineSnapshot) -> None:
        self.seen = seen
        self._meters = self._measured(seen)
        self._show()

    def _show(self) -> None:
        if self.seen is None or not self.is_mounted:
            return
        self._show_title()
        view = self.query_one(MachineView)
        view.show([*self._gpu_blocks(view, self.seen), self._host_block(view), self._queue_block(view, self.seen)])

    def _show_title(self) -> None:
        colours = self.app.theme_variables
        cores = f"{counted(len(self.seen.cores), 'processor')}" if self.seen else "looking ..."
        left = Text.assemble((" Machine ", f"bold {colours['accent']}"), f" {socket.gethostname()}")
        self.query_one("#title", TextLine).show(left, Text(f"{cores} ", colours["secondary"]))

    def _measured(self, seen: MachineSnapshot) -> dict[str, Meter]:
        """All bars, each with its curve."""
        busy = sum(seen.cores) / len(seen.cores) / 100 if seen.cores else None
        used = seen.memory.total - seen.memory.free
        meters = {
            "cpu": self._meter("cpu", "CPU", busy, f"{_percent(busy)}, load {seen.load_average:.1f}"),
            "memory": self._meter(
                "memory",
                "memory",
                used / seen.memory.total if seen.memory.total else None,
                f"{gigabytes(used)} of {gigabytes(seen.memory.total)} GB",
            ),
        }
        if seen.disk_total and seen.disk_free is not None:
            share = 1 - seen.disk_free / seen.disk_total
            words = f"{seen.disk_free / GIB:.0f} of {seen.disk_total / GIB:.0f} GB free, where the store is"
            meters["disk"] = Meter("disk", share, words)
        for gpu in seen.gpus or ():
            load = None if gpu.load is None else gpu.load / 100
            held = gpu.used / gpu.total if gpu.used is not None and gpu.total else None
            meters[f"{gpu.uuid} load"] = self._meter(f"{gpu.uuid} load", "load", load, _percent(load))
            words = f"{gigabytes(gpu.used)} of {gigabytes(gpu.total)} GB"
            meters[f"{gpu.uuid} memory"] = self._meter(f"{gpu.uuid} memory", "memory", held, words)
        return meters

    def _meter(self, key: str, name: str, share: float | None, words: str) -> Meter:
        return Meter(name, share, words, self._history.add(key, share))

    def _gpu_blocks(self, view: MachineView, seen: MachineSnapshot) -> list[Text]:
        if seen.gpus is None:
            return [view.heading("No GPU", "NVML lists none; runs take turns on CPU slots (VITBENCH_SLOTS)")]
        return [self._gpu_block(view, gpu) for gpu in seen.gpus] or [view.heading("No GPU", "NVML lists none")]

    def _gpu_block(self, view: MachineView, gpu: GpuReading) -> Text:
        state, colour = ("in use", "warning") if gpu.holders else ("free", "success")
        if gpu.leased:
            state, colour = "leased", "accent"
        power = "" if gpu.power is None else f", {gpu.power:.0f} W"
        limit = "" if gpu.power is None or gpu.power_limit is None else f" of {gpu.power_limit:.0f}"
        heat = "" if gpu.temperature is None else f", {gpu.temperature} °C"
        hidden = "" if gpu.allowed else ", hidden from runs of this session"
        block = view.heading(f"GPU {gpu.number}  {gpu.name}", f"{state}{power}{limit}{heat}{hidden}", colour)
        block.append(view.meter(self._meters[f"{gpu.uuid} load"]))
        block.append(view.meter(self._meters[f"{gpu.uuid} memory"]))
        for holder in gpu.holders:
            title = self._title_of(holder.run) if holder.run else holder.title
            words = holder_line(holder.size, holder.user, title)
            block.append(view.line(words, "primary" if holder.run else "secondary"))
        return block

    def _host_block(self, view: MachineView) -> Text:
        block = view.heading("Host")
        for name in ("cpu", "memory", "disk"):
            if name in self._meters:
                block.append(view.meter(self._meters[name]))
        return block

    def _queue_block(self, view: MachineView, seen: MachineSnapshot) -> Text:
        block = view.heading("Runs", f"{len(seen.running)} running, {len(seen.waiting)} waiting")
        for title in seen.running:
            block.append(view.line(title))
        for place, (title, reason) in enumerate(seen.waiting, 1):
            block.append(view.line(f"{place}. {title}: {reason}", "secondary"))
        return block

    def _title_of(self, run_id: str) -> str:
        row = self.workbench.snapshot.run(run_id)
        return row.title if row is not None else run_id

    def copied(self) -> list[Choice]:
        """The GPUs' UUIDs, as VITBENCH_GPUS takes them."""
        gpus = self.seen.gpus or () if self.seen else ()
        return [Choice(gpu.uuid, f"GPU {gpu.number}, {gpu.name}") for gpu in gpus]


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:3.0f}%"


SCREEN = ScreenDeclaration(
    name="machine",
    title="Machine",
    help="What this machine is doing, and who holds its GPUs.",
    screen=MachineScreen,
    actions=ACTIONS,
    opened=Opening("runs", "M"),
    order=95,
)
