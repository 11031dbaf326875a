"""`make weights`: trains the package's classifier and captioner on Scenes, and writes them beside this file.

Three trainings (`stages.py`), each an ordinary run in a store of its own: it can be watched with `vitbench --store`,
paused, killed, and started again where it was. On one core of a server they take two nights.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from timm.models.vision_transformer import checkpoint_filter_fn

from vitbench.captions.captioner import new_captioner
from vitbench.captions.grounding_by_head import to_json
from vitbench.captions.heads_by_kind import FILE_NAME
from vitbench.captions.open import open_captioner
from vitbench.captions.saved import CaptionerDescription, DecoderSizes
from vitbench.captions.scene_data import scene_vocabulary
from vitbench.compose.grounding import measured_heads
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.scenes import describe
from vitbench.data.scenes.kinds import BASE_KINDS
from vitbench.errors import UserError
from vitbench.models.description import WEIGHTS_NAME
from vitbench.models.network import build_network
from vitbench.models.weight_files import read_weights
from vitbench.paths import shipped_weights
from vitbench.progress import ConsoleProgress, Progress, silent
from vitbench.recipe import load_recipe
from vitbench.requests.studies import GroundingHeadsRequest
from vitbench.runs.store import Run, Store
from vitbench.training.worker import main as work
from vitbench.weights.cards import write_cards
from vitbench.weights.export import export
from vitbench.weights.multitask import SceneTask
from vitbench.weights.scene_records import SIZE, scene_for
from vitbench.weights.stages import STAGES, Only, Stage

_RECIPE = Path(__file__).with_name("recipe.toml")


def open_scene_task(
    run: Run, device: torch.device, progress: Progress, only: Only | None = None
) -> tuple[SceneTask, str]:
    """The networks with fresh weights, and what they learn."""
    recipe = run.recipe()
    encoder = build_network(recipe.model, num_classes=len(BASE_KINDS), labels=BASE_KINDS, progress=progress)
    encoder.preprocessing = Preprocessing(SIZE, SIZE)
    words = scene_vocabulary([str(describe(scene_for("train", index, "base"))) for index in range(2000)])
    sizes = DecoderSizes(
        embed_dim=recipe.caption.embed_dim,
        depth=recipe.caption.depth,
        num_heads=recipe.caption.num_heads,
        max_length=recipe.caption.max_length,
        dropout=recipe.caption.drop_rate,
    )
    captioner = new_captioner(encoder, words, sizes)
    drawn = run.folder.parent.parent / "scene_records.bin"
    return SceneTask(captioner, recipe.train.epochs, drawn, only=only), "scenes"


def take_weights(task: SceneTask, folder: Path) -> None:
    """Puts what was made earlier in place of the fresh weights: the networks or the checkpoint in `folder`.

    Raises UserError where a captioner has other words.
    """
    if (folder / WEIGHTS_NAME).exists():
        task.network.module.load_state_dict(read_weights(folder / WEIGHTS_NAME))
        return
    described = CaptionerDescription.model_validate_json((folder / "captioner.json").read_text(encoding="utf-8"))
    words = task.captioner.tokenizer.to_dict()
    if described.tokenizer != words:
        raise UserError(f"The captioner in {folder} has other words than its recipe.")
    module = task.captioner.module
    captioner = read_weights(folder / "captioner.safetensors")
    encoder = {
        name.removeprefix("encoder."): weight for name, weight in captioner.items() if name.startswith("encoder.")
    }
    others = {name: weight for name, weight in captioner.items() if not name.startswith("encoder.")}
    if task.labels:
        encoder = read_weights(folder / "classifier.safetensors")
    # Patches of another size: their filters and positions are resampled (FlexiViT: Beyer et al. 2023, section 3.4).
    fitting = checkpoint_filter_fn(encoder, module.encoder)  # type: ignore[arg-type]  # timm's function takes any encoder of its own
    module.encoder.load_state_dict(fitting, strict=task.labels)
    module.load_state_dict(others, strict=False)


def measure_shipped(store: Path, progress: Progress = silent) -> None:
    """Measures the package's captioner on validation scenes, and writes what was found beside its weights."""
    request = GroundingHeadsRequest(captioner="demo", data="scenes:base?count=1200", limit=120)
    scores = measured_heads(request, open_captioner("demo"), store, progress)
    (shipped_weights() / f"captioner.{FILE_NAME}").write_text(to_json(scores), encoding="utf-8")


def run_of(stage: Stage, store: Store, changes: Sequence[str]) -> Run:
    """The run of a stage in this store, made if it is not there; one that failed or diverged is made anew."""
    over = ("failed", "diverged")
    known = [run for run in store.runs() if run.recipe().name == stage.name and run.status().state not in over]
    if known:
        return known[-1]
    recipe = load_recipe(_RECIPE, [f"train.epochs={stage.epochs}", *changes])
    return store.create(recipe, name=stage.name)


def train(stage: Stage, store: Store, changes: Sequence[str]) -> Run | None:
    """Trains a stage to its end, or goes on with it; None if it has not come to its end."""
    run = run_of(stage, store, changes)
    if run.status().state == "finished":
        return run
    before = next((run_of(other, store, changes) for other in STAGES if other.name == stage.after), None)

    def opening(run: Run, device: torch.device, progress: Progress) -> tuple[SceneTask, str]:
        task, data = open_scene_task(run, device, progress, stage.only)
        if before is not None:
            take_weights(task, before.checkpoint("best").folder)
        return task, data

    print(f"Training {stage.name} in {run.folder}; watch it with: vitbench --store {store.folder}", flush=True)
    work(run.folder, opening)
    return run if run.status().state == "finished" else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains stage by stage, or goes on where it was; then writes the networks and their cards."""
    parser = argparse.ArgumentParser(prog="python -m vitbench.weights.make", description=__doc__)
    parser.add_argument("--store", default="vitbench-weights", help="where the runs are kept while they train")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    chosen = parser.parse_args(arguments)
    store = Store(chosen.store)
    for stage in STAGES:
        run = train(stage, store, chosen.changes)
        if run is None:
            print(f"The stage {stage.name} has not come to its end; the same command goes on with it.", file=sys.stderr)
            return 1
        if stage.networks:
            export(run.checkpoint("best").folder, shipped_weights(), stage.networks)
    measure_shipped(store.folder, ConsoleProgress())
    write_cards(shipped_weights(), store.folder, ConsoleProgress())
    print(f"The networks and their cards are in {shipped_weights()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
