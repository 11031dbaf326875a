"""Each form of caption data, written here by hand, with rows that are broken on purpose."""

import json

import pytest
from PIL import Image

from vitbench.captions.index import open_captions
from vitbench.errors import UserError


def draw(folder, *names, size=(12, 8)):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (number * 20 % 256, 90, 30)).save(folder / name)


def captions(index, split=None):
    return {p.file.name: list(p.captions) for p in index.pictures if split in (None, p.split)}


def parts(index):
    return {p.file.name: p.split for p in index.pictures}


def write_json(file, document):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def coco(names, captions):
    return {
        "images": [{"id": n, "file_name": name, "height": 8, "width": 12} for n, name in enumerate(names)],
        "annotations": [{"id": k, "image_id": image, "caption": text} for k, (image, text) in enumerate(captions)],
    }


def test_coco_with_instances_unicode_and_broken_entries(tmp_path):
    draw(tmp_path / "train2017", "a.jpg", "b.jpg")
    draw(tmp_path / "val2017", "a.jpg")
    (tmp_path / "train2017" / "cut.jpg").write_bytes((tmp_path / "train2017" / "a.jpg").read_bytes()[:200])
    train = coco(
        ["a.jpg", "b.jpg", "cut.jpg", "gone.jpg"], [(0, "Ein Hund läuft."), (1, " two\ncats "), (2, "x"), (3, "y")]
    )
    train["annotations"] += [{"id": 9, "image_id": 99, "caption": "nowhere"}, {"id": 10, "image_id": 0}, "nonsense"]
    write_json(tmp_path / "annotations" / "captions_train2017.json", train)
    write_json(tmp_path / "annotations" / "captions_val2017.json", coco(["a.jpg"], [(0, "another a")]))
    instances = coco(["a.jpg", "b.jpg"], []) | {
        "categories": [{"id": 5, "name": "dog"}],
        "annotations": [{"image_id": 0, "category_id": 5, "segmentation": [[0, 0, 4, 0, 4, 4]]}, {"image_id": 1}],
    }
    write_json(tmp_path / "annotations" / "instances_train2017.json", instances)

    index = open_captions(tmp_path)
    assert captions(index, "train") == {"a.jpg": ["Ein Hund läuft."], "b.jpg": ["two cats"]}
    assert captions(index, "val") == {"a.jpg": ["another a"]}
    assert [p.file.parent.name for p in index.split("val")] == ["val2017"]
    assert [region.category for region in index.split("train")[0].regions] == ["dog"]
    text = "\n".join(index.problems)
    for named in (
        "image_id 99",
        "no caption for a.jpg",
        "annotations[6]: not an object",
        "cut.jpg",
        "gone.jpg",
        "annotations[1]",
    ):
        assert named in text
    assert len(index.problems) == 6


def test_later_homework_json_with_pictures_by_part(tmp_path):
    draw(tmp_path / "images", "train/1.jpg", "train/2.jpg", "val/1.jpg")
    write_json(tmp_path / "train.json", coco(["1.jpg", "2.jpg"], [(0, "one"), (1, "two")]))
    write_json(tmp_path / "val.json", coco(["1.jpg"], [(0, "other")]))
    index = open_captions(tmp_path)
    assert {(p.split, p.file.parent.name, p.captions) for p in index.pictures} == {
        ("train", "train", ("one",)),
        ("train", "train", ("two",)),
        ("val", "val", ("other",)),
    }


def test_karpathy_joins_restval_to_train_and_wins_over_coco(tmp_path):
    draw(tmp_path, "train2014/x.jpg", "val2014/y.jpg", "val2014/z.jpg")
    entries = [
        {"filename": "x.jpg", "filepath": "train2014", "split": "train", "sentences": [{"raw": "an x"}, {"raw": " "}]},
        {"filename": "y.jpg", "filepath": "val2014", "split": "restval", "sentences": [{"raw": "a y"}]},
        {"filename": "z.jpg", "filepath": "val2014", "split": "val", "sentences": [{"raw": "a z"}]},
        {"filename": "w.jpg", "split": "val"},
    ]
    write_json(tmp_path / "dataset_coco.json", {"images": entries})
    write_json(tmp_path / "annotations" / "captions_val2014.json", coco(["y.jpg"], [(0, "not this")]))
    index = open_captions(tmp_path)
    assert parts(index) == {"x.jpg": "train", "y.jpg": "train", "z.jpg": "val"}
    assert captions(index)["x.jpg"] == ["an x"]
    assert len(index.problems) == 2


def test_flickr8k_token_file_with_its_odd_row_and_its_lists(tmp_path):
    draw(tmp_path / "Flicker8k_Dataset", "1_a.jpg", "2_b.jpg", "3_c.jpg")
    (tmp_path / "Flickr8k.token.txt").write_text(
        "1_a.jpg#0\tA dog .\n1_a.jpg#1\tThe dog .\n2_b.jpg.1#0\tA cat .\n3_c.jpg#0\tA cow .\nbroken line\n"
    )
    (tmp_path / "Flickr8k.lemma.token.txt").write_text("1_a.jpg#0\tdog be\n")
    for part, name in (("train", "1_a"), ("dev", "2_b"), ("test", "3_c")):
        (tmp_path / f"Flickr_8k.{part}Images.txt").write_text(f"{name}.jpg\n")
    index = open_captions(tmp_path)
    assert captions(index) == {"1_a.jpg": ["A dog .", "The dog ."], "2_b.jpg": ["A cat ."], "3_c.jpg": ["A cow ."]}
    assert parts(index) == {"1_a.jpg": "train", "2_b.jpg": "val", "3_c.jpg": "test"}
    assert index.problems == ("Flickr8k.token.txt, line 5: not of the form name.jpg#0 and a caption",)


