"""`vitbench models`: the networks that one can train or open, and whether their weights are on this machine."""

import argparse

from vitbench import catalogue
from vitbench.catalogue import CatalogueEntry, LocalWeights
from vitbench.output import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("--filter", metavar="PATTERN", default="*", help="names that fit, such as 'vit*' or dinov3")
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(arguments: argparse.Namespace) -> int:
    """Prints the table, or the document."""
    entries, local = catalogue.matching(arguments.filter), LocalWeights()
    if arguments.json:
        models = [_described(entry, local) for entry in entries]
        print_json({"timm": catalogue.timm_version(), "models": models}, indent=None)
        return 0
    if not entries:
        print(f"No network fits {arguments.filter}.")
        return 0
    width = max(len(entry.name) for entry in entries)
    columns = f"{'parameters':>10}  {'picture':>9}  {'patch':>6}  {'tokens':>6}  {'GFLOPs':>8}  weights here"
    print(f"{'name':<{width}}  {columns}")
    for entry in entries:
        here = ", ".join(tag or "yes" for tag in local.tags(entry))
        print(
            f"{entry.name:<{width}}  {_millions(entry.parameters):>10}  {_sides(entry.image_size):>9}  "
            f"{_sides(entry.patch_size):>6}  {entry.tokens or '-':>6}  {_gflops(entry.gflops):>8}  {here or '-'}"
        )
    return 0


def _described(entry: CatalogueEntry, local: LocalWeights) -> dict[str, object]:
    return {
        "name": entry.name,
        "family": entry.family,
        "parameters": entry.parameters,
        "image_size": entry.image_size,
        "patch_size": entry.patch_size,
        "tokens": entry.tokens or None,
        "prefix_tokens": entry.prefix_tokens if entry.tokens else None,
        "gflops": entry.gflops or None,
        "pooling": entry.pooling or None,
        "positions": entry.positions or None,
        "screens": entry.screens,
        "tags": [tag for tag in entry.tags if tag],
        "published": bool(entry.tags),
        "weights_on_this_machine": local.tags(entry),
    }


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f} M"


def _sides(sides: tuple[int, int] | None) -> str:
    """A square by its side."""
    if sides is None:
        return "-"
    return str(sides[0]) if sides[0] == sides[1] else f"{sides[0]}x{sides[1]}"


def _gflops(value: float) -> str:
    return f"{value:,.1f}" if value else "-"
