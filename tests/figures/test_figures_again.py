"""`vitbench figure again` makes the same raster again, and refuses when a picture has changed."""

import numpy as np
import pytest
from PIL import Image

from tests.inspector.tiny_checkpoint import tiny_checkpoint, tiny_picture
from vitbench.cli import main
from vitbench.figures.provenance import read_provenance
from vitbench.inspector.requests import InspectorHandlers
from vitbench.progress import silent
from vitbench.recipe import Recipe
from vitbench.runs.store import Store


def pixels(file):
    return np.asarray(Image.open(file).convert("RGB"))


def save(store, request, file):
    asked = {"kind": "attention", "request": request, "file": str(file)}
    return InspectorHandlers(store).handlers["save_sheet"](asked, silent).values["file"]


def checkpoint(run, step):
    tiny_checkpoint(run.folder / "checkpoints" / f"step-{step:08d}", seed=step)


@pytest.mark.parametrize("asked", [["--method", "generic"], ["--grid", "heads", "--layer", "2"]])
def test_the_same_raster_comes_out_again(tmp_path, monkeypatch, asked):
    monkeypatch.chdir(tmp_path)
    network, picture = tiny_checkpoint(tmp_path / "net"), tiny_picture(tmp_path / "one.png")
    assert main(["attention", network, picture, *asked, "--out", "a.png"]) == 0
    assert main(["figure", "again", "a.png", "--out", "b.png"]) == 0
    np.testing.assert_array_equal(pixels("b.png"), pixels("a.png"))


def test_a_changed_picture_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    network, picture = tiny_checkpoint(tmp_path / "net"), tiny_picture(tmp_path / "one.png")
    assert main(["attention", network, picture, "--method", "raw", "--out", "a.png"]) == 0
    tiny_picture(tmp_path / "one.png", seed=9)
    assert main(["figure", "again", "a.png", "--out", "b.png"]) == 2
    assert "have changed" in capsys.readouterr().err
    assert not (tmp_path / "b.png").exists()


def test_a_comparison_saved_from_the_screen_comes_out_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    network, other = tiny_checkpoint(tmp_path / "net"), tiny_checkpoint(tmp_path / "other", seed=1)
    picture = tiny_picture(tmp_path / "one.png")
    request = {"network": network, "pictures": [picture], "method": "raw", "grid": "compare", "other": other}
    file = save(tmp_path / "store", request, tmp_path / "compared.png")
    assert main(["figure", "again", file, "--out", "again.png"]) == 0
    np.testing.assert_array_equal(pixels("again.png"), pixels(file))
    weights = tmp_path / "other" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    assert main(["figure", "again", file, "--out", "changed.png"]) == 2
    assert f"weights of {other}" in capsys.readouterr().err


def test_the_strip_of_a_runs_checkpoints_comes_out_again_though_the_run_has_more_by_now(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "store"
    monkeypatch.setenv("VITBENCH_HOME", str(store))
    run = Store(store).create(Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "pictures"}}))
    checkpoint(run, 3)
    checkpoint(run, 6)
    picture = tiny_picture(tmp_path / "one.png")
    request = {"network": f"{run.id}@last", "pictures": [picture], "method": "generic", "grid": "checkpoints"}
    file = save(store, request, tmp_path / "strip.png")
    checkpoint(run, 9)
    assert main(["figure", "again", file, "--out", "again.png"]) == 0
    np.testing.assert_array_equal(pixels("again.png"), pixels(file))


def test_the_figure_of_faithfulness_lies_beside_its_table_and_comes_out_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VITBENCH_HOME", str(tmp_path / "store"))
    asked = ["--data", "scenes:base?count=20", "--methods", "raw,libra", "--count", "2", "--split", "train"]
    assert main(["faithfulness", "demo", *asked, "--no-perturbation", "--out", "t.md"]) == 0
    assert read_provenance(tmp_path / "t.png")["facts"]["title"] == (tmp_path / "t.md").read_text().splitlines()[0][2:]
    assert main(["figure", "again", "t.png", "--out", "again.png"]) == 0
    np.testing.assert_array_equal(pixels("again.png"), pixels("t.png"))
