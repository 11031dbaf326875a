"""Tables of labels of public reports, as miniatures: each test is a row of `docs/compatibility.md`."""

import pytest

from tests.data.files_of_people import draw, labels, write
from vitbench.data.layouts import recognise
from vitbench.errors import UserError


def test_a_byte_order_mark_before_the_first_file_name(tmp_path):
    draw(tmp_path, "C1_06-14-2019_EXP2_A1.png", "C1_06-14-2019_EXP2_A2.png")
    write(tmp_path, "labels.csv", b"\xef\xbb\xbfC1_06-14-2019_EXP2_A1.png,3\nC1_06-14-2019_EXP2_A2.png,4\n")
    assert set(labels(tmp_path).values()) == {"3", "4"}


def test_semicolons_absolute_paths_and_no_header(tmp_path):
    draw(tmp_path, "crops/my_file.jpg", "crops/my_file2.jpg")
    rows = "/my_directory/my_file.jpg;ë\n/my_directory/my_file2.jpg;label2\n"
    write(tmp_path, "train.csv", rows.encode("latin-1"))
    assert labels(tmp_path) == {"crops/my_file.jpg": "ë", "crops/my_file2.jpg": "label2"}
    assert any("not UTF-8" in note for note in recognise(tmp_path).notes)


def test_ferplus_counts_votes_and_has_rows_without_a_name(tmp_path):
    draw(tmp_path, "Images/fer0000057.png", "Images/fer0000058.png")
    header = "Usage,Image name,neutral,happiness,surprise\n"
    rows = "Training,fer0000057.png,1,9,0\nTraining,,0,0,0\nTraining,fer0000058.png,8,0,2\n"
    write(tmp_path, "fer2013new.csv", header + rows)
    with pytest.raises(UserError, match="no column that is surely the label"):
        recognise(tmp_path)
    layout = recognise(tmp_path, "table:label=neutral")
    assert {entry.label for entry in layout.entries} == {"1", "8"}
    assert any("names no file (line 3)" in problem.reason for problem in layout.problems)


def test_melanoma_has_its_label_in_two_columns(tmp_path):
    draw(tmp_path, *(f"jpeg/train/ISIC_000000{n}.jpg" for n in range(4)))
    header = "image_name,patient_id,sex,age_approx,diagnosis,benign_malignant,target\n"
    rows = [
        f"ISIC_000000{n},IP_{n},male,{30 + n},nevus,{'malignant' if n % 2 else 'benign'},{n % 2}\n" for n in range(4)
    ]
    write(tmp_path, "train.csv", header + "".join(rows))
    layout = recognise(tmp_path)
    assert any("table:label=NAME takes" in note for note in layout.notes)
    assert set(labels(tmp_path, "table:label=benign_malignant").values()) == {"benign", "malignant"}


def test_facial_expressions_name_a_user_first(tmp_path):
    draw(tmp_path, "images/Aaron_Eckhart_0001.jpg", "images/Aaron_Guiel_0001.jpg")
    rows = "628,Aaron_Eckhart_0001.jpg,anger\n628,Aaron_Guiel_0001.jpg,happiness\n"
    write(tmp_path, "data/legend.csv", "user.id,image,emotion\n" + rows)
    assert set(labels(tmp_path).values()) == {"anger", "happiness"}


def test_noisy_labels_beside_imagenette_are_not_used(tmp_path):
    draw(
        tmp_path, *(f"imagenette2/{s}/{k}/{k}_{n}.JPEG" for s in ("train", "val") for k in ("n1", "n2") for n in (0, 1))
    )
    header = "path,noisy_labels_0,noisy_labels_1,noisy_labels_5,is_valid\n"
    rows = [
        f"{s}/{k}/{k}_{n}.JPEG,{k},n2,n1,{s == 'val'}\n" for s in ("train", "val") for k in ("n1", "n2") for n in (0, 1)
    ]
    write(tmp_path, "imagenette2/noisy_imagenette.csv", header + "".join(rows))
    layout = recognise(tmp_path)
    assert layout.name == "class folders"
    assert {entry.split for entry in layout.entries} == {"train", "val"}
    assert any("noisy_imagenette.csv has no column that is surely the label" in note for note in layout.notes)


