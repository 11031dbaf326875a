"""Which head grounds best: measured like the grounding table itself, kept with a training, and what looks inside."""

import json

import numpy as np
import pytest
import torch

from vitbench import cli
from vitbench.captions.grounding import ground
from vitbench.captions.grounding_by_head import heads_of, measure_heads, step_name, table, to_json
from vitbench.captions.index import open_captions
from vitbench.captions.open import open_captioner
from vitbench.captions.word_maps import MapSettings
from vitbench.data.scenes.export import write_scenes
from vitbench.errors import UserError

COUNT = 4


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "set"
    write_scenes(folder, count=60, size=96, kinds="base")
    return folder


@pytest.fixture(scope="module")
def pictures(scenes):
    return open_captions(scenes).split("val")[:COUNT]


def test_each_head_has_the_numbers_of_its_own_table(pictures):
    captioner = open_captioner("demo")
    found = measure_heads(captioner, pictures, "some")
    for layer in range(len(found.pointing)):
        for head in range(len(found.pointing[0])):
            records = ground(captioner, pictures, MapSettings("raw", layer, head), deletion=False)
            nouns = [record for record in records if record.role == "NOUN" and not np.isnan(record.auc)]
            assert len(nouns) == found.words
            assert found.pointing[layer][head] == pytest.approx(
                np.mean([record.pointing for record in nouns]), abs=1e-6
            )
            assert found.auc[layer][head] == pytest.approx(np.mean([record.auc for record in nouns]), abs=1e-6)
    records = ground(captioner, pictures, MapSettings(), deletion=False)
    mean = np.mean([record.pointing for record in records if record.role == "NOUN" and not np.isnan(record.auc)])
    assert found.mean_pointing == pytest.approx(mean, abs=1e-6)
    best = max(max(row) for row in found.pointing)
    assert found.pointing[found.layer - 1][found.head - 1] == best
    assert table(found).count("*") == 1


def test_the_package_s_captioner_was_measured(store):
    found = heads_of("demo", store)
    assert (found.layer, found.head) == (3, 2)
    assert found.pointing[2][1] > 0.95
    assert "validation" in found.where or "val pictures" in found.where


def test_commands_begin_with_the_best_head_and_say_so(scenes, capsys, tmp_path):
    arguments = ["ground", "demo", "--data", str(scenes), "--limit", "2", "--no-deletion", "--device", "cpu"]
    assert cli.main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert (told["layer"], told["head"]) == ("3", "2")
    assert "layer 3, head 2 point best at nouns" in captured.err
    assert cli.main([*arguments, "--json", "--layer", "0"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["head"] == "mean"
    assert "point best" not in captured.err
    by_head = ["ground", "demo", "--data", str(scenes), "--limit", "2", "--by-head", "--device", "cpu"]
    assert cli.main([*by_head, "--out", str(tmp_path / "out")]) == 0
    assert "layer           head 1" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "grounding-heads.json").read_text())["words"] > 0
    assert (
        cli.main(
            ["figure", "again", str(tmp_path / "out" / "grounding-heads.png"), "--out", str(tmp_path / "again.png")]
        )
        == 0
    )
    assert cli.main([*by_head, "--layer", "1"]) == 2
    assert "have no effect" in capsys.readouterr().err


def test_what_a_training_measured_is_read_and_a_broken_file_is_named(pictures, tmp_path):
    scores = measure_heads(open_captioner("demo"), pictures[:1], "1 validation picture")
    file = tmp_path / "run" / "evaluations" / step_name(7)
    file.parent.mkdir(parents=True)
    file.write_text(to_json(scores))
    assert heads_of("run@7", tmp_path) == scores
    assert heads_of("run@8", tmp_path) is None
    for text in ("{", "[]", "{}", '{"pointing": 3}'):
        file.write_text(text)
        with pytest.raises(UserError, match="--layer and --head choose instead"):
            heads_of("run@7", tmp_path)


def test_without_a_noun_nothing_is_chosen():
    with pytest.raises(UserError, match="No noun"):
        measure_heads(open_captioner("demo"), [], "nothing")
    assert torch.is_grad_enabled()
