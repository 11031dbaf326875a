"""Attention as it is: one layer of it, of one head or the mean of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitbench.methods.base import HEAD, LAYER, QUERY, Method

if TYPE_CHECKING:
    from vitbench.attention.result import MethodResult, Query
    from vitbench.attention.subject import Subject

METHOD = Method(
    name="raw",
    title="Raw attention",
    summary="attention after softmax of one layer, as it is",
    compute="vitbench.methods.raw:raw",
    options=(LAYER, HEAD, QUERY),
    needs_class=False,
    quantity="Attention",
    order=10,
)


def raw(
    subject: Subject, *, layer: int | None = None, head: int | None = None, query: Query | None = None
) -> MethodResult:
    """Attention after softmax of one layer: the row that the classifier reads, or that of a query patch.

    layer: from 0; negative counts from the end; None is the last. head: from 0; None is the mean over heads.
    With attention pooling and neither layer nor query asked for, the map is the pool's own.
    """
    from vitbench.attention.cache import attend_to_all, layer_number
    from vitbench.attention.result import MethodResult

    kept = attend_to_all(subject)
    number: int | str = layer_number(len(kept.layers), layer)
    if kept.pool is not None and layer is None and query is None:
        number = "attention pool"
    return MethodResult(
        kept.map(layer, head, query), kept.logits, facts={"layer": number, "head": head, "query": query}
    )
