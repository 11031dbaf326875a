"""What a network knows about place, as one figure: what the `positions` command saves and the screen exports."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from vitbench.data.pictures import open_picture
from vitbench.errors import UserError
from vitbench.explain.before import network_before
from vitbench.explain.kept_attention import all_attention
from vitbench.explain.position_scores import Floats
from vitbench.explain.positions import Positions, components_as_colour, filter_components, positions, spectrum
from vitbench.explain.tutorial import own_scale_tiles
from vitbench.figures.colours import colourise
from vitbench.figures.lettering import label
from vitbench.figures.provenance import file_hash, provenance
from vitbench.figures.raster import Picture, enlarge, mosaic, tile_grid
from vitbench.figures.save import ColourBar, Panel, Tile, grid_figure, panel_figure, tile_figure
from vitbench.models.network import Network, open_network
from vitbench.progress import Progress, silent
from vitbench.runs.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

View = Literal["grid", "tile", "norms", "components", "filters", "distance", "spectrum"]
GRID_PIXELS = 840
SMALL_PIXELS = 336


class PositionRequest(BaseModel):
    """Which view of which network's positions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    view: View = "grid"
    patch: tuple[int, int] | None = None
    """(row, column) from 0 of the tile of `view = "tile"`; None is the middle."""
    pictures: list[str] = []
    """For `view = "distance"`: what the network looks at."""
    tutorial: bool = False
    colour_map: str = "viridis"
    permutations: int = 499
    before: bool = False
    """Beside it, what a run started from."""


@dataclass
class PositionFigure:
    """The figure, what it records, the scorecard of each kind of position, and the similarity matrices."""

    figure: "Figure"
    facts: dict[str, Any]
    scores: dict[str, list[dict[str, Any]]]
    arrays: dict[str, NDArray[np.float64]]


def position_figure(request: PositionRequest, network: Network, before: Network | None = None) -> PositionFigure:
    """Draws one view; with `before`, another network's (the same before fine-tuning) stands at its left.

    Raises UserError if the network has no such view.
    """
    networks = ([("before", before)] if before is not None else []) + [("after" if before is not None else "", network)]
    found = [(name, part, positions(part)) for name, part in networks]
    scores = {
        " ".join(filter(None, (name, place.kind))): [
            _plain(asdict(score)) for score in place.scorecard(request.permutations)
        ]
        for name, _, places in found
        for place in places
    }
    arrays = {
        " ".join(filter(None, (name, place.kind))): place.similarity for name, _, places in found for place in places
    }
    panels: list[Panel | Tile] = []
    captions, bar = [], None
    for name, part, places in found:
        drawn, caption, bar = _VIEWS[request.view](request, part, places)
        panels += [replace(panel, title=" ".join(filter(None, (name, panel.title)))) for panel in drawn]
        captions.append(f"{name + ': ' if name else ''}{part.name}, weights {part.tag}. {caption}")
    if before is not None and found[0][2][0].similarity.shape == found[1][2][0].similarity.shape:
        change = float(np.abs(found[0][2][0].similarity - found[1][2][0].similarity).mean())
        captions.append(f"Mean absolute difference of the similarities: {change:.3g}.")
    caption = "\n".join(captions)
    main = found[-1][2][0]
    if request.view == "grid" and len(panels) == 1 and bar is not None:
        figure = grid_figure(panels[0].picture, main.grid, caption, bar)
    elif bar is not None and (tiles := [panel for panel in panels if isinstance(panel, Tile)]):
        figure = tile_figure(tiles, caption, bar)
    else:
        figure = panel_figure([[panel for panel in panels if isinstance(panel, Panel)]], caption, bar)
    inputs = {f"{name or 'network'} weights": part.weights_hash for name, part, _ in found}
    inputs |= {file: file_hash(file) for file in request.pictures}
    facts = provenance(
        "positions",
        request.model_dump(),
        inputs,
        {"network": network.name, "tag": network.tag, "source": network.source, "scores": scores},
    )
    return PositionFigure(figure, facts, scores, arrays)


def remake(recorded: dict[str, Any], store: Store, progress: Progress = silent) -> tuple["Figure", dict[str, Any]]:
    """The figure again, and its facts now, from what it recorded. Raises UserError if that does not fit."""
    try:
        request = PositionRequest.model_validate(recorded["request"])
    except ValidationError as error:
        raise UserError(
            f"What the figure records is not a request for positions ({error.error_count()} errors)."
        ) from error
    network = open_network(request.network, store, progress)
    before = network_before(request.network, store, progress) if request.before else None
    drawn = position_figure(request, network, before)
    return drawn.figure, drawn.facts


def similarity_picture(place: Positions, colour_map: str = "viridis", side: int = GRID_PIXELS) -> Picture:
    """All tiles as one picture, on one scale from -1 to 1; tile (r, c) shows what patch (r, c) is similar to."""
    return _tiles(place.similarity, place.grid, colour_map, -1, 1, side)


