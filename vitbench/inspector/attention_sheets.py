"""Sheets of several maps of one picture: heads, layers, methods, checkpoints of a run, or two networks and their
difference. The screen shows them, saves them as figures, and `vitbench figure again` makes them again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vitbench.errors import UserError
from vitbench.explain.attention_figure import overlaid, rows_of, top_classes
from vitbench.explain.explanation import METHODS, find_method
from vitbench.figures.provenance import file_hash, provenance
from vitbench.figures.raster import OverlayStyle, Picture, overlay
from vitbench.figures.save import Panel, panel_figure
from vitbench.inspector.attention_maps import KeptMaps, Looked
from vitbench.inspector.kept_networks import KeptNetworks
from vitbench.progress import Progress, silent
from vitbench.runs.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLOW = ("integrated_gradients", "occlusion")
KIND = "attention "
"""What a figure's kind starts with; the name of the sheet follows."""


@dataclass(frozen=True)
class Sheet:
    """Panels in reading order, with what makes them again: `request` names each checkpoint by its step."""

    panels: list[Panel]
    looked: Looked
    request: dict[str, Any]
    weights: dict[str, str]
    """The hash of the weights of each network, by its reference."""


def make_sheet(maps: KeptMaps, arguments: Mapping[str, Any], progress: Progress) -> Sheet:
    """The sheet of `kind`; the other arguments are those of `AttentionRequest` with one `picture`.

    With `kind` = compare, `other` names the second network; with checkpoints, `steps` says which (None: all).
    """
    given = dict(arguments)
    kind, other, steps = given.pop("kind", None), given.pop("other", None), given.pop("steps", None)
    if kind == "checkpoints":
        return _checkpoints(maps, given, steps, progress)
    if kind == "compare":
        return _compared(maps, given, str(other), progress)
    makers: dict[Any, Callable[[KeptMaps, Looked, Progress], list[Panel]]] = {
        "heads": _heads,
        "layers": _layers,
        "methods": _methods,
    }
    if kind not in makers:
        raise UserError(f"There is no sheet of {kind!r}; there are {', '.join(makers)}, compare, checkpoints.")
    looked = maps.looked(given, progress)
    request = {**given, "network": looked.key[0], "kind": kind}
    return Sheet(makers[kind](maps, looked, progress), looked, request, _weights([looked]))


def sheet_figure(sheet: Sheet) -> "tuple[Figure, dict[str, Any]]":
    """The sheet as a figure, and what it records."""
    looked, kind = sheet.looked, str(sheet.request["kind"])
    words = f"{looked.network.name}, weights {looked.network.tag}. {METHODS[find_method(looked.request.method)].title}."
    if kind in ("heads", "layers", "methods"):
        words = f"{looked.network.name}, weights {looked.network.tag}."
    if kind == "compare":
        words += f" First {looked.key[0]}, second {sheet.request['other']}; each map over its largest value."
    caption = f"{Path(looked.seen.file).name}. {words}"
    inputs = {f"weights of {name}": value for name, value in sheet.weights.items()}
    inputs[looked.seen.file] = file_hash(looked.seen.file)
    facts = provenance(KIND + kind, sheet.request, inputs, {"panels": [panel.title for panel in sheet.panels]})
    return panel_figure(rows_of(sheet.panels), caption), facts


def remake(recorded: Mapping[str, Any], store: Store, progress: Progress = silent) -> "tuple[Figure, dict[str, Any]]":
    """The figure of a sheet again, from what it recorded. Raises UserError if that does not fit."""
    networks = KeptNetworks(store.folder)
    return sheet_figure(make_sheet(KeptMaps(networks), recorded["request"], progress))


def _weights(parts: Sequence[Looked]) -> dict[str, str]:
    return {part.key[0]: part.network.weights_hash for part in parts}


def _heads(maps: KeptMaps, looked: Looked, progress: Progress) -> list[Panel]:
    request, kept = looked.request.model_copy(update={"method": "raw"}), maps.attention(looked)
    heads: list[int | None] = [None, *range(kept.layers[0].shape[1])]
    return [
        Panel(
            overlaid(request, looked.seen, kept.map(request.layer, head, request.query)[0], False),
            "mean" if head is None else f"head {head + 1}",
        )
        for head in heads
    ]


def _layers(maps: KeptMaps, looked: Looked, progress: Progress) -> list[Panel]:
    request, kept = looked.request.model_copy(update={"method": "raw"}), maps.attention(looked)
    return [
        Panel(
            overlaid(request, looked.seen, kept.map(layer, request.head, request.query)[0], False), f"layer {layer + 1}"
        )
        for layer in range(len(kept.layers))
    ]


def _methods(maps: KeptMaps, looked: Looked, progress: Progress) -> list[Panel]:
    names, panels = [name for name in METHODS if name not in SLOW], []
    for number, name in enumerate(names):
        progress(number, len(names), "explaining")
        changed = {"method": name, "layer": None, "head": None, "query": None}
        part = replace(looked, request=looked.request.model_copy(update=changed))
        try:
            values, _, _ = maps.map(part)
        except UserError:
            continue  # a method that this network does not have
        panels.append(Panel(maps.overlay(part, values), METHODS[name].title))
    if not panels:
        raise UserError(f"No method explains {looked.network.name}.")
    return panels


def _checkpoints(maps: KeptMaps, given: Mapping[str, Any], steps: Sequence[int] | None, progress: Progress) -> Sheet:
    run = Store(maps.networks.store).find(str(given["network"]).partition("@")[0])
    wanted = [entry.step for entry in run.checkpoints()] if steps is None else list(steps)
    if not wanted:
        raise UserError(f"Run {run.id} has no checkpoint yet.")
    parts, panels = [], []
    for number, step in enumerate(wanted):
        progress(number, len(wanted), "looking at each checkpoint")
        part = maps.looked({**given, "network": f"{run.id}@{step}"}, progress)
        values, logits, _ = maps.map(part)
        likeliest = top_classes(logits, part.network, 1)[0]
        title = f"step {step:,}: {likeliest['label']} {likeliest['probability']:.0%}"
        panels.append(Panel(maps.overlay(part, values), title))
        parts.append(part)
    request = {**given, "network": run.id, "kind": "checkpoints", "steps": wanted}
    return Sheet(panels, parts[-1], request, _weights(parts))


def _compared(maps: KeptMaps, given: Mapping[str, Any], other: str, progress: Progress) -> Sheet:
    first = maps.looked(given, progress)
    second = maps.looked({**given, "network": other}, progress)
    (mine, _, _), (theirs, _, _) = maps.map(first), maps.map(second)
    panels = [Panel(maps.overlay(first, mine), first.key[0]), Panel(maps.overlay(second, theirs), second.key[0])]
    if mine.shape == theirs.shape:
        panels.append(Panel(_difference(first, mine, theirs), "first minus second"))
    request = {**given, "network": first.key[0], "kind": "compare", "other": second.key[0]}
    return Sheet(panels, first, request, _weights([first, second]))


def _difference(looked: Looked, mine: Tensor, theirs: Tensor) -> Picture:
    """One map minus the other, each over its largest magnitude; red is more, blue is less, grey is equal."""
    values = mine / mine.abs().max().clamp(min=1e-12) - theirs / theirs.abs().max().clamp(min=1e-12)
    most = max(float(values.abs().max()), 1e-12)
    style = OverlayStyle("coolwarm", looked.request.strength, looked.request.smooth, -most, most)
    return overlay(looked.seen.shown, values.cpu().numpy(), style, looked.seen.box)
