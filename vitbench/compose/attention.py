"""A request for attention becomes a Sheet: the picture, and its maps beside it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.attention.tutorial import tutorial_attention
from vitbench.compose.attention_maps import AttentionMaps, FoundMap, NetworkAndPicture, head_count
from vitbench.compose.attention_words import (
    PicturePanels,
    arrays_of,
    class_title,
    heading,
    map_facts,
    map_title,
    network_title,
    part_name,
    picture_facts,
    picture_title,
    sentence,
    step_of,
)
from vitbench.compose.checkpoints import pinned_steps
from vitbench.compose.prepared import guess_in_words, likeliest, top_classes
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.figures.raster import OverlayStyle, mark_patch, overlay, overlay_placed, place
from vitbench.figures.sheet import Panel, Scale, Sheet, in_rows, next_row
from vitbench.methods import METHODS
from vitbench.progress import Progress, silent
from vitbench.requests.attention import AttentionRequest

LIKELIEST = 3
"""Classes of a grid of classes where none is named."""
_GIVEN, _MOST_LABELS = 0.5, 12
"""The probability from which on a network of several labels gives a picture one, and how many of them are shown."""


def compose_attention(request: AttentionRequest, sources: Sources, progress: Progress = silent) -> Sheet:
    """Explains each picture and lays a row of panels for it: the picture, then its maps on it.

    Raises UserError for an unreadable picture, an unknown class, or a network without such a map.
    """
    request, instead = _explainable(_pinned(request, sources), sources, progress)
    maps = AttentionMaps(request, sources, progress)
    parts: list[PicturePanels] = []
    for number, file in enumerate(request.pictures):
        if len(request.pictures) > 1:
            progress(number, len(request.pictures), "explaining")
        parts += [_PARTS[request.grid](maps, reference, file) for reference in _references(request)]
    panels: list[Panel] = []
    for part in parts:
        columns = part.columns or (len(part.panels) if _is_table(request) else None)
        panels += in_rows(part.panels, columns, next_row(panels))
    if request.grid == "checkpoints":
        panels = _strips(request, parts)
    first = parts[0].pair
    networks = {part.pair.named: part.pair.network for part in parts}
    inputs = {f"weights of {name}": sources.weights_hash(network) for name, network in networks.items()}
    if request.other is not None:
        other = sources.network(request.other, progress, request.image_size)
        inputs[f"weights of {request.other}"] = sources.weights_hash(other[1])
    if request.classes is not None:
        inputs[request.classes] = sources.file_hash(request.classes)
    inputs |= {file: sources.file_hash(file) for file in request.pictures}
    network = first.network
    described = maps.preprocessing(network).describe() + (" The network sees it in grey." if network.sees_grey else "")
    facts = {
        "reference": first.named,
        "network": network.name,
        "tag": network.tag,
        "source": network.source,
        "preprocessing": described,
        "instead": instead,
        "layers": len(network.backbone.blocks) if network.backbone.refusal is None else 0,
        "heads": head_count(network),
        "grid": [int(side) for side in parts[0].maps[0].values.shape] if parts[0].maps else None,
        "pictures": [picture_facts(part) for part in parts],
    }
    head_line = f"{network.name}, weights {network.tag}. {described}" + (f" {instead}." if instead else "")
    said = [f"{part_name(request, part)}: {sentence(request, part)}" for part in parts]
    arrays: dict[str, NDArray[np.float32]] = {}
    for number, part in enumerate(parts):
        arrays |= {f"{number}/{name}": values for name, values in arrays_of(part).items()}
    return Sheet(
        kind="attention",
        request=request.record(),
        panels=tuple(panels),
        facts=facts,
        caption="\n".join([head_line, *said]),
        inputs=inputs,
        title=heading(request),
        arrays=arrays,
    )


def _pinned(request: AttentionRequest, sources: Sources) -> AttentionRequest:
    """The request with the checkpoints that it means now, so that a figure of it can be made again."""
    changes: dict[str, Any] = {}
    if request.grid == "compare":
        assert request.other is not None
        changes["other"] = sources.networks.pinned(request.other)
    if request.steps:
        network, steps = pinned_steps(request.network, request.steps, sources)
        return request.changed(network=network, steps=steps)
    return request.changed(network=sources.networks.pinned(request.network), **changes)


def _explainable(request: AttentionRequest, sources: Sources, progress: Progress) -> tuple[AttentionRequest, str]:
    """The request, and "". Where nobody named a method and the network has no classes: raw attention, and why."""
    if not request.by_default or request.target or request.targets or not METHODS[request.method].needs_class:
        return request, ""
    _, network = sources.network(_references(request)[0], progress, request.image_size)
    if not network.no_classes or network.backbone.refusal:
        return request, ""
    said = f"{METHODS[request.method].title} explains a class, so raw attention is shown in its place"
    return request.fitting(method="raw"), said


def _references(request: AttentionRequest) -> list[str]:
    """The network, or each checkpoint of it that is asked for."""
    return [f"{request.network}@{step}" for step in request.steps] if request.steps else [request.network]


def _is_table(request: AttentionRequest) -> bool:
    """Whether each picture has one row, however long, so that like stands above like."""
    return request.grid == "methods" and (len(request.pictures) > 1 or bool(request.steps)) and bool(request.methods)


# The panels of one picture, by grid


def _single(maps: AttentionMaps, reference: str, file: str) -> PicturePanels:
    pair = maps.pair(reference, file)
    found = maps.explained(pair, maps.request.method)
    return _with_picture(maps, pair, [(map_title(maps.request, pair, found), found)])


def _heads(maps: AttentionMaps, reference: str, file: str) -> PicturePanels:
    pair, layer = maps.pair(reference, file), maps.request.layer
    count = maps.attention(pair).layers[0].shape[1]
    heads: list[int | None] = [None, *range(1, count + 1)]
    return _with_picture(
        maps,
        pair,
        [("mean" if head is None else f"head {head}", maps.raw(pair, layer, head)) for head in heads],
    )


def _layers(maps: AttentionMaps, reference: str, file: str) -> PicturePanels:
    pair, head = maps.pair(reference, file), maps.request.head
    count = len(maps.attention(pair).layers)
    return _with_picture(maps, pair, [(f"layer {layer}", maps.raw(pair, layer, head)) for layer in range(1, count + 1)])


def _methods(maps: AttentionMaps, reference: str, file: str) -> PicturePanels:
    """One map a method. Where none is named, those that the network does not have are left out, and said."""
    pair, request = maps.pair(reference, file), maps.request
    found, refusals = [], {}
    names = request.shown_methods()
    for number, name in enumerate(names):
        maps.progress(number, len(names), "explaining")
        try:
            one = maps.explained(pair, name)
        except UserError as error:
            if request.methods:
                raise
            refusals[name] = error
            continue
        found.append((map_title(request, pair, one, with_class=False), one))
    if not found:
        raise next(iter(refusals.values()))
    part = _with_picture(maps, pair, found)
    if refusals:
        part.words = f"; left out, because the network has no such map: {', '.join(refusals)}"
    return part


def _compared(maps: AttentionMaps, reference: str, file: str) -> PicturePanels:
    """Both networks' maps, each for a class of its own network, and one minus the other."""
    request = maps.request
    assert request.other is not None
    first, second = maps.pair(reference, file), maps.pair(request.other, file)
    mine, theirs = maps.explained(first, request.method), maps.explained(second, request.method)
    part = _with_picture(maps, first, [(network_title(request, maps, first, mine), mine)])
    title = network_title(request, maps, second, theirs)
    panel = _map_panel(maps, second, title, theirs)
    part.panels += [panel, _difference(maps, first, mine, second, theirs)]
    part.maps.append(theirs)
    part.words = (
        f"; beside it {second.named}: {likeliest(top_classes(theirs.logits, second.network))}."
        " The difference is of the two maps, each over its largest magnitude"
    )
    part.facts = {"other": map_facts(second, theirs)}
    return part


