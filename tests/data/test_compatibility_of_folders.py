"""Folders and archives of public reports, as miniatures: each test is a row of `docs/compatibility.md`."""

import json

import numpy as np
import pytest

from tests.data.files_of_people import draw, labels, write
from vitbench.data.layouts import recognise
from vitbench.errors import UserError


def test_imagenet_of_kaggle_has_a_flat_val_folder(tmp_path):
    base = "ILSVRC/Data/CLS-LOC"
    draw(tmp_path, *(f"{base}/train/{k}/{k}_1.JPEG" for k in ("n01440764", "n01443537")))
    draw(tmp_path, f"{base}/val/ILSVRC2012_val_00000001.JPEG", f"{base}/test/ILSVRC2012_test_00000001.JPEG")
    write(tmp_path, "LOC_val_solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000001,n01443537 1 2 3 4 \n")
    write(tmp_path, "ILSVRC/ImageSets/CLS-LOC/train_cls.txt", "n01440764/n01440764_1 1\n")
    layout = recognise(tmp_path)
    assert layout.name == "imagenet"
    assert labels(tmp_path)[f"{base}/val/ILSVRC2012_val_00000001.JPEG"] == "n01443537"
    assert len(layout.unlabelled) == 1


def test_labels_only_in_the_test_split(tmp_path):
    draw(tmp_path, *(f"dataset/{split}/{n}.png" for split in ("train", "validation") for n in range(3)))
    draw(tmp_path, *(f"dataset/test/{label}/{n}.png" for label in ("normal", "anomaly") for n in range(2)))
    with pytest.raises(UserError, match="carry no labels that are understood"):
        recognise(tmp_path)


def test_pictures_of_coco_alone_have_no_labels(tmp_path):
    draw(tmp_path, *(f"val2017/{n:012d}.jpg" for n in (139, 285, 632)))
    with pytest.raises(UserError, match="carry no labels that are understood"):
        recognise(tmp_path)


def test_a_folder_in_train_that_is_no_class(tmp_path):
    draw(tmp_path, *(f"imagenet/train/{k}/{n}.jpeg" for k in ("class1", "class2") for n in range(2)))
    draw(tmp_path, *(f"imagenet/val/{k}/{n}.jpeg" for k in ("class1", "class2") for n in range(2)))
    draw(tmp_path, "imagenet/train/images/stray.jpeg")
    layout = recognise(tmp_path)
    assert any("images (like a folder of pictures of any kind)" in str(doubt) for doubt in layout.doubts)


def test_intel_scenes_have_each_split_twice(tmp_path):
    for split in ("train", "test"):
        draw(tmp_path, *(f"seg_{split}/seg_{split}/{k}/{n}.jpg" for k in ("forest", "sea") for n in range(2)))
    draw(tmp_path, *(f"seg_pred/seg_pred/{n}.jpg" for n in range(4)))
    layout = recognise(tmp_path)
    assert {entry.split for entry in layout.entries} == {"train", "test"}
    assert {entry.label for entry in layout.entries} == {"forest", "sea"}
    assert len(layout.unlabelled) == 4


def test_dogs_vs_cats_has_its_labels_before_a_dot(tmp_path):
    draw(
        tmp_path, *(f"train/{k}.{n}.jpg" for k in ("cat", "dog") for n in range(3)), *(f"test1/{n}.jpg" for n in (1, 2))
    )
    layout = recognise(tmp_path)
    assert {entry.label for entry in layout.entries} == {"cat", "dog"}
    assert len(layout.unlabelled) == 2


def test_pictures_inside_pickles_and_arrays(tmp_path):
    write(tmp_path, "cifar/data_batch_1", b"x")
    with pytest.raises(UserError, match=r"data_batch_1: the pictures are inside pickles \(CIFAR\): write them out"):
        recognise(tmp_path / "cifar")
    write(tmp_path, "mnist/train-images-idx3-ubyte", b"x")
    with pytest.raises(UserError, match=r"ubyte: the pictures are inside these arrays \(MNIST\)"):
        recognise(tmp_path / "mnist")


