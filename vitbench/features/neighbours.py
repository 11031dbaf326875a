"""The nearest pictures of a folder by their features, and how often neighbours have the same label."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vitbench.data.dataset import evaluation_dataset
from vitbench.data.index import DataIndex
from vitbench.data.loader import in_order
from vitbench.data.on_device import on_device
from vitbench.data.problems import LeftOut, Problem
from vitbench.errors import UserError
from vitbench.features.extraction import PatchFeatures, patch_features
from vitbench.models.network import Network
from vitbench.progress import Progress, silent
from vitbench.statistics import wilson_interval

NEIGHBOURS, TEMPERATURE = 20, 0.07
"""Of the vote: k and temperature of DINO's own evaluation (Caron et al. 2021, after Wu et al. 2018)."""
_AT_ONCE = 16


_SPLITS = {"test": "test", "val": "validation"}


@dataclass(frozen=True)
class Embeddings:
    """A vector of length 1 for each picture of a data set: [N, D], and their numbers in its samples, int64 [N]."""

    vectors: Tensor
    samples: np.ndarray
    left_out: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Vote:
    """How many of `pictures` were given their own label by their neighbours among `gallery` pictures."""

    correct: int
    pictures: int
    gallery: int
    neighbours: int
    how: str
    """Which pictures voted on which."""

    @property
    def accuracy(self) -> float:
        """From 0 to 1."""
        return self.correct / self.pictures

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval (low, high) of the accuracy (Wilson 1927), 0 to 1."""
        return wilson_interval(self.correct, self.pictures)


def chosen_pool(features: PatchFeatures, pool: str | None, name: str) -> str:
    """`pool`, or what the network has: its class token, else the mean of its patches.

    Raises UserError where the class token is asked for and there is none.
    """
    if pool == "class" and features.class_token is None:
        raise UserError(f"{name} has no class token that runs along with its patches; --pool mean takes their mean.")
    return pool or ("mean" if features.class_token is None else "class")


def embedding(features: PatchFeatures, pool: str) -> Tensor:
    """One vector of length 1 a picture: [B, D]."""
    vectors = features.mean() if pool == "mean" or features.class_token is None else features.class_token
    return F.normalize(vectors.float(), dim=1)


def embed(
    network: Network, data: DataIndex, layer: int | None, pool: str | None, progress: Progress = silent
) -> Embeddings:
    """The embeddings of all pictures of `data`, batch by batch, on the device where the network is.

    Pictures that cannot be read any more are named in the result. Raises UserError as `patch_features` does.
    """
    device = next(network.module.parameters()).device
    dataset = evaluation_dataset(data, np.arange(len(data.samples)), network.preprocessing)
    gone = LeftOut()
    vectors, numbers = [], []
    done = 0
    progress(0, len(dataset), "features of the folder")
    for batch in on_device(in_order(dataset, _AT_ONCE, device, gone), device):
        features = patch_features(network, network.preprocessing.normalize(batch.pixels), layer)
        vectors.append(embedding(features, chosen_pool(features, pool, network.name)).cpu())
        numbers.append(batch.indices.cpu())
        done += len(batch)
        progress(done, len(dataset), "features of the folder")
    return Embeddings(torch.cat(vectors), torch.cat(numbers).numpy(), tuple(gone.news()))


def nearest(vector: Tensor, gallery: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The cosines and numbers of the `count` vectors of [N, D] that are nearest to [D], the nearest first."""
    cosines = gallery @ vector
    found = torch.sort(cosines, descending=True, stable=True)
    return found.values[:count], found.indices[:count]


def vote(
    data: DataIndex, found: Embeddings, neighbours: int = NEIGHBOURS, temperature: float = TEMPERATURE
) -> Vote | None:
    """The accuracy of k nearest neighbours: the training split votes on the test split (else on the validation split);
    without splits, all others vote on each picture. None where there are no labels, or nobody can vote.

    Votes are weighted by exp(cosine / temperature), as DINO's evaluation does.
    """
    labels = np.array([data.samples[number].label for number in found.samples])
    splits = np.array([data.samples[number].split for number in found.samples])
    if not data.classes or len(labels) < 2 or (labels < 0).all():
        return None
    judged = next((name for name in ("test", "val") if (splits == name).any()), None)
    if judged is not None and (splits == "train").any():
        asked, gallery = np.flatnonzero(splits == judged), np.flatnonzero(splits == "train")
        how = f"pictures of the {_SPLITS[judged]} split by those of the training split"
    else:
        asked = gallery = np.arange(len(labels))
        how = "pictures, each by all others"
    one_out = asked is gallery
    neighbours = min(neighbours, len(gallery) - int(one_out))
    correct = 0
    for start in range(0, len(asked), 1024):
        rows = asked[start : start + 1024]
        cosines = found.vectors[rows] @ found.vectors[gallery].T
        if one_out:
            cosines[torch.arange(len(rows)), torch.from_numpy(rows)] = -torch.inf
        near, which = cosines.topk(neighbours, dim=1)
        votes = torch.zeros(len(rows), len(data.classes))
        voters = torch.from_numpy(labels[gallery])[which]
        votes.scatter_add_(1, voters.clamp(min=0), ((near - near[:, :1]) / temperature).exp() * (voters >= 0))
        correct += int((votes.argmax(dim=1).numpy() == labels[rows]).sum())
    return Vote(correct, len(asked), len(gallery), neighbours, how)
