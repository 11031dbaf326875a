"""How true a caption about a scene is: exact match, accuracy of each slot, hallucination."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vitbench.data.scenes import COLOURS, KIND_SETS, TEXTURES, Word, plural

SLOTS = ("NOUN", "COLOUR", "SIZE", "NUMBER", "RELATION", "BACKGROUND")
_CLAIMS = {
    **dict.fromkeys(COLOURS, "COLOUR"),
    **dict.fromkeys(TEXTURES, "BACKGROUND"),
    **dict.fromkeys(("large", "small"), "SIZE"),
    **dict.fromkeys(("two", "three"), "NUMBER"),
}
_KIND_OF = {word: kind for kinds in KIND_SETS.values() for kind in kinds for word in (kind, plural(kind))}


@dataclass(frozen=True)
class SceneScores:
    """Scores over a set of scenes, shares from 0 to 1.

    `slots` has the share of the true words of each role that the caption gets right, `slot` the share over all roles.
    `hallucination` is the share of claims (kind, colour, size, number, texture) that nothing in the scene bears out.
    """

    exact_match: float
    slots: dict[str, float]
    slot: float
    hallucination: float

    def scalars(self) -> dict[str, float]:
        """As names and values, the way a run logs them."""
        each = {f"slot_accuracy/{role}": value for role, value in self.slots.items()}
        return {
            "exact_match": self.exact_match,
            "slot_accuracy": self.slot,
            "hallucination": self.hallucination,
            **each,
        }


def scene_scores(predicted: Sequence[Sequence[str]], truths: Sequence[Sequence[Word]]) -> SceneScores:
    """Scores of the `predicted` words of each scene, whose true words are `describe(scene).words`.

    Full stops do not count.
    True and predicted words are paired by the alignment with the fewest changes, so that a missing word does not make
    the rest of a caption wrong.
    """
    right: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    exact = claims = untrue = 0
    for caption, truth in zip(predicted, truths, strict=True):
        words = [word for word in caption if word != "."]
        texts = [word.text for word in truth]
        exact += words == texts
        pairs = dict(align(texts, words))
        for place, word in enumerate(truth):
            if word.role in SLOTS:
                wanted[word.role] += 1
                right[word.role] += place in pairs and words[pairs[place]] == word.text
        made, false = _claims(words, texts)
        claims, untrue = claims + made, untrue + false
    return SceneScores(
        exact_match=exact / max(1, len(truths)),
        slots={role: right[role] / wanted[role] for role in SLOTS if wanted[role]},
        slot=right.total() / max(1, wanted.total()),
        hallucination=untrue / max(1, claims),
    )


def _claims(words: Sequence[str], truth: Sequence[str]) -> tuple[int, int]:
    """How many claims the words make, and how many of them are false. `stars` is borne out by one star."""
    true = {_KIND_OF.get(word, word) for word in truth}
    made = [_KIND_OF.get(word, word) for word in words if word in _KIND_OF or word in _CLAIMS]
    return len(made), sum(claim not in true for claim in made)


def align(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of places that face each other when `first` is changed into `second` with the fewest edits (Levenshtein).

    Equal and exchanged words are paired; words that are left out or put in are not.
    """
    costs = [[max(i, j) if 0 in (i, j) else 0 for j in range(len(second) + 1)] for i in range(len(first) + 1)]
    for i, word in enumerate(first, start=1):
        for j, other in enumerate(second, start=1):
            costs[i][j] = min(costs[i - 1][j - 1] + (word != other), costs[i - 1][j] + 1, costs[i][j - 1] + 1)
    pairs = []
    i, j = len(first), len(second)
    while i and j:
        if costs[i][j] == costs[i - 1][j - 1] + (first[i - 1] != second[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif costs[i][j] == costs[i - 1][j] + 1:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]
