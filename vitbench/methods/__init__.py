"""The attribution methods: each is one file here, or comes with an installed package. All lists of them derive from it.

Nothing in here imports torch at its top; `METHODS` is filled when it is first looked at.
"""

from vitbench.declarations import Declarations
from vitbench.methods.base import Method

METHODS = Declarations("method", Method, "vitbench.methods", "METHOD", lambda one: one.order)
ALIASES = {"chefer_generic": "generic"}
DEFAULT_METHOD = "libra"


def find_method(name: str) -> str:
    """The method's own name, aliases resolved. Raises UserError for an unknown one."""
    return METHODS.find(ALIASES.get(name, name)).name


def quick_methods() -> tuple[str, ...]:
    """Those that do not ask the network many times."""
    return tuple(method.name for method in METHODS.values() if not method.slow)


def offered(needs_attention: bool = True) -> list[str]:
    """Names in the order in which they are offered, those with a caution last; without those that need attention over
    the whole picture where the network has none."""
    able = [method for method in METHODS.values() if needs_attention or not method.needs_attention]
    return [method.name for method in sorted(able, key=lambda method: bool(method.caution))]


def without_attention() -> str:
    """The end of a refusal: which methods work on a network without attention over the whole picture."""
    return _work(offered(needs_attention=False))


def on_any_network() -> str:
    """The end of a refusal: which methods work on any network, since they only ask for its answers."""
    return _work([method.name for method in METHODS.values() if not method.needs_blocks])


def _work(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]} work on it" if len(names) > 1 else f"{names[0]} works on it"
