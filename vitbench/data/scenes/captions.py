"""The caption of a scene, word by word, each with its role and what it refers to. The scene fixes it entirely."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitbench.data.scenes.kinds import plural
from vitbench.data.scenes.render import Rendering
from vitbench.data.scenes.scene import ObjectGroup, Scene

ROLES = (
    "NOUN",
    "COLOUR",
    "SIZE",
    "NUMBER",
    "RELATION",
    "BACKGROUND",
    "DETERMINER",
    "CONJUNCTION",
    "PREPOSITION",
)
_NUMBERS = {2: "two", 3: "three"}


@dataclass(frozen=True)
class Word:
    """One word: its text, its role, the objects it refers to, and whether it speaks of the background."""

    text: str
    role: str
    objects: tuple[int, ...] = ()
    background: bool = False


@dataclass(frozen=True)
class Caption:
    """The words in order."""

    words: tuple[Word, ...]

    def __str__(self) -> str:
        return " ".join(word.text for word in self.words)


def describe(scene: Scene) -> Caption:
    """The one caption that belongs to `scene`: `a large red star left of two small blue hearts on a plain background`.

    The large group comes first. The relation is that of the first group to the second; where none is clear they are
    joined by `and`.
    """
    words = [*_phrase(scene.groups[0])]
    if len(scene.groups) > 1:
        both = (*scene.groups[0].objects, *scene.groups[1].objects)
        if scene.relation is None:
            words.append(Word("and", "CONJUNCTION"))
        else:
            words += [Word(text, "RELATION", both) for text in scene.relation.split()]
        words += _phrase(scene.groups[1])
    words += [
        Word("on", "PREPOSITION"),
        Word("a", "DETERMINER", background=True),
        Word(scene.background.texture, "BACKGROUND", background=True),
        Word("background", "BACKGROUND", background=True),
    ]
    return Caption(tuple(words))


def _phrase(group: ObjectGroup) -> list[Word]:
    count = len(group.objects)
    first = Word("a", "DETERMINER", group.objects) if count == 1 else Word(_NUMBERS[count], "NUMBER", group.objects)
    noun = group.kind if count == 1 else plural(group.kind)
    return [
        first,
        Word(group.size, "SIZE", group.objects),
        Word(group.colour, "COLOUR", group.objects),
        Word(noun, "NOUN", group.objects),
    ]


def word_mask(word: Word, rendering: Rendering) -> NDArray[np.bool_] | None:
    """The visible pixels that a word refers to, bool [height, width]; None for a word that refers to none."""
    if word.background:
        return np.asarray(~rendering.masks.any(axis=0))
    if not word.objects:
        return None
    return np.asarray(rendering.masks[list(word.objects)].any(axis=0))
