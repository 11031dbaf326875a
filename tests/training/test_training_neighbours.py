"""k nearest neighbours as a classifier: votes by hand, and the command on a folder."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.training.worker_for_tests import write_pictures
from vitbench.cli import main
from vitbench.data.index import open_index
from vitbench.features.neighbours import Embeddings, vote


def by_hand(vectors, labels, asked, gallery, k, temperature):
    correct = 0
    for one in asked:
        others = [other for other in gallery if other != one]
        cosines = {other: float(vectors[one] @ vectors[other]) for other in others}
        votes = np.zeros(labels.max() + 1)
        for other in sorted(others, key=lambda other: -cosines[other])[:k]:
            votes[labels[other]] += np.exp(cosines[other] / temperature)
        correct += votes.argmax() == labels[one]
    return correct


@pytest.mark.parametrize("temperature", [0.07, 1.0])
@pytest.mark.parametrize("parts", [False, True])
def test_votes_weigh_the_exponential_of_the_cosine(tmp_path, store, parts, temperature):
    folder = write_pictures(tmp_path / "all")
    if parts:
        for name in ("train", "test"):
            (folder / name).mkdir()
        for file in folder.glob("*.png"):
            file.rename(folder / ("test" if file.stem.endswith(("1", "2")) else "train") / file.name)
    index = open_index(str(folder), store=store)
    generator = torch.Generator().manual_seed(1)
    vectors = F.normalize(torch.randn(len(index.samples), 6, generator=generator), dim=1)
    labels = np.array([sample.label for sample in index.samples])
    numbers = np.arange(len(labels))
    asked, gallery = (index.positions("test"), index.positions("train")) if parts else (numbers, numbers)
    for k in (1, 5, 1000):
        found = vote(index, Embeddings(vectors, numbers), k, temperature)
        assert found is not None
        assert found.pictures == len(asked)
        assert found.correct == by_hand(vectors.double().numpy(), labels, asked, gallery, k, temperature)


def test_the_command_names_each_number_of_neighbours(tmp_path, capsys):
    folder = write_pictures(tmp_path / "pictures", count=8)
    arguments = ["knn", "demo", "--data", str(folder), "-k", "1,5,500", "--device", "cpu"]
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["neighbours"] for one in document["votes"]] == [1, 5, 23]
    assert document["votes"][0]["accuracy"] > 0.5, "colours are easy"
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "95% interval" in said
    assert "24 pictures, each by all others (24)." in said
    assert main([*arguments, "--image-size", "48x64"]) == 0
    assert "24 pictures" in capsys.readouterr().out
    for wrong in (["-k", "0"], ["-k", "a"], ["--temperature", "0"], ["--layer", "0"], ["--image-size", "x"]):
        assert main(["knn", "demo", "--data", str(folder), *wrong]) == 2
    assert main(["knn", "demo"]) == 2
    assert "--data DIR" in capsys.readouterr().err
