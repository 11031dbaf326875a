"""Under which licence the weights came that a network started from, as far as that is known."""

from dataclasses import dataclass

from timm.models import get_pretrained_cfg

from vitbench.models.network import DEMO
from vitbench.recipe_tables import ModelTable

_KNOWN = {"mit", "apache-2.0", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-sa-4.0", "cc-by-nc-sa-4.0"}
"""As the Hugging Face hub spells them."""


@dataclass(frozen=True)
class Licence:
    """`sentence` says what is known; `name` as the hub spells it, empty where nobody says."""

    sentence: str
    name: str = ""


def licence_of(model: ModelTable) -> Licence:
    """The licence of what a recipe's `[model]` starts from."""
    kind, _, name = model.name.rpartition(":")
    if model.weights:
        return Licence(
            "It started from the weights in a file of its maker's; their licence is not known to vitbench. Ask who gave"
            " the file before you pass the network on."
        )
    if model.name == DEMO:
        return Licence("It started from the classifier that comes with vitbench, under the MIT licence.", "mit")
    if not model.pretrained:
        return Licence("It started from random weights: no licence of others applies to them.")
    if kind == "pretrained_vit":
        words = (
            "It started from weights that pytorch_pretrained_vit publishes, converted from Google's vision_transformer"
            " release; both are under the Apache-2.0 licence."
        )
        return Licence(words, "apache-2.0")
    return licence_of_timm(name)


def licence_of_timm(name: str) -> Licence:
    """The licence that timm notes for the weights NAME, or NAME.TAG."""
    config = get_pretrained_cfg(name)
    tag = f"{name.partition('.')[0]}.{config.tag}" if config is not None and config.tag else name
    if config is None or not config.license:
        return Licence(
            f"It started from weights that timm publishes as {tag}; timm does not note their licence. Look on the page"
            " of who published them before you pass the network on."
        )
    licence = str(config.license).lower()
    known = licence if licence in _KNOWN else "other"
    return Licence(f"It started from weights that timm publishes as {tag}, under the licence {config.license}.", known)
