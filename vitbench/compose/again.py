"""A saved figure made again from what it records; the command and the app ask here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitbench.compose import read_request
from vitbench.errors import UserError
from vitbench.figures.provenance import FORMAT, changed_inputs
from vitbench.figures.save import sheet_bytes
from vitbench.figures.sheet import Sheet
from vitbench.requests.base import Request
from vitbench.requests.drawing import Drawing
from vitbench.requests.kinds import FIGURE_KINDS


@dataclass(frozen=True)
class Again:
    """The figure's bytes, and the names of the inputs that have changed since it was saved."""

    content: bytes
    changed: tuple[str, ...]


def compose_again(
    file: Path,
    recorded: Mapping[str, Any],
    ending: str,
    composed: Callable[[Request], Sheet],
    *,
    drawing: Mapping[str, Any] | None = None,
    anyway: bool = False,
    remedy: str = "--anyway makes it all the same",
) -> Again:
    """The figure that `recorded` describes (see `read_provenance`), as .png, .pdf or .svg.

    `composed` gives the sheet of a request. `drawing` is put on paper otherwise than it was. Raises UserError where the
    figure cannot be made again, and, unless `anyway`, where weights or pictures have changed; `remedy` says what to do
    then.
    """
    if recorded["kind"] not in FIGURE_KINDS:
        raise UserError(f"{file} is a figure of kind {recorded['kind']!r}, which cannot be made again.")
    if recorded.get("format") != FORMAT:
        raise UserError(
            f"{file} was saved by an earlier version of vitbench, which counted layers and heads from 0: ask for the"
            " figure again with its command."
        )
    request = read_request(recorded["kind"], recorded["request"])
    sheet = composed(request)
    changed = changed_inputs(recorded["inputs"], sheet.inputs)
    if changed and not anyway:
        raise UserError(f"Another figure would come out, because these have changed: {', '.join(changed)}; {remedy}.")
    style = Drawing.read(dict(recorded.get("drawing") or {}) | dict(drawing or {}))
    return Again(sheet_bytes(sheet, ending, style), tuple(changed))
