"""Classes that are numbers or synsets get their names from a file beside the pictures, or it is said why not."""

import json

import pytest

from tests.data.test_data_forms import draw, write
from vitbench.data.layouts import recognise
from vitbench.errors import UserError

SYNSETS = ("n01440764", "n01443537", "n02012849")


def read(root, chosen=""):
    layout = recognise(root, chosen)
    return {entry.file: entry.label for entry in layout.entries}, " ".join(layout.notes)


def folders(root, *names):
    draw(root, *(f"{name}/{n}.jpg" for name in names for n in range(2)))


INDEX = {"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"], "2": ["n02012849", "crane"]}
THREE = ("cat", "dog", "owl")
CARD = "label:\n  class_label:\n    names:\n      '0': cat\n      '1': dog\n      '2': owl\n  other: 1"
ITEMS = "".join(f"item {{\n id: {number}\n name: '{name}'\n}}\n" for number, name in enumerate(THREE, start=1))
COCO = json.dumps({"categories": [{"id": number, "name": name} for number, name in enumerate(THREE)]})
CERTAIN = {
    "a name a line, counted from 0": ("classes.txt", "cat\ndog\nowl", "012"),
    "a name a line, counted from 1": ("labels.txt", "cat\ndog\nowl", "123"),
    "more names than classes": ("class_names.txt", "cat\ndog\nowl\nbee\nant", "012"),
    "cat_to_name.json of Flowers": ("cat_to_name.json", json.dumps({"2": "dog", "1": "cat", "3": "owl"}), "123"),
    "a list in JSON": ("class_names.json", json.dumps(THREE), "012"),
    "class_to_idx": ("class_indices.json", json.dumps({"owl": 2, "cat": 0, "dog": 1}), "012"),
    "CSV with a header (GTSRB)": ("signnames.csv", "ClassId,SignName\n0,cat\n1,dog\n2,owl", "012"),
    "padded numbers": ("labels.csv", "ClassId,Name\n0,cat\n1,dog\n2,owl", ("00000", "00001", "00002")),
    "YOLO's data.yaml": ("data.yaml", "nc: 3\nnames: ['cat', 'dog', 'owl']", "012"),
    "a card of Hugging Face": ("README.md", CARD, "012"),
    "TensorFlow's label map": ("label_map.pbtxt", ITEMS, "123"),
    "COCO's categories": ("classes.json", COCO, "012"),
    "State Farm's codes": ("class_map.json", json.dumps({"c0": "cat", "c1": "dog", "c2": "owl"}), ("c0", "c1", "c2")),
}


@pytest.mark.parametrize("kind", CERTAIN)
def test_names_that_fit_in_one_way_are_taken_and_said(kind, tmp_path):
    file, text, labels = CERTAIN[kind]
    folders(tmp_path, *(f"train/{label}" for label in labels))
    write(tmp_path, file, text)
    found, notes = read(tmp_path)
    assert [found[f"train/{label}/0.jpg"] for label in labels] == ["cat", "dog", "owl"]
    assert f"are named by {file}: cat, dog and owl." in notes
    assert notes.count(file) == 1
    unnamed, notes = read(tmp_path, ":names=no")
    assert set(unnamed.values()) == set(labels)
    assert "named by" not in notes


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("classes.txt", "cat\ndog\nowl\nbee", "1 may be dog or cat; --as :first=0"),  # 1, 2, 3 of four
        ("classes.txt", "background\ncat\ndog\nowl\nbee", "1 may be cat or background"),
        ("classes.txt", "cat\ndog", "has 2 names only"),
        ("class_names.json", json.dumps({"0": "cat", "1": "dog", "2": "owl"}), "has no name for 3 (it counts from 0"),
        ("class_names.json", json.dumps({"1": "cat", "2": "dog"}), "has no name for 3"),
    ],
)
def test_names_that_may_be_off_by_one_are_not_taken_but_said(file, text, words, tmp_path):
    folders(tmp_path, "1", "2", "3")
    write(tmp_path, file, text)
    found, notes = read(tmp_path)
    assert set(found.values()) == {"1", "2", "3"}
    assert f"The classes stay 1, 2 and 3: {file} " in notes
    assert words in notes


def test_a_first_name_that_is_the_background_leaves_it_open(tmp_path):
    folders(tmp_path, "0", "1")
    write(tmp_path, "labels.txt", "background", "cat", "dog")
    found, notes = read(tmp_path)
    assert found["0/0.jpg"] == "0"
    assert "0 may be background or cat" in notes


