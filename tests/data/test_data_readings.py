"""Where the meaning of data is open: every way to read them is listed, and each is what --as then gives."""

import pytest

from tests.data.test_data_tables_of_people import draw
from vitbench.captions.readings import open_reading, readings
from vitbench.cli import main
from vitbench.data.layouts import recognise
from vitbench.data.summary import noted
from vitbench.errors import UserError


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
