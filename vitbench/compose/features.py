"""A request for features becomes a Sheet: a row of panels for each picture, of one network or of several."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.compose.checkpoints import pinned_steps
from vitbench.compose.keys import file_key, module_key
from vitbench.compose.neighbours import NearestPictures
from vitbench.compose.network_features import NetworkFeatures, Rows
from vitbench.compose.prepared import PreparedPicture, prepare_picture
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.features.components import Components, Floats, as_colours, components, turned_to
from vitbench.features.extraction import PatchFeatures, patch_features
from vitbench.features.similarity import cosine_map, patch_vector
from vitbench.figures.colours import MISSING
from vitbench.figures.raster import OverlayStyle, mark_patch, overlay, overlay_colours
from vitbench.figures.sheet import Panel, Scale, Sheet, in_rows, next_row
from vitbench.models.network import Network
from vitbench.nearest import perhaps_path
from vitbench.progress import Progress, silent
from vitbench.requests.features import FeaturesRequest


def compose_features(request: FeaturesRequest, sources: Sources, progress: Progress = silent) -> Sheet:
    """The view that is asked for, a row a picture. Raises UserError where that cannot be shown."""
    request = _pinned(request, sources)
    subjects = _subjects(request, sources, progress)
    arrays: dict[str, NDArray[Any]] = {}
    if request.view == "nearest":
        rows = NearestPictures(request, sources, progress).rows(subjects, arrays)
    else:
        rows = _VIEWS[request.view](request, subjects, arrays)
    panels: list[Panel] = []
    for row in rows:
        columns = len(row) if len(rows) > 1 else None
        panels += in_rows(row, columns, next_row(panels))
    main = subjects[-1] if request.before else subjects[0]
    first = main.features[0]
    for subject in subjects:
        whose = f"{subject.title}/" if subject.title else ""
        for number, found in enumerate(subject.features):
            arrays[f"{number}/{whose}features"] = found.patches[0].numpy()
            if found.class_token is not None:
                arrays[f"{number}/{whose}class_token"] = found.class_token[0].numpy()
    facts = {
        "reference": main.named,
        "network": main.network.name,
        "tag": main.network.tag,
        "source": main.network.source,
        "preprocessing": main.network.described_preparation(),
        "layer": first.layer,
        "layers": first.layers,
        "normed": first.normed,
        "grid": list(first.grid),
        "width": int(first.patches.shape[-1]),
        "class_token": first.class_token is not None,
        "patch": list(_patch(request, main)) if request.view == "similarity" else None,
        "networks": [_subject_facts(subject) for subject in subjects],
        "pictures": [
            {"file": file, "outliers": count} for file, count in zip(request.pictures, main.outliers, strict=True)
        ],
    }
    inputs = {f"weights of {one.named}": sources.weights_hash(one.network) for one in subjects}
    inputs |= {file: sources.file_hash(file) for file in request.pictures}
    return Sheet(
        kind="features",
        request=request.record(),
        panels=tuple(panels),
        facts=facts,
        caption="\n".join(_sentence(subject) for subject in subjects),
        inputs=inputs,
        title=f"Features of layer {first.layer} of {first.layers}",
        arrays=arrays,
    )


def _pinned(request: FeaturesRequest, sources: Sources) -> FeaturesRequest:
    """The request with the checkpoints that it means now."""
    if request.steps:
        network, steps = pinned_steps(request.network, request.steps, sources)
        return request.changed(network=network, steps=steps)
    other = None if request.other is None else sources.networks.pinned(request.other)
    return request.changed(network=sources.networks.pinned(request.network), other=other)


def _subjects(request: FeaturesRequest, sources: Sources, progress: Progress) -> list[NetworkFeatures]:
    """The networks from left to right: what was before stands first, another network second, steps in order."""
    size = request.image_size
    if request.steps:
        references = [f"{request.network}@{step}" for step in request.steps]
        opened = [sources.network(reference, progress, size) for reference in references]
        titles = [f"step {int(step):,}" for step in request.steps]
    elif request.before:
        named, network = sources.network(request.network, progress, size)
        opened = [(f"{named} before", sources.before(named, progress, size)), (named, network)]
        titles = ["before", "after"]
    elif request.other:
        opened = [sources.network(name, progress, size) for name in (request.network, request.other)]
        titles = [sources.title(named) for named, _ in opened]
    else:
        opened, titles = [sources.network(request.network, progress, size)], [""]
    found = []
    for place, ((named, network), title) in enumerate(zip(opened, titles, strict=True)):
        pictures, features = [], []
        for number, file in enumerate(request.pictures):
            total = len(opened) * len(request.pictures)
            progress(place * len(request.pictures) + number, total, "features of the pictures")
            prepared, one = _features_of(request, sources, named, network, file)
            pictures.append(prepared)
            features.append(one)
        found.append(NetworkFeatures(named, title, network, pictures, features))
    return found


def _features_of(
    request: FeaturesRequest, sources: Sources, named: str, network: Network, file: str
) -> tuple[PreparedPicture, PatchFeatures]:
    """One picture and its features, kept for the next question."""
    if not Path(file).exists():
        raise UserError(f"There is no picture {file}{perhaps_path(file)}.")
    key = (module_key(network.module), *file_key(file))
    picture = sources.recent("picture", key, lambda: prepare_picture(file, network.preprocessing))
    features = sources.recent(
        "features", (*key, request.layer), lambda: patch_features(network, picture.pixels, request.layer).cpu()
    )
    return picture, features


# Views: a list of panels a picture


def _components(request: FeaturesRequest, subjects: Sequence[NetworkFeatures], arrays: dict[str, NDArray[Any]]) -> Rows:
    """The picture, then for each network its patches in colours."""
    rows: Rows = [[_picture(subjects[0], number)] for number in range(len(request.pictures))]
    found = [
        components(one.features, mask_outliers=request.mask_outliers, only_foreground=request.only_foreground)
        for one in subjects
    ]
    reference = found[0 if not (request.before or request.steps) else -1]
    for subject, one in zip(subjects, found, strict=True):
        scores: Sequence[Floats] = one.scores
        turned = one is not reference and all(
            mine.shape == theirs.shape for mine, theirs in zip(one.scores, reference.scores, strict=True)
        )
        if turned:
            scores = turned_to(one.scores, reference.scores)
        coloured, where = _coloured(request, one, scores)
        whose = f"{subject.title}/" if subject.title else ""
        for number, (colours, shown) in enumerate(zip(coloured, where, strict=True)):
            prepared = subject.pictures[number]
            pixels = overlay_colours(
                prepared.shown, colours, shown, request.drawn_strength, request.smooth, prepared.box
            )
            share = float(one.foreground[number].mean())
            title = subject.title or f"components, {share:.0%} foreground"
            rows[number].append(Panel(pixels, title, box=prepared.box, facts={"foreground": share}))
            arrays[f"{number}/{whose}scores"] = scores[number].astype(np.float32)
            arrays[f"{number}/{whose}foreground"] = one.foreground[number]
        subject.facts = _component_facts(one)
        subject.words = _component_words(request, subject, one, turned=turned)
    return rows


def _coloured(
    request: FeaturesRequest, found: Components, scores: Sequence[Floats]
) -> tuple[list[NDArray[np.uint8]], Sequence[NDArray[np.bool_]]]:
    """The colours of each picture's patches, and where they are shown; masked outliers are grey."""
    if request.only_foreground:
        return as_colours(scores, found.foreground), found.foreground
    everywhere = [np.ones_like(mask) for mask in found.foreground]
    if not request.mask_outliers:
        return as_colours(scores, everywhere), everywhere
    coloured = as_colours(scores, [~mask for mask in found.outliers])
    for colours, mask in zip(coloured, found.outliers, strict=True):
        colours[mask] = MISSING
    return coloured, everywhere


