"""The model cards beside the package's networks: what they were trained on, and how good they are."""

import math
from pathlib import Path
from statistics import fmean

import torch

from vitbench.captions.captioner import CaptionNetwork
from vitbench.captions.grounding import ground
from vitbench.captions.grounding_table import grounding_table, to_markdown
from vitbench.captions.index import CaptionIndex, open_caption_data
from vitbench.captions.open import open_captioner
from vitbench.captions.pictures import PictureSource
from vitbench.captions.word_maps import MapSettings
from vitbench.data.index import open_index
from vitbench.files.writing import write_whole
from vitbench.models.network import open_network
from vitbench.progress import Progress, silent
from vitbench.training.captioning import Captioning
from vitbench.training.evaluation import evaluate_network
from vitbench.weights.stages import CAPTIONER, CLASSIFIER, TOGETHER

DATA = "scenes:base?count=3000&size=96&seed=5"
"""Scenes that no network of the package was trained on."""
_GROUNDED = 100
_SPLITS = {"test": "new pictures", "test_heldout": "kind-colour pairs that training never showed"}


def write_cards(folder: Path, store: Path, progress: Progress = silent) -> None:
    """Evaluates both networks and writes `classifier.md` and `captioner.md` into `folder`."""
    write_whole(folder / "classifier.md", classifier_card(store, progress))
    write_whole(folder / "captioner.md", captioner_card(store, progress))


def classifier_card(store: Path, progress: Progress = silent) -> str:
    """The card of the classifier, in Markdown."""
    network = open_network("demo")
    data = open_index(DATA, store=store, progress=progress)
    lines = []
    for split, meaning in _SPLITS.items():
        found = evaluate_network(network, data, split=split, device=torch.device("cpu"), progress=progress)
        low, high = found.interval
        lines.append(f"| {split}: {meaning} | {len(found):,} | {found.accuracy:.1%} | {low:.1%} to {high:.1%} |")
    height, width = network.image_size
    return (
        "# The package's classifier\n\n"
        f"A Vision Transformer for pictures of {width}x{height} ({_size(network.module)}), which names the kind of the "
        f"largest object among {network.num_classes}. {_MADE} {_CLASSIFIER_ALONE}\n\n"
        f"Data of these figures: `{DATA}`.\n\n"
        "| split | pictures | accuracy | 95% interval |\n|---|---|---|---|\n" + "\n".join(lines) + "\n\n"
        f"Weights {network.weights_hash}. It knows nothing but Scenes: on photographs its answers mean nothing.\n"
    )


def captioner_card(store: Path, progress: Progress = silent) -> str:
    """The card of the captioner, in Markdown, with its grounding table."""
    captioner = open_captioner("demo")
    assert isinstance(captioner, CaptionNetwork)
    data = open_caption_data(DATA, store, progress)
    pictures = PictureSource(data, captioner.preprocessing, keep=False, progress=progress)
    task = Captioning(captioner, data, pictures, seed=0, label_smoothing=0.0, device=torch.device("cpu"))
    rows = []
    for split, meaning in _SPLITS.items():
        scores = task.evaluate(captioner.module, split, step=0, folder=None, progress=progress)
        slots = ", ".join(
            f"{name.rpartition('/')[2].lower()} {value:.1%}"
            for name, value in scores.items()
            if name.startswith("slot_accuracy/")
        )
        rows.append(
            f"| {split}: {meaning} | {scores['exact_match']:.1%} | {scores['slot_accuracy']:.1%} | "
            f"{scores['hallucination']:.1%} | {scores['bleu4']:.3f} | {slots} |"
        )
    records = ground(captioner, data.split("test")[:_GROUNDED], MapSettings("raw"), progress=progress)
    return (
        "# The package's captioner\n\n"
        f"An encoder as the classifier's and a decoder of {len(captioner.module.decoder_attentions)} layers "
        f"({_size(captioner.module)}), greedy decoding. {_MADE} {_CAPTIONER_ALONE}\n\n"
        f"Data of these figures: `{DATA}`.\n\n"
        "| split | exact match | slots right | hallucination | BLEU-4 | by slot |\n|---|---|---|---|---|---|\n"
        + "\n".join(rows)
        + f"\n\n## Grounding\n\nRaw attention, predicting row, mean of layers and heads, {_GROUNDED} test pictures.\n\n"
        + to_markdown(grounding_table(records))
        + f"\n## Where the decoder looks for a word\n\n{_by_layer_and_head(captioner, data, progress)}"
        + f"\nWeights {captioner.weights_hash}.\n"
    )


def _by_layer_and_head(captioner: CaptionNetwork, data: CaptionIndex, progress: Progress) -> str:
    """AUC and pointing of nouns, colours and numbers for each decoder layer and head, as a table in Markdown."""
    layers = captioner.module.decoder_attentions
    heads = captioner.decoder.num_heads
    rows = []
    for layer in range(len(layers)):
        for head in (None, *range(heads)):
            settings = MapSettings("raw", layer=layer, head=head)
            records = ground(captioner, data.split("test")[:_GROUNDED], settings, deletion=False, progress=progress)
            cells = [str(layer + 1), "mean" if head is None else str(head + 1)]
            for role in ("NOUN", "COLOUR", "NUMBER"):
                of_role = [record for record in records if record.role == role and not math.isnan(record.auc)]
                cells += [f"{fmean(getattr(record, name) for record in of_role):.2f}" for name in ("auc", "pointing")]
            rows.append(f"| {' | '.join(cells)} |")
    return (
        "| layer | head | nouns: AUC | pointing | colours: AUC | pointing | numbers: AUC | pointing |\n"
        "|---|---|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


_MADE = (
    "Made on Scenes alone by `make weights`: `vitbench/weights/recipe.toml` is the recipe, "
    "`vitbench/weights/stages.py` the order of the trainings, `vitbench/weights/multitask.py` the losses. Classifier "
    f"and captioner were trained together on {TOGETHER.pictures:,} pictures, moved, and every other one with its "
    "colour channels exchanged and the colour's word left out: so shapes were seen in colours whose pair with them "
    "has no name in training."
)
_CLASSIFIER_ALONE = (
    f"The classifier alone then saw {CLASSIFIER.pictures:,} more, with patches blanked in every other one, so that "
    "measuring a map by blanking pixels measures the map. Its class token is taught to look at the object that gives "
    "the label (`vitbench/weights/attention_supervision.py`), so its attention finds the object because it was told "
    "to: that raw attention does so well here says nothing about other networks."
)
_CAPTIONER_ALONE = (
    f"The captioner alone, with a copy of the encoder that became its own, saw {CAPTIONER.pictures:,} more; kind, "
    "colour, number and relation are told to the patches inside an object, not at its edge."
)


def _size(module: torch.nn.Module) -> str:
    return f"{sum(weight.numel() for weight in module.parameters()) / 1e6:.2f} M parameters"
