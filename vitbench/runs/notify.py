"""Tells a person that a run has ended, by a command of theirs: `python -m vitbench.runs.notify RUN_FOLDER`.

The command is started in a process of its own, so that nobody waits for it and no GPU is held meanwhile. It gets the
facts as VITBENCH_* variables and as JSON on standard input; no shell reads them. What goes wrong is a line of the
run's log.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.runs.detached import start_detached
from vitbench.runs.lease import HANDED_OVER, outer_environment
from vitbench.runs.log import RunLog
from vitbench.runs.process import MARK
from vitbench.runs.status import Status
from vitbench.runs.store import Run
from vitbench.settings import ENDS, Settings, read_settings
from vitbench.text import shortened

PATIENCE = 60.0
"""Seconds that the command may take."""


def tell_of_end(run: Run, status: Status) -> None:
    """Starts the person's command if the run has ended by itself, is theirs, and they want to be told.

    It never raises: the end of a run does not depend on it.
    """
    if status.state not in ENDS or not _is_ours(run):
        return
    try:
        settings = read_settings()
    except UserError as error:
        _note(run, status, f"on_end was not run: {error}")
        return
    if not settings.on_end or status.state not in settings.on_end_states:
        return
    environment = outer_environment()
    for name in (MARK, HANDED_OVER):  # it is no process of the run: `kill` must not end it
        environment.pop(name, None)
    command = [sys.executable, "-m", "vitbench.runs.notify", str(run.folder)]
    try:
        start_detached(command, run.folder / "worker.log", environment)
    except (OSError, UserError) as error:
        _note(run, status, f"on_end was not run: {error}")


def facts(run: Run, status: Status) -> dict[str, Any]:
    """What the command is told: plain values."""
    best = None if status.best is None else status.best.model_dump(mode="json")
    seconds = None
    if status.started_at is not None and status.ended_at is not None:
        seconds = round(status.ended_at - status.started_at, 1)
    return {
        "id": run.id,
        "name": status.name,
        "state": status.state,
        "error": status.error,
        "folder": str(run.folder),
        "store": str(run.store_folder),
        "model": status.model,
        "data": status.data,
        "step": status.step,
        "total_steps": status.total_steps,
        "best": best,
        "latest": status.latest,
        "seconds": seconds,
        "sentence": sentence(run, status),
    }


def sentence(run: Run, status: Status) -> str:
    """The end of a run in a line."""
    name = status.name or run.id
    words = f"{name} {'has ' if status.state in ('finished', 'diverged', 'failed', 'crashed') else 'is '}{status.state}"
    if status.best is not None:
        words += f", best {status.best.metric} {status.best.value:.4g} at step {status.best.step:,}"
    if status.error:
        words += f": {shortened(status.error, 500)}"
    return words


def run_command(run: Run, settings: Settings) -> str | None:
    """Runs the command to its end; a sentence if it could not be started, failed, or took too long."""
    status = run.status()
    told = facts(run, status)
    variables = {f"VITBENCH_{name.upper()}": _plain(told[name]) for name in ("id", "name", "state", "error", "folder")}
    variables["VITBENCH_SENTENCE"] = _plain(told["sentence"])
    try:
        answer = subprocess.run(
            settings.on_end,
            input=json.dumps(told, allow_nan=False, default=str).encode(),
            env={**os.environ, **variables},
            capture_output=True,
            timeout=PATIENCE,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"on_end took more than {PATIENCE:.0f} seconds and was ended"
    except (OSError, ValueError) as error:
        return f"on_end could not be started ({settings.on_end[0]}): {getattr(error, 'strerror', None) or error}"
    if answer.returncode:
        words = answer.stderr.decode(errors="replace").strip().splitlines()
        last = f": {shortened(words[-1], 300)}" if words else ""
        return f"on_end ended with code {answer.returncode}{last}"
    return None


def main(folder: Path) -> int:
    """What the detached process does."""
    run = Run(folder)
    problem = run_command(run, read_settings())
    if problem:
        _note(run, run.status(), problem)
    return int(problem is not None)


def _plain(value: object) -> str:
    """A value of an environment variable: text without NUL."""
    return "" if value is None else str(value).replace("\0", "")


def _is_ours(run: Run) -> bool:
    """Whether this person owns the run: in a shared store, another person's commands are theirs to run."""
    try:
        return run.folder.stat().st_uid == os.getuid()
    except OSError:
        return False


def _note(run: Run, status: Status, text: str) -> None:
    try:
        RunLog(run.log).write(status.step, "warning", text if text.endswith(".") else f"{text}.")
    except (OSError, UserError):
        return  # the disk is full, or the folder is gone: there is no place left to say it


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
