"""Each layout as people bring it, recognised and named without asking."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vitbench.data.index import DataIndex, label_order, open_index, open_pictures
from vitbench.data.layouts import split_of
from vitbench.errors import UserError


def draw(file: Path, number: int = 0) -> None:
    """A small picture that differs by its number."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(file)


def found(index: DataIndex) -> dict[str, tuple[str, str]]:
    """File to label and split."""
    return {sample.file: (index.classes[sample.label], sample.split) for sample in index.samples}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "pictures"


def test_flat_names_as_in_the_course(root, store):
    for number, name in enumerate(
        ["train/0_1.jpg", "train/10_2.png", "train/2_7.JPEG", "val/10_1.jpg", "val/2_x.webp"]
    ):
        draw(root / name, number)
    index = open_index(str(root), store=store)
    assert found(index) == {
        "train/0_1.jpg": ("0", "train"),
        "train/10_2.png": ("10", "train"),
        "train/2_7.JPEG": ("2", "train"),
        "val/10_1.jpg": ("10", "val"),
        "val/2_x.webp": ("2", "val"),
    }
    assert index.classes == ("0", "2", "10")
    assert (index.layout, index.splits) == ("flat names", ("train", "val"))
    assert "{label}_{id}" in index.sentence
    assert "train and val" in index.sentence


def test_flat_names_without_splits_and_with_underscores_in_labels(root, store):
    for number, name in enumerate(["maine_coon_1.jpg", "maine_coon_2.jpg", "pug_1.jpg", "noise.jpg", "_3.jpg"]):
        draw(root / name, number)
    index = open_index(str(root), store=store)
    assert index.classes == ("maine_coon", "pug")
    assert index.splits == ("",)
    assert "without splits" in index.sentence
    assert {problem.file: problem.left_out for problem in index.problems} == {"noise.jpg": True, "_3.jpg": True}
    assert all("no label in its name" in problem.reason for problem in index.problems)


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        ({"train": "train", "valid": "val"}, ("train", "val")),
        ({"Training": "train", "validation": "val", "testing": "test"}, ("train", "val", "test")),
        ({"train_50": "train", "val_50": "val"}, ("train", "val")),
        ({"train2017": "train", "dev": "val", "test_heldout": "test_heldout"}, ("train", "val", "test_heldout")),
        ({"test": "test"}, ("test",)),
    ],
)
def test_class_folders_in_splits(root, store, folders, splits):
    number = 0
    for folder in folders:
        for label in ("cat", "dog"):
            draw(root / folder / label / "deeper" / f"{number}.png", number := number + 1)
    draw(root / "notes" / "figure.png") if len(folders) > 1 else None
    index = open_index(str(root), store=store)
    assert index.splits == splits
    assert index.layout == "class folders"
    assert {(label, split) for label, split in found(index).values()} == {
        (label, split) for label in ("cat", "dog") for split in folders.values()
    }
    outside = [problem.file for problem in index.problems if "outside the folders of the splits" in problem.reason]
    assert outside == (["notes/figure.png"] if len(folders) > 1 else [])


def test_a_class_called_train_is_no_split(root, store):
    for number, label in enumerate(["bus", "train", "train_station", "car"]):
        draw(root / label / "1.jpg", number)
    index = open_index(str(root), store=store)
    assert index.classes == ("bus", "car", "train", "train_station")
    assert index.splits == ("",)


def test_the_minority_is_left_out_by_name(root, store):
    for number in range(4):
        draw(root / "cat" / f"{number}.png", number)
    draw(root / "stray_1.png", 9)
    (root / "cat" / "notes.txt").write_text("mine")
    (root / ".DS_Store").write_text("hidden")
    index = open_index(str(root), store=store)
    assert index.classes == ("cat",)
    assert {problem.file: problem.reason for problem in index.problems} == {
        "stray_1.png": "lies outside the class folders",
        "cat/notes.txt": "is not a picture by its name",
    }
    for number in range(9):
        draw(root / f"dog_{number}.png", 10 + number)
    index = open_index(str(root), store=store)
    assert index.classes == ("dog", "stray")
    assert sum("while the others carry their label" in problem.reason for problem in index.problems) == 4


def test_csv_beside_the_pictures(root, store):
    for split in ("train", "val"):
        for number in range(3):
            draw(root / split / f"{number}.png", number + 10 * (split == "val"))
        with (root / f"{split}.csv").open("w") as stream:
            stream.write("filename,label\n" + "".join(f"{number}.png,{number}\n" for number in range(3)))
    index = open_index(str(root), store=store)
    assert index.layout == "table"
    assert "train.csv, val.csv" in index.sentence
    assert found(index)["val/2.png"] == ("2", "val")
    assert len(index.samples) == 6
    assert found(open_index(str(root / "val.csv"), store=store)) == {f"val/{n}.png": (str(n), "val") for n in range(3)}


