"""What else was tried, linear probes and captioners: facts read from run folders, and what is said of them."""

import json

import pytest

from tests.report.test_report_sentences import words_of
from vitbench.errors import UserError
from vitbench.recipe import parse_recipe
from vitbench.report.document import FigureBlock, Section
from vitbench.report.facts import SettingFacts, TriedFacts
from vitbench.report.gather_run import gather_result
from vitbench.report.gather_tried import gather_sweep, gather_tried, named
from vitbench.report.say_result import say_result
from vitbench.report.say_setting import setting_sentences
from vitbench.report.say_tried import say_tried
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.store import Store
from vitbench.sweeps.history import read_history
from vitbench.sweeps.plan import parse_plan
from vitbench.sweeps.store import create_sweep

RATES = (1e-3, 1e-2, 1e-1)


def log(run, step, values):
    writer = EventWriter(run.folder, first_step=step)
    writer.scalars(step, values)
    writer.close()


def swept(folder, scores, metric="validation/accuracy"):
    """A store with a sweep over the learning rate: `scores` are those of the seeds of each rate."""
    store = Store(folder / "store")
    values = {"name": "rates", "method": "grid", "repeats": len(scores[0]), "metric": metric}
    plan = parse_plan(values | {"space": {"optim.lr": list(RATES)}, "recipe": {"data": {"path": "/pets"}}}, "test")
    sweep = create_sweep(store, plan)
    runs = []
    for trial, of_trial in enumerate(scores):
        for repeat, score in enumerate(of_trial):
            run = store.create(plan.recipe_of({"optim.lr": RATES[trial]}, repeat), f"t{trial}-{repeat}")
            member = {"sweep": sweep.id, "trial": trial, "repeat": repeat, "values": {"optim.lr": RATES[trial]}}
            (run.folder / "sweep.json").write_text(json.dumps(member))
            log(run, 5, {metric: score})
            runs.append(run)
    return store, sweep, runs


def said_of(tried):
    return words_of(Section("", tuple(say_tried(tried))))


def test_a_run_of_a_sweep_stands_among_its_trials(tmp_path):
    store, sweep, runs = swept(tmp_path, [(0.91, 0.93), (0.95, 0.97), (0.5, 0.52)])
    said = said_of(gather_tried(runs[0], [], [], store))
    for words in (
        "The sweep rates has 3 trials (all combinations, 2 seeds each); 0 have ended.",
        "Best by validation accuracy is optim.lr = 0.01, with 96.0%.",
        "This run's setting is in place 2 of 3, with 92.0%.",
        "The next one has 92.0%; every seed of the best is better.",
        "the best is 0.01, with 96.0% on average over 1 trial.",
        "With 3 trials such shares are large by chance alone.",
        "91.0% to 93.0% over 2 seeds, not ended",
    ):
        assert words in said
    assert "That is the setting of this run." in said_of(gather_tried(runs[2], [], [], store))
    found = named([sweep.id, "rates", runs[1].id], store)
    assert [one.id for one in found[0]] == [runs[1].id]
    assert {one.id for one in found[1]} == {sweep.id}
    with pytest.raises(UserError, match="There is no run 'nothing'"):
        named(["nothing"], store)
    (sweep.folder / "plan.json").unlink()
    gone = gather_tried(runs[0], [], [], store)
    assert "whose plan is not in this store" in said_of(gone)


def test_trials_that_are_equally_good_are_not_ranked(tmp_path):
    store, sweep, runs = swept(tmp_path, [(0.5,), (0.75,), (0.75,)])
    said = said_of(gather_tried(runs[2], [], [], store))
    assert "2 settings share the best validation accuracy, 75.0%; the first of them is optim.lr = 0.01." in said
    assert "The setting of this run is one of them." in said
    assert "The next one has 50.0%" in said
    assert "in place" not in said
    assert read_history(store, sweep.id, sweep.plan()).ties() == "2 trials share the best score"
    assert "This run's setting is in place 3 of 3" in said_of(gather_tried(runs[0], [], [], store))


