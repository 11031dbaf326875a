"""Where the time of a run goes, from made-up measurements and from a real worker."""

import numpy as np
import pytest

from tests.training.worker_for_tests import worker_recipe, write_pictures
from vitbench.cli import main
from vitbench.comparing.scores import read_scalars
from vitbench.recipe import parse_recipe
from vitbench.runs.anatomy import PARTS, anatomy
from vitbench.runs.events import Series
from vitbench.runs.records import Points
from vitbench.runs.store import Store
from vitbench.training import worker

RECIPE = {"data": {"path": "demo", "workers": 2, "cache": False, "augment": "report"}, "train": {"amp": "bf16"}}


def series(values, steps=None):
    found = Series()
    steps = np.arange(1, len(values) + 1) if steps is None else np.array(steps)
    found.extend(Points(steps, steps, np.array(values, dtype=float), np.zeros(len(values))))
    return found


def measured(data=1.0, forward=30.0, backward=60.0, update=9.0, evaluation=None, checkpoint=None):
    parts = {"data": data, "forward": forward, "backward": backward, "update": update}
    scalars = {f"time/{name}_ms": series([1000.0, *([value] * 20)]) for name, value in parts.items()}
    if evaluation:
        scalars["time/evaluation_seconds"] = series([evaluation] * 3, [100, 200, 300])
    if checkpoint:
        scalars["time/checkpoint_seconds"] = series([checkpoint] * 3, [100, 200, 300])
    return scalars


def of(scalars, on_gpu=True, **tables):
    recipe = parse_recipe({**RECIPE, "train": {**RECIPE["train"], **tables}}, "a test")
    return anatomy(scalars, recipe, on_gpu=on_gpu)


def test_the_first_step_does_not_count_and_shares_add_up():
    found = of(measured())
    assert found.step_ms == pytest.approx(100)
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.shares["backward"] == pytest.approx(0.6)
    assert found.words().startswith("backward 60%, forward 30%, optimizer 9%")


def test_work_that_is_done_now_and_then_is_shared_out_over_its_steps():
    # 5 s every 100 steps are 50 ms a step, beside 100 of its own.
    assert of(measured(evaluation=5)).shares["evaluation"] == pytest.approx(1 / 3)
    assert of(measured(checkpoint=2.5)).shares["checkpoint"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("scalars", "on_gpu", "train", "words"),
    [
        (
            measured(data=60),
            True,
            {},
            "data 38% .*data.workers .now 2., or data.cache = true.*cheaper data.augm",
        ),
        (measured(evaluation=5), True, {}, "Evaluations take 33%.*train.evaluate_every .now 1."),
        (measured(checkpoint=5), True, {}, "Checkpoints take 33%.*train.checkpoint_every"),
        (measured(), True, {"amp": "none"}, 'train.amp = "bf16"'),
        (measured(0.1, 3, 6, 1), True, {}, "Steps are short .10 ms.: a larger train.batch_size"),
        (measured(), True, {}, "train.compile = true may"),
        (measured(), True, {"compile": True}, "computes 99% of the time: nothing is waited for"),
        (measured(), False, {}, "on the CPU: a smaller model.image_size"),
    ],
)
def test_the_sentence_names_cause_and_remedy(scalars, on_gpu, train, words):
    import re

    assert re.search(words, of(scalars, on_gpu, **train).sentence)


def test_nothing_is_said_before_a_step_was_measured():
    assert of({}) is None
    assert of({"time/data_ms": series([1.0])}) is None


def test_a_worker_measures_its_steps_and_show_says_it(store, tmp_path, capsys):
    recipe = worker_recipe(write_pictures(tmp_path / "pictures"), train={"epochs": 2, "accumulate": 2})
    run = Store(store).create(recipe, "timed")
    assert worker.main(run.folder) == 0
    scalars = read_scalars(run)
    for part in ("data", "forward", "backward", "update"):
        assert np.isfinite(scalars[f"time/{part}_ms"].values).all()
        assert (scalars[f"time/{part}_ms"].values >= 0).all()
    assert scalars["time/forward_ms"].values.max() > 0
    assert len(scalars["time/evaluation_seconds"]) == 2
    assert len(scalars["time/checkpoint_seconds"]) >= 2
    assert main(["show", "timed"]) == 0
    text = capsys.readouterr().out
    assert "a step" in text
    assert any(word in text for word in PARTS.values())
