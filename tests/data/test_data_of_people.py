"""Folders as people have them: wrappers, splits in all spellings, masks beside pictures; what is odd is doubted."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitbench.data.index import open_index, refuse_doubts
from vitbench.data.layouts import Layout, recognise, split_of
from vitbench.data.split import with_validation
from vitbench.data.summary import report, summarise
from vitbench.errors import UserError

_drawn = np.random.default_rng(1)


def draw(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_drawn.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(root / name)


def numbered(*folders: str, count: int = 3, ending: str = "jpg") -> list[str]:
    return [f"{folder}/{n}.{ending}" for folder in folders for n in range(count)]


def labels(layout: Layout) -> dict[str, str | None]:
    return {entry.file: entry.label for entry in layout.entries}


def splits(layout: Layout) -> set[str]:
    return {entry.split for entry in layout.entries}


@pytest.mark.parametrize("wrapper", ["PetImages", "data/raw", "archive/a/b", "cat and dog", "train_data/images"])
def test_a_wrapper_is_no_class(tmp_path, wrapper):
    draw(tmp_path, *numbered(f"{wrapper}/Cat", f"{wrapper}/Dog"))
    layout = recognise(tmp_path)
    assert set(labels(layout).values()) == {"Cat", "Dog"}
    assert not layout.doubts


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"),
        ("Train", "Validation"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("TRAIN_IMAGES", "VALID_IMAGES"),
        ("train-set", "eval"),
        ("Training Data", "Testing Data"),
        ("trainset", "valset"),
        ("train_50", "val_50"),
        ("dataset/train", "dataset/test"),
        ("x/Final_Training/Images", "x/Final_Test/Images"),
        ("train/train", "test/test"),
        ("训练集", "测试集"),
    ],
)
def test_splits_in_all_spellings_doubled_and_wrapped(tmp_path, train, test):
    draw(tmp_path, *numbered(f"{train}/cat", f"{train}/dog", f"{test}/cat", f"{test}/dog"))
    layout = recognise(tmp_path)
    assert set(labels(layout).values()) == {"cat", "dog"}
    assert splits(layout) in ({"train", "test"}, {"train", "val"})


def test_the_class_first_and_then_the_split(tmp_path):
    draw(tmp_path, *numbered("cat/train", "cat/test", "dog/train", "dog/test"))
    layout = recognise(tmp_path)
    assert set(labels(layout).values()) == {"cat", "dog"}
    assert splits(layout) == {"train", "test"}


@pytest.mark.parametrize("test", ["test", "test1", "testing/unknown", "test_images/images"])
def test_an_unlabelled_test_split_is_for_a_prediction(tmp_path, store, test):
    draw(tmp_path / "d", *numbered("train/cat", "train/dog"), *numbered(test, count=20))
    index = open_index(str(tmp_path / "d"), store=store)
    assert (index.splits, index.classes) == (("train",), ("cat", "dog"))
    assert sum(len(files) for _, files in index.unlabelled) == 20
    assert "vitbench predict RUN --data" in report(summarise(index))


def test_a_test_split_may_carry_its_labels_in_its_names(tmp_path):
    draw(
        tmp_path,
        *numbered("train/cat", "train/dog"),
        *(f"test/{label}_{n}.jpg" for label in ("cat", "dog") for n in (0, 1)),
    )
    layout = recognise(tmp_path)
    assert labels(layout)["test/dog_1.jpg"] == "dog"
    assert not layout.unlabelled


@pytest.mark.parametrize("masks", ["annotations/trimaps", "masks", "SegmentationClass", "ground_truth"])
def test_masks_beside_pictures_are_no_class(tmp_path, masks):
    names = [f"{breed}_{n}" for breed in ("Abyssinian", "beagle") for n in range(4)]
    draw(tmp_path, *(f"images/{name}.jpg" for name in names), *(f"{masks}/{name}.png" for name in names))
    layout = recognise(tmp_path)
    assert set(labels(layout).values()) == {"Abyssinian", "beagle"}
    assert len(layout.entries) == 8
    assert any("8 masks" in note for note in layout.notes)


def test_masks_with_names_of_their_own_and_a_class_called_mask(tmp_path):
    draw(
        tmp_path / "busi",
        *(f"{k}/{k} ({n}){m}.png" for k in ("benign", "normal") for n in (1, 2) for m in ("", "_mask")),
    )
    assert sorted(labels(recognise(tmp_path / "busi"))) == [
        "benign/benign (1).png", "benign/benign (2).png", "normal/normal (1).png", "normal/normal (2).png",
    ]  # fmt: skip
    draw(tmp_path / "faces", *numbered("mask", "no_mask"))
    assert set(labels(recognise(tmp_path / "faces")).values()) == {"mask", "no_mask"}


def test_folders_of_cameras_are_no_classes(tmp_path):
    draw(tmp_path / "a", *numbered("camera1/cat", "camera1/dog", "camera2/cat", "camera2/dog"))
    layout = recognise(tmp_path / "a")
    assert set(labels(layout).values()) == {"cat", "dog"}
    assert any("level=1" in note for note in layout.notes)
    assert set(labels(recognise(tmp_path / "a", "class-folders:level=1")).values()) == {"camera1", "camera2"}
    draw(tmp_path / "b", *numbered("cam1", "cam2"))
    assert any("names that seem to be none" in str(doubt) for doubt in recognise(tmp_path / "b").doubts)


def test_two_levels_that_may_both_be_classes_name_the_choice(tmp_path):
    draw(tmp_path, *numbered("animals/cat", "animals/dog", "vehicles/bus", "vehicles/car"))
    layout = recognise(tmp_path)
    assert set(labels(layout).values()) == {"animals", "vehicles"}
    assert any("class-folders:level=2" in str(doubt) for doubt in layout.doubts)
    assert set(labels(recognise(tmp_path, "class-folders:level=2")).values()) == {"cat", "dog", "bus", "car"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([f"{label}.{n}.jpg" for label in ("cat", "dog") for n in range(4)], {"cat", "dog"}),
        ([f"{label} ({n}).jpg" for label in ("cat", "dog") for n in range(4)], {"cat", "dog"}),
        ([f"{label}-{n}.jpg" for label in ("cat", "dog") for n in range(4)], {"cat", "dog"}),
        ([f"{label}{n}.jpg" for label in ("cat", "dog") for n in range(4)], {"cat", "dog"}),
        ([f"{n:04d}_{label}.jpg" for label in ("cat", "dog") for n in range(4)], {"cat", "dog"}),
    ],
)
def test_labels_in_names_of_other_shapes(tmp_path, names, expected):
    draw(tmp_path, *(f"train/{name}" for name in names))
    assert set(labels(recognise(tmp_path)).values()) == expected


@pytest.mark.parametrize(
    "names", [["IMG_0001.jpg", "IMG_0002.jpg"], ["1.jpg", "2.jpg"], ["images/1.jpg", "images/2.jpg"]]
)
def test_what_a_camera_calls_its_pictures_is_no_label(tmp_path, names):
    draw(tmp_path, *names)
    with pytest.raises(UserError, match="carry no labels that are understood"):
        recognise(tmp_path)


def test_one_class_and_a_class_without_training_pictures_do_not_train(tmp_path):
    draw(tmp_path / "one", *numbered("cat"))
    draw(tmp_path / "gone", *numbered("train/cat", "train/dog", "test/cat", "test/dog", "test/fox"))
    for name, said in (("one", "only one class, cat"), ("gone", "no pictures to train on.*fox")):
        layout = recognise(tmp_path / name)
        with pytest.raises(UserError, match=said):
            refuse_doubts(layout.root, layout.doubts, accepted=False)
        refuse_doubts(layout.root, layout.doubts, accepted=True)


def test_training_is_refused_before_a_run_is_made(tmp_path):
    draw(tmp_path / "one", *numbered("cat", count=6))
    environment = {**os.environ, "VITBENCH_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "vitbench", "train", "demo", "--data", str(tmp_path / "one")]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 2
    assert "only one class, cat" in answer.stderr
    assert "data.accept_doubts" in answer.stderr
    assert not (tmp_path / "home" / "runs").exists()


def test_equal_bytes_stay_in_one_split_and_two_labels_are_named(tmp_path, store):
    root = tmp_path / "d"
    draw(root, *numbered("cat", "dog", count=10, ending="png"))
    for label in ("cat", "dog"):
        for n in range(10):
            shutil.copy(root / label / f"{n}.png", root / label / f"{n} (copy).png")
    shutil.copy(root / "cat/0.png", root / "dog/also a cat.png")
    index = open_index(str(root), store=store)
    for seed in range(5):
        parts: dict[str, set[str]] = {}
        drawn = with_validation(index, fraction=0.2, seed=seed)
        for sample in drawn.samples:
            parts.setdefault(sample.digest, set()).add(sample.split)
        assert all(len(own) == 1 for own in parts.values())
        assert {sample.split for sample in drawn.samples} == {"train", "val"}
    said = report(summarise(index))
    assert "Every file is good" not in said
    assert "different label" in said
    assert "is a copy of another picture" in said


def test_names_of_any_bytes_are_shown_and_kept_apart(tmp_path, store):
    root = tmp_path / "d"
    for folder in (b"caf\xe9", "café".encode(), "cafe\u0301".encode(), b"tea"):
        draw(root, *numbered(os.fsdecode(folder)))
    index = open_index(str(root), store=store)
    assert len(index.classes) == 4
    for name in index.classes:
        name.encode()
    assert "caf\\xe9" in index.classes
    assert any("equal but for case, blanks or Unicode form" in str(doubt) for doubt in index.doubts)
    report(summarise(index)).encode()


def test_deep_pictures_share_one_range(tmp_path, store):
    root = tmp_path / "d"
    for n in range(4):
        (root / "ab"[n % 2]).mkdir(parents=True, exist_ok=True)
        top = (4095, 1000, 500, 4000)[n]
        Image.fromarray(np.linspace(0, top, 64, dtype=np.uint16)[None].repeat(8, 0)).save(
            root / "ab"[n % 2] / f"{n}.png"
        )
    index = open_index(str(root), store=store)
    assert index.value_range == (0.0, 4095.0)
    assert "12 bits" in report(summarise(index))
    assert open_index(str(root), store=store, value_range=(0.0, 1000.0)).value_range == (0.0, 1000.0)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Test Set", "test"), ("validation_images", "val"), ("train-test", None), ("strain", None),
        ("detrain", None), ("contest", None), ("valley", None), ("testament", None), ("Training", "train"),
        ("trainval", "train"), ("data_train", "train"), ("test_public_images", "test_public_images"), ("devel", "val"),
    ],
)  # fmt: skip
def test_names_that_are_splits_and_names_that_are_not(name, split):
    assert split_of(name) == split
