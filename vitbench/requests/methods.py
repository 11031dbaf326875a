"""The attribution methods, each declared once: commands, screens, figures and the functions themselves read this.

`compute` is `module:function`; the function takes a `Subject` and the options, and is imported when it is called.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vitbench.errors import UserError


@dataclass(frozen=True)
class Method:
    """A way to explain. `title` is what a figure says, `options` are the keyword options that it knows."""

    name: str
    title: str
    compute: str
    options: tuple[str, ...] = ()
    of_a_class: bool = True
    """Whether the map depends on the class that it is asked about; attention as it is does not."""
    signed: bool = False
    """Whether values below 0 are evidence against the class; such maps are drawn from 0 up."""
    slow: bool = False
    """Whether it asks the network many times."""
    needs_attention: bool = True
    """Whether it reads attention maps of the whole picture, which windowed networks do not have."""
    may_be_empty: bool = False
    """Whether its map can be 0 everywhere."""
    quantity: str = "Relevance"
    """What the values of its map are, for a colour bar."""

    @property
    def function(self) -> Callable[..., Any]:
        """The function that computes it."""
        module, _, name = self.compute.partition(":")
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return found


_ALL = (
    Method(
        "raw",
        "Raw attention",
        "vitbench.attention.methods:raw",
        ("layer", "head", "query"),
        of_a_class=False,
        quantity="Attention",
    ),
    Method(
        "rollout",
        "Attention rollout",
        "vitbench.attention.methods:rollout",
        ("fuse", "discard", "start_layer", "query"),
        of_a_class=False,
        quantity="Attention",
    ),
    Method(
        "generic",
        "Generic attention (Chefer 2021b)",
        "vitbench.attribution.gradient_attention:generic",
        ("start_layer", "query"),
    ),
    Method(
        "gradient_rollout",
        "Gradient rollout",
        "vitbench.attribution.gradient_attention:gradient_rollout",
        ("start_layer", "query"),
    ),
    Method(
        "chefer_lrp",
        "Transformer attribution (Chefer 2021a)",
        "vitbench.attribution.chefer_lrp:chefer_lrp",
        ("start_layer", "query"),
    ),
    Method("grad_cam", "Attention Grad-CAM", "vitbench.attribution.gradient_attention:grad_cam", may_be_empty=True),
    Method(
        "token_grad_cam",
        "Token Grad-CAM",
        "vitbench.attribution.token_grad_cam:token_grad_cam",
        needs_attention=False,
        may_be_empty=True,
    ),
    Method("libra", "Libra FullGrad+", "vitbench.attribution.libra:libra", signed=True, needs_attention=False),
    Method(
        "integrated_gradients",
        "Integrated gradients",
        "vitbench.attribution.perturbation:integrated_gradients",
        ("steps", "baseline"),
        signed=True,
        slow=True,
        needs_attention=False,
    ),
    Method(
        "occlusion",
        "Occlusion",
        "vitbench.attribution.perturbation:occlusion",
        ("window", "fill_with"),
        signed=True,
        slow=True,
        needs_attention=False,
        quantity="Fall of the logit",
    ),
)
METHODS: dict[str, Method] = {method.name: method for method in _ALL}
QUICK_METHODS = tuple(method.name for method in _ALL if not method.slow)
ALIASES = {"chefer_generic": "generic"}
DEFAULT_METHOD = "libra"


def find_method(name: str) -> str:
    """The method's own name, aliases resolved. Raises UserError for an unknown one."""
    name = ALIASES.get(name, name)
    if name not in METHODS:
        raise UserError(f"There is no method {name!r}; the methods are {', '.join(METHODS)}.")
    return name
