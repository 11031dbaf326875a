"""The learning rate of a recipe over its epochs, as a picture."""

import numpy as np

from vitbench.figures.plots import Curves, Series
from vitbench.figures.sheet import Sheet
from vitbench.progress import Progress, silent
from vitbench.recipe import Recipe
from vitbench.requests.plots import LearningRateRequest

_STEPS_PER_EPOCH = 100
"""The curve's shape does not depend on it; how many steps an epoch has is known once the data is."""


def compose_learning_rate(request: LearningRateRequest, sources: object = None, progress: Progress = silent) -> Sheet:
    """The learning rate at each place of an epoch, as a line or, stepped once an epoch, as stairs."""
    recipe = Recipe.model_validate(request.recipe)
    train, schedule = recipe.train, recipe.schedule
    steps = range(train.epochs * _STEPS_PER_EPOCH)
    rates = np.array([recipe.learning_rate(step, _STEPS_PER_EPOCH) for step in steps], float)
    title = recipe.name or recipe.preset or recipe.model.name
    words = f"{title}: {schedule.name}, by {schedule.step_on}, peak {recipe.optim.lr:g}"
    line = Series("learning rate", np.arange(len(rates)) / _STEPS_PER_EPOCH, rates, "#0072b2")
    plot = Curves(
        words,
        "Epoch",
        "Learning rate",
        (line,),
        x_range=(0.0, float(train.epochs)),
        y_range=(0.0, 1.05 * float(rates.max()) or 1.0),
        shaded=(0.0, float(train.head_epochs), "head only") if train.head_epochs else None,
    )
    return Sheet("learning rate", request.record(), (), {"title": words}, words, plots=(plot,))


def learning_rate_bytes(recipe: Recipe, ending: str) -> bytes:
    """The figure as a file with the ending .png, .pdf or .svg."""
    from vitbench.figures.save import sheet_bytes

    values = recipe.model_dump(mode="json")
    return sheet_bytes(compose_learning_rate(LearningRateRequest.read({"recipe": values})), ending)
