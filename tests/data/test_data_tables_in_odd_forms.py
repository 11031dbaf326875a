"""Tables of labels in forms that spreadsheets, annotation programs and scripts give them."""

import json
from collections import Counter

import pytest

from tests.data.files_of_people import draw, labels, write
from vitbench.captions.data_report import inspect_data
from vitbench.data.layouts import recognise
from vitbench.errors import UserError

PAIRS = [(f"{n}.jpg", ("cat", "dog")[n % 2]) for n in range(4)]
ROWS = "".join(f"{name},{label}\n" for name, label in PAIRS)
WANTED = {f"images/{name}": label for name, label in PAIRS}


def lines(form, header=""):
    return header + "".join(form.format(name=name, label=label) + "\n" for name, label in PAIRS)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("labels.csv", lines("{name} {label}", "filename label\n")),
        ("labels.csv", lines("{name};{label}\r", "sep=;\r\nfilename;label\r\n")),
        ("labels.csv", "# made by a program\n# on a day\nfilename,label\n" + ROWS),
        ("labels.csv", "#filename,label\n" + ROWS),
        ("labels.csv", lines("'{name}','{label}'", "'filename','label'\n")),
        ("labels.csv", lines("|{name}|,|{label}|", "|filename|,|label|\n")),
        ("labels.csv", lines("https://x.org/a/{name}?w=100&h=5,{label}", "url,label\n")),
        ("labels.csv", lines("/upload/{name},1,{label},9,2024", "image,id,choice,annotator,created_at\n")),
        ("labels.txt", "filename,label\n" + ROWS),
        ("labels.txt", lines("{name}: {label}")),
        ("labels.txt", lines("{name} -> {label}")),
        ("labels.txt", lines("{name} {label}")),
        ("answers.txt", lines('"{name}","{label}"')),
        ("labels.yaml", lines("{name}: {label}")),
        ("labels.json", json.dumps({"cat": ["0.jpg", "2.jpg"], "dog": ["1.jpg", "3.jpg"]})),
        ("labels.json", json.dumps({name: {"label": label, "seen": 3} for name, label in PAIRS})),
        ("dataset.json", json.dumps({"labels": PAIRS})),
        ("labels.json", json.dumps({"images": [{"file_name": name, "label": label} for name, label in PAIRS]})),
        ("tasks.json", json.dumps([{"image": f"/up/{name}", "id": 7, "choice": label} for name, label in PAIRS])),
        (
            "tasks.json",
            json.dumps(
                [
                    {"data": {"image": f"/up/{n}"}, "annotations": [{"result": [{"value": {"choices": [c]}}]}]}
                    for n, c in PAIRS
                ]
            ),
        ),
        (
            "output.manifest",
            "".join(
                json.dumps({"source-ref": f"s3://b/{n}", "kind": k % 2, "kind-metadata": {"class-name": c}}) + "\n"
                for k, (n, c) in enumerate(PAIRS)
            ),
        ),
    ],
)
def test_a_form_is_read(tmp_path, file, text):
    draw(tmp_path, *WANTED)
    write(tmp_path, file, text)
    assert labels(tmp_path) == WANTED
    assert not [doubt for doubt in recognise(tmp_path).doubts if doubt.stops_training]


def test_splits_as_keys_of_a_document(tmp_path):
    draw(tmp_path, *WANTED)
    write(tmp_path, "all.json", json.dumps({"train": dict(PAIRS[:2]), "test": dict(PAIRS[2:])}))
    assert [entry.split for entry in recognise(tmp_path).entries] == ["train", "train", "test", "test"]
    assert labels(tmp_path) == WANTED


