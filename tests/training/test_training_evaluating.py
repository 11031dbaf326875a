"""Evaluating what a person names: which pictures, what stays in the run's folder, and what is refused."""

import json
import os
import shutil

import pytest
import torch

from tests.inspector.evaluated_run import STEP, tiny_pictures, tiny_run
from vitbench.cli import main
from vitbench.compose.prepared import prepare_picture
from vitbench.errors import UserError
from vitbench.inspector.requests import InspectorHandlers
from vitbench.models.network import open_network
from vitbench.training.evaluating import evaluate
from vitbench.training.evaluation import load_evaluation

CPU = torch.device("cpu")


@pytest.fixture
def run(store, tmp_path):
    return tiny_run(store, tiny_pictures(tmp_path / "pictures"))


def accuracy_by_hand(run, folder) -> float:
    """One picture after the other through the network."""
    network = open_network(str(run.checkpoint("best").folder))
    right = []
    for file in sorted(folder.rglob("*.png")):
        with torch.inference_mode():
            guess = int(network.module(prepare_picture(str(file), network.preprocessing).pixels).argmax())
        right.append(network.labels[guess] == file.parent.name)
    return sum(right) / len(right)


def test_a_run_is_evaluated_on_its_test_part_and_the_result_stays(run, store, tmp_path):
    found = evaluate(run.id, store, device=CPU)
    assert len(found.evaluation) == 21
    assert found.evaluation.batch_size == 4
    assert found.evaluation.accuracy == pytest.approx(accuracy_by_hand(run, tmp_path / "pictures" / "test"))
    assert (found.split, found.where) == ("test", "")
    assert found.file == run.folder / "evaluations" / f"test-{STEP}.json"
    document = json.loads(found.file.read_text())
    assert (document["split"], document["step"], document["pictures"]) == ("test", STEP, 21)
    assert load_evaluation(found.file.with_suffix(".npz")).sentence() == found.evaluation.sentence()
    assert f"Average loss: {found.evaluation.loss.mean():.4f}, " in found.evaluation.sentence()


def test_other_pictures_have_a_name_of_their_own(run, store, tmp_path):
    other = tiny_pictures(tmp_path / "other pets [b]", each=1)
    found = evaluate(run.id, store, data=str(other), device=CPU)
    assert found.file is not None
    assert found.file.name.startswith("other_pets_b_")
    assert found.file.name.endswith(f"_test-{STEP}.json")
    validated = evaluate(run.id, store, data=str(other), split="val", device=CPU)
    assert validated.file != found.file
    assert validated.where == f"on the validation split of {other}"
    assert evaluate(str(run.checkpoint().folder), store, data=str(other), device=CPU).file is None


def test_a_run_called_demo_is_not_the_package_s_network(store, tmp_path):
    run = tiny_run(store, tiny_pictures(tmp_path / "pictures"), name="demo")
    with pytest.raises(UserError, match="--data DIR"):
        evaluate("demo", store, device=CPU)
    assert not list((run.folder / "evaluations").iterdir())


def test_what_cannot_be_is_one_sentence(run, store, tmp_path):
    (tmp_path / "empty").mkdir()
    for options, message in (
        ({"split": "validation"}, "has no split 'validation'"),
        ({"data": str(tmp_path / "none")}, "none"),
        ({"data": str(tmp_path / "empty")}, "empty"),
    ):
        with pytest.raises(UserError, match=message):
            evaluate(run.id, store, device=CPU, **options)


def test_a_folder_that_keeps_nothing_does_not_swallow_the_result(run, store, monkeypatch):
    def full(*arguments):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("vitbench.training.evaluation.write_whole", full)
    with pytest.raises(UserError, match=r"Test set: Average loss: .*cannot be kept in .*No space left"):
        evaluate(run.id, store, device=CPU)


def test_command_and_request_are_one_function(run, store, tmp_path, capsys):
    file = tmp_path / "matrix.csv"
    assert main(["evaluate", run.id, "--confusion", str(file)]) == 0
    printed = capsys.readouterr().out.splitlines()[0]
    assert len(file.read_text().splitlines()) == 8
    told: list[tuple[int, int, str]] = []
    reply = InspectorHandlers(store).handlers["evaluate"]({"network": run.id}, lambda *report: told.append(report))
    assert reply.values == {"sentence": printed, "left_out": 0, "name": f"test-{STEP}.json"}
    assert (21, 21, "evaluating") in told


def test_changed_data_outside_the_test_part_are_said_and_no_hindrance(run, store, tmp_path):
    from vitbench.data.index import open_index
    from vitbench.data.split import write_split

    pictures = tmp_path / "pictures"
    index = open_index(str(pictures), store=store)
    write_split(index, run.folder / "split.csv")
    before = evaluate(run.id, store, device=CPU)
    assert before.changed == ""
    some = sorted((pictures / "train").rglob("*.png"))
    (some[0].parent / "new.png").write_bytes(some[0].read_bytes())
    some[1].unlink()
    (pictures / "train" / "unheard of").mkdir()
    (pictures / "train" / "unheard of" / "1.png").write_bytes(some[0].read_bytes())
    after = evaluate(run.id, store, device=CPU)
    assert after.evaluation.accuracy == before.evaluation.accuracy
    assert "2 pictures are new" in after.changed
    assert "1 picture is gone" in after.changed
    tested = sorted((pictures / "test").rglob("*.png"))
    tested[0].write_bytes(tested[-1].read_bytes())
    with pytest.raises(UserError, match=r"test split .* has other contents.*--data"):
        evaluate(run.id, store, device=CPU)


def test_classes_without_pictures_are_said(run, store, tmp_path, capsys):
    other = tiny_pictures(tmp_path / "other", each=1)
    gone, *kept = sorted(folder.name for folder in (other / "test").iterdir())
    shutil.rmtree(other / "test" / gone)
    assert evaluate(run.id, store, data=str(other), device=CPU).evaluation.classes_without_pictures == [gone]
    assert main(["evaluate", run.id, "--data", str(other)]) == 0
    assert f"1 of the {len(kept) + 1} classes has no picture here: {gone}" in capsys.readouterr().out
