"""Generic attention explainability (Chefer et al. 2021b)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitbench.methods.base import QUERY, START_LAYER, Method

if TYPE_CHECKING:
    from vitbench.attention.result import MethodResult, Query
    from vitbench.attention.subject import Subject

METHOD = Method(
    name="generic",
    title="Generic attention (Chefer 2021b)",
    summary="gradient times attention of each layer, added up with what flows on (Chefer et al., ICCV 2021)",
    quantity="Relevance",
    compute="vitbench.methods.generic:generic",
    options=(START_LAYER, QUERY),
    order=30,
)


def generic(subject: Subject, *, start_layer: int = 0, query: Query | None = None) -> MethodResult:
    """R = E, then R += mean_h relu(G A) R for each layer.

    The map is the reading row of R, without the even part that the E it starts from gives to average pooling.
    """
    from vitbench.attention.cache import layer_number
    from vitbench.attention.result import MethodResult
    from vitbench.attention.subject import start_row
    from vitbench.attribution.gradient_attention import attend_with_gradient

    logits, layers = attend_with_gradient(subject, lambda a, g: (g * a).clamp(min=0).mean(dim=1))
    first = layer_number(len(layers.blocks), start_layer)
    start = row = start_row(subject, layers, query)
    for weighted in reversed(layers.maps()[first:]):
        row = row + (row[:, None, :] @ weighted).squeeze(1)
    relevance = row if layers.pools and query is None else row - start
    return MethodResult(subject.patches(relevance), logits, facts={"start_layer": first, "query": query})