@pytest.mark.parametrize(
    ("files", "names", "said"),
    [
        (["000{n}.jpg"], "{n}", "4 names in labels.csv found a file whose name is equal but for zeros"),
        (["0{n}.jpg"], "{n}.0", "but for zeros before or after the number, such as 0.0 for images/00.jpg"),
        ([" {n}.jpg"], "{n}.jpg", "but for blanks around the name, such as 0.jpg for images/ 0.jpg"),
        (["{n} .jpg"], "{n}.jpg", "but for blanks around the name"),
        (["caf\udce9{n}.jpg"], "caf\xe9{n}.jpg", "but for the encoding of the file's name, which is not UTF-8"),
    ],
)
def test_names_that_differ_from_their_files_are_found_and_said(tmp_path, files, names, said):
    there = [f"images/{form.format(n=n)}" for form in files for n in range(4)]
    draw(tmp_path, *there)
    rows = "".join(f"{names.format(n=n)},{'cat' if n % 2 else 'dog'}\n" for n in range(4))
    write(tmp_path, "labels.csv", "id,label\n" + rows)
    assert set(labels(tmp_path)) == set(there)
    assert any(said in note for note in recognise(tmp_path).notes)


def test_a_name_that_is_there_as_it_is_written_counts_before_one_that_is_bent(tmp_path):
    draw(tmp_path, "0.jpg", " 0.jpg", "1.jpg", "caf\xe9.jpg", "caf\udce9.jpg")
    write(tmp_path, "labels.csv", "filename,label\n0.jpg,cat\n1.jpg,dog\ncaf\xe9.jpg,cat\n")
    assert set(labels(tmp_path)) == {"0.jpg", "1.jpg", "caf\xe9.jpg"}


def test_a_name_of_several_pictures_is_told_by_the_column_of_the_folder(tmp_path):
    draw(tmp_path, *(f"{folder}/{n}.jpg" for folder in ("s1", "s2") for n in range(3)))
    rows = "".join(f"{folder},{n}.jpg,{label}\n" for folder, label in (("s1", "cat"), ("s2", "dog")) for n in range(3))
    write(tmp_path, "labels.csv", "folder,file,label\n" + rows)
    assert labels(tmp_path)["s2/1.jpg"] == "dog"
    assert "Names that several pictures have are told apart by the column folder." in recognise(tmp_path).notes


def test_two_pictures_in_a_row_stop_training_and_masks_do_not(tmp_path):
    draw(tmp_path, *WANTED, *(f"masks/{n}.png" for n in range(4)))
    write(tmp_path, "pairs.csv", "left,right,label\n" + "".join(f"{n}.jpg,{3 - n}.jpg,{n % 2}\n" for n in range(4)))
    (doubt,) = [str(doubt) for doubt in recognise(tmp_path).doubts if doubt.stops_training]
    assert "names two pictures in a row, left and right" in doubt
    write(tmp_path, "pairs.csv", "image,mask,label\n" + "".join(f"{n}.jpg,{n}.png,{n % 2}\n" for n in range(4)))
    assert not [doubt for doubt in recognise(tmp_path).doubts if doubt.stops_training]


@pytest.mark.parametrize("several", ["", "table:several=yes"])
def test_rows_that_say_a_label_is_not_there_stop_training(tmp_path, several):
    draw(tmp_path, *WANTED)
    rows = "".join(f"{name},{label},{int(label == own)}\n" for name, own in PAIRS for label in ("cat", "dog"))
    write(tmp_path, "labels.csv", "ImageID,LabelName,Confidence\n" + rows)
    doubts = [str(doubt) for doubt in recognise(tmp_path, several).doubts if doubt.stops_training]
    assert any("The column Confidence of labels.csv says no in 4 of 8 rows" in doubt for doubt in doubts)


def test_a_column_of_parts_that_is_not_used_is_said(tmp_path):
    draw(tmp_path, *WANTED)
    write(
        tmp_path, "labels.csv", "filename,label,kfold\n" + "".join(f"{n},{c},{k}\n" for k, (n, c) in enumerate(PAIRS))
    )
    found = recognise(tmp_path)
    assert {entry.split for entry in found.entries} == {""}
    assert any("The column kfold (0, 1, 2 and 3) is not used" in note for note in found.notes)


