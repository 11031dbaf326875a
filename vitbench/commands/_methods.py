"""How commands name methods of explaining and their options, from the declarations."""

import argparse
from collections.abc import Sequence

from vitbench.errors import UserError
from vitbench.methods import DEFAULT_METHOD, METHODS


def add_methods(parser: argparse.ArgumentParser) -> None:
    """`--method` and `--option`, and below the help every method with what it does and its options."""
    parser.add_argument("--method", metavar="M", help=f"{', '.join(METHODS)} (default: {DEFAULT_METHOD})")
    parser.add_argument(
        "--option", metavar="NAME=VALUE", action="append", default=[], help="an option of the method; see below"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = methods_in_words().replace("%", "%%")


def methods_in_words() -> str:
    """Each method with its summary, its options, and what one should know before trusting it."""
    lines = ["methods:"]
    for method in METHODS.values():
        lines.append(f"  {method.name:<22}{method.summary}{'; slow' if method.slow else ''}")
        lines += [f"{'':<24}{option.described()}" for option in method.own_options().values()]
        if method.caution:
            lines.append(f"{'':<24}{method.caution}")
    return "\n".join(lines)


def options_from(given: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` taken apart. Raises UserError for what is not of that form."""
    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise UserError(f"--option {one} is not of the form NAME=VALUE, such as steps=64.")
        found[name.strip().replace("-", "_")] = value.strip()
    return found
