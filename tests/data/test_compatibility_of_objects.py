"""Objects in annotation files of public reports, as miniatures: each test is a row of `docs/compatibility.md`."""

import json

import pytest

from tests.data.files_of_people import draw, labels, write
from vitbench.data.layouts import recognise
from vitbench.errors import UserError


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


def via(name: str, *regions: dict[str, object], **whole: object) -> dict[str, object]:
    shape = {"name": "rect", "x": 1, "y": 1, "width": 2, "height": 2}
    listed = [{"shape_attributes": shape, "region_attributes": one} for one in regions]
    return {"filename": name, "size": 9, "regions": listed, "file_attributes": whole}


def test_regions_of_via_in_json_in_a_project_and_in_csv(tmp_path):
    for form in ("json", "project", "csv", "whole"):
        draw(tmp_path / form, *(f"images/{n}.jpg" for n in range(4)))
    names = ["dog", "cat", "dog", "cat"]
    regions = {f"{n}.jpg9": via(f"{n}.jpg", {"class": name, "occluded": "no"}) for n, name in enumerate(names)}
    write(tmp_path, "json/via_region_data.json", json.dumps(regions))
    # Version 1 numbers the regions.
    first = {**regions["0.jpg9"], "regions": dict(enumerate(regions["0.jpg9"]["regions"]))}
    project = {"_via_settings": {}, "_via_img_metadata": {**regions, "0.jpg9": first}, "_via_attributes": {}}
    write(tmp_path, "project/via_project.json", json.dumps(project))
    whole = {f"{n}.jpg9": via(f"{n}.jpg", label={name: True}, note=f"seen {n}") for n, name in enumerate(names)}
    write(tmp_path, "whole/via.json", json.dumps(whole))
    header = "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    row = '{}.jpg,9,"{{}}",1,0,"{{""name"":""rect""}}","{{""class"":""{}""}}"'
    write(tmp_path, "csv/via.csv", "\n".join([header, *(row.format(n, name) for n, name in enumerate(names))]))
    for form in ("json", "project", "csv", "whole"):
        assert labels(tmp_path / form) == {f"images/{n}.jpg": name for n, name in enumerate(names)}, form
    assert set(labels(tmp_path / "json", "objects:attribute=occluded").values()) == {"no"}
    with pytest.raises(UserError, match="no attribute 'colour'; they have class and occluded"):
        recognise(tmp_path / "json", "objects:attribute=colour")


def test_regions_of_via_without_a_class_or_with_several(tmp_path):
    draw(tmp_path, *(f"{n}.jpg" for n in range(2)))
    write(tmp_path, "via.json", json.dumps({f"{n}.jpg9": via(f"{n}.jpg", {}) for n in range(2)}))
    with pytest.raises(UserError, match="VIA's regions have no attribute that names a class"):
        recognise(tmp_path)
    regions = {f"{n}.jpg9": via(f"{n}.jpg", {"shape": "round", "colour": "red"}) for n in range(2)}
    write(tmp_path, "via.json", json.dumps(regions))
    with pytest.raises(UserError, match="attributes shape and colour: choose with --as objects:attribute=shape"):
        recognise(tmp_path)
    assert set(labels(tmp_path, "objects:attribute=colour").values()) == {"red"}


@pytest.mark.parametrize(
    ("ending", "words", "folder"),
    [
        (".txt", ("cat\n", "dog"), ""),
        (".cls", ("0", "1"), ""),
        (".json", ('{"label": "cat", "w": 3}', '{"label": "dog"}'), ""),
        (".txt", ("cat", "dog\r\n"), "labels/"),
    ],
)
def test_a_label_in_a_file_beside_each_picture(ending, words, folder, tmp_path):
    pictures = "images/" if folder else ""
    draw(tmp_path, *(f"{pictures}{n}.jpg" for n in range(6)))
    for number in range(5):
        write(tmp_path, f"{folder}{number}{ending}", words[number % 2])
    layout = recognise(tmp_path)
    assert layout.name == "labels beside"
    expected = ("0", "1") if ending == ".cls" else ("cat", "dog")
    assert [entry.label for entry in layout.entries] == [expected[n % 2] for n in range(5)]
    assert [problem.file for problem in layout.problems] == [f"{pictures}5.jpg"]
    for number in range(6):
        write(tmp_path, f"{folder}{number}{ending}", f"picture {number}, seen from the left")
    with pytest.raises(UserError, match="carry no labels"):
        recognise(tmp_path)


def test_json_of_inaturalist_beside_folders_is_named(tmp_path):
    names = [f"train_val2019/{kind}/{n}/{n}{k}.jpg" for n, kind in ((1, "Birds"), (2, "Plants")) for k in "abc"]
    draw(tmp_path, *names)
    images = [{"id": n, "file_name": name} for n, name in enumerate(names)]
    objects = [{"id": n, "image_id": n, "category_id": n // 3} for n in range(6)]
    document = {"images": images, "annotations": objects, "categories": [{"id": n, "name": f"k{n}"} for n in (0, 1)]}
    write(tmp_path, "train2019.json", json.dumps(document))
    assert any("train2019.json is not used; --as objects" in note for note in recognise(tmp_path).notes)
    assert set(labels(tmp_path, "objects").values()) == {"k0", "k1"}