def celeba(root):
    """Two attributes of eight pictures, identities and splits, as the archive has them."""
    draw(root, *(f"img_align_celeba/{n:06d}.jpg" for n in range(1, 9)))
    rows = [f"{n:06d}.jpg {1 if n % 2 else -1:2d} {-1 if n % 3 else 1:2d}" for n in range(1, 9)]
    write(root, "list_attr_celeba.txt", "\n".join(["8", "Smiling Male ", *rows]) + "\n")
    write(root, "list_eval_partition.txt", "".join(f"{n:06d}.jpg {max(0, n - 6)}\n" for n in range(1, 9)))
    write(root, "list_bbox_celeba.txt", "8\nimage_id x_1 y_1 width height\n000001.jpg 95 71 226 313\n")


def test_celeba_has_attributes_identities_and_splits_in_files_apart(tmp_path):
    celeba(tmp_path)
    open_yet = recognise(tmp_path)  # attributes are no classes: nothing trains before one way is chosen
    assert [doubt for doubt in open_yet.doubts if doubt.stops_training]
    assert any('task = "multilabel"' in note for note in open_yet.notes)
    layout = recognise(tmp_path, ":several=yes")
    assert layout.name == "celeba"
    assert [entry.labels for entry in layout.entries[:3]] == [("Smiling",), (), ("Smiling", "Male")]
    assert [entry.split for entry in layout.entries] == [*["train"] * 6, "val", "test"]
    assert set(labels(tmp_path, "celeba:label=Male").values()) == {"Male", "no Male"}
    with pytest.raises(UserError, match=r"no attribute 'Bald'.*; it has Smiling and Male"):
        recognise(tmp_path, "celeba:label=Bald")
    write(tmp_path, "identity_CelebA.txt", "".join(f"{n:06d}.jpg {n % 2 + 7}\n" for n in range(1, 9)))
    assert set(labels(tmp_path).values()) == {"7", "8"}


def test_celeba_of_kaggle_has_the_parts_in_a_table(tmp_path):
    draw(tmp_path, *(f"img_align_celeba/img_align_celeba/{n:06d}.jpg" for n in range(1, 9)))
    rows = [f"{n:06d}.jpg,{1 if n % 2 else -1},{-1 if n % 3 else 1}" for n in range(1, 9)]
    write(tmp_path, "list_attr_celeba.csv", "\n".join(["image_id,Smiling,Male", *rows]))
    parts = [f"{n:06d}.jpg,{max(0, n - 6)}" for n in range(1, 9)]
    write(tmp_path, "list_eval_partition.csv", "\n".join(["image_id,partition", *parts]))
    layout = recognise(tmp_path)
    assert [doubt for doubt in layout.doubts if doubt.stops_training]
    assert any("celeba:several=yes" in note for note in layout.notes)
    assert recognise(tmp_path, ":several=yes").entries[2].labels == ("Smiling", "Male")
    # Parts by number are no classes, whatever the table is called.
    for name in ("list_attr_celeba.csv", "list_eval_partition.csv"):
        (tmp_path / name).unlink()
    write(tmp_path, "train_test_split.txt", "".join(f"{n:06d}.jpg {n % 2}\n" for n in range(1, 9)))
    write(tmp_path, "parts.csv", "\n".join(["image_id,fold", *parts]))
    assert recognise(tmp_path).name == "class folders"


