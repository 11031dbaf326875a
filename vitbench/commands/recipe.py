"""`vitbench recipe NAME`: prints a recipe whole, draws its learning rate, or checks it against its data."""

import argparse
import sys
from pathlib import Path

from vitbench.commands._outputs import add_overwrite, outputs_of, say
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.recipe import Recipe, load_recipe, preset_names, warnings
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("recipe", metavar="NAME", nargs="?", help=f"a file, or a preset: {', '.join(preset_names())}")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="such as optim.lr=1e-3")
    parser.add_argument("--curve", metavar="FILE.png", type=Path, help="draw the learning rate over the epochs")
    words = "say what the data are, and whether recipe, data and network fit each other"
    parser.add_argument("--check", action="store_true", help=words)
    parser.add_argument("--json", action="store_true", help="the recipe as JSON")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the recipe as TOML, ready to be changed; without a name, the presets."""
    if arguments.recipe is None:
        print("\n".join(preset_names()))
        return 0
    recipe = load_recipe(arguments.recipe, arguments.set)
    for warning in warnings(recipe):
        print(f"warning: {clean(warning)}", file=sys.stderr)
    if arguments.check:
        return _check(recipe, arguments)
    if arguments.curve is not None:
        from vitbench.figures.learning_rate import learning_rate_bytes
        from vitbench.figures.save import check_figure_ending

        check_figure_ending(arguments.curve)
        outputs = outputs_of(arguments, inputs=[arguments.recipe])
        outputs.plan(arguments.curve)
        outputs.write(arguments.curve, learning_rate_bytes(recipe, arguments.curve.suffix))
        say(str(arguments.curve), file=arguments.curve)
    elif arguments.json:
        print_json(recipe.model_dump(mode="json"))
    else:
        print(recipe.to_toml(), end="")
    return 0


def _check(recipe: Recipe, arguments: argparse.Namespace) -> int:
    """Prints what was recognised and what does not fit; 2 if anything does not."""
    from vitbench.training.check import check_recipe

    progress = ConsoleProgress()
    check = check_recipe(recipe.anchored(), store_folder(arguments.store), progress)
    progress.close()
    if arguments.json:
        print_json({"recognised": check.recognised, "problems": check.problems})
        return 2 if check.problems else 0
    for sentence in check.recognised:
        print(clean(sentence))
    for problem in check.problems:
        print(f"vitbench: {clean(problem)}", file=sys.stderr)
    if not check.problems:
        print("Recipe, data and network fit each other.")
    return 2 if check.problems else 0