def test_a_person_says_from_which_number_the_names_count(tmp_path):
    folders(tmp_path, "1", "2")
    write(tmp_path, "classes.txt", "cat", "dog", "owl")
    assert read(tmp_path, ":first=1")[0] == {"1/0.jpg": "cat", "1/1.jpg": "cat", "2/0.jpg": "dog", "2/1.jpg": "dog"}
    assert read(tmp_path, "class-folders:first=0")[0]["2/0.jpg"] == "owl"
    write(tmp_path, "my_own.txt", "ant", "bee", "fly")
    assert read(tmp_path, ":names=my_own.txt,first=1")[0]["1/0.jpg"] == "ant"
    with pytest.raises(UserError, match=r"no file other\.txt"):
        read(tmp_path, ":names=other.txt")
    with pytest.raises(UserError, match="first=one"):
        read(tmp_path, ":first=one")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("words.txt", "n01440764\ttench, Tinca tinca\nn01443537\tgoldfish, Carassius\nn02012849\tcrane\nn09\tother"),
        ("LOC_synset_mapping.txt", "n01440764 tench, Tinca tinca\nn01443537 goldfish\nn02012849 crane"),
        ("map_clsloc.txt", "n01440764 1 tench\nn01443537 2 goldfish\nn02012849 3 crane"),
        ("imagenet_class_index.json", json.dumps(INDEX)),
        ("Labels.json", json.dumps({"n01440764": "tench, Tinca", "n01443537": "goldfish", "n02012849": "crane"})),
    ],
)
def test_synsets_are_named_by_their_first_word(file, text, tmp_path):
    folders(tmp_path, *SYNSETS)
    assert "numbers of WordNet" in read(tmp_path)[1]
    write(tmp_path, file, text)
    found, notes = read(tmp_path)
    assert [found[f"{synset}/0.jpg"] for synset in SYNSETS] == ["tench", "goldfish", "crane"]
    assert "numbers of WordNet" not in notes


def test_numbers_lead_over_synsets_to_words_and_equal_words_are_told_apart(tmp_path):
    folders(tmp_path, "0", "1", "2")
    write(tmp_path, "wnids.txt", *SYNSETS)
    found, notes = read(tmp_path)
    assert found["1/0.jpg"] == "n01443537"
    write(tmp_path, "words.txt", "n01440764\tcrane, machine", "n01443537\tgoldfish", "n02012849\tcrane, bird")
    found, notes = read(tmp_path)
    assert [found[f"{n}/0.jpg"] for n in range(3)] == ["crane (n01440764)", "goldfish", "crane (n02012849)"]
    assert "wnids.txt" in notes
    assert "words.txt" in notes


def test_numbers_in_tables_lists_and_several_labels_are_named_too(tmp_path):
    draw(tmp_path, *(f"images/{n}.jpg" for n in range(4)))
    rows = [f"{n}.jpg,{n % 2},{n % 2} {(n + 1) % 2}" for n in range(4)]
    write(tmp_path, "train.csv", "filename,label,all", *rows)
    write(tmp_path, "label_num_to_disease_map.json", '{"0": "blight", "1": "healthy"}')
    assert read(tmp_path)[0]["images/1.jpg"] == "healthy"
    layout = recognise(tmp_path, "table:label=all,several=space")
    assert layout.entries[1].all_labels == ("healthy", "blight")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "0\n1\n2"),
        ("labels.txt", "cat\ndog\ncat\ndog\nowl\ncat\ndog\nowl"),  # a label a picture, not a name a class
        ("labels.json", json.dumps({"images": [], "annotations": []})),
        ("index.csv", "id,age\n0,31\n1,12\n2,9"),
        ("names.txt", ""),
        ("labels.json", "{"),
    ],
)
def test_what_names_no_classes_is_passed_over(file, text, tmp_path):
    folders(tmp_path, "0", "1", "2")
    write(tmp_path, file, text)
    found, notes = read(tmp_path)
    assert set(found.values()) == {"0", "1", "2"}
    assert "named by" not in notes


def test_two_files_that_contradict_each_other_are_said(tmp_path):
    folders(tmp_path, "0", "1")
    write(tmp_path, "class_names.json", '["dog", "cat"]')
    write(tmp_path, "label_map.txt", "0 cat", "1 dog")
    found, notes = read(tmp_path)
    assert found["0/0.jpg"] == "cat"
    assert "class_names.json gives other names than label_map.txt" in notes
    assert read(tmp_path, ":names=class_names.json")[0]["0/0.jpg"] == "dog"
