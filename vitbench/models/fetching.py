"""Fetches published weights to where `pretrained = true` finds them: on a login node with internet, for nodes without.

The same addresses and caches as when a run starts: the hub's cache, and torch's for what lies elsewhere.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub
import timm
import torch
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HTTPError
from timm.models import get_pretrained_cfg

from vitbench.errors import UserError
from vitbench.models.hub import FILES, cached_on_hub, check_reachable, hub_host, no_network
from vitbench.models.named import downloaded, find_network
from vitbench.models.timm_networks import weights_host
from vitbench.progress import Progress, silent


@dataclass(frozen=True)
class Fetched:
    """Weights on this machine: of which network, where, how large, under which licence, and whether they were new."""

    name: str
    file: Path
    size: int
    """Bytes."""
    licence: str
    """As the publisher names it; empty where nobody says."""
    was_here: bool


def fetch(reference: str, progress: Progress = silent) -> Fetched:
    """Fetches the published weights of `timm:NAME` or `pretrained_vit:NAME`, unless they are here.

    Raises UserError if there are none, if they need an account that has accepted their licence, or without a network.
    """
    named = find_network(reference)
    if (address := named.source.weights_url(named.name)) is not None:
        url = address
        here = _in_torch_cache(url).exists()
        return _fetched(str(named), downloaded(url, str(named), progress), "", here)
    config = get_pretrained_cfg(named.name)
    if config is None or not config.has_weights:
        tags = timm.list_pretrained(f"{named.name.partition('.')[0]}.*")
        known = f"; there are for {', '.join(tags[:4])}" if tags else ""
        raise UserError(f"timm has no published weights for {named.name}{known}.")
    licence = str(config.license or "")
    if not config.hf_hub_id:
        url = config.url[0] if isinstance(config.url, tuple) else str(config.url)
        here = _in_torch_cache(url).exists()
        return _fetched(str(named), downloaded(url, str(named), progress), licence, here)
    found = cached_on_hub(config.hf_hub_id, config.hf_hub_filename)
    if found is not None:
        return _fetched(str(named), found, licence, True)
    check_reachable(hub_host(), str(named))
    file = _from_hub(config.hf_hub_id, config.hf_hub_filename, str(named), progress)
    return _fetched(str(named), file, licence, False)


def weights_from(reference: str) -> str:
    """The host from which the published weights of a network would be downloaded; empty if they are on this machine.

    Raises UserError if there are none, or if they are not here and the host cannot be reached.
    """
    named = find_network(reference)
    if (url := named.source.weights_url(named.name)) is None:
        return weights_host(named.name) if named.kind == "timm" else ""  # another source knows where its own are
    if _in_torch_cache(url).exists():
        return ""
    host = urlsplit(url).hostname or ""
    check_reachable(host, str(named))
    return host


def _from_hub(repository: str, filename: str | None, reference: str, progress: Progress) -> Path:
    """The first of the usual files that the repository has, which is the one that timm looks for first too."""
    repository, _, revision = repository.partition("@")
    progress(0, 0, f"downloading {reference} from {hub_host()}")
    try:
        names = [filename] if filename else FILES
        there = set(huggingface_hub.list_repo_files(repository, revision=revision or None))
        chosen = next((name for name in names if name in there), None)
        if chosen is None:
            raise UserError(f"The repository {repository} of {reference} holds none of {', '.join(names)}.")
        # timm reads the network's own settings from beside the weights.
        for name in [chosen, *(name for name in ("config.json",) if name in there)]:
            file = huggingface_hub.hf_hub_download(repository, name, revision=revision or None)
            if name == chosen:
                weights = Path(file)
    except GatedRepoError as error:
        raise UserError(
            f"The weights of {reference} are given only to who accepts their licence: open the page of {repository} on"
            " the hub, accept it with your account, log in here with `hf auth login`, and fetch again."
        ) from error
    except HfHubHTTPError as error:
        raise UserError(f"The hub refused the weights of {reference} ({str(error).splitlines()[0][:160]}).") from error
    except (HTTPError, OSError) as error:
        raise no_network(reference) from error
    return weights


def _in_torch_cache(url: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(url).path).name


def _fetched(name: str, file: Path, licence: str, was_here: bool) -> Fetched:
    return Fetched(name, file, file.stat().st_size, licence, was_here)
