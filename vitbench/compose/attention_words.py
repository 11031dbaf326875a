"""What is told of the maps of a sheet: their titles, the numbers beside them, and the sentences of the caption."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.compose.attention_maps import AttentionMaps, FoundMap, NetworkAndPicture
from vitbench.compose.prepared import class_name, likeliest, top_classes
from vitbench.figures.sheet import Panel
from vitbench.methods import METHODS
from vitbench.methods.base import Method
from vitbench.models.network import Network
from vitbench.requests.attention import AttentionRequest
from vitbench.text import counted, small_error


@dataclass
class PicturePanels:
    """The panels of one picture (and of one checkpoint, where several are asked for), and what is told of it."""

    pair: NetworkAndPicture
    panels: list[Panel]
    maps: list[FoundMap]
    words: str = ""
    columns: int | None = None
    facts: dict[str, Any] | None = None
    arrays: dict[str, NDArray[np.float32]] | None = None
    of_classes: bool = False
    """Whether each map is of another class."""


def heading(request: AttentionRequest) -> str:
    """What all panels of a grid of layers, heads or classes have in common."""
    if request.grid == "classes":
        return METHODS[request.method].title
    if request.grid not in ("heads", "layers"):
        return ""
    layer = "last layer" if request.layer is None else f"layer {request.layer}"
    head = "mean of heads" if request.head is None else f"head {request.head}"
    words = f"Raw attention, {layer if request.grid == 'heads' else head}"
    return words if request.query is None else f"{words}, from row {request.query[0]}, column {request.query[1]}"


def map_title(request: AttentionRequest, pair: NetworkAndPicture, found: FoundMap, *, with_class: bool = True) -> str:
    """What a map is, in one line: the method, and those of the options that it obeys."""
    method = found.method
    parts = [method.title]
    if method.has("layer"):
        parts.append("last layer" if request.layer is None else f"layer {request.layer}")
    if method.has("head"):
        parts.append("mean of heads" if request.head is None else f"head {request.head}")
    if request.query is not None and method.has("query"):
        parts.append(f"from row {request.query[0]}, column {request.query[1]}")
    parts += [f"{name} {value}" for name, value in request.options_of(method).items()]
    if with_class and found.target is not None:
        parts.append(f"for {class_name(found.target, pair.network)}")
    return ", ".join(parts)


def network_title(request: AttentionRequest, maps: AttentionMaps, pair: NetworkAndPicture, found: FoundMap) -> str:
    """A network and the class that its map explains."""
    words = maps.sources.title(pair.named)
    return words if found.target is None else f"{words}, for {class_name(found.target, pair.network)}"


def class_title(pair: NetworkAndPicture, found: FoundMap) -> str:
    """The explained class, and how likely the network thinks it."""
    assert found.target is not None
    name = class_name(found.target, pair.network)
    if found.logits.numel() < 2:
        return f"for {name}"
    return f"for {name}, {float(pair.network.probabilities(found.logits)[found.target]):.1%}"


def picture_title(request: AttentionRequest, pair: NetworkAndPicture) -> str:
    """The picture's file, with its folder where another has that name; the checkpoint where there are several."""
    file = Path(pair.picture.file)
    names = [Path(other).name for other in dict.fromkeys(map(str, request.pictures))]
    name = f"{file.parent.name}/{file.name}" if names.count(file.name) > 1 else file.name
    return f"{name}, step {step_of(pair)}" if request.steps else name


def step_of(pair: NetworkAndPicture) -> str:
    """The step of a run's checkpoint."""
    return f"{int(pair.named.partition('@')[2]):,}"


def part_name(request: AttentionRequest, part: PicturePanels) -> str:
    """What a sentence of the caption begins with."""
    return picture_title(request, part.pair)


def map_facts(pair: NetworkAndPicture, found: FoundMap) -> dict[str, Any]:
    """What is told of one map: whose it is, what that network says, which class it explains, and for trust."""
    return {
        "reference": pair.named,
        "method": found.method.name,
        "top": top_classes(found.logits, pair.network),
        "target": found.target,
        "target_label": "" if found.target is None else class_name(found.target, pair.network),
        "completeness_error": found.completeness_error,
        "outliers": found.outliers,
        "outlier_mass": found.outlier_mass,
        "peak": float(found.values.max() / found.values.abs().mean().clamp(min=1e-12)),
        "empty": found.is_empty,
        "concentration": found.concentration(),
        "hidden": found.hidden(),
    }