def _difference(
    maps: AttentionMaps, first: NetworkAndPicture, mine: FoundMap, second: NetworkAndPicture, theirs: FoundMap
) -> Panel:
    """One map minus the other on the picture's own pixels, so that grids and preparations may differ."""
    request, shown = maps.request, first.picture.shown
    height, width = shown.shape[:2]
    placed = []
    for pair, found in ((first, mine), (second, theirs)):
        relative = found.values / found.values.abs().max().clamp(min=1e-12)
        placed.append(place(relative.numpy(), height, width, pair.picture.box, request.smooth))
    values = placed[0] - placed[1]
    seen = np.isfinite(values)
    most = (float(np.abs(values[seen]).max()) if seen.any() else 0.0) or 1.0
    style = OverlayStyle("coolwarm", request.strength, request.smooth, -most, most)
    scale = Scale("coolwarm", -most, most, "First minus second")
    return Panel(overlay_placed(shown, values, style), "first minus second", scale=scale, box=first.picture.box)


def _classes(maps: AttentionMaps, reference: str, file: str) -> PicturePanels:
    """One map a class: of those named, else of the likeliest; of several labels a picture, of each that it is given."""
    pair, request = maps.pair(reference, file), maps.request
    wanted: Sequence[str | None] = request.targets
    if not wanted:
        first = maps.explained(pair, request.method, None)
        count = _MOST_LABELS if pair.network.multilabel else LIKELIEST
        top = top_classes(first.logits, pair.network, count)
        if pair.network.multilabel:
            top = [guess for guess in top if guess.get("probability", 0.0) >= _GIVEN] or top[:1]
        wanted = [str(guess["class"]) for guess in top]
    found = []
    for number, target in enumerate(wanted):
        maps.progress(number, len(wanted), "explaining")
        one = maps.explained(pair, request.method, target)
        found.append((class_title(pair, one), one))
    part = _with_picture(maps, pair, found)
    part.of_classes = True
    return part