def test_one_csv_in_any_dialect(root, store):
    for number in range(3):
        draw(root / "images" / f"{number}.png", number)
    tables = {
        "a.csv": "\ufeffid,Image,CLASS,subset\n7,0.png,cat,train\n8,1.png,dog,validation\n9,2.png,cat,\n",
        "b.tsv": "file\tlabel\n0.png\tcat\n1.png\tdog\n2.png\tcat\n",
        "c.csv": "0.png,cat\n1.png,dog\n\n2.png,cat\n",
        "d.csv": 'label,filename\r\ncat,"0.png"\r\ndog,./images/../images/1.png\r\ncat,2.png\r\n',
    }
    for name, text in tables.items():
        (root / name).write_text(text)
        labels = {file: label for file, (label, _) in found(open_index(str(root / name), store=store)).items()}
        assert labels == {"images/0.png": "cat", "images/1.png": "dog", "images/2.png": "cat"}, name
        (root / name).rename(root / (name + ".old"))
    (root / "a.csv").write_text(tables["a.csv"])
    assert [split for _, split in found(open_index(str(root), store=store)).values()] == ["train", "val", ""]


def test_csv_rows_that_are_wrong(root, store):
    draw(root / "good.png", 1)
    draw(root / "again.png", 2)
    draw(root.parent / "secret.png", 3)
    (root / "link.png").symlink_to(root.parent / "secret.png")
    rows = [
        ("good.png", "cat"),
        ("../secret.png", "cat"),
        (str(root.parent / "secret.png"), "cat"),
        ("missing.png", "cat"),
        ("again.png", "dog"),
        ("again.png", "cat"),
        ("good.png", "cat"),
        ("unlabelled.png", ""),
        ("", "cat"),
        (str(root / "link.png"), "dog"),
        ("nul\0.png", "dog"),
    ]
    with (root / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("filename", "label"), *rows])
    index = open_index(str(root), store=store)
    assert found(index) == {"again.png": ("dog", ""), "good.png": ("cat", ""), "link.png": ("dog", "")}
    reasons = [(problem.file, problem.reason) for problem in index.problems]
    assert ("../secret.png", "leads out of the folder (labels.csv, line 3)") in reasons
    assert (str(root.parent / "secret.png"), "leads out of the folder (labels.csv, line 4)") in reasons
    assert ("missing.png", "No such file or directory (labels.csv, line 5)") in reasons
    assert (
        "again.png",
        "named twice, with different labels: dog, cat (labels.csv, line 7; the first row counts)",
    ) in reasons
    assert ("good.png", "named twice (labels.csv, line 8; the first row counts)") in reasons
    assert ("unlabelled.png", "has no label (labels.csv, line 9)") in reasons
    assert ("labels.csv", "names no file (line 10)") in reasons
    assert sum(file.startswith("nul") for file, _ in reasons) == 1
    assert len(reasons) == 8


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("nested", [True, False])
def test_hugging_face_imagefolder(root, store, form, nested):
    def write(file: Path, rows: list[tuple[str, int]]) -> None:
        if form == "csv":
            file.write_text("file_name,text,label\n" + "".join(f"{name},words,{label}\n" for name, label in rows))
        else:
            file.write_text("".join(json.dumps({"file_name": name, "label": label}) + "\n" for name, label in rows))

    names = [(split, f"{number}.png", number) for split in ("train", "test") for number in (0, 1)]
    for split, name, number in names:
        draw(root / split / name, number + 10 * (split == "test"))
    if nested:
        for wanted in ("train", "test"):
            write(
                root / wanted / f"metadata.{form}", [(name, number) for split, name, number in names if split == wanted]
            )
    else:
        write(root / f"metadata.{form}", [(f"{split}/{name}", number) for split, name, number in names])
    index = open_index(str(root), store=store)
    assert index.layout == "imagefolder"
    assert "Hugging Face" in index.sentence
    assert found(index) == {f"{split}/{name}": (str(number), split) for split, name, number in names}


def test_metadata_without_labels_leaves_the_class_folders(root, store):
    for number, label in enumerate(["cat", "dog"]):
        draw(root / label / "0.png", number)
    (root / "metadata.jsonl").write_text(json.dumps({"file_name": "cat/0.png", "text": "a cat"}) + "\n")
    assert open_index(str(root), store=store).layout == "class folders"


