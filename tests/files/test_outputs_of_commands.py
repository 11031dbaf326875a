"""Every command that writes files, from the command line: what a person has is never replaced unasked."""

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.inspector.tiny_checkpoint import tiny_checkpoint, tiny_picture
from vitbench.cli import main
from vitbench.models import network as networks


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with two networks' worth of a person's things: pictures, one named like a default output."""
    folder = tmp_path / "here"
    (folder / "other").mkdir(parents=True)
    monkeypatch.chdir(folder)
    tiny_checkpoint(tmp_path / "net")
    for number, name in enumerate(("a.png", "attention.png", "positions.png", "other/a.png", "B.png", "other/b.jpg")):
        tiny_picture(folder / name, seed=number)
    return folder


NET = "../net"


def contents(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refuse(arguments, capsys, words):
    """The command says why, in one line, before it opens the network, and nothing is written."""
    before = contents(Path.cwd())

    def opened(*_, **__):
        raise AssertionError("the network was opened before the outputs were judged")

    with pytest.MonkeyPatch.context() as patch:
        for module in [module for name, module in sys.modules.items() if name.startswith("vitbench.")]:
            if module is not networks and getattr(module, "open_network", None) is networks.open_network:
                patch.setattr(module, "open_network", opened)
        assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert contents(Path.cwd()) == before


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_no_picture_is_replaced_by_its_figure(here, capsys, overwrite):
    is_input = "is an input of this call"
    for arguments in (
        ["attention", NET, "a.png", "--method", "raw", "--separate"],
        ["attention", NET, "attention.png", "--method", "raw"],
        ["attention", NET, "B.png", "attention.png", "--method", "raw"],
        ["attention", NET, "a.png", "--method", "raw", "--out", "a.png"],
        ["attention", NET, "a.png", "B.png", "--method", "raw", "--separate", "--out", "."],
        ["positions", NET, "--view", "distance", "--pictures", "positions.png"],
        ["figure", "again", "a.png", "--out", "a.png"],
    ):
        if arguments[0] == "figure":
            assert main(["attention", NET, "a.png", "--method", "raw", "--out", "saved.png"]) == 0
            arguments[2] = "saved.png"
            capsys.readouterr()
        refuse([*arguments, *overwrite], capsys, is_input)


def test_a_foreign_file_needs_overwrite_and_our_own_does_not(here, capsys):
    arguments = ["attention", NET, "a.png", "--method", "raw"]
    refuse(arguments, capsys, "attention.png exists, and was not written by vitbench: name another file, or say --over")
    assert main([*arguments, "--overwrite"]) == 0
    assert main(arguments) == 0
    assert main([*arguments, "--nearest"]) == 0
    assert Image.open("attention.png").text["vitbench"]
    with Path("attention.png").open("ab") as edited:
        edited.write(b"a note")
    capsys.readouterr()
    refuse(arguments, capsys, "has been changed since vitbench wrote it")


def test_arrays_beside_the_figure_are_outputs_too(here, capsys):
    Path("new.npz").write_text("mine")
    refuse(["attention", NET, "a.png", "--out", "new.png", "--arrays"], capsys, "new.npz exists")
    assert not Path("new.png").exists()


def test_two_inputs_of_one_stem_get_two_figures(here, capsys):
    files = ["a.png", "other/a.png", "B.png", "other/b.jpg"]
    arguments = ["attention", NET, *files, "--method", "raw", "--separate"]
    for _ in range(2):
        assert main([*arguments, "--out", "figures", "--json"]) == 0
        names = [Path(document["figure"]).name for document in json.loads(capsys.readouterr().out)]
        assert names == ["a.png.png", "a.png-2.png", "B.png.png", "b.jpg.png"]
    assert {file.name for file in Path("figures").iterdir()} == set(names)
    refuse([*arguments, "--out", "one.png"], capsys, "would be written twice")


def test_what_recipe_data_and_scenes_write(here, store, capsys):
    recipe = Path("mine.toml")
    recipe.write_text('[model]\nname = "timm:vit_tiny_patch16_224"\n')
    refuse(["recipe", "mine.toml", "--curve", "mine.toml"], capsys, "ends otherwise")
    Path("linked.png").symlink_to(recipe)
    refuse(["recipe", "mine.toml", "--curve", "linked.png"], capsys, "is an input")
    refuse(["recipe", "mine.toml", "--curve", "a.png"], capsys, "exists")
    for _ in range(2):
        assert main(["recipe", "mine.toml", "--curve", "curve.png"]) == 0
    assert main(["scenes", "set", "--count", "10", "--size", "32"]) == 0
    capsys.readouterr()
    refuse(["scenes", "set", "--count", "10", "--size", "32"], capsys, "not empty")
    refuse(["scenes", "a.png", "--count", "10", "--size", "32"], capsys, "is not a folder")
    inside = sorted(Path("set/train").iterdir())[0]
    refuse(["data", "set/train", "--preview", str(inside), "--overwrite"], capsys, "lies in the data set")
    refuse(["data", "set/train", "--preview", "a.png"], capsys, "exists")
    for _ in range(2):
        assert main(["data", "set/train", "--preview", "sheet.png"]) == 0
    capsys.readouterr()
    refuse(["data", "set/train", "--preview", "sheet.xyz"], capsys, "saved as .png")


def test_predictions_go_through_a_pipe_or_into_a_file_of_ours(here, tmp_path, capfd):
    arguments = ["predict", NET, "--data", "other", "--csv"]
    for _ in range(2):
        assert main([*arguments, "labels.csv"]) == 0
    Path("mine.csv").write_text("mine\n")
    assert main([*arguments, "mine.csv"]) == 2
    assert main([*arguments, "other/a.png", "--overwrite"]) == 2
    capfd.readouterr()
    assert main([*arguments, "/dev/stdout"]) == 0
    captured = capfd.readouterr()
    assert captured.out == Path("labels.csv").read_text()
    assert "2 labels" in captured.err
    assert Path("mine.csv").read_text() == "mine\n"


def test_every_command_that_names_an_output_has_overwrite(capsys):
    from vitbench.cli import COMMANDS, build_parser

    options = ("--out", "OUTDIR", "--csv FILE", "--curve", "--preview", "--confusion", "--arrays")
    writing = set()
    for name in COMMANDS:
        arguments = [name, *{"figure": ["again"], "homework": ["p2"]}.get(name, []), "--help"]
        with pytest.raises(SystemExit):
            build_parser(name).parse_args(arguments)
        text = capsys.readouterr().out
        if any(option in text for option in options):
            writing.add(name)
            assert "--overwrite" in text, name
    assert {"attention", "positions", "caption", "ground", "faithfulness", "evaluate", "predict"} <= writing


def test_nothing_else_in_the_package_writes_an_output_by_itself():
    """Files that people name are written by `Outputs` alone: figures and tables are made as bytes."""
    package = Path(networks.__file__).parents[1]
    folders = ("figures", "attention", "attribution", "methods", "positions", "faithfulness", "features", "compose")
    for folder in (*folders, "commands", "inspector"):
        files = list((package / folder).rglob("*.py"))
        assert len(files) > 2, folder
        for file in files:
            text = file.read_text()
            for call in (
                ".write_bytes(",
                ".write_text(",
                "write_whole(",
                'open("w',
                "open('w",
                ".savefig(file",
                ".save(file",
            ):
                if file.name not in ("make_colour_maps.py",):
                    assert call not in text, f"{file.name} writes by itself: {call}"
