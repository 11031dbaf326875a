"""Names in a recipe that timm gives: of networks and optimizers. They are compared with the shipped catalogue, so that
a misspelt one is refused before a run starts, and not by its worker."""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, version

from vitbench import catalogue
from vitbench.errors import UserError
from vitbench.nearest import perhaps
from vitbench.text import shortened

SOURCES = "vitbench.model_sources"
"""The entry points by which installed packages bring networks of their own."""
_LOOKAHEAD = "lookahead_"
"""What timm takes before the name of any optimizer."""


def unknown_names(model: str, optimizer: str) -> list[str]:
    """A sentence for each name that the catalogue does not have, with the nearest one that it has."""
    sentences = []
    models = catalogue.model_names()
    if model not in models and f"timm:{model}" not in models:
        sentences.append(_unknown("model.name", model, "network", models))
    optimizers = catalogue.optimizer_names()
    # As timm reads it: in any case, and perhaps with `lookahead_` before it.
    if optimizer.lower().removeprefix(_LOOKAHEAD) not in optimizers:
        sentences.append(_unknown("optim.name", optimizer, "optimizer", optimizers))
    return sentences


def refuse_unknown_names(model: str, optimizer: str) -> None:
    """Raises UserError for a name that the worker would refuse: the catalogue is that of the timm which is installed.

    With another timm, and for networks where a package brings some of its own, the worker has the last word.
    """
    if not _is_of_installed_timm():
        return
    said = unknown_names(model, optimizer)
    if _has_other_sources():
        said = [sentence for sentence in said if not sentence.startswith("model.name")]
    if said:
        raise UserError(" ".join(said))


@cache
def _is_of_installed_timm() -> bool:
    try:
        return version("timm") == catalogue.timm_version()
    except PackageNotFoundError:
        return False


@cache
def _has_other_sources() -> bool:
    return bool(entry_points(group=SOURCES))


def _unknown(key: str, name: str, what: str, known: Sequence[str]) -> str:
    return f"{key} = {shortened(name)} is no {what} of timm {catalogue.timm_version()}{perhaps(name, known)}."
