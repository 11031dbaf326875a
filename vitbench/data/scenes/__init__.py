"""Scenes: generated pictures with a truth for everything: labels, masks, and captions whose words have roles."""

from vitbench.data.scenes.arrays import SPLITS, scene_arrays, scene_of
from vitbench.data.scenes.captions import ROLES, Caption, Word, describe, word_mask
from vitbench.data.scenes.kinds import BASE_KINDS, KIND_SETS, NEW_KINDS, plural
from vitbench.data.scenes.render import Rendering, render
from vitbench.data.scenes.scene import COLOURS, RELATIONS, TEXTURES, Scene, make_scene

__all__ = [
    "BASE_KINDS",
    "COLOURS",
    "KIND_SETS",
    "NEW_KINDS",
    "RELATIONS",
    "ROLES",
    "SPLITS",
    "TEXTURES",
    "Caption",
    "Rendering",
    "Scene",
    "Word",
    "describe",
    "make_scene",
    "plural",
    "render",
    "scene_arrays",
    "scene_of",
    "word_mask",
]
