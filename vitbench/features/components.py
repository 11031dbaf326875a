"""Patch features as colours by principal components: one basis for several pictures, so that colours agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.features.extraction import PatchFeatures

COUNT = 3
"""Components that are shown: red, green and blue."""
_PERCENTILES = (1.0, 99.0)
"""Of each component's scores over all pictures: these become 0 and 255."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Basis:
    """mean [D], directions [D, k] of length 1, and the share of variance of each [k]."""

    mean: Floats
    directions: Floats
    shares: Floats

    def scores(self, patches: Floats) -> Floats:
        """[..., D] to [..., k]."""
        found: Floats = (patches - self.mean) @ self.directions
        return found


@dataclass(frozen=True)
class Components:
    """Per picture: scores [rows, columns, 3], foreground and outliers [rows, columns]; and what they are scores of.

    `first_share` is the share of variance of the component that tells foreground from background, `shares` those of
    the shown ones: the same first component, or those of the foreground's own basis. `by` says what decided which side
    of the first component is the foreground.
    """

    scores: tuple[Floats, ...]
    foreground: tuple[Mask, ...]
    outliers: tuple[Mask, ...]
    first_share: float
    shares: tuple[float, ...]
    by: str


def fit(patches: Floats, count: int = COUNT) -> Basis:
    """The first principal components of [T, D]. Signs are those of the largest loading; too few components are 0."""
    mean = patches.mean(axis=0)
    centred = patches - mean
    values, vectors = np.linalg.eigh(centred.T @ centred)
    order = np.argsort(values)[::-1][:count]
    directions, sizes = vectors[:, order], values[order].clip(min=0)
    largest = np.abs(directions).argmax(axis=0)
    directions = directions * np.where(directions[largest, np.arange(len(order))] < 0, -1, 1)
    total = float(values.clip(min=0).sum())
    missing = count - len(order)
    return Basis(
        mean,
        np.pad(directions, ((0, 0), (0, missing))),
        np.pad(sizes / (total or 1), (0, missing)),
    )


def components(
    pictures: Sequence[PatchFeatures], *, mask_outliers: bool = False, only_foreground: bool = False
) -> Components:
    """One basis over the patches of all `pictures` (a batch of one each); the foreground lies above its mean.

    DINOv2's way (Oquab et al. 2023, section 7.6): the first component is cut at 0. Which side of it is the foreground
    is open in a principal component: here the one that is more like the class token, and without a class token the
    one that touches the border less. `mask_outliers` leaves outlier tokens out of the basis; `only_foreground` shows
    components of the foreground's patches alone. Raises UserError where there is nothing to show.
    """
    arrays = [picture.patches[0].double().cpu().numpy() for picture in pictures]
    outliers = [picture.outliers[0].cpu().numpy() for picture in pictures]
    used = [~found if mask_outliers else np.ones_like(found) for found in outliers]
    if not all(bool(np.isfinite(array).all()) for array in arrays):
        raise UserError("The features hold NaN or infinity, so they have no principal components.")
    basis = fit(_chosen(arrays, used))
    sign, by = _foreground_side(basis, pictures, arrays, used)
    first = [sign * basis.scores(array)[..., 0] for array in arrays]
    foreground = [(values > 0) & where for values, where in zip(first, used, strict=True)]
    scores = [basis.scores(array) * np.array([sign, 1, 1]) for array in arrays]
    shares = basis.shares
    if only_foreground:
        inside = _chosen(arrays, foreground)
        if len(inside) <= COUNT:
            raise UserError("The first component leaves no foreground: the features of all patches are alike.")
        own = fit(inside)
        scores, shares = [own.scores(array) for array in arrays], own.shares
    return Components(
        tuple(scores), tuple(foreground), tuple(outliers), float(basis.shares[0]), tuple(map(float, shares)), by
    )


def as_colours(scores: Sequence[Floats], where: Sequence[Mask]) -> list[NDArray[np.uint8]]:
    """Scores [rows, columns, 3] of each picture as uint8 of the same shape, on one scale that is taken `where` they
    are shown."""
    shown = _chosen(list(scores), list(where))
    if not len(shown):
        return [np.zeros(values.shape, dtype=np.uint8) for values in scores]
    low, high = np.percentile(shown, _PERCENTILES, axis=0)
    span = np.where(high > low, high - low, 1)
    return [(((values - low) / span).clip(0, 1) * 255).round().astype(np.uint8) for values in scores]


def turned_to(scores: Sequence[Floats], reference: Sequence[Floats]) -> list[Floats]:
    """The scores of one network, turned so that they agree best with those of another on the same patches.

    Components of two networks have no common order and sign; an orthogonal turn (Procrustes, Schoenemann 1966) of the
    three makes their colours comparable, and changes no distance between patches.
    """
    mine = np.concatenate([values.reshape(-1, COUNT) for values in scores])
    theirs = np.concatenate([values.reshape(-1, COUNT) for values in reference])
    left, _, right = np.linalg.svd((mine - mine.mean(axis=0)).T @ (theirs - theirs.mean(axis=0)))
    return [values @ (left @ right) for values in scores]


def _chosen(arrays: Sequence[Floats], where: Sequence[Mask]) -> Floats:
    """The vectors of all pictures at the chosen places: [T, D]."""
    return np.concatenate([array[mask] for array, mask in zip(arrays, where, strict=True)])


def _foreground_side(
    basis: Basis, pictures: Sequence[PatchFeatures], arrays: Sequence[Floats], used: Sequence[Mask]
) -> tuple[float, str]:
    """1 or -1 for the side of the first component that is the foreground, and what says so."""
    agreement = 0.0
    with_token = all(picture.class_token is not None for picture in pictures)
    for picture, array, where in zip(pictures, arrays, used, strict=True):
        first = basis.scores(array)[..., 0]
        if with_token:
            assert picture.class_token is not None
            token = picture.class_token[0].double().cpu().numpy()
            lengths = np.linalg.norm(array, axis=-1) * np.linalg.norm(token)
            hint = (array @ token) / np.where(lengths > 0, lengths, 1)
        else:
            hint = np.ones(first.shape)
            hint[[0, -1]] = hint[:, [0, -1]] = 0
        one, other = first[where], hint[where]
        agreement += float(((one - one.mean()) * (other - other.mean())).sum() / ((one.std() * other.std()) or 1))
    by = "the class token" if with_token else "the border of the pictures"
    return (-1.0 if agreement < 0 else 1.0), by