def test_boxes_without_a_header_hide_no_label(tmp_path):
    names = [
        f"{part}/{model}/0000{n}{k}.jpg"
        for part in ("train", "test")
        for k, model in enumerate(("A", "B"))
        for n in range(3)
    ]
    draw(tmp_path, *(f"car_data/{name}" for name in names))
    write(
        tmp_path,
        "anno_train.csv",
        "".join(f"0000{n}{k}.jpg,39,116,569,375,{k + 1}\n" for k in range(2) for n in range(3)),
    )
    layout = recognise(tmp_path)
    assert {entry.label for entry in layout.entries} == {"A", "B"}
    assert any("columns 2, 3, 4, 5 and 6 may be the label" in note for note in layout.notes)
    assert set(labels(tmp_path, "table:label=6").values()) == {"1", "2"}


def test_retinanet_has_its_class_behind_the_box(tmp_path):
    draw(tmp_path, *(f"images/{n}.jpg" for n in range(6)))
    rows = [f"images/{n}.jpg,{n % 2},{n % 3},30,40,{'cat' if n % 2 else 'dog'}" for n in range(6)]
    write(tmp_path, "annotations.csv", "\n".join(rows))
    assert labels(tmp_path)["images/1.jpg"] == "cat"


def test_signs_of_kaggle_describe_their_classes_in_a_table_too(tmp_path):
    names = [f"Train/{k}/0000{k}_0000{n}.png" for k in range(3) for n in range(3)]
    draw(tmp_path, *names, *(f"Test/0000{n}.png" for n in range(4)), *(f"Meta/{k}.png" for k in range(3)))
    write(tmp_path, "Train.csv", "\n".join(["Roi.X1,ClassId,Path", *(f"5,{name[6]},{name}" for name in names)]))
    write(tmp_path, "Test.csv", "\n".join(["Roi.X1,ClassId,Path", *(f"6,{n % 3},Test/0000{n}.png" for n in range(4))]))
    write(tmp_path, "Meta.csv", "\n".join(["Path,ClassId,SignId", *(f"Meta/{k}.png,{k},3.{k}" for k in range(3))]))
    layout = recognise(tmp_path)
    assert {entry.split for entry in layout.entries} == {"train", "test"}
    assert any("Meta.csv is not used: it is of no split" in note for note in layout.notes)


def test_a_column_that_another_table_has(tmp_path):
    draw(tmp_path, *(f"{n}.png" for n in range(4)))
    write(tmp_path, "a.csv", "image,kind,other\n" + "".join(f"{n}.png,{n % 2},x\n" for n in range(4)))
    write(tmp_path, "b.csv", "image,breed\n" + "".join(f"{n}.png,{'pug' if n % 2 else 'boxer'}\n" for n in range(4)))
    assert set(labels(tmp_path, "table:label=breed").values()) == {"pug", "boxer"}
    with pytest.raises(UserError, match=r"a\.csv has no column 'size' \(it has image, kind and other\)"):
        recognise(tmp_path, "table:label=size")


def chexpert(root, *cells, split="train"):
    """A table of CheXpert with the given marks of No Finding, Edema and Fracture, and its pictures."""
    folder = root / "CheXpert-v1.0-small"
    names = [f"{split}/patient{n:05d}/study1/view1_frontal.jpg" for n in range(len(cells))]
    draw(folder, *names)
    rows = [f"{folder.name}/{name},Female,68,Frontal,{own}" for name, own in zip(names, cells, strict=True)]
    write(folder, f"{split}.csv", "\n".join(["Path,Sex,Age,View,No Finding,Edema,Fracture", *rows]))
    return folder