def test_seeds_that_overlap_and_a_loss_are_not_called_better(tmp_path):
    store, sweep, runs = swept(tmp_path / "a", [(0.91, 0.97), (0.95, 0.96), (0.5, 0.52)])
    said = said_of(TriedFacts((), sweeps=(gather_sweep(sweep, runs[0], store),)))
    assert "the seeds of the two overlap" in said
    assert "every seed" not in said
    store, sweep, runs = swept(tmp_path / "b", [(0.3,), (0.2,), (0.9,)], "validation/loss")
    said = said_of(TriedFacts((), sweeps=(gather_sweep(sweep, runs[0], store),)))
    assert "Best by validation loss is optim.lr = 0.01, with 0.2000." in said
    assert "it cannot be told whether that is chance" in said


def checkpointed(folder, values, step, scalars):
    run = Store(folder).create(parse_recipe({"data": {"path": "/pets"}} | values, "test"), "mine")
    (run.folder / "checkpoints" / f"step-{step:08d}").mkdir()
    log(run, step, scalars)

    def draw(name, request, caption=""):
        return FigureBlock(name, caption, b"", b"")

    facts = gather_result(run, step, draw)
    setting = SettingFacts(run.recipe(), "finished", step, step)
    return facts, words_of(say_result(facts, setting, TriedFacts(())))


def test_a_linear_probe_says_which_head_was_taken_and_whether_it_lies_at_the_edge(tmp_path):
    values = {
        "model": {"name": "timm:vit_tiny_patch16_224"},
        "train": {"epochs": 5, "head_epochs": 5},
        "optim": {"name": "momentum", "lr": 0.1, "probe_lrs": [0.01, 0.1, 1.0]},
    }
    scores = {"validation/probe_accuracy/lr 0.01": 0.7, "validation/probe_accuracy/lr 0.1": 0.9}
    scores |= {"validation/probe_accuracy/lr 1": 0.8, "validation/probe_lr": 0.1}
    facts, said = checkpointed(tmp_path / "a", values, 9, scores)
    assert [round(rate, 6) for rate, _ in facts.probed] == [0.01, 0.1, 1.0]
    assert "It is a linear probe" in said
    assert "with the learning rates 0.01, 0.1 and 1" in said
    assert "The head of the learning rate 0.1 was taken, with 90.0%" in said
    assert "edge" not in said
    scores |= {"validation/probe_accuracy/lr 1": 0.95, "validation/probe_lr": 1.0}
    _, said = checkpointed(tmp_path / "b", values, 9, scores)
    assert "The head of the learning rate 1 was taken, with 95.0%" in said
    assert "at the edge of what was tried" in said
    scores |= {f"validation/probe_accuracy/lr {rate}": 0.95 for rate in ("0.01", "0.1")}
    _, said = checkpointed(tmp_path / "c", values, 9, scores)
    assert "3 heads share that score" in said
    assert "edge" not in said


def test_a_captioner_has_its_scores_of_the_test_split_if_there_is_one(tmp_path):
    scores = {"validation/bleu4": 0.4, "validation/exact_match": 0.25, "validation/loss": 0.5}
    _, said = checkpointed(tmp_path / "a", {"task": "caption"}, 9, scores)
    assert "compared with those of the validation split. This split also chose the checkpoint" in said
    assert "'right word for word', '25.0%'" in said
    assert "which writes captions in at most 54 tokens" in said
    _, said = checkpointed(tmp_path / "b", {"task": "caption"}, 9, scores | {"test/bleu4": 0.123})
    assert "compared with those of the test split." in said
    assert "also chose" not in said
    assert "'BLEU-4 (0 to 1)', '0.123'" in said
    _, said = checkpointed(tmp_path / "c", {"task": "caption"}, 9, {"train/loss": 1.0})
    assert "has logged no scores of its captions at step 9" in said


def test_training_the_head_alone_is_said_so():
    values = {"data": {"path": "/pets", "augment": "none", "mixup": 0.2}}
    values |= {"train": {"epochs": 4, "head_epochs": 4}, "optim": {"lr": 1e-4, "head_lr": 1e-3, "layer_decay": 0.7}}
    said = " ".join(setting_sentences(SettingFacts(parse_recipe(values, "test"), "finished", 1, 1)))
    assert "4 epochs, all of the head alone, in batches" in said
    assert "(learning rate 0.001, " in said
    assert "0.0001" not in said
    assert "falling by a factor" not in said
    assert "neither cropped nor mirrored, with mixup 0.2" in said
