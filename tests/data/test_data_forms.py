"""A miniature of each form is given to all forms: its own recognises it, and no other takes it over."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitbench.data.layouts import Layout, form_names, forms, recognise
from vitbench.data.layouts.place import Place
from vitbench.errors import UserError

_drawn = np.random.default_rng(0)


def draw(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_drawn.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(root / name)


def write(root: Path, name: str, *lines: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("".join(line + "\n" for line in lines))


def class_folders(root: Path) -> None:
    draw(root, *(f"{label}/{n}.jpg" for label in ("cat", "dog") for n in range(3)))
    # What a detector's data have beside them must not make another form of class folders.
    write(root, "labels.json", json.dumps({"images": [], "annotations": [], "categories": []}))


def flat_names(root: Path) -> None:
    draw(root, *(f"{split}/{label}_{n}.jpg" for split in ("train", "val") for label in (0, 1) for n in range(3)))


def table(root: Path) -> None:
    draw(root, *(f"images/{n}.jpg" for n in range(4)))
    write(root, "labels.csv", "filename,label", *(f"{n}.jpg,{'cat' if n % 2 else 'dog'}" for n in range(4)))


def imagefolder(root: Path) -> None:
    draw(root, *(f"train/{n}.jpg" for n in range(4)))
    write(root, "train/metadata.csv", "file_name,label", *(f"{n}.jpg,{n % 2}" for n in range(4)))


def listed(root: Path) -> None:
    draw(root, *(f"data/{n}.jpg" for n in range(6)))
    write(root, "meta/train.txt", *(f"{n}.jpg {n % 2}" for n in range(4)))
    write(root, "meta/val.txt", *(f"{n}.jpg {n % 2}" for n in range(4, 6)))


def cub(root: Path) -> None:
    names = [f"{k:03d}.Bird_{k}/Bird_{k}_{n}.jpg" for k in (1, 2) for n in range(2)]
    draw(root, *(f"images/{name}" for name in names))
    draw(root, *(f"segmentations/{Path(name).with_suffix('.png')}" for name in names))
    write(root, "images.txt", *(f"{n} {name}" for n, name in enumerate(names, start=1)))
    write(root, "image_class_labels.txt", "1 1", "2 1", "3 2", "4 2")
    write(root, "train_test_split.txt", "1 1", "2 0", "3 1", "4 0")
    write(root, "classes.txt", "1 001.Bird_1", "2 002.Bird_2")


def flowers(root: Path) -> None:
    from scipy.io import savemat

    draw(root, *(f"jpg/image_{n:05d}.jpg" for n in range(1, 7)))
    savemat(root / "imagelabels.mat", {"labels": np.array([[1, 1, 1, 2, 2, 2]])})
    savemat(root / "setid.mat", {"trnid": [[1, 4]], "valid": [[2, 5]], "tstid": [[3, 6]]})


def celeba(root: Path) -> None:
    draw(root, *(f"img_align_celeba/{n:06d}.jpg" for n in range(1, 5)))
    write(root, "list_attr_celeba.txt", "4", "Smiling Male", *(f"{n:06d}.jpg -1  1" for n in range(1, 5)))
    write(root, "identity_CelebA.txt", *(f"{n:06d}.jpg {n % 2}" for n in range(1, 5)))
    write(root, "list_eval_partition.txt", *(f"{n:06d}.jpg {n // 3}" for n in range(1, 5)))


def labels_beside(root: Path) -> None:
    draw(root, *(f"{n}.jpg" for n in range(4)))
    for number in range(4):
        write(root, f"{number}.txt", "cat" if number % 2 else "dog")


def stanford_cars(root: Path) -> None:
    from scipy.io import savemat

    draw(root, *(f"cars_train/0000{n}.jpg" for n in (1, 2, 3)))
    rows = np.zeros(3, dtype=[("class", "O"), ("fname", "O")])
    rows[:] = [(1, "00001.jpg"), (2, "00002.jpg"), (1, "00003.jpg")]
    savemat(root / "cars_train_annos.mat", {"annotations": rows})
    savemat(root / "cars_meta.mat", {"class_names": np.array(["Audi", "BMW"], dtype=object)})


def tiny_imagenet(root: Path) -> None:
    ids = ("n01443537", "n01629819")
    draw(root, *(f"train/{k}/images/{k}_{n}.JPEG" for k in ids for n in range(2)))
    draw(root, *(f"val/images/val_{n}.JPEG" for n in range(2)), *(f"test/images/test_{n}.JPEG" for n in range(2)))
    write(root, "wnids.txt", *ids)
    write(root, "words.txt", "n01443537\tgoldfish")
    write(root, "val/val_annotations.txt", *(f"val_{n}.JPEG\t{k}\t0\t0\t6\t6" for n, k in enumerate(ids)))
    for k in ids:
        write(root, f"train/{k}/{k}_boxes.txt", f"{k}_0.JPEG\t0\t0\t6\t6")


def imagenet(root: Path) -> None:
    base = "ILSVRC/Data/CLS-LOC"
    ids = ("n01440764", "n01443537")
    draw(root, *(f"{base}/train/{k}/{k}_{n}.JPEG" for k in ids for n in range(2)))
    draw(root, *(f"{base}/val/ILSVRC2012_val_0000000{n}.JPEG" for n in (1, 2)))
    draw(root, f"{base}/test/ILSVRC2012_test_00000001.JPEG")
    rows = [f"ILSVRC2012_val_0000000{n},{k} 1 2 3 4 " for n, k in enumerate(ids, start=1)]
    write(root, "LOC_val_solution.csv", "ImageId,PredictionString", *rows)
    write(root, "LOC_sample_submission.csv", "ImageId,PredictionString", "ILSVRC2012_test_00000001,1 0 0 0 0")
    write(root, "LOC_synset_mapping.txt", "n01440764 tench, Tinca tinca")


def objects(root: Path) -> None:
    for number in range(4):
        draw(root, f"JPEGImages/2007_00000{number}.jpg")
        name = "cat" if number % 2 else "dog"
        box = (
            f"<annotation><filename>2007_00000{number}.jpg</filename><object><name>{name}</name></object></annotation>"
        )
        write(root, f"Annotations/2007_00000{number}.xml", box)


SAMPLES: dict[str, Callable[[Path], None]] = {
    "celeba": celeba,
    "class folders": class_folders,
    "cub-200": cub,
    "flat names": flat_names,
    "flowers-102": flowers,
    "imagefolder": imagefolder,
    "imagenet": imagenet,
    "labels beside": labels_beside,
    "list": listed,
    "objects": objects,
    "stanford-cars": stanford_cars,
    "table": table,
    "tiny-imagenet": tiny_imagenet,
}


def test_each_form_has_a_sample_and_a_phrase():
    assert {form.name for form in forms()} == set(SAMPLES)
    assert len({form.phrase for form in forms()}) == len(forms())
    assert len(form_names()) == len(set(form_names()))


@pytest.mark.parametrize("name", SAMPLES)
def test_the_sample_of_a_form_is_taken_by_it_alone(tmp_path, name):
    (tmp_path / "data").mkdir()
    SAMPLES[name](tmp_path / "data")
    layout = recognise(tmp_path / "data")
    assert layout.name == name
    assert len({entry.label for entry in layout.entries}) == 2
    assert not [problem for problem in layout.problems if problem.left_out]
    place = Place(tmp_path / "data")
    for form in forms():
        if form.priority > next(form.priority for form in forms() if form.name == name):
            declined = form.recognise(place, {})
            assert not isinstance(declined, Layout), form.name
            assert declined.reason


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("other", SAMPLES)
def test_a_form_that_was_asked_for_is_taken_or_says_why_not(tmp_path, name, other):
    (tmp_path / "data").mkdir()
    SAMPLES[name](tmp_path / "data")
    chosen = other.replace(" ", "-")
    if name == other:
        assert recognise(tmp_path / "data", chosen).name == name
        return
    said = ""
    try:
        layout = recognise(tmp_path / "data", chosen)
    except UserError as error:
        said = str(error)
    assert other in said if said else layout.name == other


def test_imagenet_with_its_development_kit(tmp_path):
    from scipy.io import savemat

    ids = ("n01440764", "n01443537")
    draw(tmp_path, *(f"train/{k}/{k}_{n}.JPEG" for k in ids for n in range(2)))
    draw(tmp_path, *(f"val/ILSVRC2012_val_0000000{n}.JPEG" for n in (1, 2)))
    write(tmp_path, "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", "2", "1")
    rows = np.array([(n, k) for n, k in enumerate(ids, start=1)], dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O")])
    savemat(tmp_path / "ILSVRC2012_devkit_t12/data/meta.mat", {"synsets": rows})
    found = {entry.file: entry.label for entry in recognise(tmp_path).entries if entry.split == "val"}
    assert found == {"val/ILSVRC2012_val_00000001.JPEG": ids[1], "val/ILSVRC2012_val_00000002.JPEG": ids[0]}


def test_refusals_are_built_from_the_phrases(tmp_path):
    draw(tmp_path, "IMG_0001.jpg", "IMG_0002.jpg")
    with pytest.raises(UserError) as caught:
        recognise(tmp_path)
    for form in forms():
        assert form.phrase.removesuffix(" as it unpacks") in str(caught.value)
    with pytest.raises(UserError, match=r"There is no layout 'folders'.*; there are"):
        recognise(tmp_path, "folders")
    with pytest.raises(UserError, match="has no option 'depth'; it has level"):
        recognise(tmp_path, "class-folders:depth=2")


def test_a_table_of_a_csv_written_by_a_spreadsheet(tmp_path):
    draw(tmp_path, "images/a 1.jpg", "images/b,2.jpg")
    with (tmp_path / "labels.csv").open("w", newline="", encoding="utf-16") as stream:
        rows = csv.writer(stream, delimiter=";")
        rows.writerows([("Filename", "Class"), ("a 1.jpg", "café"), ("b,2.jpg", "thé")])
    assert {entry.file: entry.label for entry in recognise(tmp_path).entries} == {
        "images/a 1.jpg": "café",
        "images/b,2.jpg": "thé",
    }
