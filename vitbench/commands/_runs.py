"""What the commands on runs share."""

import argparse
import sys
import time
from collections.abc import Sequence

from vitbench.errors import UserError
from vitbench.listing.judged import judged, score_name
from vitbench.listing.rows import value_words
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.runs import control, launcher
from vitbench.runs.liveness import is_elsewhere
from vitbench.runs.lock import is_held
from vitbench.runs.log import LogTail
from vitbench.runs.queue import attend
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import StateChanged
from vitbench.text import clean

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells count it."""


def add_run(parser: argparse.ArgumentParser, many: bool = False) -> None:
    """Declares the run, or several."""
    words = "an id, the beginning of one, a name, or `last`"
    if many:
        parser.add_argument("runs", metavar="RUN", nargs="+", help=words)
    else:
        parser.add_argument("run", metavar="RUN", help=words)


def find_run(arguments: argparse.Namespace) -> Run:
    """The run that was named."""
    return Store(store_folder(arguments.store)).find(arguments.run)


def find_runs(arguments: argparse.Namespace) -> list[Run]:
    """All runs that were named, each once."""
    store = Store(store_folder(arguments.store))
    found = {run.id: run for run in (store.find(text) for text in arguments.runs)}
    return list(found.values())


def start_run(
    run: Run, follow: bool = False, *, held: bool = False, after: Sequence[Run] = (), memory: int | None = None
) -> int | None:
    """Prints the id of a new run and starts it; the pid of its worker, or None if it waits in the queue.

    An interrupt (Ctrl-C) meanwhile says how the run stands before it takes effect; who wanted to `follow` pauses it.
    """
    print(run.id, flush=True)
    try:
        process = launcher.launch(run, held=held, after=after, memory=memory)
    except KeyboardInterrupt:
        if run.status().state == "running" and follow:
            pause_run(run)
        elif run.status().state == "running":
            print(f"The run goes on: `vitbench pause {run.id}` pauses it.", file=sys.stderr)
        else:
            print(f"The run was not started: `vitbench resume {run.id}` starts it.", file=sys.stderr)
        raise
    if process is None:
        reason = clean(run.status().waits_for or "All GPUs are in use.")
        print(reason if held or after else f"{reason} The run starts by itself when one is.", file=sys.stderr)
    return process


def say_if_watched(run: Run) -> None:
    """Says why the command waits before it acts on a run that another machine may be running."""
    status = run.status()
    if status.state == "running" and is_elsewhere(status):
        host = status.process.host if status.process else status.host
        print(clean(f"{run.id}: watching for up to two minutes whether {host} still runs it"), file=sys.stderr)


def pause_run(run: Run) -> None:
    """Pauses a run that was followed, and says how to go on. A run that ends meanwhile has ended."""
    print("Pausing: the step in work is finished and saved.", file=sys.stderr)
    try:
        control.pause(run)
    except StateChanged as ended:
        print(clean(str(ended)), file=sys.stderr)
        return
    status = control.wait(run)
    if status.state == "paused":
        print(f"Paused. To go on: vitbench resume {run.id}")
    else:
        print(f"{run.id}: {status.state} at step {status.step:,}")


def report_end(run: Run, patience: float | None) -> int:
    """Waits until the worker has left and says how; 1 if it did not leave in time."""
    progress = ConsoleProgress()
    status = control.wait(run, patience, progress)
    progress.close()
    print(
        f"{clean(run.id)}: {status.state} at step {status.step:,}"
        + (f". {clean(status.error)}" if status.error else "")
    )
    return int(status.state == "running")


def follow_run(run: Run, process: int | None) -> int:
    """Shows how a run goes until its worker has left. An interrupt pauses it, and the answer says how to go on.

    Without a process the run waits for a GPU, and here one waits with it.

    The exit code: 0 if it finished, 130 after an interrupt, else 1. Raises UserError if it failed before its
    first step by what a person can mend.
    """
    progress, tail = ConsoleProgress(), LogTail(run.log)

    def poll() -> None:
        # The error that ends a run is told at the end.
        lines = [line for line in tail.read() if line.level not in ("debug", "error")]
        if lines:
            progress.close()
        for line in lines:
            print(f"step {line.step:,}: {clean(line.text)}", file=sys.stderr)

    try:
        code = launcher.wait_until_taken(run, process)
        while is_held(run.folder) or run.status().is_waiting:
            poll()
            status = run.status()
            if status.is_waiting:
                attend(Store(run.store_folder), [(run, status)])
            if status.doing:
                progress(status.doing.done, status.doing.total, status.doing.what)
            else:
                progress(status.step, status.total_steps, "training")
            time.sleep(0.2)
    except KeyboardInterrupt:
        progress.close()
        pause_run(run)
        poll()
        return INTERRUPTED
    poll()
    progress.close()
    status = run.status()
    if process is not None and code is None:
        code = launcher.exit_code(process, patience=5.0)
    if status.state == "failed" and code == launcher.MENDABLE and status.step == 0:
        raise UserError(status.error or "")
    print(
        f"{clean(run.id)}: {status.state} at step {status.step:,}"
        + (f". {clean(status.error)}" if status.error else "")
    )
    metric, _ = judged(status.latest, status.best.metric if status.best is not None else "")
    for part in ("validation", "test"):
        tag = f"{part}/{metric.rpartition('/')[2]}"
        if tag in status.latest:
            loss = f", loss {status.latest[f'{part}/loss']:.4f}" if f"{part}/loss" in status.latest else ""
            print(clean(f"{part} {score_name(tag).words} {value_words(tag, status.latest[tag])}{loss}"))
    return 0 if status.state == "finished" else 1