def _component_facts(found: Components) -> dict[str, Any]:
    return {
        "shares": list(found.shares),
        "first_share": found.first_share,
        "foreground": [float(mask.mean()) for mask in found.foreground],
        "foreground_by": found.by,
    }


def _component_words(request: FeaturesRequest, subject: NetworkFeatures, found: Components, *, turned: bool) -> str:
    shares = ", ".join(f"{share:.0%}" for share in found.shares)
    if request.only_foreground:
        words = f"red, green and blue are the first components of the foreground ({shares} of its variance)"
    else:
        words = f"red, green and blue are the first three principal components ({shares} of the variance)"
    pictures = len(subject.pictures)
    words += f", one basis for all {pictures} pictures" if pictures > 1 else ""
    words += (
        f"; the foreground lies above 0 of the first one ({found.first_share:.0%}), on the side that {found.by} says"
    )
    words += "; turned to the colours of the network that they are compared with" if turned else ""
    return words + _outlier_words(request, subject, "left out of the basis and grey")


def _similarity(request: FeaturesRequest, subjects: Sequence[NetworkFeatures], arrays: dict[str, NDArray[Any]]) -> Rows:
    """The picture, the patch outlined, then for each network how alike its patches are to that one."""
    rows: Rows = [[_picture(subjects[0], number)] for number in range(len(request.pictures))]
    found = []
    for subject in subjects:
        row, column = _patch(request, subject)
        vector = patch_vector(subject.features[0], (row - 1, column - 1))
        maps = [cosine_map(vector, one, mask_outliers=request.mask_outliers).numpy() for one in subject.features]
        found.append(maps)
        rest = np.concatenate([values.ravel() for values in maps])
        subject.facts = {"lowest": float(rest.min()), "mean": float(rest.mean())}
        subject.words = (
            f"cosine of the features with those of row {row}, column {column} of {Path(request.pictures[0]).name},"
            f" from {rest.min():.2f} to 1, mean {rest.mean():.2f}"
        ) + _outlier_words(request, subject, "drawn as the median of the others")
    low = min(float(values.min()) for maps in found for values in maps)
    scale = Scale(request.colour_map, low, max(1.0, low + 1e-6), "Cosine similarity")
    style = OverlayStyle(request.colour_map, request.drawn_strength, request.smooth, scale.low, scale.high)
    for subject, maps in zip(subjects, found, strict=True):
        whose = f"{subject.title}/" if subject.title else ""
        row, column = _patch(request, subject)
        for number, values in enumerate(maps):
            prepared = subject.pictures[number]
            pixels = overlay(prepared.shown, values, style, prepared.box)
            if number == 0:
                pixels = mark_patch(pixels, subject.features[0].grid, (row - 1, column - 1), prepared.box)
            title = subject.title or f"from row {row}, column {column}"
            rows[number].append(Panel(pixels, title, scale=scale, box=prepared.box))
            arrays[f"{number}/{whose}similarity"] = values
    first, prepared = subjects[0], subjects[0].pictures[0]
    row, column = _patch(request, first)
    marked = mark_patch(prepared.shown, first.features[0].grid, (row - 1, column - 1), prepared.box)
    rows[0][0] = replace(rows[0][0], picture=marked)
    return rows


