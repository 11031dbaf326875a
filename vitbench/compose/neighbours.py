"""The nearest pictures of a folder, as panels: the picture that is asked about, then its neighbours."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.compose.keys import module_key
from vitbench.compose.network_features import NetworkFeatures, Rows
from vitbench.compose.prepared import PANEL_SIDE
from vitbench.compose.sources import Sources
from vitbench.data.index import DataIndex, open_index, open_pictures
from vitbench.data.pictures import open_picture
from vitbench.errors import UserError
from vitbench.features.neighbours import Embeddings, Vote, chosen_pool, embed, embedding, nearest, vote
from vitbench.figures.raster import Picture, fit
from vitbench.figures.sheet import Panel
from vitbench.progress import Progress
from vitbench.requests.features import FeaturesRequest
from vitbench.text import counted

_OF_THE_MAP = 0.625
"""A neighbour's side beside the picture's: previews, of which many stand in a row."""


class NearestPictures:
    """Looks in one folder for what is nearest to each picture, by each network."""

    def __init__(self, request: FeaturesRequest, sources: Sources, progress: Progress) -> None:
        assert request.data is not None
        self.request, self.sources, self.progress = request, sources, progress
        self.data, self.unlabelled = _opened(request.data, sources, progress)
        self.side = round(PANEL_SIDE * _OF_THE_MAP)

    def rows(self, subjects: Sequence[NetworkFeatures], arrays: dict[str, NDArray[Any]]) -> Rows:
        """For each picture a row by each network: the picture, then its neighbours with cosine and label."""
        by_subject = [self._embedded(subject) for subject in subjects]
        rows: Rows = []
        for number, file in enumerate(self.request.pictures):
            for subject, (found, pool) in zip(subjects, by_subject, strict=True):
                rows.append(self._row(subject, number, file, found, pool))
        for subject, (found, pool) in zip(subjects, by_subject, strict=True):
            whose = f"{subject.title}/" if subject.title else ""
            arrays[f"{whose}embeddings"] = found.vectors.numpy()
            arrays[f"{whose}labels"] = np.array([self.data.samples[sample].label for sample in found.samples])
            voted = vote(self.data, found, self.request.neighbours)
            subject.facts |= {"pool": pool, "gallery": len(found.samples), "left_out": len(found.left_out)}
            subject.facts["knn"] = None if voted is None else _vote_facts(voted)
            subject.words = self._words(pool, found, voted)
        return rows

    def _embedded(self, subject: NetworkFeatures) -> tuple[Embeddings, str]:
        request, network = self.request, subject.network
        pool = chosen_pool(subject.features[0], request.pool, network.name)
        key = (module_key(network.module), request.layer, pool, self.data.fingerprint)
        make = partial(embed, network, self.data, request.layer, pool, self.progress)
        return self.sources.recent("embeddings", key, make), pool

    def _row(self, subject: NetworkFeatures, number: int, file: str, found: Embeddings, pool: str) -> list[Panel]:
        vector = embedding(subject.features[number], pool)[0]
        own = self._own_number(file)
        cosines, which = nearest(vector, found.vectors, self.request.count + 1)
        near = [
            (float(cosine), int(found.samples[place]))
            for cosine, place in zip(cosines.tolist(), which.tolist(), strict=True)
            if int(found.samples[place]) != own
        ][: self.request.count]
        title = ", ".join(filter(None, (Path(file).name, subject.title)))
        panels = [Panel(fit(subject.pictures[number].shown, self.side, self.side), title)]
        told = []
        for cosine, sample_number in near:
            sample = self.data.samples[sample_number]
            label = self.data.classes[sample.label] if sample.label >= 0 else Path(sample.file).name
            panels.append(Panel(self._preview(sample_number), f"{cosine:.2f} {label}"))
            told.append({"file": sample.file, "label": label if sample.label >= 0 else None, "cosine": cosine})
        subject.facts.setdefault("nearest", []).append({"picture": file, "found": told})
        return panels

    def _own_number(self, file: str) -> int | None:
        """The sample that is the picture itself: a picture is not its own neighbour."""
        try:
            inside = str(Path(file).resolve().relative_to(self.data.root.resolve()))
        except (ValueError, OSError):
            return None
        return next((place for place, sample in enumerate(self.data.samples) if sample.file == inside), None)

    def _preview(self, number: int) -> Picture:
        picture = open_picture(self.data.path(self.data.samples[number]), self.data.value_range)
        return fit(np.asarray(picture), self.side, self.side)

    def _words(self, pool: str, found: Embeddings, voted: Vote | None) -> str:
        what = "their class tokens" if pool == "class" else "the mean of their patches"
        words = f"the nearest of {len(found.samples):,} pictures by the cosine of {what}"
        if found.left_out:
            words += f"; {counted(len(found.left_out), 'picture')} cannot be read any more"
        if voted is not None:
            low, high = voted.interval
            words += (
                f"; kNN accuracy {voted.accuracy:.1%} ({voted.correct:,} of {voted.pictures:,}, 95% {low:.1%} to"
                f" {high:.1%}; {voted.how}, {voted.neighbours} vote)"
            )
        elif self.unlabelled:
            words += "; no labels were recognised (`vitbench data` says why), so there is no kNN accuracy"
        return words


def _opened(data: str, sources: Sources, progress: Progress) -> tuple[DataIndex, bool]:
    """The pictures with their labels; where there are none, the pictures, and True."""
    try:
        return open_index(data, store=sources.folder, progress=progress), False
    except UserError as error:
        try:
            return open_pictures(data, store=sources.folder, progress=progress), True
        except UserError:
            raise error from None


def _vote_facts(voted: Vote) -> dict[str, Any]:
    low, high = voted.interval
    return {
        "accuracy": voted.accuracy,
        "low": low,
        "high": high,
        "correct": voted.correct,
        "pictures": voted.pictures,
        "gallery": voted.gallery,
        "neighbours": voted.neighbours,
        "how": voted.how,
    }
