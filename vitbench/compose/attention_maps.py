"""Maps of single pictures, kept, so that a key of the screen costs a redraw."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from vitbench.attention.cache import CachedAttention, all_attention
from vitbench.attention.outliers import OutlierTokens, outlier_tokens
from vitbench.attribution.explanation import Explanation, explain
from vitbench.compose.keys import file_key, module_key
from vitbench.compose.prepared import PreparedPicture, chosen_preprocessing, class_number, prepare_picture
from vitbench.compose.sources import Sources
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.figures.raster import OverlayStyle, Picture, mark_patch, overlay
from vitbench.figures.sheet import Scale
from vitbench.methods import METHODS, Method
from vitbench.models.class_names import with_class_names
from vitbench.models.network import Network
from vitbench.nearest import perhaps_path
from vitbench.progress import Progress
from vitbench.requests.attention import AttentionRequest

ROBUST = 0.98
"""The quantile where the colours of a robust scale end."""
FEW, MOST_OF_A_MAP = 0.01, 0.5
"""A map of which so few patches hold so much looks empty elsewhere."""
DARK = 0.15
"""So does one whose other patches reach no further up the colours: a dot on a map that is spread otherwise."""


@dataclass(frozen=True)
class NetworkAndPicture:
    """One network, one picture as it is prepared for it. `named` is the network's reference with its checkpoint."""

    named: str
    network: Network
    picture: PreparedPicture
    key: tuple[Any, ...]


