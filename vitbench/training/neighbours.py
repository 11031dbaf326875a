"""k nearest neighbours as a classifier on frozen features: how much a network knows before a head is trained.

The votes are those of DINO's evaluation (Caron et al. 2021, after Wu et al. 2018), by `vitbench.features.neighbours`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vitbench.data.index import open_index
from vitbench.data.problems import Problem, sentence_of
from vitbench.errors import UserError
from vitbench.features.neighbours import TEMPERATURE, Vote, embed, vote
from vitbench.models.resizing import at_image_size
from vitbench.progress import Progress, silent
from vitbench.requests.features import VOTERS
from vitbench.runs.store import Store
from vitbench.training.chosen import open_chosen
from vitbench.training.evaluation import open_own_data
from vitbench.training.memory import memory_told


@dataclass(frozen=True)
class Neighbours:
    """The `votes` of the training split on another split (or of all others on each), by rising number of neighbours."""

    network: str
    root: str
    temperature: float
    votes: tuple[Vote, ...]
    left_out: tuple[Problem, ...] = ()

    def lines(self) -> list[str]:
        """What was measured, for people."""
        first = self.votes[0]
        said = [f"{self.network} on {self.root}: {first.pictures:,} {first.how} ({first.gallery:,})."]
        for one in self.votes:
            low, high = one.interval
            share = f"{one.correct:,}/{one.pictures:,} ({one.accuracy:.1%}, 95% interval {low:.1%} to {high:.1%})"
            said.append(f"  {one.neighbours:>4} neighbours: {share}")
        said.append(f"Votes weigh exp(cosine / {self.temperature:g}).")
        return said + ([sentence_of(self.left_out)] if self.left_out else [])

    def document(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "network": self.network,
            "root": self.root,
            "temperature": self.temperature,
            "how": self.votes[0].how,
            "votes": [
                {
                    "neighbours": one.neighbours,
                    "correct": one.correct,
                    "pictures": one.pictures,
                    "gallery": one.gallery,
                    "accuracy": one.accuracy,
                    "accuracy_interval_95": list(one.interval),
                }
                for one in self.votes
            ],
            "left_out": [{"file": problem.file, "reason": problem.reason} for problem in self.left_out],
        }


def neighbours_of(
    reference: str,
    store: Path,
    *,
    data: str | None = None,
    layout: str = "",
    counts: Sequence[int] = VOTERS,
    temperature: float = TEMPERATURE,
    layer: int | None = None,
    pool: str | None = None,
    image_size: tuple[int, int] | None = None,
    device: torch.device,
    progress: Progress = silent,
) -> Neighbours:
    """The accuracy of the network that `reference` names, by its neighbours in `data` or in its run's own data.

    The training split votes on the test split, else on the validation split; where there is neither, all others vote on
    each picture. More neighbours than there are pictures are as many as there are. `image_size` (height, width) sets
    the network to it, its positions resampled. Raises UserError if network and data do not fit, or there are no labels.
    """
    chosen = open_chosen(reference, Store(store), device=device, progress=progress)
    if data:
        index = open_index(data, layout=layout, store=store, progress=progress)
    elif chosen.run is not None:
        index = open_own_data(chosen.run, store, progress)
    else:
        raise UserError(f"Name the pictures to look for neighbours in: --data DIR ({reference} is not a run).")
    if index.has_several:
        raise UserError(f"{index.root} has several labels per picture; neighbours vote for one.")
    if not index.classes:
        raise UserError(f"{index.root} has no labels, so there is nothing to compare with.")
    network = chosen.network if image_size is None else at_image_size(chosen.network, image_size)
    with memory_told(f"the features of {len(index.samples):,} pictures are too many for {device}"):
        found = embed(network, index, layer, pool, progress)
        votes = [vote(index, found, count, temperature) for count in counts]
    told = {one.neighbours: one for one in votes if one is not None}
    if not told:
        raise UserError(f"{index.root} has no labels, or too few pictures for neighbours to vote.")
    return Neighbours(chosen.network.name, str(index.root), temperature, tuple(told.values()), found.left_out)
