"""The learning rate of a recipe over its epochs, as a picture."""

import io

from vitbench.figures.fonts import every_glyph
from vitbench.recipe import Recipe

_STEPS_PER_EPOCH = 100
"""The curve's shape does not depend on it; how many steps an epoch has is known once the data is."""


def learning_rate_bytes(recipe: Recipe, ending: str) -> bytes:
    """The learning rate of each epoch, as a line or, stepped once an epoch, as stairs: a .png, .pdf or .svg file."""
    from matplotlib.figure import Figure

    train, schedule = recipe.train, recipe.schedule
    steps = range(train.epochs * _STEPS_PER_EPOCH)
    rates = [recipe.learning_rate(step, _STEPS_PER_EPOCH) for step in steps]
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([step / _STEPS_PER_EPOCH for step in steps], rates, linewidth=1.8)
    if train.head_epochs:
        axes.axvspan(0, train.head_epochs, alpha=0.12, linewidth=0)
        axes.annotate("head only", (train.head_epochs / 2, 0.02), xycoords=("data", "axes fraction"), ha="center")
    axes.set_xlim(0, train.epochs)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("epoch")
    axes.set_ylabel("learning rate")
    axes.grid(alpha=0.3)
    title = recipe.name or recipe.preset or recipe.model.name
    axes.set_title(f"{title}: {schedule.name}, by {schedule.step_on}, peak {recipe.optim.lr:g}")
    content = io.BytesIO()
    with every_glyph(figure):
        figure.savefig(content, format=ending.lstrip(".").lower(), dpi=160)
    return content.getvalue()
