"""Captions of public reports, as miniatures: each test is a row of `docs/compatibility.md`."""

import json

import pytest

from tests.data.files_of_people import captions, draw, write
from vitbench.captions.index import open_captions
from vitbench.errors import UserError


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