def test_json_lines_that_are_broken(root, store):
    draw(root / "0.png")
    (root / "metadata.jsonl").write_text('{"file_name": "0.png", "label": "cat"}\n{"file_name"\n[1]\n\n{"label": 1}\n')
    index = open_index(str(root), store=store)
    assert len(index.samples) == 1
    assert [problem.reason.partition(" (")[0] for problem in index.problems] == [
        "is not JSON",
        "names no file or no label",
        "names no file",
    ]


def test_hostile_names_are_data(root, store):
    names = ["cat_\x1b[31m1.png", "cat_\n2.png", "do\u202eg_3.png", "cat_[bold]4.png", "-rf_5.png", "cat_'$(ls)'6.png"]
    for number, name in enumerate(names):
        draw(root / name, number)
    undecodable = Path(os.fsdecode(bytes(root) + b"/cat_\xff7.png"))
    (root / names[0]).rename(root / "moved")
    undecodable.write_bytes((root / "moved").read_bytes())
    index = open_index(str(root), store=store)
    assert len(index.samples) == len(names)
    assert index.classes == ("-rf", "cat", "do\u202eg")
    assert [problem.file for problem in index.problems] == ["moved"]
    again = open_index(str(root), store=store)
    assert again == index


def test_folders_that_loop_end(root, store):
    draw(root / "cat" / "1.png")
    (root / "cat" / "loop").symlink_to(root / "cat")
    (root / "dog").symlink_to(root.parent / "elsewhere")
    draw(root.parent / "elsewhere" / "2.png", 2)
    assert set(found(open_index(str(root), store=store))) == {"cat/1.png", "dog/2.png"}


def test_scenes_are_written_once_and_read_as_any_folder(store):
    index = open_index("scenes:new?count=60&size=32&seed=3", store=store)
    assert index.splits == ("train", "val", "test", "test_heldout")
    assert len(index.samples) == 60
    assert index.root.is_relative_to(store / "scenes")
    assert "Generated scenes" in index.sentence
    before = (index.root / "train").stat().st_mtime_ns
    assert open_index("scenes:new?size=32&count=60&seed=3", store=store) == index
    assert (index.root / "train").stat().st_mtime_ns == before
    for wrong in (
        "scenes:old",
        "scenes:new?count=many",
        "scenes:new?number=5",
        "scenes:new?count=-1",
        "scenes:new?count=1",
    ):
        with pytest.raises(UserError):
            open_index(wrong, store=store)


def test_pictures_without_labels(root, store):
    for number, name in enumerate(["b.jpg", "a/0001.png", "cat_1.png"]):
        draw(root / name, number)
    index = open_pictures(str(root), store=store)
    assert [(sample.file, sample.label) for sample in index.samples] == [
        ("a/0001.png", -1),
        ("b.jpg", -1),
        ("cat_1.png", -1),
    ]
    assert index.classes == ()


def test_mistakes_get_one_sentence(root, store):
    def sentence(path: Path) -> str:
        with pytest.raises(UserError) as caught:
            open_index(str(path), store=store)
        return str(caught.value)

    assert "no folder or file" in sentence(root)
    root.mkdir()
    assert "is empty" in sentence(root)
    (root / "notes.txt").write_text("x")
    assert ".txt" in sentence(root)
    draw(root / "picture.png")
    assert "carry no labels" in sentence(root)
    (root / "labels.csv").write_text("name,kind\n1,2\n")
    assert "filename and label" in sentence(root / "labels.csv")
    (root / "a_1.png").write_bytes(b"")
    assert "can be read" in sentence(root)


@given(st.lists(st.integers(0, 10**6).map(str) | st.sampled_from(["01", "007"]), min_size=1))
def test_numeric_labels_are_in_numeric_order(labels):
    order = label_order(labels)
    assert set(order) == set(labels)
    assert [int(label) for label in order] == sorted(int(label) for label in order)
    assert label_order(reversed(labels)) == order


def test_label_order_of_mixed_labels():
    assert label_order(["b", "10", "9", "a"]) == ("10", "9", "a", "b")
    # Not a number, whatever str.isdigit says.
    assert label_order(["²", "10", "9"]) == ("10", "9", "²")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Train", "train"),
        ("val2017", "val"),
        ("train_50", "train"),
        ("valid", "val"),
        ("test_heldout", "test_heldout"),
        ("train_station", None),
        ("trainer", None),
        ("images", None),
        ("50", None),
    ],
)
def test_split_names(name, split):
    assert split_of(name) == split
