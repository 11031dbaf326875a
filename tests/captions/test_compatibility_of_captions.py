"""Captions of public reports, as miniatures: each test is a row of `docs/compatibility.md`."""

import json
import re

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


def test_vizwiz_has_ready_made_sentences_where_nothing_was_seen(tmp_path):
    draw(tmp_path, *(f"train/VizWiz_train_0000000{n}.jpg" for n in (0, 1)))
    images = [{"file_name": f"VizWiz_train_0000000{n}.jpg", "id": n} for n in (0, 1)]
    said = ["A can on a counter.", "Quality issues are too severe to recognize visual content."]
    notes = [
        {"caption": said[n % 2], "image_id": n // 2, "is_precanned": n == 3, "is_rejected": n == 1} for n in range(4)
    ]
    write(tmp_path, "annotations/train.json", json.dumps({"images": images, "annotations": notes}))
    assert {caption for own in captions(tmp_path).values() for caption in own} == {said[0]}
    problems = open_captions(tmp_path).problems
    assert sum("its annotators could not describe" in problem for problem in problems) == 2
    assert "(is_precanned)" in problems[1]


def test_captions_that_say_nan(tmp_path):
    draw(tmp_path, *(f"{n}.jpg" for n in range(4)))
    write(tmp_path, "captions.csv", "image,caption\n0.jpg,a dog runs here\n1.jpg,nan\n2.jpg,NULL\n3.jpg,\n")
    data = open_captions(tmp_path)
    assert [picture.file.name for picture in data.pictures] == ["0.jpg"]
    assert "captions.csv, line 3: no caption for 1.jpg (only 'nan')" in data.problems
    assert len(data.problems) == 3


def test_marks_html_and_wrong_decodings_are_taken_back(tmp_path):
    draw(tmp_path, *(f"{n}.jpg" for n in range(5)))
    rows = [
        "startseq a dog runs endseq",
        "<start> it's <end> of day <end>",
        '"a &quot;dog&quot; &amp; cat<br/>run"',
        "a cafÃ© in EspaÃ±a",
        "the womanâ€™s x < y & AT&T; Ünö",
    ]
    write(tmp_path, "captions.csv", "image,caption\n" + "".join(f"{n}.jpg,{row}\n" for n, row in enumerate(rows)))
    found = {name: own[0] for name, own in captions(tmp_path).items()}
    assert [found[f"{n}.jpg"] for n in range(5)] == [
        "a dog runs",
        "it's <end> of day",
        'a "dog" & cat run',
        "a café in España",
        "the womanâ€™s x < y & AT&T; Ünö",  # not all of it was read wrongly, so nothing is guessed
    ]
    notes = open_captions(tmp_path).notes
    assert len(notes) == 3
    assert any("taken off: 2 captions (first captions.csv, line 2)" in note for note in notes)


def test_conversations_about_pictures(tmp_path):
    draw(tmp_path, *(f"images/{n}.jpg" for n in (1, 2)))
    turns = [("human", "<image>\nWhat is it?"), ("gpt", "A dog on a sofa."), ("human", "Sure?"), ("gpt", "Yes.")]
    talk = [
        {
            "id": str(n),
            "image": f"{n}.jpg",
            "conversations": [{"from": who, "value": text} for who, text in turns[: 2 * n]],
        }
        for n in (1, 2)
    ]
    write(tmp_path, "data.json", json.dumps(talk))
    assert captions(tmp_path) == {"1.jpg": ["A dog on a sofa."], "2.jpg": ["A dog on a sofa."]}
    assert any("of several answers" in note and "1 caption" in note for note in open_captions(tmp_path).notes)
    (tmp_path / "data.json").unlink()
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
    ]
    write(tmp_path, "train.jsonl", json.dumps({"messages": messages, "images": ["images/2.jpg"]}) + "\n")
    assert captions(tmp_path) == {"2.jpg": ["A cat."]}


def test_textcaps_paragraphs_and_celeba_dialog(tmp_path):
    for number, document in enumerate(
        (
            {"data": [{"image_id": "abc", "caption_str": "a red sign", "reference_strs": ["x"], "set_name": "train"}]},
            [{"url": "http://x/abc.jpg", "image_id": "abc", "paragraph": "a red sign"}],
            {"abc.jpg": {"attribute_wise_captions": {"Bangs": "x"}, "overall_caption": "a red sign"}},
            {"image_urls": ["http://x.y/z/abc.jpg?size=3"], "user_ids": ["a"], "captions": ["a red sign"]},
        )
    ):
        root = tmp_path / str(number)
        draw(root, "images/abc.jpg")
        write(root, "captions.json", json.dumps(document))
        assert captions(root) == {"abc.jpg": ["a red sign"]}


