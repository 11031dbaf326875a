"""What a source of networks is: a declaration without torch, and what its computation has to answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vitbench.declarations import loaded

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vitbench.data.preprocessing import Preprocessing
    from vitbench.progress import Progress

Size = tuple[int, int]
"""(height, width) in pixels."""


class Source(Protocol):
    """Networks by their names. All weights have timm's names; `options` are arguments of `timm.create_model`."""

    def check(self, name: str) -> None:
        """Raises UserError if there is no such network."""

    def architecture(self, name: str) -> str:
        """timm's name of the architecture."""

    def own_size(self, name: str) -> Size | None:
        """The size of its pictures, where the architecture alone does not say it."""

    def create(
        self, name: str, *, size: Size | None, num_classes: int | None, options: Mapping[str, Any]
    ) -> "nn.Module":
        """The network with fresh weights. Raises UserError if the options do not fit."""

    def weights_url(self, name: str) -> str | None:
        """Where a file with its published weights is; None where `published` knows how they are to be had.

        Raises UserError if they were never published.
        """

    def published(
        self, name: str, *, size: Size | None, options: Mapping[str, Any], progress: "Progress"
    ) -> "nn.Module":
        """The network with its published weights. Raises UserError if they are not to be had."""

    def load(
        self,
        name: str,
        state: "Mapping[str, Tensor]",
        *,
        where: str,
        size: Size | None,
        trained_size: Size | None,
        options: Mapping[str, Any],
    ) -> "nn.Module":
        """The network with weights that were trained at `trained_size`, set to `size`; `where` names them in a message.

        Raises UserError naming what does not fit.
        """

    def preprocessing(self, name: str, module: "nn.Module", size: Size | None) -> "Preprocessing":
        """How its authors prepare pictures, at `size` or the network's own."""

    def origin(self, name: str, module: "nn.Module") -> tuple[str, str]:
        """The tag of its published weights, and a sentence that says where they are from."""


@dataclass(frozen=True)
class ModelSource:
    """A source, one file of `vitbench/model_sources/` or an entry point `vitbench.model_sources` of a package.

    `compute` is `module:class`, a `Source`; it is imported where a network is made.
    """

    name: str
    summary: str
    compute: str
    order: int = 1000
    """Where it stands in lists; the first one also knows names without a colon."""

    def source(self) -> Source:
        """Its computation, imported now."""
        made: Source = loaded(self.compute)()
        return made
