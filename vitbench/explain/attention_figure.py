"""Pictures with maps over them as one figure: what the `attention` command saves and the screen exports.

A request is plain data. It is stored in the figure, and makes the same figure again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from vitbench.data.pictures import open_picture
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.explain.explanation import DEFAULT_METHOD, METHODS, explain, find_method
from vitbench.explain.kept_attention import KeptAttention, all_attention
from vitbench.explain.outliers import OutlierTokens, outlier_tokens
from vitbench.explain.result import Explanation
from vitbench.explain.tutorial import tutorial_attention
from vitbench.figures.provenance import file_hash, provenance
from vitbench.figures.raster import Box, OverlayStyle, Picture, mark_patch, overlay
from vitbench.figures.save import Panel, panel_figure
from vitbench.models.network import Network, open_network
from vitbench.progress import Progress, silent
from vitbench.runs.store import Store
from vitbench.text import small_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIGNED_METHODS = ("libra", "integrated_gradients", "occlusion")
"""Their maps are drawn from 0 up; what speaks against the class is left blank."""
PANEL_SIDE = 320
MOST_COLUMNS = 5


class AttentionRequest(BaseModel):
    """Which maps of which pictures, and how they are drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    pictures: list[str] = Field(min_length=1)
    method: str = DEFAULT_METHOD
    methods: list[str] = []
    """For `grid = "methods"`: which; none named means all that the network has, without the slow ones."""
    layer: int | None = None
    head: int | None = None
    target: str | None = None
    """A class by number or name; None is the likeliest one of each picture."""
    query: tuple[int, int] | None = None
    grid: Literal["heads", "layers", "methods"] | None = None
    preprocess: Literal["own", "report"] = "own"
    mask_outliers: bool = False
    tutorial: bool = False
    strength: float = Field(0.55, ge=0, le=1)
    colour_map: str = "jet"
    smooth: bool = True


@dataclass
class AttentionFigure:
    """The figure, what it records, the numbers to print for each picture, and the maps themselves by name."""

    figure: "Figure"
    facts: dict[str, Any]
    pictures: list[dict[str, Any]]
    arrays: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Seen:
    """A picture as a person sees it and as the network does. `box` is the network's part of `shown`, in its pixels."""

    file: str
    shown: Picture
    box: Box
    pixels: Tensor


def attention_figure(request: AttentionRequest, network: Network, progress: Progress = silent) -> AttentionFigure:
    """Explains each picture and composes a row of panels for it: the picture, then its maps on it.

    Raises UserError for an unreadable picture, an unknown class or method, or a network without such a map.
    """
    preprocessing = chosen_preprocessing(network.preprocessing, request.preprocess)
    rows: list[list[Panel | None]] = []
    numbers: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[np.float32]] = {}
    captions: list[str] = []
    for number, file in enumerate(request.pictures):
        progress(number, len(request.pictures), "explaining")
        seen = look_at(file, preprocessing)
        target = class_number(request.target, network)
        drawn = _draw(request, network, seen, target)
        rows += rows_of(drawn.panels, drawn.columns)
        numbers.append({"file": file, **drawn.numbers})
        captions.append(f"{Path(file).name}: {drawn.sentence}")
        arrays |= {f"{number}/{name}": values for name, values in drawn.arrays.items()}
    progress(len(request.pictures), len(request.pictures), "explaining")
    inputs = {"weights": network.weights_hash} | {file: file_hash(file) for file in request.pictures}
    facts = provenance(
        "attention",
        request.model_dump(),
        inputs,
        {
            "network": network.name,
            "tag": network.tag,
            "source": network.source,
            "preprocessing": preprocessing.describe(),
            "pictures": numbers,
        },
    )
    head_line = f"{network.name}, weights {network.tag}. {preprocessing.describe()}"
    figure = panel_figure(rows, "\n".join([head_line, *captions]))
    return AttentionFigure(figure, facts, numbers, arrays)


def remake(recorded: dict[str, Any], store: Store, progress: Progress = silent) -> tuple["Figure", dict[str, Any]]:
    """The figure again, and its facts now, from what it recorded. Raises UserError if that does not fit."""
    try:
        request = AttentionRequest.model_validate(recorded["request"])
    except ValidationError as error:
        raise UserError(
            f"What the figure records is not a request for attention ({error.error_count()} errors)."
        ) from error
    drawn = attention_figure(request, open_network(request.network, store, progress), progress)
    return drawn.figure, drawn.facts


def chosen_preprocessing(own: Preprocessing, choice: str) -> Preprocessing:
    """The network's own, or the report's: squashed to 8/7 of the network's size (256 for 224), the centre cut out."""
    if choice == "own":
        return own
    return Preprocessing(own.height, own.width, "squash", 0.875, "bilinear", own.mean, own.std)


