"""Maps of single pictures, kept, so that a key of the screen costs a redraw. What is kept lies in main memory: a GPU
may be given back between two questions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from vitbench.errors import UserError
from vitbench.explain.attention_figure import (
    SIGNED_METHODS,
    AttentionRequest,
    Seen,
    chosen_preprocessing,
    class_number,
    look_at,
    overlaid,
)
from vitbench.explain.explanation import METHODS, Explanation, explain, find_method
from vitbench.explain.kept_attention import KeptAttention, all_attention
from vitbench.explain.outliers import OutlierTokens, outlier_tokens
from vitbench.figures.raster import Picture
from vitbench.inspector.kept_networks import Kept, KeptNetworks
from vitbench.models.network import Network
from vitbench.progress import Progress

PREVIEW = 320
"""The longer side in pixels of the pictures that the screen is sent."""


@dataclass(frozen=True)
class Looked:
    """A request with what it is about."""

    request: AttentionRequest
    network: Network
    seen: Seen
    key: tuple[str, ...]
    """Names the network, the picture's bytes and its preparation."""


class KeptMaps:
    """Pictures, attention and maps that were asked for lately."""

    def __init__(self, networks: KeptNetworks) -> None:
        self.networks = networks
        self._attention = Kept(4)
        self._maps = Kept(400)
        self._outliers = Kept(40)

    def give_back(self) -> None:
        """Forgets all."""
        for kept in (self._attention, self._maps, self._outliers):
            kept.clear()

    def looked(self, arguments: Mapping[str, Any], progress: Progress) -> Looked:
        """Opens network and picture. Raises UserError if there is no such picture or network."""
        request = request_of(arguments)
        named, network = self.networks.open(request.network, progress)
        preprocessing = chosen_preprocessing(network.preprocessing, request.preprocess)
        file = Path(request.pictures[0])
        try:
            changed = file.stat().st_mtime_ns
        except OSError as error:
            raise UserError(f"There is no picture {file}.") from error
        key = (named, str(file), str(changed), request.preprocess)
        seen = self._maps.get(("seen", *key), lambda: look_at(str(file), preprocessing, PREVIEW))
        return Looked(request, network, seen, key)

    def attention(self, looked: Looked) -> KeptAttention:
        """The attention of all layers and heads."""
        return self._attention.get(looked.key, lambda: all_attention(looked.network, looked.seen.pixels).cpu())

    def map(self, looked: Looked) -> tuple[Tensor, Tensor, Explanation | None]:
        """The map [rows, columns], the logits [C], and the explanation unless it is attention as it is."""
        request = looked.request
        method = find_method(request.method)
        if method == "raw":
            kept = self.attention(looked)
            return kept.map(request.layer, request.head, request.query)[0], kept.logits[0], None
        target = class_number(request.target, looked.network)
        asked = {"layer": request.layer, "head": request.head, "query": request.query}
        given = {name: value for name, value in asked.items() if value is not None and name in METHODS[method].options}
        key = ("map", *looked.key, method, target, *given.items())
        found = self._maps.get(key, lambda: explain(looked.network, looked.seen.pixels, method, target, **given).cpu())
        return found.maps[0], found.logits[0], found

    def overlay(self, looked: Looked, values: Tensor) -> Picture:
        """The map over the picture, in the style of the request."""
        return overlaid(looked.request, looked.seen, values, find_method(looked.request.method) in SIGNED_METHODS)

    def outlier_tokens(self, looked: Looked) -> OutlierTokens | None:
        """Outlier tokens, where the network has one grid of tokens."""
        if looked.network.backbone.refusal is not None:
            return None

        def make() -> OutlierTokens:
            found = outlier_tokens(looked.network, looked.seen.pixels)
            return replace(found, norms=found.norms.cpu(), outliers=found.outliers.cpu())

        return self._outliers.get(looked.key, make)


def request_of(arguments: Mapping[str, Any]) -> AttentionRequest:
    """The arguments of a question, with one `picture`. Raises UserError for one that does not fit."""
    given = dict(arguments)
    if "picture" in given:
        given["pictures"] = [given.pop("picture")]
    if given.get("query") is not None:
        given["query"] = tuple(given["query"])
    try:
        return AttentionRequest(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
