"""Roles of English words in captions that come without them, and which named object a word means.

A short closed list, shown by `vitbench ground --lexicon`: what it does not know is OTHER, and a word is a NOUN only if
it names an object that the data set has masks for.
"""

from collections.abc import Sequence
from functools import lru_cache

from vitbench.captions.formats.rows import Region

ROLES: dict[str, str] = {
    "COLOUR": "black white red green blue yellow orange purple pink brown gray grey beige tan gold silver turquoise",
    "SIZE": "large small big little tiny huge tall short long wide giant miniature",
    "NUMBER": "one two three four five six seven eight nine ten several many few couple pair dozen multiple",
    "RELATION": "above below under beneath behind beside between near left right front top over",
    "DETERMINER": "a an the this that these those his her its their some another each every",
    "CONJUNCTION": "and or but while as",
    "PREPOSITION": "on in at of with by for from to into onto through down up along around across",
}
_ROLE_OF = {word: role for role, words in ROLES.items() for word in words.split()}
_NAMES = {
    "NOUN": "nouns",
    "COLOUR": "colours",
    "SIZE": "sizes",
    "NUMBER": "numbers",
    "RELATION": "relations",
    "BACKGROUND": "backgrounds",
    "DETERMINER": "determiners",
    "PREPOSITION": "prepositions",
    "CONJUNCTION": "conjunctions",
    "OTHER": "other words",
}

MEANINGS: dict[str, str] = {
    "person": "man men woman women boy boys girl girls child children kid kids people baby lady guy player players",
    "bicycle": "bike bikes",
    "motorcycle": "motorbike motorbikes",
    "airplane": "plane planes jet",
    "couch": "sofa sofas",
    "tv": "television televisions",
    "cell phone": "phone phones cellphone",
    "dining table": "table tables",
    "potted plant": "plant plants",
    "cow": "cattle bull",
    "dog": "puppy puppies",
    "cat": "kitten kittens",
}
"""Words of captions that mean one of COCO's categories by another name."""


def role_of(word: str, regions: Sequence[Region]) -> str:
    """The role of a word in a sentence about a picture with these named objects."""
    if regions_of(word, regions):
        return "NOUN"
    return _ROLE_OF.get(word, "OTHER")


def known_role(word: str) -> str | None:
    """The role of a word that is no noun; None for a word that the lexicon does not have."""
    return _ROLE_OF.get(word)


def name_of_kind(role: str) -> str:
    """The words of a role, as sentences name them."""
    return _NAMES.get(role, role.lower())


def regions_of(word: str, regions: Sequence[Region]) -> list[Region]:
    """The objects that a word names: by their category, its plural, its last word, or another name of it."""
    return [region for region in regions if word in _names(region.category.lower())]


@lru_cache(maxsize=4096)
def _names(category: str) -> frozenset[str]:
    words = {category, category.split()[-1]} if category.split() else {category}
    plurals = {form for word in words for form in (f"{word}s", f"{word}es")}
    return frozenset(words | plurals | set(MEANINGS.get(category, "").split()))


def describe_lexicon() -> str:
    """The whole lexicon as lines that a person can read."""
    names = {f"NOUN for {category}": words for category, words in MEANINGS.items()}
    return "\n".join(f"{role}: {words}" for role, words in (ROLES | names).items())
