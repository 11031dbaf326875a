"""The model card of an exported network: what it is, what it learned from, how good it is, and where it fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vitbench import __version__
from vitbench.export.formats import Format
from vitbench.export.licences import Licence, licence_of, licence_of_timm
from vitbench.models.adaptation import parameter_count
from vitbench.models.network import DEMO, Network
from vitbench.recipe import Recipe
from vitbench.report.escaping import fenced, markdown
from vitbench.runs.evaluations import Scored, ScoredLabels, evaluations, label_evaluations
from vitbench.runs.store import Run
from vitbench.text import clean

_MOST_CLASSES = 200
_FEW = 100
"""Pictures below which a sentence reminds of the interval."""


@dataclass(frozen=True)
class Origin:
    """The run that a network comes from, at `step`; None of both for other networks."""

    run: Run | None = None
    step: int | None = None

    def recipe(self) -> Recipe | None:
        """The recipe of the run."""
        return None if self.run is None else self.run.recipe()

    def scores(self) -> list[Scored]:
        """The evaluations of this checkpoint."""
        return [] if self.run is None else evaluations(self.run, self.step)[0]

    def label_scores(self) -> list[ScoredLabels]:
        """Those of a network with several labels a picture."""
        return [] if self.run is None else label_evaluations(self.run, self.step)[0]


def model_card(
    network: Network, origin: Origin, form: Format, folder: str, half: bool, checked: str, notes: Sequence[str]
) -> str:
    """README.md of an exported folder: Markdown with the head that model hubs read."""
    recipe, scores, of_labels = origin.recipe(), origin.scores(), origin.label_scores()
    measured: list[Scored | ScoredLabels] = [*scores, *of_labels]
    licence = _licence(network, recipe)
    sections = [
        _head(licence, form),
        f"# {markdown(_title(network, origin))}",
        _what_it_is(network, half),
        _section("How to load it", fenced(form.loading.replace("FOLDER", folder), "python"), checked, *notes),
        _section("How pictures are prepared", network.described_preparation()),
        _section("Classes", _classes(network)),
        _section("Data", *_data(recipe, measured)),
        _section("Scores", *(_label_scores(of_labels) if of_labels else _scores(origin, scores))),
        _section("Recipe", *_recipe(recipe, origin)),
        _section("Limits", *_limits(network, measured)),
        _section("Licence of the source weights", licence.sentence, markdown(network.source)),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _head(licence: Licence, form: Format) -> str:
    lines = ["---", "pipeline_tag: image-classification", "tags:", "- vision-transformer", "- vitbench"]
    lines += [f"license: {licence.name}"] if licence.name else []
    library = {"timm": "timm", "hf": "transformers", "onnx": "onnx"}.get(form.name)
    lines += [f"library_name: {library}"] if library else []
    return "\n".join([*lines, "---"])


def _title(network: Network, origin: Origin) -> str:
    if origin.run is None:
        return network.name
    name = origin.run.recipe().name or origin.run.id
    return f"{name}, step {origin.step:,}"


def _what_it_is(network: Network, half: bool) -> str:
    module: Any = network.module
    height, width = network.image_size
    gives = f"names one of {network.num_classes:,} classes" if network.num_classes else "gives features and no classes"
    if network.multilabel:
        gives = f"says of each of {network.num_classes:,} labels whether it holds: the sigmoid of its logit, by itself"
    precision = " Its weights are stored in half precision (fp16)." if half else ""
    return (
        f"A Vision Transformer ({markdown(network.architecture)}, {parameter_count(module) / 1e6:.2f} M parameters) for"
        f" pictures of {width}x{height} pixels (width x height); it {gives}.{precision} Exported by vitbench"
        f" {__version__}; weights {network.weights_hash}."
    )


def _classes(network: Network) -> str:
    if not network.num_classes:
        return "None: the network has no head."
    if network.labels is None:
        return f"{network.num_classes:,}, whose names are not known."
    if network.no_classes:
        return markdown(network.no_classes)
    shown = [clean(label) for label in network.labels[:_MOST_CLASSES]]
    more = len(network.labels) - len(shown)
    text = ", ".join(shown) + (f" and {more:,} more, which the configuration lists" if more else "")
    return f"{len(network.labels):,}, in the order of the logits:\n\n{fenced(text)}"


def _data(recipe: Recipe | None, scores: Sequence[Scored | ScoredLabels]) -> list[str]:
    if recipe is None:
        return ["Not known: the network comes from no run of vitbench."]
    words = [f"Trained on `{clean(recipe.data.path).replace('`', '')}`, augmented by {recipe.data.augment}."]
    counted = [f"{one.pictures:,} pictures in {markdown(one.split)}" for one in scores]
    return [*words, *([f"Measured on {', '.join(counted)}."] if counted else [])]


def _scores(origin: Origin, scores: Sequence[Scored]) -> list[str]:
    if not scores:
        how = f": `vitbench evaluate {origin.run.id}@{origin.step}` measures it" if origin.run else ""
        return [f"None: this checkpoint was not evaluated{how}."]
    lines = ["| split | pictures | right | accuracy | 95% interval | mean loss |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {markdown(one.split)} | {one.pictures:,} | {one.correct:,} | {one.accuracy:.1%} | {one.low:.1%} to"
        f" {one.high:.1%} | {one.mean_loss:.4f} |"
        for one in scores
    ]
    said = "Intervals are Wilson's. The loss is the mean cross-entropy per picture, in nats."
    if any(one.split == "val" for one in scores):
        said += " The validation split chose this checkpoint, so its score flatters."
    return ["\n".join(lines), said]


def _label_scores(scores: Sequence[ScoredLabels]) -> list[str]:
    lines = ["| split | pictures | mean average precision | macro F1 | all labels right | mean loss |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [
        f"| {markdown(one.split)} | {one.pictures:,} | {one.mean_average_precision:.1%} | {one.macro_f1:.3f} |"
        f" {one.exact_match:.1%} | {one.mean_loss:.4f} |"
        for one in scores
    ]
    said = "F1 and all labels right take each label from a probability of 0.5 on. The loss is binary cross-entropy."
    if any(one.split == "val" for one in scores):
        said += " The validation split chose this checkpoint, so its scores flatter."
    return ["\n".join(lines), said]


def _recipe(recipe: Recipe | None, origin: Origin) -> list[str]:
    if recipe is None or origin.run is None:
        return ["None: the network comes from no run of vitbench."]
    status = origin.run.status()
    averaged = f" The weights are the average (EMA, decay {recipe.train.ema:g})." if recipe.train.ema else ""
    return [
        f"Run {markdown(origin.run.id)}, {status.state} at step {status.step:,} of {status.total_steps:,}; this is step"
        f" {origin.step:,}.{averaged} Saved as recipe.toml, `vitbench train recipe.toml` trains it again.",
        fenced(recipe.to_toml(), "toml"),
    ]


def _limits(network: Network, scores: Sequence[Scored | ScoredLabels]) -> list[str]:
    height, width = network.image_size
    words = []
    if network.multilabel:
        words.append("It knows no other labels, and takes each by itself: none, or several, may hold for a picture.")
    elif network.num_classes and not network.no_classes:
        words.append(
            f"It names one of its {network.num_classes:,} classes whatever a picture shows: it cannot say that it is"
            " none of them."
        )
    if scores:
        words.append("The scores hold for pictures like those that they were measured on, and no further.")
    if scores and (fewest := min(one.pictures for one in scores)) < _FEW:
        words.append(f"One of them rests on {fewest:,} pictures only: its interval is wide.")
    if network.name == DEMO or network.tag == DEMO:
        words.append("It knows nothing but generated scenes: on photographs its answers mean nothing.")
    words.append(
        f"Pictures have to be prepared as above; at another size than {width}x{height} its positions would have to be"
        " resampled, and its scores would be others."
    )
    return [" ".join(words)]


def _licence(network: Network, recipe: Recipe | None) -> Licence:
    if recipe is not None:
        return licence_of(recipe.model)
    if network.tag == DEMO:
        return Licence("It is the classifier that comes with vitbench, under the MIT licence.", "mit")
    if network.untrained:
        return Licence("Its weights are random: no licence of others applies to them.")
    kind, _, name = network.architecture.rpartition(":")
    if "publishes" in network.source and kind == "timm":
        return licence_of_timm(name)
    if "publishes" in network.source:
        return Licence("pytorch_pretrained_vit publishes its weights under the Apache-2.0 licence.", "apache-2.0")
    return Licence("The licence of its weights is not known to vitbench: ask who gave them before you pass them on.")


def _section(title: str, *paragraphs: str) -> str:
    return "\n\n".join([f"## {title}", *filter(None, paragraphs)])