@dataclass(frozen=True)
class FoundMap:
    """A map [rows, columns] as it is drawn: without outlier tokens where these are masked.

    `target` is the explained class, None where the method knows none. `outlier_mass` is the share of the map on
    `outliers` patches, before these are masked.
    """

    values: Tensor
    logits: Tensor
    method: Method
    target: int | None = None
    completeness_error: float | None = None
    outliers: int = 0
    outlier_mass: float = 0.0

    def scale(self, request: AttentionRequest) -> Scale:
        """What its colours mean: signed maps are coloured from 0 on."""
        low = 0.0 if self.method.signed else float(self.values.min())
        high = max(float(self.values.max()), 1e-12) if self.method.signed else float(self.values.max())
        quantity = self.method.quantity
        if request.scale == "robust":
            robust = float(self.values.quantile(ROBUST))
            if robust > low:
                high, quantity = robust, f"{quantity}, to the {ROBUST:.0%} quantile"
        return Scale(request.colour_map, low, high, quantity)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it is drawn: all is 0, or of a signed map against the class."""
        return not bool((self.values > 0).any() if self.method.signed else self.values.any())

    def concentration(self) -> tuple[int, float] | None:
        """(patches, share of the map) where a hundredth of the patches holds most of what is drawn; else None."""
        drawn = self.values.clamp(min=0).flatten()
        few, total = max(1, math.ceil(FEW * drawn.numel())), float(drawn.sum())
        share = float(drawn.topk(few).values.sum()) / total if total > 0 else 0.0
        return (few, share) if share > MOST_OF_A_MAP else None

    def hidden(self) -> tuple[int, float] | None:
        """(patches, reach) where all but so many patches reach only so far up the colours of a full scale, from 0 to
        1; None where they reach further, or nothing is drawn."""
        low = 0.0 if self.method.signed else float(self.values.min())
        span = float(self.values.max()) - low
        reach = max(0.0, float(self.values.quantile(ROBUST)) - low) / span if span > 0 else 1.0
        return (math.ceil((1 - ROBUST) * self.values.numel()), reach) if reach < DARK else None


class AttentionMaps:
    """Computes what one request needs; what was computed lately is taken from `sources`."""

    def __init__(self, request: AttentionRequest, sources: Sources, progress: Progress) -> None:
        self.request = request
        self.sources = sources
        self.progress = progress

    def pair(self, reference: str, file: str) -> NetworkAndPicture:
        """Opens network and picture. Raises UserError if there is no such picture or network."""
        named, network = self.sources.network(reference, self.progress, self.request.image_size)
        if self.request.classes is not None and reference != self.request.other:
            network = with_class_names(network, self.request.classes)
        if not Path(file).exists():
            raise UserError(f"There is no picture {file}{perhaps_path(file)}.")
        preprocessing = self.preprocessing(network)
        key = (module_key(network.module), *file_key(file), self.request.preprocess)
        picture = self.sources.recent("picture", key, lambda: prepare_picture(file, preprocessing))
        return NetworkAndPicture(named, network, picture, key)

    def preprocessing(self, network: Network) -> Preprocessing:
        """How pictures are prepared for the network."""
        return chosen_preprocessing(network.preprocessing, self.request.preprocess)

    def attention(self, pair: NetworkAndPicture) -> CachedAttention:
        """The attention of all layers and heads. Raises UserError where the network has none of the whole picture."""
        return self.sources.recent(
            "attention", pair.key, lambda: all_attention(pair.network, pair.picture.pixels).cpu()
        )

    def raw(self, pair: NetworkAndPicture, layer: int | None, head: int | None) -> FoundMap:
        """Attention as it is, of a layer and head counted from 1."""
        kept, query = self.attention(pair), self._from_zero(self.request.query)
        values = kept.map(None if layer is None else layer - 1, None if head is None else head - 1, query)[0]
        return self._finished(pair, FoundMap(values, kept.logits[0], METHODS["raw"]))

    def explained(
        self, pair: NetworkAndPicture, name: str, target_class: str | Literal[False] | None = False
    ) -> FoundMap:
        """The map of a method, with those of the request's options that it knows, of the request's class.

        `target_class` is another one in its place, None the likeliest.
        """
        method, request = METHODS[name], self.request
        if name == "raw":
            return self.raw(pair, request.layer, request.head)
        wanted = request.target if target_class is False else target_class
        target = class_number(wanted, pair.network) if method.needs_class else None
        query = self._from_zero(request.query) if method.has("query") else None
        given: dict[str, Any] = dict(request.options_of(method))
        if query is not None:
            given["query"] = query

        def make() -> Explanation:
            self.progress(0, 0, method.title)
            return explain(pair.network, pair.picture.pixels, name, target, progress=self.progress, **given).cpu()

        found = self.sources.recent("map", (*pair.key, name, target, *sorted(given.items())), make)
        error = None if found.completeness_error is None else float(found.completeness_error[0])
        explained = int(found.targets[0]) if method.needs_class else None
        return self._finished(pair, FoundMap(found.maps[0], found.logits[0], method, explained, error))

    def overlaid(self, pair: NetworkAndPicture, found: FoundMap) -> Picture:
        """The map over the picture, in the request's style, the patch that looks outlined."""
        request, scale = self.request, found.scale(self.request)
        style = OverlayStyle(request.colour_map, request.strength, request.smooth, scale.low, scale.high)
        result = overlay(pair.picture.shown, found.values.numpy(), style, pair.picture.box)
        if request.query is not None and found.method.has("query"):
            result = self.marked(pair, result)
        return result

    def marked(self, pair: NetworkAndPicture, picture: Picture) -> Picture:
        """The picture with an outline around the patch that looks: one of the network's grid, whatever the map's is."""
        query = self._from_zero(self.request.query)
        assert query is not None
        grid = pair.network.backbone.patch_grid(*pair.picture.pixels.shape[-2:])
        return mark_patch(picture, grid, query, pair.picture.box)

    def _finished(self, pair: NetworkAndPicture, found: FoundMap) -> FoundMap:
        outliers = self._outliers(pair)
        if outliers is None or not bool(outliers.outliers.any()):
            return found
        mass = float(outliers.mass(found.values[None])[0])
        values = outliers.masked(found.values[None])[0] if self.request.mask_outliers else found.values
        return replace(found, values=values, outliers=int(outliers.outliers.sum()), outlier_mass=mass)

    def _outliers(self, pair: NetworkAndPicture) -> OutlierTokens | None:
        """Outlier tokens, where the network has one grid of tokens."""
        if pair.network.backbone.refusal is not None:
            return None

        def make() -> OutlierTokens:
            found = outlier_tokens(pair.network, pair.picture.pixels)
            return replace(found, norms=found.norms.cpu(), outliers=found.outliers.cpu())

        return self.sources.recent("outliers", pair.key, make)

    @staticmethod
    def _from_zero(patch: tuple[int, int] | None) -> tuple[int, int] | None:
        return None if patch is None else (patch[0] - 1, patch[1] - 1)


def head_count(network: Network) -> int:
    """How many heads a layer has; 0 where the network does not say, or has no attention over the whole picture."""
    if network.backbone.refusal is not None or not network.backbone.blocks:
        return 0
    for part in network.backbone.blocks[0].modules():
        heads = getattr(part, "num_heads", None)
        if isinstance(heads, int):
            return heads
    return 0