def test_texts_of_birds_lie_in_a_folder_of_their_own(tmp_path):
    names = ["001.Albatross/A_0001", "001.Albatross/A_0002", "002.Crow/C_0001"]
    draw(tmp_path, *(f"images/{name}.jpg" for name in names))
    for name in names:
        write(tmp_path, f"text_c10/{name}.txt", f"this is a bird\nit is called {name[-4:]}\n")
    write(tmp_path, "text_c10/002.Crow/C_0002.txt", "nobody has this picture\n")
    data = open_captions(tmp_path)
    assert captions(tmp_path)["A_0002.jpg"] == ["this is a bird", "it is called 0002"]
    assert data.problems == ("text_c10/002.Crow/C_0002.txt: no picture has its name",)
    for name in names:  # boxes of YOLO are no captions
        write(tmp_path, f"text_c10/{name}.txt", "0 0.5 0.5 0.1 0.1\n")
    (tmp_path / "text_c10/002.Crow/C_0002.txt").unlink()
    with pytest.raises(UserError, match="in no known format"):
        captions(tmp_path)


def test_a_text_of_names_and_captions_with_blanks_between(tmp_path):
    draw(tmp_path, "Flicker8k_Dataset/1000268201_693.jpg", "Flicker8k_Dataset/1001773457_577.jpg")
    rows = (
        "1000268201_693 child in pink dress\n1000268201_693 girl going in\n1001773457_577 black dog and spotted dog\n"
    )
    write(tmp_path, "descriptions.txt", rows)
    assert captions(tmp_path)["1000268201_693.jpg"] == ["child in pink dress", "girl going in"]


def test_results_of_coco_name_pictures_by_number(tmp_path):
    draw(tmp_path, "val2014/COCO_val2014_000000000042.jpg", "val2014/COCO_val2014_000000000142.jpg")
    write(tmp_path, "captions_val2014_results.json", json.dumps([{"image_id": 42, "caption": "a shoe rack"}]))
    assert captions(tmp_path) == {"COCO_val2014_000000000042.jpg": ["a shoe rack"]}
    assert any("42 is val2014/COCO_val2014_000000000042.jpg" in note for note in open_captions(tmp_path).notes)
    (tmp_path / "captions_val2014_results.json").unlink()
    write(tmp_path, "captions.csv", "image_id,caption\n42.0,a shoe rack\n7.0,a cat\n")  # numbers as pandas writes them
    assert len(open_captions(tmp_path).pictures) == 1


def test_captions_that_come_twice_are_said(tmp_path):
    draw(tmp_path, "a.jpg", "b.jpg")
    write(tmp_path, "captions.csv", "image,caption\na.jpg,one two three\na.jpg,one two three\nb.jpg,four five six\n")
    write(tmp_path, "captions_old.csv", "image,caption\na.jpg,an old one\n")
    notes = " ".join(open_captions(tmp_path).notes)
    assert "1 caption (first captions.csv, line 3)" in notes
    assert "1 picture have captions in several files, such as a.jpg" in notes
    root = tmp_path / "tags"
    draw(root, "1.png", "2.png")
    for name, text in (("1.txt", "1dog, solo"), ("1.caption", "a dog"), ("2.txt", "1dog, grass")):
        write(root, name, text)
    assert open_captions(root).notes == ("not used: 1 other text beside pictures, such as 1.caption",)


def test_what_holds_no_captions_is_named(tmp_path):
    draw(tmp_path, "VG_100K/1.jpg")
    for name, text, said in (
        ("region_descriptions.json", json.dumps([{"id": 1, "regions": [{"phrase": "x"}]}]), "describes regions"),
        ("captions.xlsx", "PK", "captions.xlsx is a spreadsheet: save it as CSV"),
        ("captions.pkl", "x", "captions.pkl holds Python's objects"),
        ("train.jsonl", '{"picture_of": "1.jpg", "words": "a b"}\n', "has lines with picture_of, words"),
        ("train.en", "A dog runs.\n", "train.en, which do not say which picture is meant"),
    ):
        write(tmp_path, name, text)
        with pytest.raises(UserError, match=re.escape(said)):
            open_captions(tmp_path)
        (tmp_path / name).unlink()
