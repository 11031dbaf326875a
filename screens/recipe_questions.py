"""What the inspector is asked about a recipe that is being put together: what its data are, and what a run costs."""

from dataclasses import dataclass

from screens import wording
from vitbench.errors import UserError
from vitbench.inspector.client import Inspector, InspectorError, Superseded
from vitbench.progress import Progress, duration, silent


@dataclass(frozen=True)
class Checked:
    """What is known of a recipe (TOML) as a whole: what its data are, and why it cannot be trained."""

    recipe: str = ""
    doing: str = ""
    """What is being looked at; empty when the check has ended."""
    unchecked: str = ""
    """Why recipe and data could not be checked, a sentence."""
    recognised: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    pictures: int = 0
    readings: tuple[tuple[str, str], ...] = ()
    """Ways to read the data, where their meaning is open: what --as takes, and words."""


@dataclass(frozen=True)
class CostEstimate:
    """What a run of a recipe (TOML) costs, measured on a few steps; in words why it is not known."""

    recipe: str = ""
    words: str = ""
    epoch_seconds: float | None = None
    device: str = ""


async def check_recipe(inspector: Inspector, recipe: str, progress: Progress = silent) -> Checked | None:
    """Whether recipe, data and network fit each other; None where a newer check took the place of this one."""
    try:
        answer = await inspector.ask("check_recipe", recipe=recipe, progress=progress, replaces="check")
    except Superseded:
        return None
    except UserError as error:
        return Checked(recipe, problems=(str(error),))
    except InspectorError as error:
        return Checked(recipe, unchecked=f"Recipe and data were not checked: {error}.")
    recognised, problems = map(tuple, (answer.values["recognised"], answer.values["problems"]))
    ways = tuple((str(layout), str(words)) for layout, words in answer.values.get("readings", ()))
    return Checked(recipe, "", "", recognised, problems, int(answer.values.get("pictures", 0)), ways)


async def estimate(inspector: Inspector, recipe: str, progress: Progress = silent) -> CostEstimate | None:
    """Memory and time of a run; None where a newer estimate took the place of this one."""
    try:
        answer = await inspector.ask("estimate", recipe=recipe, progress=progress, replaces="estimate")
    except Superseded:
        return None
    except UserError as error:
        return CostEstimate(recipe, str(error))
    except InspectorError as error:
        return CostEstimate(recipe, f"No estimate: {error}.")
    seconds = answer.values.get("epoch_seconds")
    known = float(seconds) if isinstance(seconds, int | float) else None
    return CostEstimate(recipe, estimate_words(answer.values), known, str(answer.values.get("device", "")))


def estimate_words(values: dict[str, object]) -> str:
    """The inspector's estimate in a sentence or two."""
    parts = []
    memory, seconds = values.get("memory_bytes"), values.get("epoch_seconds")
    if isinstance(memory, int | float):
        parts.append(f"about {memory / 2**30:.1f} GiB at the peak")
    if isinstance(seconds, int | float):
        parts.append(f"about {duration(seconds)} an epoch")
    device = values.get("device")
    told = wording.fit(str(values.get("sentence", "")), 300).strip()
    return told or (", ".join(parts) + (f" on {device}" if device else "") + ".")
