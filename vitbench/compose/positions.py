"""A request for positions becomes a Sheet: one view of one network, or of two side by side."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vitbench.attention.cache import all_attention
from vitbench.attention.subject import no_patch
from vitbench.attention.tutorial import own_scale_tiles
from vitbench.compose.keys import file_key, module_key
from vitbench.compose.sources import Sources
from vitbench.data.pictures import open_picture
from vitbench.errors import UserError
from vitbench.figures.colours import colourise
from vitbench.figures.raster import Picture, enlarge, mosaic, tile_grid
from vitbench.figures.sheet import Cells, Panel, Profile, Scale, Sheet
from vitbench.models.network import Network
from vitbench.positions.embeddings import Positions, components_as_colour, filter_components, positions, spectrum
from vitbench.positions.pairs import Floats
from vitbench.positions.scores import ScorecardLine
from vitbench.progress import Progress, silent
from vitbench.requests.positions import PositionRequest
from vitbench.text import counted

GRID_SIDE, SMALL_SIDE = 840, 336
"""Pixels of a raster's longer side, about: of a grid of tiles, and of one tile."""
GAP = 255


@dataclass(frozen=True)
class _NetworkPositions:
    """One of the networks, and how it marks place."""

    named: str
    title: str
    network: Network
    places: list[Positions]


Drawn = tuple[list[Panel], str]


def compose_positions(request: PositionRequest, sources: Sources, progress: Progress = silent) -> Sheet:
    """The view, the scorecard, and with another network the difference. Raises UserError if there is no such view."""
    request = request.changed(
        network=sources.networks.pinned(request.network),
        other=None if request.other is None else sources.networks.pinned(request.other),
    )
    subjects = _subjects(request, sources, progress)
    panels: list[Panel] = []
    captions = []
    for subject in subjects:
        drawn, words = _VIEWS[request.view](request, sources, subject, progress)
        drawn = [replace(panel, title=", ".join(filter(None, (subject.title, panel.title)))) for panel in drawn]
        panels += [replace(panel, place=(0, len(panels) + number)) for number, panel in enumerate(drawn)]
        whose = f"{subject.title}: " if subject.title else ""
        captions.append(f"{whose}{subject.network.name}, weights {subject.network.tag}. {words}")
    changed = _change(subjects)
    if changed is not None:
        captions.append(f"Mean absolute difference of the similarities: {changed:.3g}.")
    elif len(subjects) > 1:
        captions.append("The grids have different sizes, so there is no difference of the similarities.")
    main = subjects[-1] if request.before else subjects[0]
    place = main.places[_number(request, main)]
    facts = {
        "reference": main.named,
        "network": main.network.name,
        "tag": main.network.tag,
        "source": main.network.source,
        "kind": place.kind,
        "kinds": len(main.places),
        "sentence": place.sentence,
        "grid": list(place.grid),
        "scores": _scores(request, sources, subjects, progress),
        "change": changed,
        "networks": [subject.named for subject in subjects],
        "patch": list(_patch(request, place)) if request.view == "tile" else None,
    }
    inputs = {f"weights of {one.named}": sources.weights_hash(one.network) for one in subjects}
    inputs |= {file: sources.file_hash(file) for file in request.pictures}
    arrays: dict[str, NDArray[Any]] = {
        " ".join(filter(None, (subject.title, one.kind))): one.similarity
        for subject in subjects
        for one in subject.places
    }
    return Sheet(
        kind="positions",
        request=request.record(),
        panels=tuple(panels),
        facts=facts,
        caption="\n".join(captions),
        inputs=inputs,
        arrays=arrays,
    )


def _subjects(request: PositionRequest, sources: Sources, progress: Progress) -> list[_NetworkPositions]:
    """The networks from left to right: what was before stands first, another network second."""

    def subject(title: str, named: str, network: Network) -> _NetworkPositions:
        places = sources.recent("positions", module_key(network.module), lambda: positions(network))
        return _NetworkPositions(named, title, network, places)

    named, network = sources.network(request.network, progress, request.image_size)
    if request.before:
        before = subject("before", f"{named} before", sources.before(named, progress, request.image_size))
        return [before, subject("after", named, network)]
    if request.other is None:
        return [subject("", named, network)]
    other, beside = sources.network(request.other, progress, request.image_size)
    return [subject(sources.title(named), named, network), subject(sources.title(other), other, beside)]


def _number(request: PositionRequest, subject: _NetworkPositions) -> int:
    """Which of the kinds is meant, from 0; the main one where another network has fewer."""
    number = (request.of_kind or 1) - 1
    return number if number < len(subject.places) else 0


