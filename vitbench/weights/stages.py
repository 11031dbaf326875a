"""The trainings that make the package's networks, one after the other; each is an ordinary run of `make weights`."""

from dataclasses import dataclass
from typing import Literal

Only = Literal["labels", "captions"]
"""One of the two things that are taught; without it, both."""
PICTURES_AN_EPOCH = 24_000


@dataclass(frozen=True)
class Stage:
    """One training: `only` what it teaches, of `epochs`, from the networks of the stage `after` it.

    `networks` are those of the package that leave it.
    """

    name: str
    epochs: int
    only: Only | None = None
    after: str = ""
    networks: tuple[str, ...] = ()

    @property
    def pictures(self) -> int:
        """How many it sees."""
        return self.epochs * PICTURES_AN_EPOCH


TOGETHER = Stage("together", 40)
CLASSIFIER = Stage("classifier", 12, "labels", after="together", networks=("classifier",))
CAPTIONER = Stage("captioner", 30, "captions", after="together", networks=("captioner",))
STAGES = (TOGETHER, CLASSIFIER, CAPTIONER)
