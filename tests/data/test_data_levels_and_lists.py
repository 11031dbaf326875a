"""At which level classes lie, which folders are splits, and lists of pictures beside folders and tables."""

from collections import Counter

import pytest

from tests.data.files_of_people import draw, labels, write
from vitbench.data.layouts import recognise
from vitbench.errors import UserError


def doubts_that_stop(root, chosen=""):
    return [str(doubt) for doubt in recognise(root, chosen).doubts if doubt.stops_training]


@pytest.mark.parametrize(("inner", "level"), [("{source}/{label}", 2), ("{source}/images/{label}", 3)])
def test_sources_that_each_hold_all_classes_stop_until_a_person_chooses(tmp_path, inner, level):
    folders = [inner.format(source=s, label=c) for s in ("amazon", "webcam") for c in ("mug", "pen")]
    draw(tmp_path, *(f"{folder}/{n}.jpg" for folder in folders for n in range(3)))
    (doubt,) = doubts_that_stop(tmp_path)
    assert "mug and pen repeat" in doubt
    assert f"class-folders:level={level}" in doubt
    assert set(labels(tmp_path, f"class-folders:level={level}").values()) == {"mug", "pen"}
    assert set(labels(tmp_path, "class-folders:level=1").values()) == {"amazon", "webcam"}
    assert not doubts_that_stop(tmp_path, "class-folders:level=1")


def test_inner_folders_that_not_all_share_are_doubted_and_train(tmp_path):
    folders = ("dog/poodle", "dog/beagle", "cat/siamese", "cat/persian")
    draw(tmp_path, *(f"{folder}/{n}.jpg" for folder in folders for n in range(3)))
    assert recognise(tmp_path).doubts
    assert not doubts_that_stop(tmp_path)


def test_folders_in_the_splits_of_each_class_are_the_classes_perhaps(tmp_path):
    for thing in ("bottle", "cable"):
        draw(tmp_path, *(f"{thing}/train/good/{n}.png" for n in range(4)))
        draw(tmp_path, *(f"{thing}/test/{state}/{n}.png" for state in ("good", "broken") for n in range(2)))
    (doubt,) = doubts_that_stop(tmp_path)
    assert "broken and good repeat in the splits of each" in doubt
    assert "such as bottle" in doubt
    whole = [f"{name}/{part}/{n}.png" for name in ("cat", "dog") for part in ("train", "test") for n in range(2)]
    draw(tmp_path / "plain", *whole)
    assert not doubts_that_stop(tmp_path / "plain")


def test_folders_called_alike_but_for_the_split_are_splits_where_classes_lie_in_them(tmp_path):
    draw(tmp_path, *(f"signs_train/signs_train/{c}/{c}{n}.jpg" for c in "AB" for n in range(4)))
    draw(tmp_path, *(f"signs_test/signs_test/{c}_test.jpg" for c in "AB"))
    found = recognise(tmp_path)
    assert Counter((entry.label, entry.split) for entry in found.entries) == {
        ("A", "train"): 4, ("B", "train"): 4, ("A", "test"): 1, ("B", "test"): 1,
    }  # fmt: skip
    assert not found.doubts


def test_folders_that_cameras_and_phones_make_are_no_classes(tmp_path):
    draw(tmp_path, *(f"{name}/{n}.jpg" for name in ("DCIM", "100CANON", "WhatsApp Images") for n in range(3)))
    (doubt,) = doubts_that_stop(tmp_path)
    assert "100CANON (like a camera" in doubt


def test_a_list_without_labels_takes_those_of_the_folders(tmp_path):
    names = [f"UCF/{label}/{n}.jpg" for label in ("Archery", "Bowling") for n in range(4)]
    draw(tmp_path, *names)
    lines = [f"{name.removeprefix('UCF/')} {1 + number // 4}\n" for number, name in enumerate(names)]
    write(tmp_path, "lists/trainlist01.txt", "".join(line for number, line in enumerate(lines) if number % 4 < 3))
    write(tmp_path, "lists/testlist01.txt", "".join(f"{line.split()[0]}\n" for line in lines[3::4]))
    found = recognise(tmp_path)
    assert Counter((entry.label, entry.split) for entry in found.entries) == {
        ("Archery", "train"): 3, ("Bowling", "train"): 3, ("Archery", "test"): 1, ("Bowling", "test"): 1,
    }  # fmt: skip
    assert any("testlist01.txt names no labels; those of its pictures are told" in note for note in found.notes)
    assert any("1 and 2 are named by the folders of their pictures: Archery and Bowling" in n for n in found.notes)
    assert set(labels(tmp_path, ":names=no").values()) == {"1", "2"}