def test_chexpert_has_uncertain_and_empty_marks(tmp_path):
    root = chexpert(tmp_path, "1.0,,0.0", ",-1.0,0.0", ",1.0,-1.0", *[",1.0,"] * 70, "1.0,,1.0")
    layout = recognise(root, ":several=yes")
    (doubt,) = [one for one in layout.doubts if one.stops_training]
    assert "2 marks of 2 pictures in train.csv are -1" in doubt.reason
    assert "Edema 1 and Fracture 1" in doubt.reason
    assert ":uncertain=unknown" in doubt.way_out
    # Fracture is empty or uncertain in the first sixty rows.
    chosen = {way: recognise(root, f":several=yes,uncertain={way}") for way in ("no", "yes", "left-out")}
    unknown = recognise(root, ":several=yes,uncertain=unknown,blank=unknown")
    assert [(one.labels, one.unknown) for one in unknown.entries[:3]] == [
        (("No Finding",), ("Edema",)),
        ((), ("No Finding", "Edema")),
        (("Edema",), ("No Finding", "Fracture")),
    ]
    assert "2 marks of -1 in train.csv are unknown: no part of loss and scores" in " ".join(unknown.notes)
    with pytest.raises(UserError, match="uncertain=unknown needs several labels a picture"):
        recognise(root, ":uncertain=unknown")
    labels_of = {way: [entry.labels for entry in found.entries[:3]] for way, found in chosen.items()}
    assert labels_of["no"] == [("No Finding",), (), ("Edema",)]
    assert labels_of["yes"] == [("No Finding",), ("Edema",), ("Edema", "Fracture")]
    assert labels_of["left-out"][:2] == [("No Finding",), ("Edema",)]
    assert chosen["no"].entries[-1].labels == ("No Finding", "Fracture")
    assert not [one for found in chosen.values() for one in found.doubts if one.stops_training]
    notes = " ".join(chosen["left-out"].notes)
    assert "2 marks of -1 in train.csv leave their pictures out" in notes
    assert "empty marks in train.csv count as no" in notes
    assert "no classes are Sex, Age and View" in notes
    assert "is uncertain (Edema is -1) (train.csv, line 3)" in str(chosen["left-out"].problems)
    with pytest.raises(UserError, match="has an empty mark"):
        recognise(root, "table:several=yes,uncertain=no,blank=left-out")
    with pytest.raises(UserError, match="uncertain=maybe is no choice: no, yes, unknown, left-out"):
        recognise(root, "table:several=yes,uncertain=maybe")


def test_patients_as_folders_are_hardly_classes(tmp_path):
    root = chexpert(tmp_path, *["1.0,,0.0", ",1.0,1.0"] * 8)
    layout = recognise(root)  # the table has several labels a picture: the folders of patients are left
    (doubt,) = [one for one in layout.doubts if one.stops_training]
    assert "16 of the 16 classes have a single picture" in doubt.reason


def test_a_class_that_is_called_train_and_parts_beside_marks(tmp_path):
    draw(tmp_path, *(f"{n:06d}.jpg" for n in range(12)))
    rows = [f"{n:06d}.jpg,{n % 2},{(n + 1) % 2},{int(n % 5 == 0)},{n % 3},{n % 2}" for n in range(12)]
    write(tmp_path, "voc.csv", "\n".join(["image,aeroplane,person,train,fold,kfold", *rows]))
    layout = recognise(tmp_path, ":several=yes")
    assert {entry.split for entry in layout.entries} == {""}
    assert layout.entries[0].labels == ("person", "train")
    assert {one for entry in layout.entries for one in entry.labels} == {"aeroplane", "person", "train"}


def test_a_mark_that_is_neither_yes_nor_no(tmp_path):
    draw(tmp_path, *(f"{n}.jpg" for n in range(70)))
    rows = [f"{n}.jpg,{n % 2},1,x" if n < 65 else f"{n}.jpg,2,1," for n in range(70)]
    write(tmp_path, "t.csv", "\n".join(["image,cars,people,night", *rows]))
    layout = recognise(tmp_path, ":several=yes")
    assert layout.entries[1].labels == ("cars", "people", "night")
    assert len(layout.entries) == 65
    assert "has a mark that is neither 1 nor 0 (cars: 2) (t.csv, line 67)" in str(layout.problems)