def _tutorial(maps: AttentionMaps, reference: str, file: str) -> PicturePanels:
    """q k of block 1 as a known tutorial draws it, above the true attention of that block."""
    pair = maps.pair(reference, file)
    network, picture, request = pair.network, pair.picture, maps.request
    drawn = tutorial_attention(network, picture.pixels)
    heads = drawn.drawn.shape[1]

    def panel(values: Any, title: str, quantity: str) -> Panel:
        array = values.cpu().numpy()
        scale = Scale(request.colour_map, float(array.min()), float(array.max()), quantity)
        style = OverlayStyle(request.colour_map, request.strength, request.smooth, scale.low, scale.high)
        return Panel(overlay(picture.shown, array, style, picture.box), title, scale=scale, box=picture.box)

    patch = divmod(drawn.token - network.backbone.num_prefix_tokens, drawn.true.shape[3])
    asking = mark_patch(picture.shown, (drawn.true.shape[2], drawn.true.shape[3]), patch, picture.box)
    panels = [
        Panel(picture.shown, Path(file).name, box=picture.box),
        *(panel(drawn.drawn[0, n], f"as in the tutorial, head {n + 1}", "q·k") for n in range(heads)),
        Panel(asking if patch[0] >= 0 else picture.shown, f"from token {drawn.token}", box=picture.box),
        *(panel(drawn.true[0, n], f"true attention, head {n + 1}", "Attention") for n in range(heads)),
    ]
    correlations = [float(value) for value in drawn.correlation[0]]
    words = (
        "; q k of block 1 without norm, scale and softmax, above the attention of block 1; correlation by head "
        + ", ".join(f"{value:.2f}" for value in correlations)
    )
    logits = maps.attention(pair).logits[0]
    facts = {"top": top_classes(logits, network), "token": drawn.token, "correlation": correlations}
    arrays = {"as_in_the_tutorial": drawn.drawn[0].cpu().numpy(), "true": drawn.true[0].cpu().numpy()}
    return PicturePanels(pair, panels, [], words, 1 + heads, facts, arrays | {"logits": logits.cpu().numpy()})


_PARTS: dict[str | None, Callable[[AttentionMaps, str, str], PicturePanels]] = {
    None: _single,
    "heads": _heads,
    "layers": _layers,
    "methods": _methods,
    "checkpoints": _single,
    "compare": _compared,
    "classes": _classes,
    "tutorial": _tutorial,
}


def _with_picture(maps: AttentionMaps, pair: NetworkAndPicture, found: Sequence[tuple[str, FoundMap]]) -> PicturePanels:
    """The picture first, the patch that looks outlined on it, then a panel a map."""
    shown = pair.picture.shown
    if maps.request.query is not None and any("query" in one.method.options for _, one in found):
        shown = maps.marked(pair, shown)
    panels = [Panel(shown, picture_title(maps.request, pair), box=pair.picture.box)]
    panels += [_map_panel(maps, pair, title, one) for title, one in found]
    return PicturePanels(pair, panels, [one for _, one in found])


def _map_panel(maps: AttentionMaps, pair: NetworkAndPicture, title: str, found: FoundMap) -> Panel:
    return Panel(
        maps.overlaid(pair, found),
        title,
        scale=found.scale(maps.request),
        box=pair.picture.box,
        facts=map_facts(pair, found),
    )


def _strips(request: AttentionRequest, parts: Sequence[PicturePanels]) -> list[Panel]:
    """The picture, then its map by each checkpoint, titled with the step and the likeliest class."""
    panels: list[Panel] = []
    count = len(request.steps)
    for start in range(0, len(parts), count):
        strip = parts[start : start + count]
        maps = []
        for part in strip:
            top = top_classes(part.maps[0].logits, part.pair.network, 1)
            title = f"step {step_of(part.pair)}" + (f": {guess_in_words(top[0], 0)}" if top else "")
            maps.append(replace(part.panels[1], title=title))
        picture = replace(strip[0].panels[0], title=Path(strip[0].pair.picture.file).name)
        panels += in_rows([picture, *maps], None, next_row(panels))

    return panels