def test_food_101_lists_its_splits_without_endings(tmp_path):
    draw(tmp_path, *(f"food-101/images/{k}/{n}.jpg" for k in ("apple_pie", "waffles") for n in (1, 2)))
    for split, n in (("train", 1), ("test", 2)):
        write(tmp_path, f"food-101/meta/{split}.txt", f"apple_pie/{n}\nwaffles/{n}\n")
        write(tmp_path, f"food-101/meta/{split}.json", json.dumps({"apple_pie": [f"apple_pie/{n}"]}))
    layout = recognise(tmp_path)
    assert {(entry.label, entry.split) for entry in layout.entries} == {
        (label, split) for label in ("apple_pie", "waffles") for split in ("train", "test")
    }


def test_oxford_pets_list_their_splits_beside_trimaps(tmp_path):
    names = [f"{breed}_{n}" for breed in ("Abyssinian", "beagle") for n in (1, 2)]
    draw(tmp_path, *(f"images/{name}.jpg" for name in names), *(f"annotations/trimaps/{name}.png" for name in names))
    write(tmp_path, "annotations/trainval.txt", "Abyssinian_1 1 1 1\nbeagle_1 5 2 1\n")
    write(tmp_path, "annotations/test.txt", "Abyssinian_2 1 1 1\nbeagle_2 5 2 1\n")
    write(
        tmp_path,
        "annotations/list.txt",
        "#Image CLASS-ID SPECIES BREED ID\n" + "".join(f"{name} 1 1 1\n" for name in names),
    )
    layout = recognise(tmp_path)
    assert {(entry.label, entry.split) for entry in layout.entries} == {
        (label, split) for label in ("Abyssinian", "beagle") for split in ("train", "test")
    }


def test_caltech_101_has_annotations_in_class_folders(tmp_path):
    for label in ("Faces", "accordion", "BACKGROUND_Google"):
        draw(tmp_path, *(f"caltech-101/101_ObjectCategories/{label}/image_000{n}.jpg" for n in (1, 2)))
        write(tmp_path, f"caltech-101/Annotations/{label}/annotation_0001.mat", b"MATLAB 5.0")
    assert set(labels(tmp_path).values()) == {"Faces", "accordion", "BACKGROUND_Google"}


def test_aircraft_lists_name_the_variant_after_the_picture(tmp_path):
    draw(tmp_path, *(f"data/images/{n}.jpg" for n in ("1025794", "1340192", "0056978", "0698580")))
    write(tmp_path, "data/images_variant_train.txt", "1025794 707-320\n1340192 Boeing 717\n")
    write(tmp_path, "data/images_variant_test.txt", "0056978 707-320\n0698580 Boeing 717\n")
    assert set(labels(tmp_path).values()) == {"707-320", "Boeing 717"}


def structures(rows):
    """A vector of structures of MATLAB, as scipy writes it."""
    found = np.zeros((1, len(rows)), dtype=[(name, "O") for name in rows[0]])
    for number, row in enumerate(rows):
        found[0, number] = tuple(row.values())
    return found


def test_stanford_cars_have_their_labels_in_a_mat_file(tmp_path):
    savemat = pytest.importorskip("scipy.io").savemat
    draw(tmp_path, *(f"cars_{split}/0000{n}.jpg" for split in ("train", "test") for n in (1, 2)))
    kit = tmp_path / "devkit"
    kit.mkdir()
    train = [{"bbox_x1": 5, "class": number, "fname": f"0000{n}.jpg"} for n, number in ((1, 2), (2, 1), (3, 1))]
    test = [{"bbox_x1": 5, "fname": f"0000{n}.jpg"} for n in (1, 2)]
    savemat(kit / "cars_train_annos.mat", {"annotations": structures(train)})
    savemat(kit / "cars_test_annos.mat", {"annotations": structures(test)})
    savemat(kit / "cars_meta.mat", {"class_names": np.array(["AM General Hummer SUV 2000", "Acura RL"], dtype=object)})
    layout = recognise(tmp_path)
    assert {entry.file: entry.label for entry in layout.entries} == {
        "cars_train/00001.jpg": "Acura RL",
        "cars_train/00002.jpg": "AM General Hummer SUV 2000",
    }
    assert [entry.file for entry in layout.unlabelled] == ["cars_test/00001.jpg", "cars_test/00002.jpg"]
    assert [str(problem) for problem in layout.problems if "00003.jpg" in problem.file]
    with_labels = [{**row, "class": 2} for row in test]
    savemat(tmp_path / "cars_test_annos_withlabels.mat", {"annotations": structures(with_labels)})
    entries = recognise(tmp_path).entries
    assert [entry.label for entry in entries if entry.file == "cars_test/00002.jpg"] == ["Acura RL"]
    assert {entry.split for entry in entries} == {"train", "test"}


