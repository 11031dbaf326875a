"""`vitbench recipe NAME`: prints a recipe whole, or draws its learning rate."""

import argparse
import json
import sys
from pathlib import Path

from vitbench.recipe import load_recipe, preset_names, warnings
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("recipe", metavar="NAME", nargs="?", help=f"a file, or a preset: {', '.join(preset_names())}")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="such as optim.lr=1e-3")
    parser.add_argument("--curve", metavar="FILE.png", type=Path, help="draw the learning rate over the epochs")
    parser.add_argument("--json", action="store_true", help="the recipe as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Prints the recipe as TOML, ready to be changed; without a name, the presets."""
    if arguments.recipe is None:
        print("\n".join(preset_names()))
        return 0
    recipe = load_recipe(arguments.recipe, arguments.set)
    for warning in warnings(recipe):
        print(f"warning: {clean(warning)}", file=sys.stderr)
    if arguments.curve is not None:
        from vitbench.figures.learning_rate import save_learning_rate

        save_learning_rate(recipe, arguments.curve)
        print(arguments.curve)
    elif arguments.json:
        print(json.dumps(recipe.model_dump(mode="json"), indent=1))
    else:
        print(recipe.to_toml(), end="")
    return 0
