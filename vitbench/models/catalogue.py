"""`python -m vitbench.models.catalogue` writes `vitbench/catalogue.json`: networks and optimizers, with their facts.

Each network is made on the `meta` device, which has shapes and no memory, so that the largest ones count too.
`--demo` describes the package's own classifier in the same way, beside its weights.
"""

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import timm
import torch
from timm.models import get_arch_pretrained_cfgs, get_pretrained_cfg, model_entrypoint
from timm.optim import list_optimizers
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from vitbench.catalogue import FILE
from vitbench.errors import UserError
from vitbench.files.writing import write_whole
from vitbench.models import pretrained_vit
from vitbench.models.adaptation import parameter_count
from vitbench.models.backbone import Backbone
from vitbench.models.network import open_network
from vitbench.paths import shipped_weights
from vitbench.progress import ConsoleProgress, Progress

FIELDS = (
    "name",
    "family",
    "parameters",
    "image_size",
    "patch_size",
    "tokens",
    "prefix_tokens",
    "gflops",
    "pooling",
    "positions",
    "tags",
)


_FILLS = {"uniform_", "normal_", "trunc_normal_", "erfinv_", "mul_", "div_", "add_", "clamp_", "fill_", "zero_"}


class NoWeights(TorchFunctionMode):
    """Makes networks on the `meta` device, and leaves out the drawing of weights: it takes most of the time there."""

    def __init__(self) -> None:
        super().__init__()
        self.device = torch.device("meta")

    def __enter__(self) -> "NoWeights":
        self.device.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        super().__exit__(*failure)
        self.device.__exit__(*failure)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Calls `function`, unless it fills a tensor in place."""
        named = kwargs or {}
        if getattr(function, "__name__", "") in _FILLS:
            return args[0] if args else named["tensor"]
        return function(*args, **named)


def facts(module: nn.Module, image_size: tuple[int, int]) -> dict[str, Any]:
    """What the catalogue says of a network on the `meta` device, for pictures of `image_size` (height, width)."""
    plain: dict[str, Any] = dict.fromkeys(("patch_size", "pooling", "positions"), "")
    plain |= dict.fromkeys(("tokens", "prefix_tokens", "gflops"), 0)
    backbone = Backbone(module)
    if backbone.refusal is None:
        rows, columns = backbone.patch_grid(*image_size)
        plain = {
            "patch_size": list(backbone.patch_size),
            "tokens": rows * columns + backbone.num_prefix_tokens,
            "prefix_tokens": backbone.num_prefix_tokens,
            "gflops": round(flops(module, image_size) / 1e9, 3),
            "pooling": backbone.pooling,
            "positions": backbone.position_embedding.kind,
        }
    return {"parameters": parameter_count(module), "image_size": list(image_size), **plain}


def flops(module: nn.Module, image_size: tuple[int, int]) -> int:
    """Floating point operations of one forward pass of one picture, counted by torch; a multiply-add counts as two."""
    # The counter follows autograd into modules, and stumbles over parameters that are used without an input.
    module.eval().requires_grad_(False)
    device = next(module.parameters()).device
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, 3, *image_size, device=device))
    return int(counter.get_total_flops())


def timm_rows(progress: Progress) -> Iterator[dict[str, Any]]:
    """A row for each network of timm. One that cannot be made without its dependencies is left out."""
    names = timm.list_models()
    for done, name in enumerate(names):
        progress(done, len(names), "timm's networks")
        with NoWeights(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                module: Any = timm.create_model(name)
            except (RuntimeError, ImportError, NotImplementedError) as error:
                print(f"{name} is left out: {error}")
                continue
            config = get_pretrained_cfg(name)
            size = getattr(getattr(module, "patch_embed", None), "img_size", None)
            size = size or (config.input_size[1:] if config else (224, 224))
            family = model_entrypoint(name).__module__.rpartition(".")[2]
        row = facts(module, (size[0], size[1]))
        yield {"name": f"timm:{name}", "family": family, "tags": _tags(name), **row}
    progress(len(names), len(names), "timm's networks")


def pretrained_vit_rows() -> Iterator[dict[str, Any]]:
    """A row for each network of pytorch_pretrained_vit."""
    for name in pretrained_vit.names():
        with NoWeights():
            module = pretrained_vit.create(name)
        row = facts(module, pretrained_vit.image_size(name))
        url = pretrained_vit.configuration(name)["url"]
        tags = [["", f"url:{_file_name(url)}"]] if url else []
        yield {"name": f"pretrained_vit:{name}", "family": "pytorch_pretrained_vit", "tags": tags, **row}


def demo_row() -> dict[str, Any]:
    """The row of the package's own classifier."""
    network = open_network("demo")
    row = facts(network.module, network.image_size)
    return {"name": "demo", "family": network.architecture, "tags": [["", "package:"]], **row}


def write(file: Path, progress: Progress) -> None:
    """Writes the catalogue, a row a line, so that a newer timm shows as few changed lines."""
    rows = [*timm_rows(progress), *pretrained_vit_rows()]
    lines = ",\n".join(_compact([row[field] for field in FIELDS]) for row in rows)
    head = {"timm": timm.__version__, "optimizers": list_optimizers(), "fields": list(FIELDS)}
    write_whole(file, _compact(head)[:-1] + f',\n"networks":[\n{lines}\n]}}\n')


def _tags(name: str) -> list[str | list[str]]:
    """The tags with published weights, the default first; with their place unless it is `timm/NAME.TAG` on the hub."""
    default = get_pretrained_cfg(name)
    tags: list[str | list[str]] = []
    for key, config in get_arch_pretrained_cfgs(name).items():
        if not config.has_weights:
            continue
        # Some versions of timm answer with tags, others with whole names.
        tag = key.removeprefix(f"{name}.")
        if config.hf_hub_id:
            place = "" if config.hf_hub_id == f"timm/{name}.{tag}" else f"hub:{config.hf_hub_id}"
        else:
            place = f"url:{_file_name(config.url)}"
        entry = [tag, place] if place else tag
        tags.insert(0 if default and default.tag == tag else len(tags), entry)
    return tags


def _file_name(url: Any) -> str:
    return Path(urlsplit(url[0] if isinstance(url, tuple | list) else url).path).name


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m vitbench.models.catalogue", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="describe the package's classifier only")
    if not parser.parse_args().demo:
        write(FILE, ConsoleProgress())
        return
    try:
        card = shipped_weights() / "classifier.catalogue.json"
        write_whole(card, _compact(demo_row()) + "\n")
    except UserError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
