"""What of a run can be copied, and how it leaves the app: by OSC 52, which reaches through SSH and tmux."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path

from screens import wording
from screens.snapshot import RunRow
from screens.widgets.picker import Choice
from vitbench.figures.remote import scp_line
from vitbench.listing.judged import score_name

_MOST_BYTES = 74_994
"""xterm takes no more in one go."""


def copies_of_run(run: RunRow, runs_folder: Path) -> list[Choice]:
    """Path, id, `scp` line and numbers of a run."""
    folder = Path(run.log_folder) if run.log_folder else runs_folder / run.id
    numbers = [
        f"step {run.step}",
        f"loss {run.loss:.6g}" if run.loss is not None else "",
        f"{score_name(run.score_metric).words} {run.score:.6g}" if run.score is not None else "",
    ]
    best = [Choice(run.best, "its best")] if run.best else []
    name = [Choice(run.name, "its name")] if run.name else []
    fetch = scp_line(folder)
    return [
        Choice(str(folder), "its folder"),
        Choice(run.id, "its id"),
        *name,
        *([Choice(fetch, "to fetch it")] if fetch else []),
        Choice(", ".join(number for number in numbers if number), "its numbers"),
        *best,
        Choice(wording.model(run.model), "its model"),
    ]


def clipboard_sequence(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The control sequence that puts `text` on the clipboard of the person's terminal.

    tmux hands a sequence on that is wrapped for it (with `allow-passthrough`), and takes the plain one itself (with
    `set-clipboard`), so both are sent; screen hands on what is wrapped, in pieces.
    """
    encoded = base64.b64encode(text.encode("utf-8", "replace")[:_MOST_BYTES]).decode()
    plain = f"\x1b]52;c;{encoded}\x07"
    if environment.get("TMUX"):
        return f"\x1bPtmux;\x1b{plain}\x1b\\{plain}"
    if environment.get("TERM", "").startswith("screen"):
        pieces = [plain[start : start + 700] for start in range(0, len(plain), 700)]
        return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    return plain