def test_stanford_cars_in_one_folder_and_one_file(tmp_path):
    savemat = pytest.importorskip("scipy.io").savemat
    draw(tmp_path, *(f"car_ims/00000{n}.jpg" for n in (1, 2)))
    rows = [{"relative_im_path": f"car_ims/00000{n}.jpg", "class": n, "test": n - 1} for n in (1, 2)]
    names = np.array(["Audi", "BMW"], dtype=object)
    savemat(tmp_path / "cars_annos.mat", {"annotations": structures(rows), "class_names": names})
    entries = recognise(tmp_path).entries
    assert [(entry.label, entry.split) for entry in entries] == [("Audi", "train"), ("BMW", "test")]
    (tmp_path / "cars_annos.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(UserError, match=r"cars_annos\.mat holds no 'annotations' that can be read"):
        recognise(tmp_path)


def test_stanford_dogs_list_their_splits_in_mat_files(tmp_path):
    savemat = pytest.importorskip("scipy.io").savemat
    names = [f"n0208562{k}-{breed}/n0208562{k}_{n}.jpg" for k, breed in enumerate(("Pug", "Boxer")) for n in range(4)]
    draw(tmp_path, *(f"Images/{name}" for name in names))
    for file, own in (("train_list.mat", names[::2]), ("test_list.mat", names[1::2])):
        savemat(tmp_path / file, {"file_list": np.array(own, dtype=object), "labels": np.ones((len(own), 1))})
    layout = recognise(tmp_path)
    assert {entry.split for entry in layout.entries} == {"train", "test"}
    assert "The splits are those of" in " ".join(layout.notes)


def test_folders_named_like_splits_whose_labels_are_elsewhere(tmp_path):
    draw(tmp_path, *(f"boats_{split}/0000{n}.jpg" for split in ("train", "test") for n in range(3)))
    write(tmp_path, "devkit/boats.mat", b"MATLAB 5.0")
    (doubt,) = [one for one in recognise(tmp_path).doubts if "splits of one set" in one.reason]
    assert doubt.stops_training
    assert "CSV of filename and label" in doubt.reason


def test_market_1501_has_its_labels_in_names(tmp_path):
    folders = ("bounding_box_train", "bounding_box_test", "query")
    draw(tmp_path, *(f"{folder}/000{k}_c1s1_00{n}.jpg" for folder in folders for k in (2, 7) for n in range(2)))
    doubts = [doubt for doubt in recognise(tmp_path).doubts if doubt.stops_training]
    assert "bounding_box_test and bounding_box_train are named like the splits" in doubts[0].reason
    # A class may well be called so.
    draw(tmp_path / "own", *(f"{name}/{n}.jpg" for name in ("train_station", "test_tube", "bus") for n in range(2)))
    assert not [doubt for doubt in recognise(tmp_path / "own").doubts if doubt.stops_training]


def test_sun397_sorts_its_classes_by_first_letters(tmp_path):
    classes = ("abbey", "airport", "bakery")
    names = [f"{name[0]}/{name}/sun_{n}.jpg" for name in classes for n in range(4)]
    draw(tmp_path, *(f"SUN397/{name}" for name in names))
    write(tmp_path, "Partitions/Training_01.txt", "".join(f"/{name}\n" for name in names[::2]))
    write(tmp_path, "Partitions/Testing_01.txt", "".join(f"/{name}\n" for name in names[1::2]))
    layout = recognise(tmp_path)
    assert {entry.label for entry in layout.entries} == set(classes)
    assert {entry.split for entry in layout.entries} == {"train", "test"}
    assert any("hold the classes that begin so" in note for note in layout.notes)
    assert set(labels(tmp_path, "class-folders:level=1").values()) == {"a", "b"}


def test_files_that_are_not_read_are_named_where_nothing_fits(tmp_path):
    draw(tmp_path, *(f"train/{n}.png" for n in range(4)))
    write(tmp_path, "train/digitStruct.mat", b"HDF")
    with pytest.raises(UserError, match=r"if the labels are in train/digitStruct\.mat, write a CSV of filename"):
        recognise(tmp_path)


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("entrenamiento", "validación", "prueba"),
        ("treino", "validacao", "teste"),
        ("Trainingsdaten", "Validierungsdaten", "Testbilder"),
        ("entraînement", "validation", "test"),
        ("訓練", "検証", "テスト"),
        ("训练集", "验证集", "测试集"),
        ("훈련 데이터", "검증 데이터", "테스트 데이터"),
        ("обучение", "валидация", "тест"),
    ],
)
def test_splits_in_other_languages(tmp_path, train, val, test):
    draw(tmp_path, *(f"{split}/{label}/{n}.jpg" for split in (train, val, test) for label in "ab" for n in range(2)))
    layout = recognise(tmp_path)
    assert {entry.split for entry in layout.entries} == {"train", "val", "test"}
    assert {entry.label for entry in layout.entries} == {"a", "b"}


