"""Public reports of data that other programs stumbled over, as miniatures; `docs/compatibility.md` names the sources.

Each test is a row of that page, and each row a test.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vitbench.captions.fitting import fitted_masks
from vitbench.captions.formats.rows import Region
from vitbench.captions.index import open_captions
from vitbench.captions.mask_files import mask_in
from vitbench.data.layouts import recognise
from vitbench.data.scenes.annotations import run_lengths
from vitbench.errors import UserError
from vitbench.faithfulness.pictures import open_masks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
LOG_TESTS = Path(__file__).resolve().parents[1] / "runs" / "test_logs_compatibility.py"
WEIGHT_TESTS = LOG_TESTS.parents[1] / "models" / "test_published_weights.py"
_drawn = np.random.default_rng(3)


def draw(root: Path, *names: str, size: tuple[int, int] = (8, 6), orientation: int = 0) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = _drawn.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        exif = Image.Exif()
        if orientation:
            exif[0x0112] = orientation
        Image.fromarray(pixels).save(root / name, exif=exif)


def write(root: Path, name: str, text: str | bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def labels(root: Path, chosen: str = "") -> dict[str, str | None]:
    return {entry.file: entry.label for entry in recognise(root, chosen).entries}


def captions(root: Path) -> dict[str, list[str]]:
    return {picture.file.name: list(picture.captions) for picture in open_captions(root).pictures}


def test_each_row_of_the_page_is_a_test_here():
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    here = {name for name in globals() if name.startswith("test_")} - {"test_each_row_of_the_page_is_a_test_here"}
    of_logs = set(re.findall(r"^def (test_\w+)", LOG_TESTS.read_text(), re.MULTILINE))
    of_weights = set(re.findall(r"^def (test_\w+)", WEIGHT_TESTS.read_text(), re.MULTILINE))
    assert here | of_logs <= named <= here | of_logs | of_weights


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


def voc(root, number, *names):
    draw(root, f"JPEGImages/2008_00000{number}.jpg")
    boxes = "".join(f"<object><name>{name}</name><bndbox><xmin>1</xmin></bndbox></object>" for name in names)
    write(root, f"Annotations/2008_00000{number}.xml", f"<annotation><filename>x.png</filename>{boxes}</annotation>")


def test_pascal_voc_lists_presence_by_class(tmp_path):
    for number in range(6):
        voc(tmp_path, number, *["cat", "cat"] if number % 2 else ["dog"])
    voc(tmp_path, 6, "cat", "person")
    for split, numbers in (("train", (0, 1, 2, 3, 6)), ("val", (4, 5))):
        write(tmp_path, f"ImageSets/Main/{split}.txt", "".join(f"2008_00000{n}\n" for n in numbers))
        rows = [f"2008_00000{n} {1 if n % 2 else -1:2}\n" for n in numbers]
        write(tmp_path, f"ImageSets/Main/cat_{split}.txt", "".join(rows))
    layout = recognise(tmp_path)
    found = {(entry.file[-5], entry.label, entry.split) for entry in layout.entries}
    assert found == {
        *((str(n), "cat" if n % 2 else "dog", "train") for n in range(4)),
        *(("4", "dog", "val"), ("5", "cat", "val")),
    }
    assert any("1 picture of several classes" in note and "multilabel" in note for note in layout.notes)
    several = {entry.file[-5]: entry.labels for entry in recognise(tmp_path, ":several=yes").entries}
    assert several["6"] == ("cat", "person")
    assert several["1"] == ("cat",)


def test_labelme_names_shapes_and_flags(tmp_path):
    for number, document in enumerate(
        (
            {"shapes": [{"label": "cat", "points": [[0, 0]]}], "flags": {}},
            {"shapes": [], "flags": {"dog": True, "cat": False}},
            {"shapes": [{"label": "dog"}], "flags": {}},
        )
    ):
        draw(tmp_path, f"{number}.jpg")
        write(tmp_path, f"{number}.json", json.dumps(document))
    draw(tmp_path, "3.jpg")
    write(tmp_path, "3.json", "{")
    assert labels(tmp_path) == {"0.jpg": "cat", "1.jpg": "dog", "2.jpg": "dog"}
    assert any(problem.file == "3.json" for problem in recognise(tmp_path).problems)


def test_cvat_tags_pictures_in_one_file(tmp_path):
    draw(tmp_path, *(f"images/{n}.png" for n in range(4)))
    image = "<image id='{0}' name='{0}.png' subset='{1}'><tag label='{2}'/></image>"
    rows = [image.format(n, "Validation" if n == 3 else "Train", "cat" if n % 2 else "dog") for n in range(4)]
    write(tmp_path, "annotations.xml", f"<annotations><version>1.1</version>{''.join(rows)}</annotations>")
    layout = recognise(tmp_path)
    assert {(entry.file[-5], entry.label, entry.split) for entry in layout.entries} == {
        ("0", "dog", "train"),
        ("1", "cat", "train"),
        ("2", "dog", "train"),
        ("3", "cat", "val"),
    }
    write(tmp_path, "annotations.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotations></annotations>')
    with pytest.raises(UserError):
        recognise(tmp_path)


def test_instances_of_coco_as_classes(tmp_path):
    draw(tmp_path, *(f"{split}2017/{n}.jpg" for split, n in (("train", 0), ("train", 1), ("val", 2), ("val", 3))))
    for split, numbers in (("train", (0, 1)), ("val", (2, 3))):
        document = {
            "images": [{"id": n, "file_name": f"{n}.jpg"} for n in numbers],
            "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
            "annotations": [{"image_id": n, "category_id": 9 if n % 2 else 7, "bbox": [1, 1, 2, 2]} for n in numbers],
        }
        write(tmp_path, f"annotations/instances_{split}2017.json", json.dumps(document))
    assert {(entry.file, entry.label, entry.split) for entry in recognise(tmp_path).entries} == {
        ("train2017/0.jpg", "cat", "train"),
        ("train2017/1.jpg", "dog", "train"),
        ("val2017/2.jpg", "cat", "val"),
        ("val2017/3.jpg", "dog", "val"),
    }


@pytest.mark.parametrize(
    "names", ["names: ['cat', dog]\n", "nc: 2\nnames:\n  0: cat\n  1: dog\n", "names:\n- cat\n- dog\n"]
)
def test_boxes_of_yolo_as_classes(tmp_path, names):
    for split, numbers in (("train", (0, 1)), ("valid", (2, 3))):
        draw(tmp_path, *(f"{split}/images/{n}.jpg" for n in numbers))
        for n in numbers:
            write(tmp_path, f"{split}/labels/{n}.txt", f"{n % 2} 0.5 0.5 0.2 0.2\n")
    write(tmp_path, "data.yaml", names)
    assert {(entry.file[-5], entry.label, entry.split) for entry in recognise(tmp_path).entries} == {
        ("0", "cat", "train"),
        ("1", "dog", "train"),
        ("2", "cat", "val"),
        ("3", "dog", "val"),
    }


def test_stanford_cars_have_their_labels_in_a_mat_file(tmp_path):
    draw(tmp_path, *(f"cars_{split}/0000{n}.jpg" for split in ("train", "test") for n in range(3)))
    write(tmp_path, "devkit/cars_train_annos.mat", b"MATLAB 5.0")
    (doubt,) = [one for one in recognise(tmp_path).doubts if "splits of one set" in one.reason]
    assert doubt.stops_training
    assert "CSV of filename and label" in doubt.reason


def test_pictures_inside_pickles_and_arrays(tmp_path):
    write(tmp_path, "cifar/data_batch_1", b"x")
    with pytest.raises(UserError, match=r"data_batch_1: the pictures are inside pickles \(CIFAR\): write them out"):
        recognise(tmp_path / "cifar")
    write(tmp_path, "mnist/train-images-idx3-ubyte", b"x")
    with pytest.raises(UserError, match=r"ubyte: the pictures are inside these arrays \(MNIST\)"):
        recognise(tmp_path / "mnist")


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


def test_a_portrait_exported_with_its_sides_swapped(tmp_path):
    draw(tmp_path, "a.jpg", size=(64, 48), orientation=6)
    box = [[0, 0, 32, 0, 32, 10, 0, 10]]
    stored = fitted_masks(tmp_path / "a.jpg", [Region("x", box, 48, 64)]).masks[0]
    seen = fitted_masks(tmp_path / "a.jpg", [Region("x", box, 64, 48)]).masks[0]
    assert stored is not None
    assert seen is not None
    assert stored.shape == seen.shape == (64, 48)
    assert stored[2:30, 40:].all()
    assert seen[:9, :31].all()


def test_a_mask_of_another_shape_is_left_out_by_name(tmp_path):
    draw(tmp_path, "a.jpg", size=(64, 48))
    found = fitted_masks(tmp_path / "a.jpg", [Region("x", [[0, 0, 9, 0, 9, 9]], 640, 640, "instances.json: [0]")])
    assert found.masks == [None]
    assert "640x640" in found.problems[0]
    assert "64x48" in found.problems[0]


def test_captions_as_lists_of_words_in_json_lines(tmp_path):
    draw(tmp_path, "val_image/00000000.jpg", "val_image/00000002.jpg")
    rows = [
        {"image": "val_image.zip@/00000000.jpg", "caption": ["author", ":", "a", "life", "in", "photography"]},
        {"image": "val_image.zip@/00000002.jpg", "caption": ["photograph", "of", "the", "sign"]},
    ]
    write(tmp_path, "val.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert captions(tmp_path) == {
        "00000000.jpg": ["author : a life in photography"], "00000002.jpg": ["photograph of the sign"],
    }  # fmt: skip


def test_flickr8k_in_chinese(tmp_path):
    draw(tmp_path, "Images/1.jpg", "Images/2.jpg")
    write(tmp_path, "flickr8kzhc.caption.txt", "1.jpg#zhc#0 一个小女孩在爬楼梯\n2.jpg#zhc#0 两只狗在路上\n")
    assert captions(tmp_path) == {"1.jpg": ["一个小女孩在爬楼梯"], "2.jpg": ["两只狗在路上"]}


def test_commas_in_captions_without_quotation_marks(tmp_path):
    draw(tmp_path, "Images/1.jpg", "Images/2.jpg")
    write(tmp_path, "captions.txt", "image,caption\n1.jpg,A child , in a pink dress , climbs .\n2.jpg,A dog .\n")
    assert captions(tmp_path)["1.jpg"] == ["A child , in a pink dress , climbs ."]


def test_line_breaks_in_captions(tmp_path):
    draw(tmp_path, "1.jpg", "2.jpg")
    write(tmp_path, "captions.csv", 'image,caption\n1.jpg,"Well,\nthat was ""fun""."\n2.jpg,"Two\n\nlines"\n')
    assert captions(tmp_path) == {"1.jpg": ['Well, that was "fun".'], "2.jpg": ["Two lines"]}


def test_instances_given_for_captions(tmp_path):
    draw(tmp_path, "a.jpg")
    objects = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "segmentation": []}]
    document = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": objects, "categories": []}
    write(tmp_path, "lable.json", json.dumps(document))
    with pytest.raises(UserError, match=r"objects with id, image_id, category_id.*no captions"):
        open_captions(tmp_path / "lable.json")


def test_five_captions_of_one_picture_in_five_columns(tmp_path):
    draw(tmp_path, "1.jpg", "2.jpg")
    header = "image," + ",".join(f"caption_{n}" for n in range(5)) + "\n"
    rows = "".join(f"{k}.jpg," + ",".join(f"a dog {n}" for n in range(5)) + "\n" for k in (1, 2))
    write(tmp_path, "all.csv", header + rows)
    assert captions(tmp_path)["1.jpg"] == [f"a dog {n}" for n in range(5)]


def blob(size=(64, 48)):
    """A white ellipse on black, and which pixels it has."""
    picture = Image.new("L", size)
    ImageDraw.Draw(picture).ellipse((16, 12, 44, 36), fill=255)
    return picture, np.asarray(picture) > 127


def covered(tmp_path, picture, name="a.png", **settings):
    """What `faithfulness` takes for the object in a picture of a mask."""
    folder = tmp_path / "masks"
    folder.mkdir(exist_ok=True)
    picture.save(folder / name, **settings)
    draw(tmp_path, "images/a.jpg", size=(64, 48))
    (found,) = open_masks(str(tmp_path), tmp_path / "store").pictures
    assert found.mask_file == folder / name
    return mask_in(folder / name)


def test_masks_that_a_jpeg_or_a_soft_brush_made_grey(tmp_path):
    picture, truth = blob()
    wrong = (covered(tmp_path, picture, "a.jpg", quality=60) ^ truth).sum()
    assert wrong < 0.02 * truth.sum()
    (tmp_path / "masks" / "a.jpg").unlink()
    half = picture.resize((32, 24), Image.Resampling.BILINEAR)
    soft = half.resize((64, 48), Image.Resampling.BICUBIC)
    assert len(np.unique(np.asarray(soft))) > 20
    assert (covered(tmp_path, soft) ^ truth).sum() < 0.06 * truth.sum()
    # Objects that are numbered in grey are no soft edges: dark ones count too.
    numbered = np.zeros((48, 64), np.uint8)
    for number in range(1, 13):
        numbered[:, 5 * number : 5 * number + 4] = number * 20
    assert (covered(tmp_path, Image.fromarray(numbered)) == (numbered > 0)).all()


def test_masks_that_are_cut_outs(tmp_path):
    picture, truth = blob()
    cut_out = Image.new("RGBA", picture.size, (200, 30, 30, 255))
    cut_out.putalpha(picture)
    assert (covered(tmp_path, cut_out) == truth).all()


def test_run_lengths_where_polygons_belong(tmp_path):
    _, truth = blob()
    draw(tmp_path, "a.jpg", size=(64, 48))
    for segmentation in (run_lengths(truth), [run_lengths(truth)]):
        found = fitted_masks(tmp_path / "a.jpg", [Region("x", segmentation, 48, 64)])
        assert found.masks[0] is not None
        assert (found.masks[0] == truth).all()
        assert "run lengths" in found.problems[0]


def test_polygons_in_fractions_of_the_sides(tmp_path):
    draw(tmp_path, "a.jpg", size=(64, 48))
    found = fitted_masks(tmp_path / "a.jpg", [Region("x", [[0.25, 0.25, 0.75, 0.25, 0.75, 0.75, 0.25, 0.75]], 48, 64)])
    (mask,) = found.masks
    assert mask is not None
    assert mask[13:35, 17:47].all()
    assert mask.sum() < 26 * 34
    assert "fractions" in found.problems[0]
    beyond = fitted_masks(tmp_path / "a.jpg", [Region("x", [[160, 120, 440, 120, 440, 360]], 48, 64, "i.json: [3]")])
    assert beyond.masks == [None]
    assert beyond.problems == ["i.json: [3]: it covers no pixel of the picture"]


def test_instances_of_roboflow_and_of_labelme(tmp_path):
    draw(tmp_path, "roboflow/train/a.jpg", "labelme/cat.jpg", "labelme/dog.jpg", size=(64, 48))
    corners = [16, 12, 44, 12, 44, 36, 16, 36]
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "x"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [corners]}],
    }
    write(tmp_path, "roboflow/train/_annotations.coco.json", json.dumps(document))
    (picture,) = open_masks(str(tmp_path / "roboflow"), tmp_path / "store").pictures
    assert picture.split == "train"
    shapes = {
        "cat": {"label": "cat", "shape_type": "rectangle", "points": [[16, 12], [44, 36]]},
        "dog": {"label": "dog", "shape_type": "linestrip", "points": [[1, 1], [9, 9]]},
    }
    for name, shape in shapes.items():
        text = json.dumps({"shapes": [shape], "imagePath": f"{name}.jpg", "imageHeight": 48, "imageWidth": 64})
        write(tmp_path, f"labelme/{name}.json", text)
    data = open_masks(str(tmp_path / "labelme"), tmp_path / "store")
    assert [picture.file.name for picture in data.pictures] == ["cat.jpg"]
    assert "dog.json: shapes[0]" in data.problems[0]
    masks = fitted_masks(data.pictures[0].file, data.pictures[0].regions).masks
    assert masks[0] is not None
    assert masks[0][13:35, 17:43].all()
    assert masks[0].sum() < 26 * 30
