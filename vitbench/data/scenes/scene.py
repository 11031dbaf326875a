"""The truth of a scene, made before anything is drawn: objects, their groups, what stands where, the background.

Lengths are in units of the shorter side of the picture, so one scene can be drawn at any size of its shape.
Everything follows from the seed. Colour, size, place and background are drawn without looking at the kind, except
that a fixed fifth of the kind-colour pairs is kept out of training.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vitbench.data.scenes.kinds import KIND_SETS

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (205, 38, 38),
    "orange": (240, 130, 20),
    "yellow": (245, 220, 50),
    "green": (40, 160, 90),
    "blue": (35, 80, 205),
    "purple": (155, 65, 175),
    "white": (248, 248, 246),
    "black": (28, 28, 32),
}
TEXTURES = ("plain", "striped", "dotted", "checkered", "wavy")
RELATIONS = ("left of", "right of", "above", "below")
HeldOut = Literal["exclude", "only", "any"]

_CLEAR, _UNCLEAR = 28.0, 40.0  # degrees off an axis: closer is a relation, farther is none, between is not drawn


@dataclass(frozen=True)
class SceneObject:
    """One object: `x`, `y` its centre and `side` its extent in units of the shorter side, `angle` in degrees."""

    kind: str
    colour: str
    size: str
    x: float
    y: float
    side: float
    angle: float
    rgb: tuple[int, int, int]


@dataclass(frozen=True)
class ObjectGroup:
    """Objects that a caption names together: alike in kind, colour and size."""

    kind: str
    colour: str
    size: str
    objects: tuple[int, ...]


@dataclass(frozen=True)
class Background:
    """A texture in two muted tints; `period` in units of the shorter side, `angle` in degrees."""

    texture: str
    rgb: tuple[int, int, int]
    second_rgb: tuple[int, int, int]
    angle: float
    period: float


@dataclass(frozen=True)
class Scene:
    """Objects in drawing order, the groups in the order in which the caption names them, and what relates them."""

    width: int
    height: int
    background: Background
    objects: tuple[SceneObject, ...]
    groups: tuple[ObjectGroup, ...]
    relation: str | None

    @property
    def label(self) -> str:
        """The kind of the largest object."""
        return max(self.objects, key=lambda thing: thing.side).kind

    @property
    def labels(self) -> tuple[str, ...]:
        """All kinds in the picture, the label first."""
        return (self.label, *sorted({thing.kind for thing in self.objects} - {self.label}))


def is_held_out(kind: str, colour: str) -> bool:
    """Whether a kind-colour pair is kept out of training: a Latin square, so each kind keeps most of its colours."""
    kinds = next(kinds for kinds in KIND_SETS.values() if kind in kinds)
    return (kinds.index(kind) + 2 * list(COLOURS).index(colour)) % 5 == 0


def make_scene(
    seed: int | tuple[int, ...],
    *,
    kinds: str = "base",
    width: int = 96,
    height: int = 96,
    held_out: HeldOut = "exclude",
) -> Scene:
    """The scene of a seed, for pictures of the shape `width` to `height`.

    `held_out` says whether kind-colour pairs that training never shows are excluded, or are the only ones the
    largest object may have, or are allowed like all others.
    """
    random = np.random.default_rng(seed)
    across, down = width / min(width, height), height / min(width, height)
    names = KIND_SETS[kinds]
    first, second = (names[i] for i in random.choice(len(names), 2, replace=False))
    first_colour = _colour(random, first, held_out)
    second_colour = _colour(random, second, "any" if held_out == "any" else "exclude")
    background = _background(random)
    form = random.random()
    while True:
        if form < 0.12:
            sides, relation = [random.uniform(0.36, 0.44)] * 2, None
            places = _places(random, sides, across, down)
        elif form < 0.35:
            sides, relation = [random.uniform(0.42, 0.62)], None
            places = _places(random, sides, across, down)
        else:
            large, count = random.uniform(0.42, 0.56), int(random.integers(1, 4))
            sides = [large] + [min(random.uniform(0.22, 0.3), large / 1.55)] * count
            places = _places(random, sides, across, down)
            answer = _relation(places) if places else ""
            wants_relation = form < 0.75
            if answer == "" or (answer is not None) != wants_relation:
                continue
            relation = answer
        if places:
            break
    looks = [(first, first_colour, "large")] * (2 if form < 0.12 else 1)
    looks += [(second, second_colour, "small")] * (len(sides) - len(looks))
    shades = {colour: _shade(random, COLOURS[colour]) for _, colour, _ in looks}
    objects = tuple(
        SceneObject(*look, x, y, side, random.uniform(-12, 12), shades[look[1]])
        for look, side, (x, y) in zip(looks, sides, places, strict=True)
    )
    groups = tuple(
        ObjectGroup(kind, colour, size, tuple(i for i, look in enumerate(looks) if look == (kind, colour, size)))
        for kind, colour, size in dict.fromkeys(looks)
    )
    return Scene(width, height, background, objects, groups, relation)


def _colour(random: np.random.Generator, kind: str, held_out: HeldOut) -> str:
    allowed = [c for c in COLOURS if held_out == "any" or is_held_out(kind, c) == (held_out == "only")]
    return allowed[random.integers(len(allowed))]


def _shade(random: np.random.Generator, rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = (int(np.clip(channel + random.integers(-10, 11), 0, 255)) for channel in rgb)
    return red, green, blue


def _background(random: np.random.Generator) -> Background:
    tint = np.array([np.cos(a) for a in random.uniform(0, 2 * math.pi) + np.array([0, 2.1, 4.2])])
    level = random.uniform(105, 165)
    step = random.uniform(24, 34) * random.choice([-1, 1])

    def tinted(value: float) -> tuple[int, int, int]:
        red, green, blue = (int(channel) for channel in np.clip(value + 18 * tint, 0, 255))
        return red, green, blue

    return Background(
        texture=TEXTURES[random.integers(len(TEXTURES))],
        rgb=tinted(level),
        second_rgb=tinted(level + step),
        angle=random.uniform(-25, 25),
        period=random.uniform(0.13, 0.2),
    )


def _places(
    random: np.random.Generator, sides: list[float], across: float, down: float
) -> list[tuple[float, float]] | None:
    """A centre for each side, inside the picture and overlapping a little at most; None if it did not work out."""
    places: list[tuple[float, float]] = []
    for side in sides:
        for _ in range(12):
            x, y = (random.uniform(side * 0.52, extent - side * 0.52) for extent in (across, down))
            if all(
                math.hypot(x - x2, y - y2) > 0.28 * (side + side2)
                for (x2, y2), side2 in zip(places, sides, strict=False)
            ):
                places.append((x, y))
                break
        else:
            return None
    return places


def _relation(places: list[tuple[float, float]]) -> str | None:
    """How the first place stands to all others: a relation, None for clearly none, "" for what is not clear."""
    x, y = places[0]
    bearings = [math.degrees(math.atan2(y2 - y, x2 - x)) for x2, y2 in places[1:]]
    worst = {
        relation: max(abs((bearing - axis + 180) % 360 - 180) for bearing in bearings)
        for relation, axis in zip(RELATIONS, (0, 180, 90, -90), strict=True)
    }
    nearest = min(worst, key=lambda relation: worst[relation])
    if worst[nearest] <= _CLEAR:
        return nearest
    return None if worst[nearest] >= _UNCLEAR else ""