def test_brain_scans_hold_a_copy_of_themselves(tmp_path):
    draw(
        tmp_path,
        *(
            f"{base}{label}/{n}.jpg"
            for base in ("", "brain_tumor_dataset/")
            for label in ("no", "yes")
            for n in range(3)
        ),
    )
    (doubt,) = recognise(tmp_path).doubts
    assert doubt.stops_training
    assert "brain_tumor_dataset holds folders that are called like the classes beside it (no and yes)" in doubt.reason


def test_plant_diseases_keep_their_test_beside_the_wrapper(tmp_path):
    base = "New Plant Diseases Dataset(Augmented)/New Plant Diseases Dataset(Augmented)"
    draw(
        tmp_path,
        *(
            f"{base}/{split}/{label}/{n}.JPG"
            for split in ("train", "valid")
            for label in ("rust", "scab")
            for n in range(2)
        ),
    )
    draw(tmp_path, *(f"test/test/AppleScab{n}.JPG" for n in range(3)))
    layout = recognise(tmp_path)
    assert {(entry.split, entry.label) for entry in layout.entries} == {
        (split, label) for split in ("train", "val") for label in ("rust", "scab")
    }
    assert [entry.split for entry in layout.unlabelled] == ["test"] * 3
    draw(tmp_path, "valid/more/1.jpg")  # a split that is there already
    assert any("lies beside" in problem.reason for problem in recognise(tmp_path).problems)


def test_unlabelled_pictures_beside_labelled_ones(tmp_path):
    draw(tmp_path, *(f"labeled/{label}/{n}.jpg" for label in ("cat", "dog") for n in range(2)))
    draw(tmp_path, *(f"unlabeled/{n}.jpg" for n in range(5)))
    layout = recognise(tmp_path)
    assert {entry.label for entry in layout.entries} == {"cat", "dog"}
    assert {entry.split for entry in layout.unlabelled} == {"unlabelled"}


def test_a_list_of_the_test_split_alone(tmp_path):
    draw(tmp_path, *(f"{label}/{n}.jpg" for label in ("cat", "dog") for n in range(3)))
    write(tmp_path, "test.txt", "cat/0.jpg\ndog/0.jpg\n")
    layout = recognise(tmp_path)
    assert {entry.file for entry in layout.entries if entry.split == "test"} == {"cat/0.jpg", "dog/0.jpg"}
    assert sum(entry.split == "train" for entry in layout.entries) == 4
    assert "4 pictures in no list count as train." in layout.notes


def test_folds_and_results_are_hardly_classes(tmp_path):
    draw(
        tmp_path,
        *(
            f"fold{k}/{split}/{label}/{n}.jpg"
            for k in (1, 2)
            for split in ("train", "val")
            for label in "ab"
            for n in range(2)
        ),
    )
    assert any(doubt.stops_training and "fold1 (like a camera" in doubt.reason for doubt in recognise(tmp_path).doubts)
    draw(tmp_path / "other", *(f"{label}/{n}.jpg" for label in ("cat", "dog", "plots", "results") for n in range(2)))
    assert "results (like a folder of results)" in str(recognise(tmp_path / "other").doubts)


@pytest.mark.parametrize(("name", "said"), [("1.dcm", "convert them to PNG"), ("1.mp4", "write their frames out")])
def test_medical_pictures_and_films_have_a_way_out(tmp_path, name, said):
    for label in ("a", "b"):
        write(tmp_path, f"{label}/{name}", b"\0" * 128 + b"DICM")
    with pytest.raises(UserError, match=said):
        recognise(tmp_path)
