"""Names, tags, notes, and what is put away."""

import json

import pytest

from vitbench.cli import main
from vitbench.recipe import parse_recipe
from vitbench.runs.about import about_file, note_file, read_about, read_note
from vitbench.runs.store import Store


@pytest.fixture
def runs(store):
    recipe = parse_recipe({"data": {"path": "demo"}}, "a test")
    return [Store(store).create(recipe, name) for name in ("one", "two")]


def listed(capsys, *arguments):
    capsys.readouterr()
    assert main(["runs", "--json", *arguments]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_tags_are_kept_once_in_their_order_and_found(runs, capsys):
    assert main(["label", "one", "two", "--tag", "pets", "--tag", "paper"]) == 0
    assert main(["label", "one", "--tag", "pets", "--tag", "final", "--untag", "paper"]) == 0
    assert read_about(runs[0]).tags == ("pets", "final")
    assert set(listed(capsys, "--tag", "pets")) == {"one", "two"}
    assert set(listed(capsys, "--tag", "pets", "--tag", "paper")) == {"two"}
    assert main(["runs"]) == 0
    assert "#pets  #final" in capsys.readouterr().out


def test_a_run_that_is_put_away_is_there_with_all(runs, capsys):
    assert main(["label", "one", "--archive"]) == 0
    assert set(listed(capsys)) == {"two"}
    assert listed(capsys, "--all")["one"]["archived"] is True
    main(["runs"])
    assert "Not shown: 1 of 2 runs" in capsys.readouterr().err
    assert main(["label", "one", "--unarchive"]) == 0
    assert set(listed(capsys)) == {"one", "two"}


def test_a_note_is_a_plain_file(runs, capsys):
    assert main(["label", "one", "--note", "warm-up was too short\nsee two"]) == 0
    assert note_file(runs[0]).read_text() == "warm-up was too short\nsee two\n"
    note_file(runs[0]).write_text("changed by an editor \x1b[31m\n")
    assert read_note(runs[0]).startswith("changed by an editor")
    capsys.readouterr()
    assert main(["show", "one"]) == 0
    assert "\x1b" not in (text := capsys.readouterr().out)
    assert "changed by an editor" in text
    assert main(["label", "one", "--note", ""]) == 0
    assert not note_file(runs[0]).exists()


def test_a_new_name_finds_the_run_and_changes_nothing_else(runs):
    before = runs[0].status()
    assert main(["label", "one", "--name", "pets at 384"]) == 0
    assert Store(runs[0].store_folder).find("pets at 384").id == runs[0].id
    assert runs[0].status() == before.model_copy(update={"name": "pets at 384"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["one", "--tag", "two words"], "cannot be a tag"),
        (["one", "--tag", "#x"], "cannot be a tag"),
        (["one", "--tag", "x" * 51], "cannot be a tag"),
        (["one", "--name", "  "], "can be printed"),
        (["one", "--name", "\x1b[2J"], "can be printed"),
        (["one", "two", "--name", "x"], "Several runs"),
        (["one", "--note", "x" * 100_001], "100,000 characters"),
        (["three", "--tag", "x"], "no run 'three'"),
    ],
)
def test_what_cannot_be_is_one_sentence(runs, capsys, arguments, words):
    assert main(["label", *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"{", b'{"tags": 7}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_costs_the_tags_and_nothing_else(runs, capsys, content):
    about_file(runs[0]).write_bytes(content)
    assert read_about(runs[0]).tags == ()
    assert set(listed(capsys)) == {"one", "two"}
