"""Where the meaning of data is open: every way to read them is listed, and each is what --as then gives."""

import pytest

from tests.data.test_data_tables_of_people import draw
from vitbench.captions.readings import open_reading, readings
from vitbench.cli import main
from vitbench.data.index import layout_of
from vitbench.data.layouts import recognise
from vitbench.data.summary import noted
from vitbench.errors import UserError
from vitbench.recipe import Recipe


def write_table(root):
    draw(root, *(f"images/{n}.jpg" for n in range(8)))
    rows = [f"{n}.jpg,P{n % 3},{'malignant' if n % 2 else 'benign'},{n % 2},a note of {n}" for n in range(8)]
    (root / "train.csv").write_text("image_name,patient_id,benign_malignant,target,description\n" + "\n".join(rows))


def test_each_column_that_may_be_the_label_is_a_reading_of_its_own(tmp_path):
    write_table(tmp_path)
    found = readings(tmp_path)
    assert found[0].layout == "table"
    layouts = {reading.layout.rpartition("label=")[2] for reading in found[1:]}
    assert layouts == {"patient_id", "benign_malignant"}
    for reading in found:
        labels = {entry.label for entry in recognise(tmp_path, reading.layout).entries}
        assert reading.words.startswith(f"{len(labels)} classes")
    (said,) = [note for note in recognise(tmp_path).notes if "--as" in note]
    assert open_reading([said], "")
    assert not open_reading([said], "table:label=patient_id")
    assert not open_reading(["A folder for each class."], "")


def test_levels_tables_and_encodings_are_readings(tmp_path):
    levels = tmp_path / "levels"
    draw(levels, *(f"{a}/{b}/{n}.png" for a in ("dogs", "cats") for b in (f"{a}1", f"{a}2") for n in range(3)))
    assert [reading.layout for reading in readings(levels)] == ["class-folders", "class-folders:level=2"]
    tables = tmp_path / "tables"
    draw(tables, *(f"{n}.png" for n in range(4)))
    for name, words in (("one.csv", ("caf\xe9", "tea")), ("two.csv", ("hot", "cold"))):
        rows = "".join(f"{n}.png,{words[n % 2]}\n" for n in range(4))
        (tables / name).write_bytes(("filename,label\n" + rows).encode("cp1252"))
    found = {reading.layout: reading.words for reading in readings(tables)}
    assert "caf\xe9" in found["table"]
    assert any("cold" in words for layout, words in found.items() if layout.startswith("table:name=two.csv"))
    assert any("cafй" in words for layout, words in found.items() if layout.endswith("encoding=cp1251"))


def test_captions_are_read_in_ways_too_and_the_command_lists_all(tmp_path, capsys):
    draw(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "captions.csv").write_text("image,caption\n1.jpg,a red dog runs\n2.jpg,two cats sleep\n")
    assert readings(tmp_path, "caption")[0].words.endswith("such as a red dog runs")
    assert main(["data", str(tmp_path), "--readings"]) == 0
    assert "a red dog runs" in capsys.readouterr().out
    write_table(tmp_path / "labels")
    assert main(["data", str(tmp_path / "labels"), "--readings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[1] == "table"
    assert any("label=patient_id" in line and "3 classes (P0, P1 and P2)" in line for line in lines)
    with pytest.raises(UserError, match="nowhere"):
        readings(tmp_path / "nowhere")


def test_what_is_noted_names_the_flag(tmp_path, store):
    from vitbench.data.index import open_index

    write_table(tmp_path)
    assert any("--as table:label=" in note for note in noted(open_index(str(tmp_path), store=store)))


@pytest.mark.parametrize(
    ("cells", "said", "stops"),
    [
        (("astronaut", "flower", "astronaut flower"), "space", False),
        (("0", "16 0", "16"), "space", False),
        (("cat|dog", "dog|bird", "bird|cat"), "bar", True),
        (("cat; dog", "dog; bird", "cat"), "semicolon", True),
        (("red,big", "red,small", "blue,big", "blue,small"), "comma", True),
        (("a+b", "a", "b"), "plus", False),
    ],
)
def test_labels_that_join_others_are_asked_about(tmp_path, cells, said, stops):
    draw(tmp_path, *(f"{n}.jpg" for n in range(12)))
    rows = "".join(f"{n}.jpg\t{cells[n % len(cells)]}\n" for n in range(12))
    (tmp_path / "t.tsv").write_text("filename\tlabel\n" + rows)
    flag = f"table:several={said}"
    (doubt,) = recognise(tmp_path).doubts
    assert f"--as {flag} " in str(doubt)
    assert "--set task=multilabel" in str(doubt)
    assert doubt.stops_training == stops
    assert flag in [one.layout for one in readings(tmp_path)]
    assert main(["data", str(tmp_path), "--as", flag]) == 0
    whole = {label for entry in recognise(tmp_path, flag).entries for label in entry.all_labels}
    assert not whole & {cell for cell in cells if not cell.isalnum()}
    assert not recognise(tmp_path, flag).doubts
    with pytest.raises(UserError, match=r"unless task = .multilabel."):
        layout_of(Recipe.model_validate({"data": {"path": str(tmp_path), "layout": flag}}))


@pytest.mark.parametrize(
    "cells",
    [
        ("golden retriever", "flat-coated retriever", "golden eagle"),
        ("tench, Tinca tinca", "goldfish, Carassius auratus", "hen"),
        ("cats/siamese", "cats/persian", "dogs/poodle"),
        ("hot dog", "dog", "sausage"),
        ("none", "cat", "dog"),
    ],
)
def test_names_of_several_words_are_names(tmp_path, cells):
    draw(tmp_path, *(f"{n}.jpg" for n in range(12)))
    (tmp_path / "t.tsv").write_text("filename\tlabel\n" + "".join(f"{n}.jpg\t{cells[n % 3]}\n" for n in range(12)))
    doubts = recognise(tmp_path).doubts
    assert [str(doubt).split()[0] for doubt in doubts] == ["none"] * ("none" in cells)  # none of joined labels
    assert [one.layout for one in readings(tmp_path)] == ["table"]


def test_data_that_only_several_labels_fit_are_offered_as_such(tmp_path):
    draw(tmp_path, *(f"{n}.jpg" for n in range(4)))
    (tmp_path / "t.csv").write_text("filename,cat,dog\n0.jpg,1,0\n1.jpg,1,1\n2.jpg,0,1\n3.jpg,0,0\n")
    with pytest.raises(UserError, match="marks several classes"):
        recognise(tmp_path)
    one = readings(tmp_path)[0]
    assert one.layout == "table:several=yes"
    assert one.words.startswith("several labels per picture, of 2 (cat and dog)")


def test_columns_of_one_name_are_said_and_the_exact_one_is_taken(tmp_path):
    draw(tmp_path, *(f"{n}.jpg" for n in range(8)))
    rows = "".join(f"{n}.jpg,{'ab'[n % 2]},{'cd'[n % 2]}\n" for n in range(8))
    (tmp_path / "t.csv").write_text("filename,label,Label\n" + rows)
    layout = recognise(tmp_path)
    assert {entry.label for entry in layout.entries} == {"a", "b"}
    assert "Columns 2 and 3 of t.csv are named 'label': 2 counts" in " ".join(layout.notes)
    layout = recognise(tmp_path, "table:label=Label")
    assert {entry.label for entry in layout.entries} == {"c", "d"}
    assert "are named 'Label': 3 counts" in " ".join(layout.notes)