def test_a_table_of_what_names_begin_with_stops_the_names_from_being_labels(tmp_path):
    draw(tmp_path, *(f"train/{n:04x}_{colour}.png" for n in range(4) for colour in ("red", "green")))
    write(tmp_path, "train.csv", "Id,Target\n" + "".join(f"{n:04x},{n % 2}\n" for n in range(4)))
    (doubt,) = [str(doubt) for doubt in recognise(tmp_path).doubts if doubt.stops_training]
    assert "its column Id names what several pictures each begin with" in doubt


def test_pictures_inside_a_table_and_files_that_are_not_read_are_told(tmp_path):
    write(tmp_path, "fer/fer2013.csv", "emotion,pixels,Usage\n0,1 2 3 4,Training\n")
    with pytest.raises(UserError, match=r"fer2013.csv: the pixels of the pictures are inside this table"):
        recognise(tmp_path / "fer")
    numbered = ",".join(["label", *(f"pixel{n}" for n in range(784))])
    write(tmp_path, "digits/train.csv", f"{numbered}\n" + ",".join(["5"] + ["0"] * 784))
    with pytest.raises(UserError, match="the pixels of the pictures are inside this table"):
        recognise(tmp_path / "digits" / "train.csv")
    draw(tmp_path / "packed", *WANTED)
    write(tmp_path, "packed/labels.csv.gz", b"\x1f\x8b")
    with pytest.raises(UserError, match=r"carry no labels.*if the labels are in labels.csv.gz.*is packed: unpack it"):
        inspect_data(str(tmp_path / "packed"), tmp_path / "store")


@pytest.mark.parametrize(("in_folders", "in_table"), [("train", "val"), ("test", "train")])
def test_splits_that_no_table_names_have_the_labels_of_their_folders(tmp_path, in_folders, in_table):
    draw(tmp_path, *(f"{in_folders}/{label}/{n}.jpg" for label in ("cat", "dog") for n in range(3)))
    draw(tmp_path, *(f"{in_table}/{name}" for name, _ in PAIRS), f"{in_folders}/cow/9.jpg")
    write(tmp_path, f"{in_table}.csv", "filename,label\n" + ROWS)
    found = recognise(tmp_path)
    assert Counter((entry.split, entry.label) for entry in found.entries) == {
        (in_folders, "cat"): 3, (in_folders, "dog"): 3, (in_table, "cat"): 2, (in_table, "dog"): 2,
    }  # fmt: skip
    assert any(f"the split {in_folders}: 6 pictures there have the labels of their folders" in n for n in found.notes)


def test_cells_without_a_column_are_named(tmp_path):
    draw(tmp_path, *WANTED)
    write(tmp_path, "labels.csv", lines("{name},{label}, black", "filename,label\n"))
    problems = recognise(tmp_path).problems
    assert len(problems) == 4
    assert problems[0].reason.startswith("its row has more cells than the header, which are not used: black")
    assert not problems[0].left_out


def test_folders_that_contradict_the_table_and_equal_numbers_are_doubted(tmp_path):
    names = [f"{label}/{n}.jpg" for label in ("cat", "dog") for n in range(3)]
    draw(tmp_path / "some", *names)
    rows = "".join(f"{name},{'cat' if name == 'dog/0.jpg' else name[:3]}\n" for name in names)
    write(tmp_path / "some", "predicted.csv", "filename,label\n" + rows)
    (doubt,) = recognise(tmp_path / "some").doubts
    assert "1 of 6 pictures lie in a folder that is called like another label" in doubt.reason
    assert not doubt.stops_training
    rows = "".join(f"{name},{'dog' if name.startswith('cat') else 'cat'}\n" for name in names)
    write(tmp_path / "some", "predicted.csv", "filename,label\n" + rows)
    assert recognise(tmp_path / "some").doubts[0].stops_training
    draw(tmp_path / "numbers", *(f"images/{n}.jpg" for n in range(4)))
    write(tmp_path / "numbers", "labels.csv", "filename,label\n0.jpg,1\n1.jpg,01\n2.jpg,1.0\n3.jpg,2\n")
    (doubt,) = recognise(tmp_path / "numbers").doubts
    assert "1 (1 picture), 01 (1 picture) and 1.0 (1 picture) are the same number" in doubt.reason
