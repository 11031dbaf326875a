"""The course's two commands, on files called as people call them."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from vitbench.cli import main
from vitbench.compose import many_captions
from vitbench.paths import sample_images

NAMES = ("a.jpg", "a.png", "Ünï cödé.png", "with,comma.png", "no-ending-here.PNG")


def pictures(folder):
    folder.mkdir()
    for name, source in zip(NAMES, sorted(sample_images().glob("*.png")), strict=False):
        Image.open(source).convert("RGB").save(folder / name)
    return folder


def test_p1_labels_every_picture_under_its_own_name(tmp_path, capsys):
    folder = pictures(tmp_path / "images")
    assert main(["homework", "p1", str(folder), str(tmp_path / "out.csv"), "--run", "demo"]) == 0
    with (tmp_path / "out.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["filename", "label"]
    assert sorted(row[0] for row in rows[1:]) == sorted(NAMES)
    assert main(["predict", "demo", "--data", str(folder), "--csv", str(tmp_path / "same.csv")]) == 0
    assert (tmp_path / "same.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


@pytest.mark.slow
def test_p2_writes_a_figure_for_each_picture(tmp_path, capsys):
    folder = pictures(tmp_path / "images")
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    assert main(["homework", "p2", str(folder), str(tmp_path / "out"), "--run", "demo"]) == 1
    said = capsys.readouterr()
    wanted = {"a.jpg.png", "a.png.png", "Ünï cödé.png", "with,comma.png", "no-ending-here.png"}
    assert {file.name for file in (tmp_path / "out").iterdir()} == wanted
    assert "a.jpg shares its name with another picture: its figure is a.jpg.png" in said.err
    assert "no figure: " in said.err
    assert "5 figures" in said.out
    for name in wanted:
        assert Image.open(tmp_path / "out" / name).width > 500


@pytest.mark.slow
def test_p2_by_two_processes_gives_the_same_figures_in_the_same_order(tmp_path, monkeypatch):
    monkeypatch.setattr(many_captions, "_WORTH_A_PROCESS", 2)
    folder = pictures(tmp_path / "images")
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    files = sorted(folder.iterdir())
    alone = list(many_captions.caption_figures("demo", files, tmp_path / "store", cores=1))
    two = list(many_captions.caption_figures("demo", files, tmp_path / "store", cores=2))
    assert [one.picture for one in two] == [one.picture for one in alone] == files
    assert [one.problem for one in two] == [one.problem for one in alone]
    assert [one.figure is None for one in two] == [file.name == "torn.png" for file in files]
    for one, other in zip(alone, two, strict=True):
        if one.figure is not None:
            drawn, again = (np.asarray(Image.open(io.BytesIO(found.figure)), np.int16) for found in (one, other))
            assert np.abs(drawn - again).max() < 16, "threads round differently"


def test_what_stops_a_process_of_p2_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(many_captions, "usable_cores", lambda: 1)
    folder = pictures(tmp_path / "images")
    store = ["--store", str(tmp_path / "store")]  # a part of a command takes it as every command does
    assert main(["homework", "p2", str(folder), str(tmp_path / "out"), "--run", str(tmp_path / "none"), *store]) == 2
    assert "none" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