def _scores(
    request: PositionRequest, sources: Sources, subjects: Sequence[_NetworkPositions], progress: Progress
) -> dict[str, list[dict[str, Any]]]:
    """The scorecard of each kind of position of each network; NaN as None, since JSON has no NaN."""
    if not request.permutations:
        return {}

    def scorecard(subject: _NetworkPositions, place: Positions) -> list[ScorecardLine]:
        key = ("scores", module_key(subject.network.module), place.kind, request.permutations)
        return sources.recent("positions", key, lambda: place.scorecard(request.permutations, progress))

    return {
        " ".join(filter(None, (subject.title, place.kind))): [
            {
                name: None if isinstance(value, float) and np.isnan(value) else value
                for name, value in asdict(one).items()
            }
            for one in scorecard(subject, place)
        ]
        for subject in subjects
        for place in subject.places
    }


def _change(subjects: Sequence[_NetworkPositions]) -> float | None:
    """The mean absolute difference of two networks' similarities; None for one network, or where grids differ."""
    if len(subjects) < 2:
        return None
    one, other = (subject.places[0].similarity for subject in subjects)
    return float(np.abs(one - other).mean()) if one.shape == other.shape else None


# Views


def _grid(request: PositionRequest, sources: Sources, subject: _NetworkPositions, progress: Progress) -> Drawn:
    """All tiles on one scale; tile (r, c) shows what patch (r, c) is similar to."""
    shown = subject.places if request.of_kind is None else [subject.places[_number(request, subject)]]
    panels = []
    for place in shown:
        scale = _scale(request, place)
        picture = tiles_picture(place.similarity, place.grid, scale)
        panels.append(Panel(picture, _words(place), scale=scale, cells=_cells(place), facts=_facts(subject, place)))
    words = shown[0].sentence
    if request.tutorial:
        tiles, share = own_scale_tiles(shown[0])
        scale = Scale(request.colour_map, 0, 1, "Share of the tile's own range")
        picture = tiles_picture(tiles, shown[0].grid, scale)
        panels.append(Panel(picture, "as in the tutorial", scale=scale, cells=_cells(shown[0])))
        words += (
            f" As in the tutorial: each tile on its own scale, which on average spans {share:.0%} of the common"
            " range, so tiles cannot be compared."
        )
    return panels, words


def _tile(request: PositionRequest, sources: Sources, subject: _NetworkPositions, progress: Progress) -> Drawn:
    place = subject.places[_number(request, subject)]
    row, column = _patch(request, place)
    if not (1 <= row <= place.grid[0] and 1 <= column <= place.grid[1]):
        raise UserError(no_patch((row - 1, column - 1), place.grid))
    values, scale = place.tile(row - 1, column - 1), _scale(request, place)
    picture = _enlarged(colourise(values, scale.colour_map, scale.low, scale.high))
    cells = Cells(*place.grid, row_title="Patch row")
    profile = Profile(values, (row - 1, column - 1))
    title = f"{_words(place)}, row {row}, column {column}"
    return [
        Panel(picture, title, scale=scale, cells=cells, profile=profile, facts=_facts(subject, place))
    ], place.sentence


def _norms(request: PositionRequest, sources: Sources, subject: _NetworkPositions, progress: Progress) -> Drawn:
    place = subject.places[_number(request, subject)]
    norms = place.norms
    if norms is None:
        raise UserError(
            f"{subject.network.name} adds a relative bias instead of position vectors, so there are no norms."
        )
    scale = Scale(request.colour_map, float(norms.min()), float(norms.max()), "Length")
    panel = Panel(
        _enlarged(colourise(norms, request.colour_map)),
        f"Length of {_words(place).lower()}",
        scale=scale,
        cells=_cells(place),
    )
    return [panel], "Length of the position vectors."


def _components(request: PositionRequest, sources: Sources, subject: _NetworkPositions, progress: Progress) -> Drawn:
    place = subject.places[_number(request, subject)]
    colours, shares = components_as_colour(place)
    explained = ", ".join(f"{share:.0%}" for share in shares)
    words = f"First three principal components as red, green and blue; shares of variance {explained}."
    return [Panel(_enlarged(colours), f"Components of {_words(place).lower()}", cells=_cells(place))], words