def look_at(file: str, preprocessing: Preprocessing, side: int = PANEL_SIDE) -> Seen:
    """Opens a picture; `shown` is scaled so that its longer side is `side` pixels."""
    picture = open_picture(file)
    scale = side / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    shown = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
    left, top, right, bottom = preprocessing.box(*picture.size)
    across, down = size[0] / picture.width, size[1] / picture.height
    return Seen(
        file,
        shown,
        (left * across, top * down, right * across, bottom * down),
        preprocessing.normalize(preprocessing.resized(picture))[None],
    )


def class_number(target: str | None, network: Network) -> int | None:
    """A class by its number or its name. Raises UserError for a name that the network does not have."""
    if target is None:
        return None
    if network.labels and target in network.labels:
        return network.labels.index(target)
    if target.isdigit():
        return int(target)
    known = f"; it has {', '.join(network.labels[:8])} ..." if network.labels else ", whose classes are numbers"
    raise UserError(f"{network.name} has no class {target!r}{known}")


def class_name(number: int, network: Network) -> str:
    """The class's label, or its number where there is none."""
    return network.labels[number] if network.labels and number < len(network.labels) else f"class {number}"


def top_classes(logits: Tensor, network: Network, count: int = 5) -> list[dict[str, Any]]:
    """The likeliest classes of one picture, logits [C]: class, label, probability."""
    probabilities, classes = logits.float().softmax(dim=0).topk(min(count, len(logits)))
    return [
        {"class": int(number), "label": class_name(int(number), network), "probability": float(probability)}
        for number, probability in zip(classes, probabilities, strict=True)
    ]


@dataclass(frozen=True)
class _Drawn:
    panels: list[Panel]
    numbers: dict[str, Any]
    sentence: str
    arrays: dict[str, NDArray[np.float32]]
    columns: int | None = None


def _draw(request: AttentionRequest, network: Network, seen: Seen, target: int | None) -> _Drawn:
    """The panels of one picture."""
    if request.tutorial:
        return _draw_tutorial(request, network, seen)
    if request.grid in ("heads", "layers"):
        kept = all_attention(network, seen.pixels)
        maps = _grid_of_attention(request, kept)
        logits = kept.logits
        explanations: list[Explanation] = []
    else:
        names = _methods(request) if request.grid == "methods" else [find_method(request.method)]
        explanations = _explanations(request, network, seen, target, names)
        maps = {METHODS[found.facts["method"]].title: found.maps[0] for found in explanations}
        logits = explanations[0].logits
    outliers = _outliers(network, seen)
    numbers: dict[str, Any] = {"top": top_classes(logits[0], network)}
    likeliest = numbers["top"][0]
    sentence = f"{likeliest['label']} {likeliest['probability']:.1%}"
    if explanations:
        explained = int(explanations[0].targets[0])
        numbers |= {"target": explained, "target_label": class_name(explained, network)}
        if any(METHODS[found.facts["method"]].of_a_class for found in explanations):
            sentence += f", map for {class_name(explained, network)}"
        sentence += _options_said(request, explanations)
        errors = [(f.facts["method"], f.completeness_error) for f in explanations if f.completeness_error is not None]
        numbers["completeness_error"] = {method: float(error[0]) for method, error in errors}
        if errors:
            shown = ", ".join(f"{method} {small_error(float(error[0]))}" for method, error in errors)
            sentence += f"; completeness error {shown}"
    if outliers is not None and bool(outliers.outliers.any()):
        masses = {name: float(outliers.mass(values[None])[0]) for name, values in maps.items()}
        numbers["outliers"] = {"patches": int(outliers.outliers.sum()), "mass": masses}
        hidden = " (masked)" if request.mask_outliers else ""
        sentence += f"; {int(outliers.outliers.sum())} outlier patches{hidden} hold {max(masses.values()):.0%} of a map"
        if request.mask_outliers:
            maps = {name: outliers.masked(values[None])[0] for name, values in maps.items()}
    panels = [Panel(seen.shown, Path(seen.file).name)]
    for name, values in maps.items():
        signed = any(METHODS[method].title == name for method in SIGNED_METHODS)
        panels.append(Panel(overlaid(request, seen, values, signed), name))
    arrays = {name: values.cpu().numpy() for name, values in maps.items()}
    arrays["logits"] = logits[0].cpu().numpy()
    return _Drawn(panels, numbers, sentence + ".", arrays)


def _grid_of_attention(request: AttentionRequest, kept: KeptAttention) -> dict[str, Tensor]:
    if request.grid == "heads":
        heads = kept.layers[0].shape[1]
        layer = "last layer" if request.layer is None else f"layer {request.layer + 1}"
        maps = {f"{layer}, head {head + 1}": kept.map(request.layer, head, request.query)[0] for head in range(heads)}
        return {f"{layer}, mean": kept.map(request.layer, None, request.query)[0]} | maps
    head_name = "mean of heads" if request.head is None else f"head {request.head + 1}"
    return {
        f"layer {layer + 1}, {head_name}": kept.map(layer, request.head, request.query)[0]
        for layer in range(len(kept.layers))
    }