_VIEWS: dict[str, Callable[[FeaturesRequest, Sequence[NetworkFeatures], dict[str, NDArray[Any]]], Rows]] = {
    "components": _components,
    "similarity": _similarity,
}


def _patch(request: FeaturesRequest, subject: NetworkFeatures) -> tuple[int, int]:
    rows, columns = subject.features[0].grid
    return request.patch or (rows // 2 + 1, columns // 2 + 1)


def _picture(subject: NetworkFeatures, number: int) -> Panel:
    prepared = subject.pictures[number]
    return Panel(prepared.shown, Path(prepared.file).name, box=prepared.box)


def _outlier_words(request: FeaturesRequest, subject: NetworkFeatures, hidden: str) -> str:
    count = sum(subject.outliers)
    if not count:
        return "; there are no outlier tokens to leave out" if request.mask_outliers else ""
    what = f"; {count} outlier token{'s' if count > 1 else ''}"
    return f"{what}, {hidden}" if request.mask_outliers else f"{what}; --mask-outliers leaves them out"


def _subject_facts(subject: NetworkFeatures) -> dict[str, Any]:
    first = subject.features[0]
    return {
        "reference": subject.named,
        "title": subject.title,
        "layer": first.layer,
        "layers": first.layers,
        "grid": list(first.grid),
        "outliers": subject.outliers,
        "words": subject.words,
        **subject.facts,
    }


def _sentence(subject: NetworkFeatures) -> str:
    """One network in words."""
    network, first = subject.network, subject.features[0]
    whose = f"{subject.title}: " if subject.title else ""
    norm = " after the final norm" if first.normed else ""
    rows, columns = first.grid
    return (
        f"{whose}{network.name}, weights {network.tag}: features of layer {first.layer} of {first.layers}{norm},"
        f" {rows} x {columns} patches; {subject.words}."
    )