def _filters(request: PositionRequest, sources: Sources, subject: _NetworkPositions, progress: Progress) -> Drawn:
    pictures, shares = filter_components(subject.network)
    sheet = mosaic([enlarge(picture, max(1, 64 // picture.shape[0])) for picture in pictures], columns=7)
    words = (
        f"First {len(pictures)} principal components of the patch embedding's filters, each on its own scale;"
        f" {shares.sum():.0%} of their variance."
    )
    return [Panel(sheet, "Filters of the patch embedding")], words


def _distance(request: PositionRequest, sources: Sources, subject: _NetworkPositions, progress: Progress) -> Drawn:
    """A column a layer, a row a head."""
    network = subject.network

    def of(file: str) -> Floats:
        key = ("distance", module_key(network.module), *file_key(file))
        return sources.recent("map", key, lambda: _distances(network, file))

    rows = []
    for number, file in enumerate(request.pictures):
        progress(number, len(request.pictures), "looking at pictures")
        rows.append(of(file))
    distances = np.mean(rows, axis=0)
    heads, layers = distances.shape
    cells = Cells(heads, layers, row_title="Head", column_title="Layer")
    scale = Scale(request.colour_map, 0.0, float(distances.max()), "Patches")
    picture = _enlarged(colourise(distances, request.colour_map, 0.0, scale.high))
    words = (
        f"Mean attention distance in patches over {counted(len(request.pictures), 'picture')}, patch tokens only; by"
        f" layer {', '.join(f'{value:.1f}' for value in distances.mean(axis=0))}."
    )
    return [Panel(picture, "Mean attention distance", scale=scale, cells=cells)], words


def _distances(network: Network, file: str) -> Floats:
    """[heads, layers] of one picture."""
    preparation = network.preprocessing
    pixels: torch.Tensor = preparation.normalize(preparation.resized(open_picture(file, preparation.value_range)))[None]
    return all_attention(network, pixels).mean_distance()[0].T.double().cpu().numpy()


def _spectrum(request: PositionRequest, sources: Sources, subject: _NetworkPositions, progress: Progress) -> Drawn:
    place = subject.places[_number(request, subject)]
    power = np.log10(spectrum(place) + 1e-6)
    scale = Scale(request.colour_map, float(power.min()), float(power.max()), "log10 of the share of power")
    rows, columns = power.shape
    cells = Cells(
        rows,
        columns,
        "Vertical cycles",
        "Horizontal cycles",
        tuple(f"{row - rows // 2}".replace("-", "−") for row in range(rows)),
        tuple(f"{column - columns // 2}".replace("-", "−") for column in range(columns)),
    )
    title = f"Spectrum of {_words(place).lower()}"
    panel = Panel(_enlarged(colourise(power, request.colour_map)), title, scale=scale, cells=cells)
    return [panel], "Power by spatial frequency, logarithmic, 0 in the middle."


_VIEWS: dict[str, Callable[[PositionRequest, Sources, _NetworkPositions, Progress], Drawn]] = {
    "grid": _grid,
    "tile": _tile,
    "norms": _norms,
    "components": _components,
    "filters": _filters,
    "distance": _distance,
    "spectrum": _spectrum,
}


def tiles_picture(similarity: Floats, grid: tuple[int, int], scale: Scale, side: int = GRID_SIDE) -> Picture:
    """Similarity [T, T] as one raster of about `side` pixels: a tile for each patch, white gaps between them."""
    values = tile_grid(similarity, *grid)
    factor = max(1, side // max(values.shape))
    picture = enlarge(colourise(values, scale.colour_map, scale.low, scale.high), factor)
    picture[enlarge(np.isnan(values), factor)] = GAP
    return picture


def _enlarged(colours: Picture, side: int = SMALL_SIDE) -> Picture:
    return enlarge(colours, max(1, side // max(colours.shape[:2])))


def _scale(request: PositionRequest, place: Positions) -> Scale:
    """From -1 to 1, so that figures can be compared; or, stretched, what there is beside a patch's own 1."""
    title = "Bias / largest bias" if place.kind == "relative_bias" else "Cosine similarity"
    if not request.stretch:
        return Scale(request.colour_map, -1, 1, title)
    others = place.similarity[~np.eye(len(place.similarity), dtype=bool)]
    low, high = (float(others.min()), float(others.max())) if others.size else (-1.0, 1.0)
    return Scale(request.colour_map, low, max(high, low + 1e-9), title)


def _cells(place: Positions) -> Cells:
    return Cells(*place.grid, row_title="Input patch row", column_title="Input patch column")


def _words(place: Positions) -> str:
    """What marks place, as a title says it."""
    return {"absolute": "Position embeddings", "rotary": "Rotary positions", "relative_bias": "Relative position bias"}[
        place.kind
    ]


def _patch(request: PositionRequest, place: Positions) -> tuple[int, int]:
    return request.patch or (place.grid[0] // 2 + 1, place.grid[1] // 2 + 1)


def _facts(subject: _NetworkPositions, place: Positions) -> dict[str, Any]:
    return {"reference": subject.named, "kind": place.kind, "grid": list(place.grid)}
