"""Masks of public reports, as miniatures: each test is a row of `docs/compatibility.md`."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.data.files_of_people import draw, write
from vitbench.captions.fitting import fitted_masks
from vitbench.captions.formats.rows import Region
from vitbench.captions.mask_files import mask_in
from vitbench.data.scenes.annotations import run_lengths
from vitbench.errors import UserError
from vitbench.faithfulness.pictures import masks_of, open_masks


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


def lengths_of(mask, order):
    """Run lengths of a mask, zeros first, column by column (F) or row by row (C)."""
    flat = mask.ravel(order=order)
    changes = np.flatnonzero(np.diff(np.r_[False, flat, False].astype(int)))
    return np.diff(np.r_[0, changes, flat.size]).tolist()


@pytest.mark.parametrize("wrong", ["rows", "sides", "inverted", "exchanged", "corners", "nothing", "elsewhere"])
def test_masks_that_their_boxes_contradict(tmp_path, wrong):
    draw(tmp_path, "images/a.jpg", size=(64, 48))
    truth = np.zeros((48, 64), dtype=bool)
    truth[12:22, 30:50] = True
    box, size = [30, 12, 20, 10], [48, 64]
    segmentation = {"size": size, "counts": lengths_of(truth, "F")}
    if wrong == "rows":
        segmentation = {"size": size, "counts": lengths_of(truth, "C")}
    elif wrong == "sides":
        segmentation = {"size": size[::-1], "counts": lengths_of(truth, "F")}
    elif wrong == "inverted":
        segmentation = {"size": size, "counts": lengths_of(~truth, "F")}
    elif wrong == "exchanged":
        segmentation = [[12, 30, 12, 50, 22, 50, 22, 30]]
    elif wrong == "corners":
        box = [30, 12, 50, 22]
    elif wrong == "elsewhere":
        box = [0, 30, 5, 5]
    images = [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}]
    entry = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation, "bbox": box}
    document = {"images": images, "categories": [{"id": 1, "name": "cat"}], "annotations": [entry]}
    write(tmp_path, "annotations/instances_val.json", json.dumps(document))
    (picture,) = open_masks(str(tmp_path), tmp_path / "store").pictures
    found = fitted_masks(picture.file, picture.regions)
    (mask,) = found.masks
    assert mask is not None
    assert (mask & truth).sum() >= 0.85 * (mask | truth).sum()
    said = " ".join(found.problems)
    assert ("is read so" in said) == (wrong in ("rows", "sides", "inverted", "exchanged"))
    assert ("does not lie where its box says" in said) == (wrong == "elsewhere")


def test_several_masks_of_one_picture_are_united(tmp_path):
    draw(tmp_path, "benign/benign (1).png", "benign/benign (2).png", size=(64, 48))
    for name, box in (("(1)_mask", (2, 2, 9, 9)), ("(1)_mask_1", (30, 30, 39, 39)), ("(2)_mask", (2, 2, 9, 9))):
        mask = Image.new("L", (64, 48))
        ImageDraw.Draw(mask).rectangle(box, fill=255)
        mask.save(tmp_path / f"benign/benign {name}.png")
    pictures = open_masks(str(tmp_path), tmp_path / "store").pictures
    areas = [int(masks_of(picture)[0][0][1].sum()) for picture in pictures]
    assert areas == [64 + 100, 64]


def test_masks_whose_object_is_black_and_masks_of_probabilities(tmp_path):
    picture, truth = blob()
    draw(tmp_path, "images/a.jpg", size=(64, 48))
    (tmp_path / "masks").mkdir()
    picture.point(lambda value: 255 - value).save(tmp_path / "masks/a.png")
    (found,) = open_masks(str(tmp_path), tmp_path / "store").pictures
    assert "invert the mask" in masks_of(found)[1][0]
    (tmp_path / "masks/a.png").unlink()
    Image.fromarray(truth.astype(np.float32) * 0.9 + 0.01).save(tmp_path / "masks/a.tif")
    (found,) = open_masks(str(tmp_path), tmp_path / "store").pictures
    ((_, mask),), problems = masks_of(found)
    assert (mask == truth).all()
    assert problems == []


def test_masks_in_folders_of_a_task_and_of_a_split(tmp_path):
    picture, truth = blob()
    for base, name in (("ISIC2018_Task1_Training_GroundTruth", "a_segmentation"), ("train_masks", "a_mask")):
        root = tmp_path / name
        draw(root, f"{'train' if name == 'a_mask' else 'ISIC2018_Task1-2_Training_Input'}/a.jpg", size=(64, 48))
        (root / base).mkdir()
        picture.save(root / base / f"{name}.png")
        (found,) = open_masks(str(root), tmp_path / "store").pictures
        assert (masks_of(found)[0][0][1] == truth).all()
    root = tmp_path / "ade"  # a folder of a split names no class
    draw(root, "images/training/a.jpg", size=(64, 48))
    (root / "annotations/training").mkdir(parents=True)
    picture.save(root / "annotations/training/a.png")
    assert open_masks(str(root), tmp_path / "store").pictures[0].label is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("masks/a.npy", b"\x93NUMPY", "holds arrays: save each mask as a PNG"),
        ("labels/a.txt", b"0 0.2 0.2 0.5 0.2 0.5 0.5\n", "may hold YOLO's polygons"),
        ("train.csv", b"ImageId,EncodedPixels\na.jpg,600 16\n", "holds run lengths"),
    ],
)
def test_masks_in_forms_that_are_not_read_are_named(tmp_path, name, content, said):
    draw(tmp_path, "images/a.jpg")
    write(tmp_path, name, content)
    with pytest.raises(UserError, match=said):
        open_masks(str(tmp_path), tmp_path / "store")
