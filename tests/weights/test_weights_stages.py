"""`make weights` goes through its stages, each from the networks of the one before it."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from vitbench.runs.checkpoints import Index, write_index
from vitbench.runs.status import read_status, write_status
from vitbench.runs.store import Store
from vitbench.weights import make
from vitbench.weights.stages import STAGES

SMALL = ["model.options={patch_size=8,embed_dim=12,depth=1,num_heads=1}", "caption.embed_dim=12"]
SMALL += ["caption.depth=1", "caption.num_heads=1"]


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """The stages that were trained so far, by a worker that adds 1 to all weights and, as asked, ends or is killed."""
    stages, states = [], iter(())

    def work(folder, opening):
        run = Store(tmp_path / "store").find(folder.name)
        stages.append((run.recipe().name, run.recipe().train.epochs))
        task, _ = opening(run, torch.device("cpu"), lambda *_: None)
        state = next(states, "finished")
        if state == "finished":
            for weight in task.network.module.parameters():
                weight.data.add_(1)
            checkpoint = folder / "checkpoints" / "step-00000001"
            checkpoint.mkdir(parents=True)
            save_file(task.network.module.state_dict(), checkpoint / "model.safetensors")
            task.network.write_network_json(checkpoint)
            write_index(folder / "checkpoints", Index(last=1, best=1))
        write_status(folder, read_status(folder).model_copy(update={"state": state}))
        return 0

    def come(*of_stages):
        nonlocal states
        states = iter(of_stages)

    stages_and_states = stages, come
    for name, value in {
        "work": work,
        "shipped_weights": lambda: tmp_path,
        "measure_shipped": lambda *_: None,
        "write_cards": lambda *_: None,
    }.items():
        monkeypatch.setattr(make, name, value)
    return stages_and_states


def started(tmp_path):
    return make.main(["--store", str(tmp_path / "store"), *(word for change in SMALL for word in ("--set", change))])


def test_each_stage_goes_on_from_the_one_before_it(trained, tmp_path):
    stages, _ = trained
    assert started(tmp_path) == 0
    assert (
        stages
        == [(stage.name, stage.epochs) for stage in STAGES]
        == [
            ("together", 40),
            ("classifier", 12),
            ("captioner", 30),
        ]
    )
    together = load_file(next((tmp_path / "store").rglob("*together*/checkpoints/*/model.safetensors")))
    classifier, captioner = (load_file(tmp_path / f"{name}.safetensors") for name in ("classifier", "captioner"))
    assert torch.equal(classifier["head.weight"], together["captioner.encoder.head.weight"] + 1)
    decoder = [name for name in captioner if not name.startswith("encoder.")]
    assert decoder
    trained_here = dict.fromkeys(name for name in decoder if captioner[name].is_floating_point())
    assert all(torch.equal(captioner[name], together[f"captioner.{name}"] + 1) for name in trained_here)


@pytest.mark.slow
def test_what_was_interrupted_goes_on_and_what_failed_begins_anew(trained, tmp_path, capsys):
    stages, come = trained
    come("finished", "paused")
    assert started(tmp_path) == 1
    assert "The stage classifier has not come to its end" in capsys.readouterr().err
    come("failed")
    assert started(tmp_path) == 1
    assert started(tmp_path) == 0
    assert [name for name, _ in stages] == ["together", "classifier", "classifier", "classifier", "captioner"]
    names = [run.recipe().name for run in Store(tmp_path / "store").runs()]
    assert sorted(names) == ["captioner", "classifier", "classifier", "together"]
