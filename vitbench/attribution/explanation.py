"""One door to all methods: a network and pictures in, maps out."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vitbench.attention.result import Explanation, MethodResult
from vitbench.attention.subject import Subject
from vitbench.errors import UserError
from vitbench.methods import DEFAULT_METHOD, METHODS, find_method
from vitbench.methods.base import OF_REQUESTS
from vitbench.models.inference import quiet
from vitbench.models.network import Network
from vitbench.progress import Progress, silent


def explain(
    network: Network,
    pixels: Tensor,
    method: str = DEFAULT_METHOD,
    target: int | Sequence[int] | Tensor | None = None,
    *,
    progress: Progress = silent,
    **options: Any,
) -> Explanation:
    """Explains what `network` sees in `pixels`, float32 [B, 3, H, W] as its preprocessing makes them.

    target: the class to explain, one for all or one a picture; None is each picture's likeliest class.
    options: what the method knows, see its docstring: layer, head, query, fuse, start_layer, steps, ...
    A picture's map is the same alone and in a batch.
    progress: told how far a method is that asks the network many times, and whatever it raises ends the work.
    Raises UserError where the network has no such map, and says which methods work.
    """
    name = find_method(method)
    chosen = METHODS[name]
    asked = {option: value for option, value in options.items() if value is not None}
    of_request = {one.name for one in OF_REQUESTS if chosen.has(one.name)}
    given = chosen.read_options({option: value for option, value in asked.items() if option not in of_request})
    given |= {option: value for option, value in asked.items() if option in of_request}
    if chosen.needs_class and network.no_classes:
        without = ", ".join(other for other, found in METHODS.items() if not found.needs_class)
        raise UserError(f"{network.no_classes} {chosen.title} explains a class; these methods need none: {without}.")
    with quiet(network.module) as module:
        device = next(module.parameters()).device
        subject = Subject.of(network, module, pixels.to(device), _target(target, pixels.shape[0], device), progress)
        result = chosen.function(subject, **given)
        targets = subject.targets(result.logits)
    _check(result, subject, name)
    return Explanation(
        maps=result.maps.detach().float(),
        logits=result.logits.detach(),
        targets=targets,
        completeness_error=result.completeness_error,
        facts={"method": name, "title": chosen.title, "targets": targets.tolist(), **result.facts},
    )


def _target(target: int | Sequence[int] | Tensor | None, batch: int, device: torch.device) -> Tensor | None:
    if target is None:
        return None
    classes = torch.as_tensor(target, dtype=torch.long, device=device).reshape(-1)
    if classes.numel() not in (1, batch):
        raise UserError(f"{classes.numel()} classes were named for {batch} pictures; name one, or one per picture.")
    return classes.expand(batch)


def _check(result: MethodResult, subject: Subject, method: str) -> None:
    """Maps that are not one a picture, or hold what is not a number, are never drawn."""
    if result.maps.dim() != 3 or result.maps.shape[0] != subject.pixels.shape[0]:
        raise UserError(
            f"The method {method} returned maps of shape {list(result.maps.shape)}; [pictures, rows, columns] with "
            f"{subject.pixels.shape[0]} pictures is expected."
        )
    if not bool(torch.isfinite(result.maps).all()):
        raise UserError(
            f"The map of {subject.name} holds NaN or infinity, so it is not drawn; the network's weights or the"
            " picture do too."
        )