def _methods(request: AttentionRequest) -> list[str]:
    quick = [name for name in METHODS if name not in ("integrated_gradients", "occlusion")]
    return [find_method(name) for name in request.methods] or quick


def _explanations(
    request: AttentionRequest, network: Network, seen: Seen, target: int | None, names: list[str]
) -> list[Explanation]:
    """One explanation a method. In a grid of all methods those that the network does not have are left out."""
    found, refusals = [], []
    for name in names:
        asked = {"layer": request.layer, "head": request.head, "query": request.query}
        given = {option: value for option, value in asked.items() if value is not None}
        if request.grid == "methods":
            given = {option: value for option, value in given.items() if option in METHODS[name].options}
        try:
            found.append(explain(network, seen.pixels, name, target, **given))
        except UserError as error:
            if request.grid != "methods" or request.methods:
                raise
            refusals.append(error)
    if not found:
        raise refusals[0]
    return found


def _options_said(request: AttentionRequest, explanations: Sequence[Explanation]) -> str:
    """Layer, head and query patch of a single map, counted from 1."""
    if len(explanations) > 1:
        return ""
    known = METHODS[explanations[0].facts["method"]].options
    said = ""
    if "layer" in known:
        said += ", last layer" if request.layer is None else f", layer {request.layer + 1}"
    if "head" in known:
        said += ", mean of heads" if request.head is None else f", head {request.head + 1}"
    if request.query is not None:
        said += f", from row {request.query[0] + 1}, column {request.query[1] + 1}"
    return said


def _outliers(network: Network, seen: Seen) -> OutlierTokens | None:
    """Outlier tokens where the network has one grid of tokens; None where the question makes no sense."""
    return outlier_tokens(network, seen.pixels) if network.backbone.refusal is None else None


def _draw_tutorial(request: AttentionRequest, network: Network, seen: Seen) -> _Drawn:
    drawn = tutorial_attention(network, seen.pixels)
    panels = [Panel(seen.shown, Path(seen.file).name)]
    for head in range(drawn.drawn.shape[1]):
        panels.append(
            Panel(overlaid(request, seen, drawn.drawn[0, head], False), f"as in the tutorial, head {head + 1}")
        )
    patch = divmod(drawn.token - network.backbone.num_prefix_tokens, drawn.true.shape[3])
    asking = mark_patch(seen.shown, (drawn.true.shape[2], drawn.true.shape[3]), patch, seen.box)
    panels.append(Panel(asking if patch[0] >= 0 else seen.shown, f"from token {drawn.token}"))
    for head in range(drawn.true.shape[1]):
        panels.append(Panel(overlaid(request, seen, drawn.true[0, head], False), f"true attention, head {head + 1}"))
    correlation = [float(value) for value in drawn.correlation[0]]
    with torch.no_grad():
        logits = all_attention(network, seen.pixels).logits
    return _Drawn(
        panels,
        {"top": top_classes(logits[0], network), "token": drawn.token, "correlation": correlation},
        "q k of block 1 without norm, scale and softmax, above the attention of block 1; correlation by head "
        + ", ".join(f"{value:.2f}" for value in correlation)
        + ".",
        {"as_in_the_tutorial": drawn.drawn[0].cpu().numpy(), "true": drawn.true[0].cpu().numpy()},
        columns=1 + drawn.drawn.shape[1],  # like above like
    )


def overlaid(request: AttentionRequest, seen: Seen, values: Tensor, signed: bool) -> Picture:
    """One map [rows, columns] over the picture, in the request's style; `signed` maps are coloured from zero on."""
    style = OverlayStyle(
        request.colour_map,
        request.strength,
        request.smooth,
        low=0.0 if signed else None,
        high=max(float(values.max()), 1e-12) if signed else None,
    )
    result = overlay(seen.shown, values.cpu().numpy(), style, seen.box)
    if request.query is not None:
        result = mark_patch(result, (values.shape[0], values.shape[1]), request.query, seen.box)
    return result


def rows_of(panels: Sequence[Panel], columns: int | None = None) -> list[list[Panel | None]]:
    """Panels in reading order. Up to five stand in one row; more in rows of three to five, as many as leave the
    fewest places empty."""
    count = len(panels)
    if columns is None:
        columns = count if count <= MOST_COLUMNS else min((5, 4, 3), key=lambda wide: -count % wide)
    return [list(panels[start : start + columns]) for start in range(0, count, columns)]
