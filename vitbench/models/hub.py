"""What the caches of this machine hold, and whether more can be fetched."""

import socket
from pathlib import Path
from urllib.request import getproxies

import huggingface_hub

from vitbench.errors import UserError

FILES = ("model.safetensors", "pytorch_model.bin", "open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""The names that weights have in a repository of the Hugging Face hub, in timm's order."""


def cached_on_hub(repository: str, filename: str | None = None) -> Path | None:
    """The weight file of `repository` (`OWNER/NAME[@REVISION]`) in the hub's cache on this machine, if it is there."""
    repository, _, revision = repository.partition("@")
    for candidate in (filename,) if filename else FILES:
        found = huggingface_hub.try_to_load_from_cache(repository, candidate, revision=revision or None)
        if isinstance(found, str):
            return Path(found)
    return None


def hub_host() -> str:
    """The host that the hub's client asks."""
    return huggingface_hub.constants.ENDPOINT.partition("://")[2].partition("/")[0]


def check_reachable(host: str, reference: str) -> None:
    """Raises UserError with both ways out if the name of `host` cannot be resolved.

    The hub's client would try again for most of a minute before it says so.
    """
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise no_network(reference)
    if _has_proxy():
        return  # The proxy resolves names.
    try:
        socket.getaddrinfo(host.partition(":")[0], 443)
    except OSError as error:
        raise no_network(reference) from error


def no_network(reference: str) -> UserError:
    """The answer when weights are neither here nor to be had: both ways out in one sentence."""
    return UserError(
        f"The weights of {reference} are not on this machine and cannot be downloaded from here; either set"
        " model.weights to a file with them, or model.pretrained to false (training from random weights), or take the"
        " network demo, which is here."
    )


def _has_proxy() -> bool:
    return bool(getproxies().keys() & {"https", "all"})