def test_pictures_that_no_list_with_labels_names_are_said(tmp_path):
    draw(tmp_path, *(f"images/{n}.jpg" for n in range(8)))
    write(tmp_path, "train.txt", "".join(f"images/{n}.jpg {n % 2}\n" for n in range(5)))
    write(tmp_path, "test.txt", "images/5.jpg\nimages/6.jpg\n")
    found = recognise(tmp_path)
    assert [(entry.file, entry.split) for entry in found.unlabelled] == [
        ("images/5.jpg", "test"),
        ("images/6.jpg", "test"),
    ]
    assert "Left out: 1 picture in none of the lists, such as images/7.jpg." in found.notes


def test_lists_of_splits_part_a_table_too(tmp_path):
    draw(tmp_path, *(f"images_00{1 + n // 4}/images/{n}.png" for n in range(8)))
    rows = "".join(f"{n}.png,{'nodule' if n % 2 else 'none found'},{n}\n" for n in range(8))
    write(tmp_path, "Data_Entry.csv", "Image Index,Finding Labels,Patient ID\n" + rows)
    write(tmp_path, "train_val_list.txt", "".join(f"{n}.png\n" for n in range(5)))
    write(tmp_path, "test_list.txt", "5.png\n6.png\n")
    found = recognise(tmp_path)
    assert Counter(entry.split for entry in found.entries) == {"train": 5, "test": 2}
    assert [(p.file, p.reason) for p in found.problems] == [("images_002/images/7.png", "is in no list of a split")]


def test_a_list_of_pictures_that_is_not_used_is_said(tmp_path):
    draw(tmp_path, *(f"{label}/{n}.jpg" for label in ("cat", "dog") for n in range(4)))
    write(tmp_path, "fold_one.txt", "cat/0.jpg\ncat/1.jpg\ndog/0.jpg\n")
    write(tmp_path, "notes.txt", "Taken in the garden.\nTwo cats, one dog.\n")
    (note,) = [note for note in recognise(tmp_path).notes if "not used" in note]
    assert note.startswith("fold_one.txt names pictures and is not used; lists of splits are called train.txt")


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (
            ("cat", "\u0441at", "dog"),
            "look the same in letters of different scripts (cat: all ASCII and \u0441at: U+0441",
        ),
        (("A", "\u0391"), "\u0391: U+0391 GREEK CAPITAL LETTER ALPHA"),
        (("cat", "Cat", "dog"), "are equal but for case, blanks or Unicode form"),
        (("cat", "unknown"), "unknown (2 pictures) among the classes is taken for a class like the others"),
        (("cat", "other"), "other (2 pictures) is taken for a class like the others"),
    ],
)
def test_classes_that_look_alike_or_may_be_none_are_named(tmp_path, classes, said):
    draw(tmp_path, *(f"{label}/{n}.png" for label in classes for n in range(2)))
    assert any(said in str(doubt) for doubt in recognise(tmp_path).doubts)
    assert set(labels(tmp_path).values()) == set(classes)


def test_words_in_one_script_are_not_taken_for_twins(tmp_path):
    draw(
        tmp_path,
        *(f"{label}/{n}.png" for label in ("\u043a\u043e\u0442", "\u0440\u043e\u0442", "rot") for n in range(2)),
    )
    assert not recognise(tmp_path).doubts


def test_a_level_that_is_none_is_refused(tmp_path):
    draw(tmp_path, "cat/1.jpg", "dog/1.jpg")
    with pytest.raises(UserError, match="level=0 must be 1, 2"):
        recognise(tmp_path, "class-folders:level=0")


def test_names_that_repeat_in_all_folders_may_be_the_classes(tmp_path):
    draw(tmp_path, *(f"{place}/{word}_{n}.jpg" for place in "ab" for word in ("cat", "dog") for n in range(2)))
    (doubt,) = recognise(tmp_path).doubts
    assert "in each of them names of files begin with cat and dog" in doubt.reason
    assert not doubt.stops_training
    draw(tmp_path / "usual", *(f"{label}/{word}_{n}.jpg" for label in "ab" for word in ("IMG",) for n in range(2)))
    draw(tmp_path / "own", *(f"{label}/{label}_{n}.jpg" for label in ("cat", "dog") for n in range(2)))
    assert not recognise(tmp_path / "usual").doubts
    assert not recognise(tmp_path / "own").doubts