def _tiles(similarity: Floats, grid: tuple[int, int], colour_map: str, low: float, high: float, side: int) -> Picture:
    values = tile_grid(similarity, *grid)
    picture = enlarge(colourise(values, colour_map, low, high), max(1, side // max(values.shape)))
    gaps = enlarge(np.isnan(values), max(1, side // max(values.shape)))
    picture[gaps] = 255
    return picture


def _enlarged(colours: Picture, side: int = SMALL_PIXELS) -> Picture:
    return enlarge(colours, max(1, side // max(colours.shape[:2])))


Drawn = tuple[Sequence[Panel | Tile], str, ColourBar | None]


def _grid(request: PositionRequest, network: Network, places: list[Positions]) -> Drawn:
    panels = []
    for place in places:
        panels.append(Panel(similarity_picture(place, request.colour_map), place.kind))
    caption = places[0].sentence
    if request.tutorial:
        tiles, share = own_scale_tiles(places[0])
        picture = _tiles(tiles, places[0].grid, request.colour_map, 0, 1, GRID_PIXELS)
        panels.append(Panel(picture, "as in the tutorial"))
        caption += (
            f" As in the tutorial: each tile on its own scale, which on average spans {share:.0%} of the common"
            " range, so tiles cannot be compared."
        )
    return panels, caption, ColourBar(request.colour_map, -1, 1, _measure(places[0]))


def _tile(request: PositionRequest, network: Network, places: list[Positions]) -> Drawn:
    panels = []
    row, column = request.patch or (places[0].grid[0] // 2, places[0].grid[1] // 2)
    for place in places:
        if not (0 <= row < place.grid[0] and 0 <= column < place.grid[1]):
            rows, columns = place.grid
            raise UserError(f"There is no patch {row + 1},{column + 1}: the grid has {rows} rows, {columns} columns.")
        values = place.tile(row, column)
        picture = _enlarged(colourise(values, request.colour_map, -1, 1))
        panels.append(Tile(picture, values, (row, column), f"{place.kind}, row {row + 1}, column {column + 1}"))
    return panels, places[0].sentence, ColourBar(request.colour_map, -1, 1, _measure(places[0]))


def _norms(request: PositionRequest, network: Network, places: list[Positions]) -> Drawn:
    place, norms = places[0], places[0].norms
    if norms is None:
        raise UserError(f"{network.name} adds a relative bias instead of position vectors, so there are no norms.")
    bar = ColourBar(request.colour_map, float(norms.min()), float(norms.max()) + 1e-9, "Length")
    return [Panel(_enlarged(colourise(norms, request.colour_map)), place.kind)], "Length of the position vectors.", bar


def _components(request: PositionRequest, network: Network, places: list[Positions]) -> Drawn:
    colours, shares = components_as_colour(places[0])
    explained = ", ".join(f"{share:.0%}" for share in shares)
    caption = f"First three principal components as red, green and blue; shares of variance {explained}."
    return [Panel(_enlarged(colours), places[0].kind)], caption, None


def _filters(request: PositionRequest, network: Network, places: list[Positions]) -> Drawn:
    pictures, shares = filter_components(network)
    sheet = mosaic([enlarge(picture, max(1, 64 // picture.shape[0])) for picture in pictures], columns=7)
    caption = (
        f"First {len(pictures)} principal components of the patch embedding's filters, each on its own scale;"
        f" {shares.sum():.0%} of their variance."
    )
    return [Panel(sheet, "patch embedding filters")], caption, None


def _distance(request: PositionRequest, network: Network, places: list[Positions]) -> Drawn:
    """A column a layer, a row a head."""
    if not request.pictures:
        raise UserError("How far attention looks depends on pictures: name some with --pictures.")
    preparation = network.preprocessing
    pixels = torch.stack([preparation.normalize(preparation.resized(open_picture(file))) for file in request.pictures])
    distances = all_attention(network, pixels).mean_distance().mean(dim=0).T.double().cpu().numpy()
    sheet = _enlarged(colourise(distances, request.colour_map, 0.0))
    shown = label(sheet, "rows: heads, columns: layers", 12)
    caption = (
        f"Mean attention distance in patches over {len(request.pictures)} pictures, patch tokens only; by layer"
        f" {', '.join(f'{value:.1f}' for value in distances.mean(axis=0))}."
    )
    bar = ColourBar(request.colour_map, 0.0, float(distances.max()) + 1e-9, "Patches")
    return [Panel(shown, "mean attention distance")], caption, bar


def _spectrum(request: PositionRequest, network: Network, places: list[Positions]) -> Drawn:
    power = spectrum(places[0])
    picture = _enlarged(colourise(np.log10(power + 1e-6), request.colour_map))
    return [Panel(picture, places[0].kind)], "Power by spatial frequency, logarithmic, 0 in the middle.", None


_VIEWS: dict[str, Callable[[PositionRequest, Network, list[Positions]], Drawn]] = {
    "grid": _grid,
    "tile": _tile,
    "norms": _norms,
    "components": _components,
    "filters": _filters,
    "distance": _distance,
    "spectrum": _spectrum,
}


def _measure(place: Positions) -> str:
    return "Bias / largest bias" if place.kind == "relative_bias" else "Cosine similarity"


def _plain(score: dict[str, Any]) -> dict[str, Any]:
    """NaN as None: JSON has no NaN."""
    return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in score.items()}
