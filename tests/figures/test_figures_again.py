"""`vitbench figure again` makes the same raster again, and refuses when a picture has changed."""

import numpy as np
import pytest
from PIL import Image

from tests.inspector.tiny_checkpoint import tiny_checkpoint, tiny_picture
from vitbench.cli import main


def pixels(file):
    return np.asarray(Image.open(file).convert("RGB"))


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