def picture_facts(part: PicturePanels) -> dict[str, Any]:
    """The numbers of one picture, for people and for `--json`."""
    facts: dict[str, Any] = {"file": part.pair.picture.file, "network": part.pair.named}
    if part.pair.network.no_classes:
        facts["no_classes"] = part.pair.network.no_classes
    if part.maps:
        first = part.maps[0]
        facts["top"] = top_classes(first.logits, part.pair.network)
        explained = next((one.target for one in part.maps if one.target is not None), None)
        if explained is not None:
            facts |= {"target": explained, "target_label": class_name(explained, part.pair.network)}
        several = part.of_classes
        errors = {
            f"{one.method.name} for {class_name(one.target or 0, part.pair.network)}"
            if several
            else one.method.name: one.completeness_error
            for one in part.maps
            if one.completeness_error is not None
        }
        if errors:
            facts["completeness_error"] = errors
        if first.outliers:
            titles = [panel.title for panel in part.panels if panel.scale is not None]
            masses = dict(zip(titles, (one.outlier_mass for one in part.maps), strict=False))
            facts["outliers"] = {"patches": first.outliers, "mass": masses}
    return facts | (part.facts or {})


def sentence(request: AttentionRequest, part: PicturePanels) -> str:
    """One picture in words: its likeliest class, what the maps are of, and how far they can be trusted."""
    network = part.pair.network
    facts = picture_facts(part)
    words = likeliest(facts["top"])
    explained = facts.get("target_label")
    if part.of_classes:
        words += ", maps for " + ", ".join(class_name(one.target or 0, network) for one in part.maps)
    elif explained:
        words += f", map for {explained}"
    if len(part.maps) == 1 and not explained:
        words += f", {map_title(request, part.pair, part.maps[0], with_class=False)}"
    if errors := facts.get("completeness_error"):
        words += "; completeness error " + ", ".join(f"{name} {small_error(error)}" for name, error in errors.items())
    if empty := [one.method for one in part.maps if one.is_empty]:
        words += f"; nothing is drawn of {', '.join(method.title for method in empty)}: {why_empty(empty)}"
    words += _concentrated(request, part)
    if "outliers" in facts:
        found = facts["outliers"]
        hidden = " (masked)" if request.mask_outliers else ""
        words += (
            f"; {counted(found['patches'], 'outlier patch')}{hidden} with {max(found['mass'].values()):.0%} of a map"
        )
    elif request.mask_outliers:
        words += "; there are no outlier patches to mask" if _has_grid(network) else "; it has no patch grid to mask in"
    return words + part.words + "."


def why_empty(methods: Sequence[Method]) -> str:
    """Why a map can be 0 everywhere."""
    if all(not method.needs_class for method in methods):
        return "it is 0 everywhere"
    return "all that it finds speaks against the class, and only what speaks for it is drawn"


def _concentrated(request: AttentionRequest, part: PicturePanels) -> str:
    """That a map lies on a few patches, or that a few take all colours, and what shows the rest."""
    found = [one for one in part.maps if one.concentration()]
    dark = [one for one in part.maps if one.hidden()]
    if not (found or dark) or request.scale == "robust":
        return ""
    found = found or dark
    patches, share = max((one.concentration() or (0, 0.0) for one in found), key=lambda pair: pair[1])
    masked = " and --mask-outliers" if any(one.outliers for one in found) and not request.mask_outliers else ""
    total = found[0].values.numel()
    shows = "show" if masked else "shows"
    if not patches:
        above, reach = min((one.hidden() or (0, 1.0) for one in dark), key=lambda pair: pair[1])
        return (
            f"; all but {counted(above, 'patch')} of {total:,} lie in the lowest {reach:.0%} of the colours: --scale"
            f" robust{masked} {shows} the rest"
        )
    return f"; {share:.0%} of a map lies on {patches} of {total:,} patches: --scale robust{masked} {shows} the rest"


def _has_grid(network: Network) -> bool:
    return network.backbone.refusal is None


def arrays_of(part: PicturePanels) -> dict[str, NDArray[np.float32]]:
    """The maps [rows, columns] of one picture by title, and its `logits` [classes]."""
    if part.arrays is not None:
        return part.arrays
    titles = [panel.title for panel in part.panels if panel.scale is not None]
    found = {title: one.values.numpy() for title, one in zip(titles, part.maps, strict=False)}
    return found | {"logits": part.maps[0].logits.numpy()}
