"""Objects in order of how distinct they are, each with its map and the map's score; and the relation in numbers."""

from dataclasses import asdict
from typing import Any

import numpy as np

from vitbench.attribution.explanation import explain
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.faithfulness.claims import LOOKS, claims, looks_of
from vitbench.faithfulness.pictures import open_masks
from vitbench.faithfulness.study import Record, Study, study
from vitbench.faithfulness.table import in_group, method_table
from vitbench.figures.provenance import file_hash
from vitbench.figures.raster import OverlayStyle, overlay
from vitbench.figures.sheet import Panel, Scale, Sheet
from vitbench.models.network import Network
from vitbench.progress import Progress, silent
from vitbench.requests.report import DistinctnessRequest

COLOUR_MAP = "jet"
_SHORT = {"luminance_contrast": "luminance", "saturation_contrast": "saturation", "colourfulness": "colour"}


def compose_distinctness(request: DistinctnessRequest, sources: Sources, progress: Progress = silent) -> Sheet:
    """Measures `count` maps and draws `shown` of them. Raises UserError where network, data or method are not there.

    Facts: `claims` are the rank correlations with their intervals, `scores` the measures of all maps with theirs.
    """
    named, network = sources.network(request.network, progress)
    data = open_masks(request.data, sources.folder, progress)
    found = study(
        network,
        data.split(request.split, request.count, request.seed),
        (request.method,),
        perturb=False,
        randomise=False,
        seed=request.seed,
        progress=progress,
    )
    if request.method in found.refusals:
        raise UserError(found.refusals[request.method])
    records = [one for one in found.records if one.method == request.method and in_group(one, "all")]
    looks = [_look(found, record, request.look) for record in records]
    order = np.argsort(looks, kind="stable")
    places = order[np.unique(np.linspace(0, len(order) - 1, min(request.shown, len(order))).round().astype(int))]
    panels: list[Panel] = []
    shown: list[dict[str, Any]] = []
    for column, place in enumerate(places.tolist()):
        record, picture = records[place], found.pictures[records[place].target.picture]
        word = _SHORT.get(request.look, request.look)
        values = _map(network, request.method, picture.pixels, record)
        scale = Scale(COLOUR_MAP, float(values.min()), float(values.max()))
        drawn = overlay(picture.pixels, values, OverlayStyle(COLOUR_MAP, low=scale.low, high=scale.high))
        panels.append(Panel(picture.pixels, f"{word} {looks[place]:.2f}", (0, column)))
        panels.append(Panel(drawn, f"IoU {record.scores.iou:.2f}", (1, column)))
        shown.append({"file": str(picture.file), "look": looks[place], "iou": record.scores.iou})
    rows = {row.method: row for row in method_table(found, seed=request.seed) if row.group == "all"}
    said = claims(found, seed=request.seed)
    facts = {
        "reference": named,
        "network": network.name,
        "tag": network.tag,
        "method": request.method,
        "data": data.sentence,
        "pictures": len(records),
        "look": request.look,
        "shown": shown,
        "claims": [asdict(claim) for claim in said if claim.method == request.method],
        "scores": {
            method: {name: None if e is None else asdict(e) for name, e in rows[method].columns.items()}
            for method in (request.method, "random")
            if method in rows
        },
        "problems": [*data.problems, *found.problems],
    }
    caption = (
        f"{network.name}, weights {network.tag}: maps by {request.method}, from the least to the most distinct object"
        f" by {LOOKS[request.look]}; {len(places)} of {len(records)} measured pictures. IoU at the mean of the map."
    )
    inputs = {f"weights of {named}": sources.weights_hash(network)}
    inputs |= {picture.file.name: file_hash(picture.file) for picture in found.pictures}
    record_ = request.changed(network=named).record()
    return Sheet("distinctness", record_, tuple(panels), facts, caption, inputs, two_columns=len(places) > 3)


def _look(found: Study, record: Record, name: str) -> float:
    target = record.target
    others = target.mask if target.others is None else target.mask | target.others
    return looks_of(found.pictures[target.picture].pixels, target.mask, ~others)[name]


def _map(network: Network, method: str, pixels: np.ndarray, record: Record) -> np.ndarray:
    device = next(network.module.parameters()).device
    normalised = network.preprocessing.normalize(pixels)[None].to(device)
    return np.asarray(explain(network, normalised, method, [record.target.number]).maps[0].cpu().numpy())
