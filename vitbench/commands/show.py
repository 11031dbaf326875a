"""`vitbench show RUN`: one run in detail."""

import argparse
import time
from collections.abc import Sequence

from vitbench.commands._runs import add_run, find_run
from vitbench.comparing.scores import read_scalars
from vitbench.errors import UserError
from vitbench.output import print_json
from vitbench.progress import duration, moment
from vitbench.runs.about import read_about, read_note
from vitbench.runs.anatomy import Anatomy, anatomy
from vitbench.runs.checkpoints import read_index
from vitbench.runs.log import last_lines
from vitbench.runs.queue import reason_to_wait
from vitbench.runs.status import Status
from vitbench.runs.store import CheckpointEntry, Run
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_run(parser)
    parser.add_argument("--json", action="store_true", help="the status, the checkpoints and the recipe as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Prints where the run stands, what it has kept, and the end of its log."""
    found = find_run(arguments)
    status = found.status()
    checkpoints = found.checkpoints()
    parts = _anatomy(found, status)
    if arguments.json:
        document = {
            "id": found.id,
            "folder": str(found.folder),
            "status": status.model_dump(mode="json"),
            "checkpoints": [entry.step for entry in checkpoints],
            "about": read_about(found).model_dump(mode="json"),
            "note": read_note(found),
            "anatomy": None if parts is None else parts.document(),
            "recipe": found.recipe().model_dump(mode="json"),
        }
        print_json(document)
        return 0
    print(f"{clean(found.id)}  {clean(status.name)}")
    print(f"state        {status.state}" + (f": {clean(status.error)}" if status.error else ""))
    if status.is_waiting and (reason := reason_to_wait(found.id, status)):
        print(f"waits        {clean(reason)}")
    about = read_about(found)
    if about.tags:
        print(f"tags         {clean(' '.join(about.tags))}")
    if about.parent is not None:
        print(f"from         {clean(about.parent.name or about.parent.id)} at step {about.parent.step:,}")
    for words in read_note(found).splitlines():
        print(f"note         {clean(words)}")
    print(f"model        {clean(status.model)}")
    print(f"data         {clean(status.data)}")
    print(f"step         {status.step:,} of {status.total_steps:,} (epoch {status.epoch:.2f} of {status.epochs})")
    if status.doing is not None:
        print(f"doing        {clean(status.doing.sentence(status.heartbeat))}")
    print(f"started      {duration(time.time() - status.created_at)} ago, on {clean(status.device or 'nothing yet')}")
    if status.eta_seconds is not None:
        rate = f"{status.pictures_per_second or 0:.0f} {clean(status.rate_of)}/s"
        print(f"left         {duration(status.eta_seconds)} at {rate}")
    if status.best is not None:
        print(f"best         {clean(status.best.metric)} {status.best.value:.4g} at step {status.best.step:,}")
    for tag, value in sorted(status.latest.items()):
        print(f"{clean(tag):<24} {value:.5g}")
    if parts is not None:
        print(f"a step       {parts.step_ms:.0f} ms; {parts.words()}")
        print(f"             {clean(parts.sentence)}")
    print(f"checkpoints  {_checkpoint_words(found, checkpoints)}")
    print(f"folder       {clean(str(found.folder))}")
    for line in last_lines(found.log, 8):
        print(f"  {moment(line.time, '%H:%M:%S')} {line.step:>7,} {clean(line.text)}")
    return 0


def _anatomy(found: Run, status: Status) -> Anatomy | None:
    """Where the time goes; None where the recipe cannot be read."""
    try:
        recipe = found.recipe()
    except UserError:
        return None
    return anatomy(read_scalars(found), recipe, on_gpu=(status.device or "").startswith("cuda"))


def _checkpoint_words(run: Run, checkpoints: Sequence[CheckpointEntry]) -> str:
    """Their steps; of those that are kept to look back it says so, since no run can go on from them."""
    index = read_index(run.folder / "checkpoints")
    names = {index.best: "best", index.last: "last"}
    words = [f"{entry.step:,}" + (f" ({names[entry.step]})" if entry.step in names else "") for entry in checkpoints]
    only = len(index.without_state & {entry.step for entry in checkpoints})
    return (", ".join(words) or "none yet") + (f"; of {only} only the weights (train.keep_checkpoints)" if only else "")
