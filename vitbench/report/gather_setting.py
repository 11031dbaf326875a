"""Facts of what was trained: the recipe, the data as they were split, the network as its checkpoint tells it."""

import math
from contextlib import suppress
from dataclasses import replace

from safetensors import SafetensorError, safe_open

from vitbench.data.split import pictures_of_splits
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import DESCRIPTION
from vitbench.report.facts import SettingFacts
from vitbench.report.wording import listed
from vitbench.runs.checkpoints import WEIGHTS_NAME, read_index
from vitbench.runs.log import LogTail
from vitbench.runs.store import Run


def gather_setting(run: Run, step: int | None) -> SettingFacts:
    """The recipe, where the run stands, and what split, log and the checkpoint of `step` say of data and network."""
    status, recipe = run.status(), run.recipe()
    facts = SettingFacts(recipe, status.state, status.step, status.total_steps, warnings=_warnings(run))
    with suppress(OSError, KeyError, ValueError):
        facts = replace(facts, pictures=pictures_of_splits(run.folder / "split.csv"))
    if step is None:
        return facts
    facts = replace(facts, chosen=_chosen(run, step))
    folder = run.checkpoint(step).folder
    with suppress(UserError, KeyError, TypeError, ValueError):
        described = read_json_object(folder / "network.json", DESCRIPTION)
        height, width = described["image_size"]
        options = [f"{name} {value}" for name, value in described["options"].items()]
        architecture = str(described["architecture"])
        known = architecture == recipe.model.name and not options
        facts = replace(
            facts,
            image_size=(int(height), int(width)),
            architecture="" if known else f"{architecture}{' with ' if options else ''}{listed(options)}",
            classes=int(described["num_classes"]) if recipe.task != "caption" else None,
        )
    with suppress(OSError, SafetensorError), safe_open(folder / WEIGHTS_NAME, "numpy") as weights:
        shapes = [weights.get_slice(key).get_shape() for key in weights.keys()]  # noqa: SIM118 - a file, which has keys and is no mapping
        facts = replace(facts, parameters=sum(map(math.prod, shapes)))
    return facts


def _chosen(run: Run, step: int) -> str:
    """Which checkpoint it is. By what the best was chosen is the recipe's to say, of a classifier."""
    words = f"the checkpoint of step {step:,}"
    if step != read_index(run.folder / "checkpoints").best:
        return words
    recipe = run.recipe()
    metric = f" by {recipe.train.monitor.replace('_', ' ')}" if recipe.task == "classify" else ""
    return f"{words}, the best{metric} on the validation split"


def _warnings(run: Run) -> tuple[str, ...]:
    """What the run's log warned of, each once."""
    return tuple(dict.fromkeys(line.text for line in LogTail(run.log).lines() if line.level == "warning"))
