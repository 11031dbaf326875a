"""Mistakes as a Sheet: a row a picture, with the map for the class it was taken for and for the right one."""

from dataclasses import replace
from typing import Any

from vitbench.compose.attention import compose_attention
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.figures.sheet import Panel, Sheet
from vitbench.methods import METHODS
from vitbench.progress import Progress, silent
from vitbench.requests.attention import AttentionRequest
from vitbench.requests.report import MistakesRequest


def compose_mistakes(request: MistakesRequest, sources: Sources, progress: Progress = silent) -> Sheet:
    """Explains each picture twice. Raises UserError for a method that explains no class, and for pictures gone."""
    if not METHODS[request.method].needs_class:
        able = ", ".join(name for name, method in METHODS.items() if method.needs_class)
        raise UserError(f"{request.method} shows no class, so it has one map of a mistake; these have two: {able}.")
    named = sources.networks.pinned(request.network)
    panels: list[Panel] = []
    inputs: dict[str, str] = {}
    pictures: list[dict[str, Any]] = []
    lines = []
    for row, (file, right, wrong) in enumerate(request.mistakes):
        progress(row, len(request.mistakes), "explaining mistakes")
        for column, (name, meaning) in enumerate(((wrong, "taken for"), (right, "right"))):
            asked = AttentionRequest(network=named, pictures=(file,), method=request.method, target=name)
            sheet = compose_attention(asked, sources, progress)
            if column == 0:
                panels.append(replace(sheet.panels[0], place=(row, 0)))
            panels.append(replace(sheet.panels[1], title=f"{meaning}: {name}", place=(row, 1 + column)))
            inputs |= sheet.inputs
        pictures.append({"file": file, "right": right, "wrong": wrong})
        lines.append(f"{file}: {right}, predicted as {wrong}.")
    title = METHODS[request.method].title
    caption = f"{title}: maps for the class that a picture was taken for, and for the right one.\n" + "\n".join(lines)
    record = request.changed(network=named).record()
    facts = {"reference": named, "method": request.method, "title": title, "pictures": pictures}
    return Sheet("mistakes", record, tuple(panels), facts, caption, inputs)