def test_kaggle_csvs(tmp_path):
    draw(tmp_path / "8k" / "Images", "a.jpg", "b.jpg")
    (tmp_path / "8k" / "captions.txt").write_text('image,caption\na.jpg,"A dog , running ."\nb.jpg,a cat, here\n')
    assert captions(open_captions(tmp_path / "8k")) == {"a.jpg": ["A dog , running ."], "b.jpg": ["a cat, here"]}
    draw(tmp_path / "30k" / "flickr30k_images", "a.jpg", "b.jpg")
    (tmp_path / "30k" / "results.csv").write_text(
        'image_name| comment_number| comment\na.jpg| 0| Two men, "old" .\nb.jpg| 4   A dog runs .\nb.jpg| 3| A dog .\n'
    )
    index = open_captions(tmp_path / "30k")
    assert captions(index) == {"a.jpg": ['Two men, "old" .'], "b.jpg": ["A dog ."]}
    assert index.problems == ("results.csv, line 3: 2 fields instead of 3",)


def test_the_homework_folder(tmp_path):
    draw(tmp_path / "images", "bike.jpg", "girl.jpg")
    (tmp_path / "caption.txt").write_text(
        "### Ground truth captions\nlost line\n### bike.jpg\nA bike by a wall.\nA bicycle\n\n"
        "### girl.jpg\nA girl.\n### ski.jpg\nSnow"
    )
    index = open_captions(tmp_path)
    assert captions(index) == {"bike.jpg": ["A bike by a wall.", "A bicycle"], "girl.jpg": ["A girl."]}
    assert index.problems[0].startswith("caption.txt, line 2")
    assert index.problems[1].startswith("ski.jpg: no such picture")


def test_image_folders_with_metadata(tmp_path):
    draw(tmp_path / "j", "train/a.png", "validation/b.png")
    (tmp_path / "j" / "train" / "metadata.jsonl").write_text(
        '{"file_name": "a.png", "text": ["one", "two"]}\n{broken\n["list"]\n'
    )
    (tmp_path / "j" / "validation" / "metadata.jsonl").write_text('{"file_name": "b.png", "text": "three"}\n')
    index = open_captions(tmp_path / "j")
    assert captions(index) == {"a.png": ["one", "two"], "b.png": ["three"]}
    assert parts(index) == {"a.png": "train", "b.png": "val"}
    assert len(index.problems) == 2
    draw(tmp_path / "c", "a.png", "b.png")
    (tmp_path / "c" / "metadata.csv").write_text('file_name,text\na.png,"x, y"\nb.png,\n')
    assert captions(open_captions(tmp_path / "c")) == {"a.png": ["x, y"]}


def test_a_text_file_beside_each_picture(tmp_path):
    draw(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "a.txt").write_text("first\nsecond\n")
    (tmp_path / "b.txt").write_text("third")
    assert captions(open_captions(tmp_path)) == {"a.png": ["first", "second"], "b.png": ["third"]}


def test_parts_are_carved_out_by_name_and_stay_when_pictures_are_added(tmp_path):
    names = [f"p{n:03d}.png" for n in range(200)]
    draw(tmp_path, *names, size=(2, 2))
    for name in names:
        (tmp_path / name).with_suffix(".txt").write_text("a caption")
    before = parts(open_captions(tmp_path))
    shares = [sum(part == wanted for part in before.values()) for wanted in ("val", "test")]
    assert all(2 <= share <= 20 for share in shares)
    draw(tmp_path, "new.png", size=(2, 2))
    (tmp_path / "new.txt").write_text("one more")
    after = parts(open_captions(tmp_path))
    assert {name: after[name] for name in names} == before


def test_no_name_leads_out_of_the_folder(tmp_path):
    draw(tmp_path, "secret.png", "data/a.png", "data/b.png")
    (tmp_path / "data" / "metadata.jsonl").write_text(
        "".join(
            json.dumps({"file_name": name, "text": "t"}) + "\n"
            for name in ("../secret.png", str(tmp_path / "secret.png"), "a.png")
        )
    )
    assert captions(open_captions(tmp_path / "data")) == {"a.png": ["t"]}


def test_mistakes_are_one_caption(tmp_path):
    with pytest.raises(UserError, match="There is no"):
        open_captions(tmp_path / "nowhere")
    with pytest.raises(UserError, match="captions in no known format"):
        open_captions(tmp_path)
    write_json(tmp_path / "captions_train.json", coco(["a.jpg"], [(0, "a")]))
    with pytest.raises(UserError, match=r"No picture that .* a\.jpg: no such picture"):
        open_captions(tmp_path)
    (tmp_path / "captions_train.json").write_text('{"images": [}')
    with pytest.raises(UserError, match="line 1"):
        open_captions(tmp_path)
